"""What stands still for a program, and what goes on."""
# ruff: noqa: S311 - the chance that programs use

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pickle
import random
import sys
import time
import types
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time as held_by_name

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.call import Call, Reply, chain
from harness.errors import UsageError
from harness.freezing import FROZEN, INSTANT_NS, Freeze
from harness.model import Operation
from harness.recording import instrument, uninstrument
from harness.scopes import swap

NOW = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - as a program without time zones has it


def drawn() -> list[object]:
    return [
        *(time.time(), time.time_ns(), held_by_name(), time.ctime(), time.asctime(), time.strftime("%c")),
        *(time.localtime(), time.gmtime(), dt.date.today(), dt.datetime.today()),  # noqa: DTZ002, DTZ011 - as programs do
        *(dt.datetime.now(), dt.datetime.now(dt.timezone.utc), dt.datetime.utcnow()),  # noqa: DTZ003, DTZ005 - likewise
        *(uuid.uuid4(), uuid.uuid1(), random.random(), random.choice("abcdefgh"), random.sample(range(99), 5)),
    ]


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_a_program_sees_the_same_clock_ids_and_chance_each_time() -> None:
    with Freeze(FROZEN).still():
        first = drawn()
    between = drawn()
    with Freeze(FROZEN).still():
        assert drawn() == first
    assert between[0] != first[0]
    assert not set(map(str, between[-5:])) & set(map(str, first[-5:]))
    assert first[1] == INSTANT_NS
    assert first[10:12] == [NOW, NOW.replace(tzinfo=dt.timezone.utc)]


def test_only_what_is_named_stands_still() -> None:
    with Freeze(["uuid"]).still():
        assert abs(time.time_ns() - INSTANT_NS) > 1e9
        assert uuid.uuid4() != uuid.uuid4()
    with Freeze([]).still():
        assert dt.datetime.now(dt.timezone.utc).year
    with pytest.raises(UsageError, match="no way to freeze 'clcok'"):
        Freeze(["clcok"])


def test_afterwards_all_is_as_before() -> None:
    random.seed(7)
    expected = random.Random(7).random()
    zone = (os.environ.get("TZ"), time.tzname)
    functions = [time.time, time.localtime, vars(dt.datetime)["now"], uuid.os, held_by_name]  # type: ignore[attr-defined]
    with Freeze(FROZEN).still():
        held = dt.datetime.now
        assert time.time is not functions[0]
        assert os.environ["TZ"] == "UTC"
    assert [time.time, time.localtime, vars(dt.datetime)["now"], uuid.os, held_by_name] == functions  # type: ignore[attr-defined]
    assert (os.environ.get("TZ"), time.tzname) == zone
    assert held(dt.timezone.utc).timestamp() * 1e9 > INSTANT_NS
    assert random.random() == expected


def test_who_imports_a_function_by_name_while_it_stands_still_is_let_go_too() -> None:
    module = types.ModuleType("imported_late")
    sys.modules["imported_late"] = module
    try:
        with Freeze(["clock"]).still():
            exec("from time import time", vars(module))  # noqa: S102 - an import
            assert vars(module)["time"]() == INSTANT_NS / 1e9
        assert vars(module)["time"] is time.time
    finally:
        del sys.modules["imported_late"]


def test_a_class_derived_from_datetime_gets_its_own_kind_and_pickles() -> None:
    with Freeze(["clock"]).still():
        later = Derived.now()
        assert isinstance(later, Derived)
        assert isinstance(later, dt.datetime)
        kept = pickle.dumps(dt.datetime.now(dt.timezone.utc))
    assert pickle.loads(kept) == NOW.replace(tzinfo=dt.timezone.utc)  # noqa: S301 - our own


class Derived(dt.datetime):
    """A kind of datetime."""


def test_timeouts_and_measurements_go_on() -> None:
    async def waits() -> str:
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except asyncio.TimeoutError:
            return "over"
        return "never"

    with Freeze(FROZEN).still():
        before = time.perf_counter_ns(), time.monotonic()
        assert asyncio.run(waits()) == "over"
        assert (time.perf_counter_ns(), time.monotonic()) > before


@contextmanager
def attached(store: Path) -> Iterator[object]:
    try:
        yield instrument(store, mode="record").trace
    finally:
        uninstrument()


def test_our_own_times_and_ids_are_true_ones(tmp_path: Path) -> None:
    with attached(tmp_path) as trace, Freeze(FROZEN).still():
        runs = {trace.new_run().run_id for _ in range(3)}  # type: ignore[attr-defined]
        scope = trace.open(Operation.CONVERSATION, "a → b", {})  # type: ignore[attr-defined]
        began = scope.record["start_ns"]
        trace.close(scope)  # type: ignore[attr-defined]
    assert len(runs) == 3
    assert began > INSTANT_NS + 1e15


def test_a_models_client_has_the_true_time_and_a_tool_the_frozen_one(tmp_path: Path) -> None:
    with attached(tmp_path) as trace, Freeze(["clock"]).still():
        seen = []
        for operation in (Operation.CHAT, Operation.TOOL):
            scope = trace.open(operation, "x", {})  # type: ignore[attr-defined]
            seen.append(time.time_ns() == INSTANT_NS)
            trace.close(scope)  # type: ignore[attr-defined]
    assert seen == [False, True]


def test_an_agents_ids_do_not_depend_on_what_others_draw_nor_on_what_a_call_draws(tmp_path: Path) -> None:
    def ids(*, others: bool) -> list[uuid.UUID]:
        made = []
        with attached(tmp_path) as trace, Freeze(["uuid"]).still():
            for _ in range(3):
                ann = trace.open(Operation.TURN, "ann", {})  # type: ignore[attr-defined]
                made.append(uuid.uuid4())
                if others:
                    tool = trace.open(Operation.TOOL, "look", {})  # type: ignore[attr-defined]
                    uuid.uuid4()
                    trace.close(tool)  # type: ignore[attr-defined]
                trace.close(ann)  # type: ignore[attr-defined]
                if others:
                    bob = trace.open(Operation.TURN, "bob", {})  # type: ignore[attr-defined]
                    made.append(uuid.uuid4())
                    trace.close(bob)  # type: ignore[attr-defined]
        return made

    alone, among = ids(others=False), ids(others=True)
    assert among[::2] == alone
    assert len(set(among)) == 6
    assert swap(None) is None


@given(st.lists(st.booleans(), max_size=12))
def test_chance_is_the_same_whether_a_call_is_made_or_answered(made: list[bool]) -> None:
    """A call that draws, and was recorded, does not draw when it is replayed."""

    def playing(answered: list[bool]) -> list[float]:
        freeze = Freeze(["random"])

        def answers(call: Call):  # type: ignore[no-untyped-def]
            if answered.pop(0):
                return Reply(value={})
            return (yield call)

        def real(_: Call) -> Reply:
            random.random()
            return Reply(value={})

        call = Call(operation=Operation.TOOL, agent="a", request={})
        found = []
        with freeze.still():
            for _ in range(len(answered)):
                found.append(random.random())
                chain([answers, freeze], real)(call)
        return found

    assert playing(list(made)) == playing([False] * len(made))

"""``python -m tests.benchmarks.rehearser FAMILY``: measure replays of a conversation in turns with the bare one.

All happens in one process, whose hooks are put on and taken off between the samples. It prints a line
``[name, turns, pairs]`` of JSON for each way, in CPU microseconds per turn, of all threads. The agents of classic
AutoGen are made once (their clients take longer than a conversation), those of the others for each conversation.

* *bare*: nothing of ours is attached, and the model's client makes an object of what is there already.
* *alone*: the hooks on model clients, and an adapter's translation to and fro, with nothing in the chain but the replay
  of a cassette in memory. Neither trace nor checks nor any other hook: only the model calls of these conversations
  would be answered otherwise.
* *whole*: ``rehearse``, as ``harness run`` does for each scenario: the cassette is read from disk, all is traced into
  the store's journal, the run is read back from the store, judged by every check, and held against its cassette.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

from harness import recording
from harness.call import Call, Reply
from harness.config import load
from harness.errors import Exit
from scenarios import runner, scenario
from scenarios.cassette import Cassette, Exchange
from scenarios.promoting import request_of
from scenarios.replaying import Replay

from . import batches, ready
from .measure import sampled
from .ready import FEW, MANY, Talk

PAIRS = {FEW: 15, MANY: 5}
TIMES = {FEW: 8, MANY: 1}
"""How many conversations are one sample."""
PEER_PAIRS = 2
BATCHED = "a whole harness run in a batch with -n 2"
WORKERS = "the most memory of a worker"
COMMANDS = "the most memory of the command itself"
SCENARIO = "name: talk\nfactory: talk:hold\n"
MODULE = "from tests.benchmarks import ready\n\n\ndef hold():\n    ready.talk({family!r}, {turns}).hold()\n"


def per_turn(talk: Talk, before: Callable[[], contextlib.AbstractContextManager[Any]]) -> float:
    """Have some conversations, each after *before*, and give the CPU microseconds that a turn took."""
    taken = 0
    for _ in range(TIMES[talk.turns]):
        with before():
            gc.collect()
            began = time.process_time_ns()
            talk.hold()
            taken += time.process_time_ns() - began
    return taken / TIMES[talk.turns] / talk.turns / 1000


class Alone:
    """The replay interceptor alone, behind the hooks on *family*'s model clients."""

    def __init__(self, family: str, talk: Talk, store: Path) -> None:
        """Record *talk* through the same hooks, so that all it is asked has the same names."""
        self._family, self._talk = family, talk
        self._recording = recording.Recording(
            store=store, interceptors=(), mode="replay", attributes={}, settings=load(store=store)
        )
        exchanges: list[Exchange] = []

        def keep(call: Call) -> Generator[Call, Reply, Reply]:
            reply = yield call
            request = request_of(call.operation, call.request)
            exchanges.append(Exchange(kind=call.operation, agent=call.agent, request=request, reply=reply.value))
            return reply

        with talk.answering(), self._attached(keep):
            talk.hold()
        self._cassette = Cassette(exchanges=tuple(exchanges))

    @contextlib.contextmanager
    def replaying(self) -> Iterator[None]:
        """Have the replay answer, and see that it answered all of it."""
        replay = Replay(self._cassette)
        asked = self._talk.asked
        with self._attached(replay):
            yield
        if replay.hits != self._talk.turns or replay.misses or self._talk.asked != asked:
            raise RuntimeError(f"{self._family}: not all was replayed: {replay.account()}")

    @contextlib.contextmanager
    def _attached(self, interceptor: Any) -> Iterator[None]:
        self._recording.interceptors = (interceptor,)
        module = importlib.import_module(f"harness.adapters.{self._family}")
        models = importlib.import_module(f"harness.adapters.{self._family}_models")
        adapter = getattr(module, {"classic": "Classic", "agentchat": "AgentChat", "ag2": "Ag2"}[self._family])(
            self._recording
        )
        if self._family == "classic":
            from autogen import OpenAIWrapper

            models.attach(adapter, OpenAIWrapper)
        elif self._family == "agentchat":
            from autogen_core.logging import LLMCallEvent
            from autogen_core.models import ChatCompletionClient

            models.attach(adapter, ChatCompletionClient, LLMCallEvent)
        else:
            # The rest of its ``attach`` is left out, which would have seen to these.
            adapter._translation = importlib.import_module("harness.adapters.ag2_events")
            models.attach(adapter)
            models.prepare(adapter, self._talk.config)
        try:
            yield
        finally:
            adapter.patches.undo()


def stage(folder: Path, family: str, turns: int) -> Path:
    """Write the scenario of a conversation, and record it."""
    folder.mkdir()
    (folder / "talk.py").write_text(MODULE.format(family=family, turns=turns), encoding="utf-8")
    path = folder / "talk.scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    with ready.talk(family, turns).answering():
        recorded = runner.run_scenario(path, record="all")
    if not recorded.recorded:
        raise RuntimeError("\n".join(recorded.lines()))
    return path


def whole(path: Path, turns: int) -> float:
    """Rehearse the scenario at *path* and give the CPU microseconds that a turn took."""
    what = scenario.load(path)
    taken = 0
    for _ in range(TIMES[turns]):
        gc.collect()
        began = time.process_time_ns()
        verdict = runner.rehearse(what)
        taken += time.process_time_ns() - began
        # What checks find does not matter here: that a limit of turns ends it, for one.
        if verdict.code is Exit.DIVERGED or verdict.account is None or verdict.account.hits != turns:
            raise RuntimeError("\n".join(verdict.lines()))
    return taken / TIMES[turns] / turns / 1000


def in_batches(folder: Path, turns: int, bare: Callable[[], float]) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Rehearse scenarios as ``harness run -n 2`` does: the CPU microseconds of a turn, and megabytes of many and few.

    It is what many cost more than a few: starting the command and its workers is not counted.
    """
    cpu, workers, commands = [], [], []
    for _ in range(PEER_PAIRS):
        few, many = (batches.played(folder, count, turns) for count in (batches.FEW, batches.MANY))
        more = (many.cpu_s - few.cpu_s) / (batches.MANY - batches.FEW) / turns * 1e6
        cpu.append((more, bare()))
        workers.append((many.worker_mb, few.worker_mb))
        commands.append((many.command_mb, few.command_mb))
    yield BATCHED, cpu
    if all(few for _, few in workers):
        yield WORKERS, workers
        yield COMMANDS, commands


def cached(turns: int) -> Callable[[], float]:
    """Give what measures the conversation answered by AutoGen's own disk cache, in the folder one stands in."""
    talk = ready.Classic(turns, cache_seed=41)
    with talk.answering():
        talk.hold()
    return lambda: per_turn(talk, contextlib.nullcontext)


def taped(folder: Path, turns: int) -> Callable[[], float] | None:
    """Give what measures the conversation over the real OpenAI client, answered by vcrpy; None where that is missing.

    It compares methods and addresses alone, as it does unless told otherwise: to compare bodies takes it far longer.
    """
    try:
        import vcr
    except ImportError:
        sys.stderr.write("vcrpy is not installed: nothing to measure beside\n")
        return None
    from tests.server import ScriptedServer

    path = str(folder / "vcr.yaml")
    with ScriptedServer([ready.answer(turn) for turn in range(turns)]) as server:
        talk = ready.Classic(turns, base_url=server.base_url)
        with vcr.use_cassette(path, record_mode="all"):
            talk.hold()
    return lambda: per_turn(talk, lambda: vcr.use_cassette(path, record_mode="none"))


def measured(family: str, turns: int, folder: Path) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Measure one conversation in every way, each in turns with the bare one."""
    talk = ready.talk(family, turns)
    path = stage(folder / str(turns), family, turns)
    alone = Alone(family, talk, folder / "alone")
    gc.collect()
    gc.freeze()  # as workers do: to look through what a framework is made of takes longer than a conversation

    def bare() -> float:
        return per_turn(talk, talk.answering)

    again = sampled(lambda: per_turn(talk, lambda: talk.answering(again=True)), bare, PAIRS[turns])
    yield "a stub that gives the same objects again", again
    yield "the replay interceptor alone", sampled(lambda: per_turn(talk, alone.replaying), bare, PAIRS[turns])
    yield "a whole harness run", sampled(lambda: whole(path, turns), bare, PAIRS[turns])
    if turns == FEW:
        yield from in_batches(path.parent, turns, bare)
    if family == "classic":
        yield "AutoGen's cache_seed", sampled(cached(turns), bare, PEER_PAIRS)
        if (tape := taped(folder, turns)) is not None:
            yield "vcrpy below the OpenAI client", sampled(tape, bare, PEER_PAIRS)


def main(family: str) -> int:
    """Measure *family*; 3 where it is not installed."""
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        os.environ["HARNESS_STORE"] = str(Path(name) / "store")
        os.chdir(name)
        try:
            ready.talk(family, FEW)
        except ImportError as error:
            sys.stderr.write(f"{error}\n")
            return 3
        for turns in (FEW, MANY):
            for what, pairs in measured(family, turns, Path(name)):
                print(json.dumps([what, turns, pairs]), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

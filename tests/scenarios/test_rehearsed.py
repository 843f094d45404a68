"""Scenarios of every family, pattern and mode: recorded, recorded again to the byte, and replayed without a network."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from harness.store import open_store
from scenarios.verdict import Verdict
from tests.adapters.recorded import THEIR_WARNINGS
from tests.conformance.picture import summary
from tests.scenarios.rehearsed import table, theatre
from tests.scenarios.rehearsed.row import Row

pytestmark = THEIR_WARNINGS
HERE = table.installed()
ROWS = [row for row in table.ROWS if row.family in HERE]


class Season:
    """What is recorded of the rows: each once, whoever asks first; all that were recorded are replayed together."""

    def __init__(self, folder: Path, rows: list[Row]) -> None:
        self.folder = folder
        self.rows = rows
        self._recorded: dict[str, Verdict] = {}

    def recorded(self, row: Row) -> Verdict:
        """The verdict of *row* when it was recorded; skips what the framework has not."""
        if lacking := row.absent():
            pytest.skip(lacking)
        if row.name not in self._recorded:
            self._recorded[row.name] = theatre.record(row, self.folder, ids="first")
        return self._recorded[row.name]

    @cached_property
    def replayed(self) -> Mapping[str, Mapping[str, Any]]:
        """What ``harness run`` says of every row of this session, by its name."""
        for row in self.rows:
            if not row.absent():
                self.recorded(row)
        verdicts = theatre.replay(self.folder)
        open_store(self.folder / "store").ingest()
        return verdicts


@pytest.fixture(scope="module")
def season(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Season]:
    """The rows that are asked for."""
    params = (getattr(item, "callspec", None) for item in request.session.items)
    asked = {found.params["row"].name: found.params["row"] for found in params if found and "row" in found.params}
    yield Season(tmp_path_factory.mktemp("season"), list(asked.values()))
    gc.collect()  # what frameworks leave open is collected in the tests that left it


every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)


@every_row
def test_a_scenario_is_recorded_and_again_without_a_change(row: Row, season: Season) -> None:
    first = season.recorded(row)
    assert (first.outcome, first.reasons, first.recorded) == ("passed", (), True)
    file = season.folder / f"{row.name}.cassette.jsonl"
    before = file.read_bytes()
    again = theatre.record(row, season.folder, ids="again")
    assert (again.outcome, again.recorded) == ("passed", True)
    assert file.read_bytes() == before


@every_row
def test_it_is_replayed_to_the_byte_with_nothing_missed_and_nothing_left(row: Row, season: Season) -> None:
    then = season.recorded(row).run_id
    replayed = season.replayed[row.name]
    assert (replayed["outcome"], replayed["reasons"], replayed["remarks"]) == ("passed", [], [])
    assert {exchange["verdict"] for exchange in replayed["replay"]["exchanges"]} <= {"hit", "normalised hit", "live"}
    assert then is not None
    now = theatre.conversation(row, season.folder, replayed["run_id"])
    assert now == theatre.conversation(row, season.folder, then)


def test_the_replays_had_no_network() -> None:
    if not theatre.unshares():
        pytest.skip("this kernel allows no network namespace of one's own, so the replay's own wall had to do")
    reach = "import socket; socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])), 5)"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        for command, code in ((), 0), (theatre.WITHOUT_NETWORK, 1):
            asked = [*command, sys.executable, "-c", reach, port]
            assert subprocess.run(asked, check=False, capture_output=True, timeout=60).returncode == code


@pytest.mark.parametrize("family", HERE)
def test_the_documentation_says_what_is_rehearsed(family: str, season: Season) -> None:
    kept = table.read()
    if HERE[family] not in kept:
        pytest.skip(f"the table has no section for {HERE[family]}")
    rows, found = [row for row in ROWS if row.family == family], {}
    for row in rows:
        if row.absent():
            continue
        run_id = season.recorded(row).run_id
        assert run_id is not None
        found[row.name] = summary([theatre.run(season.folder, run_id)])
    assert kept[HERE[family]] == table.written(rows, found)


def test_no_two_rows_rehearse_the_same() -> None:
    assert len({(row.family, row.pattern, row.mode, row.error) for row in table.ROWS}) == len(table.ROWS)
    assert len({row.name for row in table.ROWS}) == len(table.ROWS)

"""A disk that is full, at whatever moment, costs nothing that was acknowledged: with room again, all of it is there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.store import open_store
from tests.store import journals
from tests.store.journals import ended, said

A = "aaaaaaaaaaaa"
SPANS = 500

TAKE = """
import contextlib, json, resource, sys
from pathlib import Path
from harness.errors import StoreError
from harness.store import open_store
from tests.store.kill import taker
from tests.store.kill.board import Board
from tests.store.kill.fates import Fate, Life

class Noting(Life):
    where = []
    @contextlib.contextmanager
    def inside(self, phase):
        try:
            with super().inside(phase):
                yield
        except BaseException:
            self.where.append(phase)
            raise

taker.watch(Noting(Board(), 0, Fate(), 0))
most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), most))
try:
    open_store(sys.argv[1]).ingest()
    print("done")
except StoreError as error:
    print(*Noting.where[:1], "failed")
"""
WRITE = """
import os, sys
from pathlib import Path
from harness.journal import Journal
from tests.store.kill.board import Board
from tests.store.kill.fates import Fate, Life
from tests.store.kill.writer import Talk

board = Board()
journal = Journal(Path(sys.argv[1]), rotate_bytes=60_000)
talk = Talk(journal, Life(board, 0, Fate(), 0))
filler, hold = Path(sys.argv[2]) / "filler", int(sys.argv[3])
for round in range(6):
    with filler.open("wb", buffering=0) as out:  # other people's files take what room there is, but for a little
        try:
            while True:
                out.write(b"x" * 4096)
        except OSError:
            pass
    os.truncate(filler, max(filler.stat().st_size - hold, 0))
    dropped = journal.dropped
    tries = 0
    while journal.dropped < dropped + 3 and tries < 2000:
        talk.emit()
        tries += 1
    filler.unlink()
    assert journal.dropped > dropped, tries
    for _ in range(20):
        talk.emit()
journal.close()
print(board.acked[0], journal.dropped)
"""


def python(program: str, *args: object, wrapped: tuple[str, ...] = ()) -> str:
    run = subprocess.run(
        [*wrapped, sys.executable, "-c", program, *map(str, args)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_an_ingest_that_finds_no_room_leaves_everything_for_the_next(tmp_path):
    places = set()
    for limit in (2_000, 100_000, 260_000, 300_000, 530_000, 800_000):
        store = open_store(tmp_path / f"store-{limit}")
        records = [record for n in range(SPANS) for record in said(f"m{n}", "a", f"text {n} {n * 7919:x}" * 12, seq=n)]
        journals.write(store.path, A, 0, [ended("talk", seq=SPANS), *records])
        places.add(python(TAKE, store.path, limit).strip())
        for _ in range(2):
            with store.view() as con:
                assert con.execute("SELECT count(*), count(DISTINCT span_id) FROM spans").fetchone() == (
                    SPANS + 1,
                    SPANS + 1,
                )
                assert con.execute("SELECT count(DISTINCT text) FROM messages").fetchone() == (SPANS,)
            store.ingest()
        assert not list((store.path / "journal").glob("*.jsonl"))
    assert {"insert failed", "commit failed"} & places, places
    assert len(places - {"done"}) >= 2, places


@pytest.mark.parametrize("hold", [0, 50_000])
def test_a_disk_that_fills_up_under_a_writer_costs_only_what_was_told_to_be_dropped(tmp_path, hold):
    small = tmp_path / "small"
    small.mkdir()
    mounted = ("unshare", "--mount", "--map-root-user", "sh", "-c", f'mount -t tmpfs -o size=400k none {small} && "$@"')
    try:
        subprocess.run([*mounted, "sh", "true"], check=True, capture_output=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        pytest.skip("no file system may be mounted here")
    # The file system is gone with the process that mounted it: what it holds is carried out before.
    carried = tmp_path / "carried"
    program = f"{WRITE}\nimport shutil; shutil.copytree({str(small / 'store')!r}, {str(carried)!r})\n"
    acked, dropped = map(int, python(program, small / "store", small, hold, wrapped=(*mounted, "sh")).split())
    assert acked > 100
    assert dropped >= 18
    told = [
        record["dropped"]
        for path in sorted((carried / "journal").iterdir())
        for record in map(json.loads, path.read_text().splitlines())
        if record["k"] == "d"
    ]
    assert sum(told) == dropped
    store = open_store(Path(carried))
    for _ in range(2):
        with store.view() as con:
            begun, ended_ = con.execute("SELECT count(*), count(*) FILTER (status = 'ok') FROM spans").fetchone()
        assert begun + ended_ == acked
        store.ingest()

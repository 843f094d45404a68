"""Whatever the traced program does to itself, its journal goes on, and never gets into its way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from harness import syncing
from harness.journal import Journal, sealed

PREAMBLE = """
import asyncio, json, multiprocessing, os, resource, signal, sys, threading, time
from pathlib import Path
from harness.journal import Journal, sealed
from tests.test_journal_survives import say
store = Path(sys.argv[1])
"""


def say(journal: Journal, who: str, count: int = 1, *, fill: int = 0) -> list[bool]:
    return [
        journal.write(json.dumps({"k": "x", "who": who, "n": n, "fill": "y" * fill}).encode() + b"\n")
        for n in range(count)
    ]


def child(store: str, who: str) -> None:
    """What a spawned process does: it opens a journal of its own."""
    say(Journal(Path(store)), who, 5)
    os._exit(0)


def run(program: str, store: Path) -> dict[str, list[dict[str, object]]]:
    """Run *program* in a process of its own, and give what each segment holds when all is over."""
    source = PREAMBLE + textwrap.dedent(program)
    subprocess.run([sys.executable, "-c", source, str(store)], check=True, timeout=60)
    return held(store)


def held(store: Path) -> dict[str, list[dict[str, object]]]:
    found = {}
    for path in sorted((store / "journal").glob("*.jsonl")):
        assert sealed(path)
        found[path.name] = [json.loads(line) for line in path.read_text().splitlines()]
    return found


def said(found: dict[str, list[dict[str, object]]]) -> dict[str, list[object]]:
    """What each speaker said, in order of the segments."""
    by: dict[str, list[object]] = {}
    for records in found.values():
        for record in records:
            if record["k"] == "x":
                by.setdefault(str(record["who"]), []).append(record["n"])
    return by


@pytest.mark.parametrize("last", ["os._exit(0)", "os.execv(sys.executable, [sys.executable, '-c', 'pass'])"])
def test_what_was_written_is_there_however_the_process_ends(tmp_path, last):
    assert said(run(f"journal = Journal(store); say(journal, 'a', 50); {last}", tmp_path)) == {"a": [*range(50)]}


def test_a_program_run_by_the_program_holds_no_segment(tmp_path):
    program = """
    import subprocess
    journal = Journal(store)
    other = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    mine, = (store / "journal").glob("*.jsonl")
    journal.close()
    assert other.poll() is None and sealed(mine)
    other.stdin.close()
    assert other.wait() == 0
    """
    (segment,) = run(program, tmp_path).values()
    assert [record["k"] for record in segment] == ["h"]


@pytest.mark.parametrize("sync_s", [0.0, 0.001])
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_children_of_multiprocessing_write_files_of_their_own(tmp_path, method, sync_s):
    # A process with threads is told that it forks, from Python 3.12 on.
    program = f"""
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from tests.test_journal_survives import child
    def forked(journal, who):
        assert all(say(journal, who, 5))
    if __name__ == "__main__":
        context = multiprocessing.get_context({method!r})
        journal = Journal(store, sync_s={sync_s})
        say(journal, "parent", 5)
        if {method!r} == "fork":
            all = [context.Process(target=lambda who=who: say(journal, who, 5)) for who in "abc"]
        else:
            all = [context.Process(target=child, args=(str(store), who)) for who in "abc"]
        for process in all: process.start()
        for process in all: process.join()
        assert [process.exitcode for process in all] == [0, 0, 0]
        assert say(journal, "after") == [True]
        journal.close()
    """
    found = run(program, tmp_path)
    assert said(found) == {who: [*range(5)] for who in ("parent", "a", "b", "c")} | {"after": [0]}
    assert len({name.split("-")[0] for name in found}) == 4


def test_a_child_that_writes_nothing_leaves_no_file(tmp_path):
    found = run(
        """
        journal = Journal(store)
        if os.fork() == 0:
            os._exit(0)
        os.wait()
        """,
        tmp_path,
    )
    assert len(found) == 1


def test_forking_in_the_midst_of_other_threads_writing_loses_and_holds_nothing(tmp_path):
    program = """
    import warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    journal = Journal(store, rotate_bytes=2000)
    threads = [threading.Thread(target=say, args=(journal, who, 300)) for who in "ab"]
    for thread in threads: thread.start()
    children = []
    heard, tell = os.pipe()
    for number in range(20):
        pid = os.fork()
        if pid == 0:
            assert say(journal, f"child {number}") == [True]
            os.write(tell, b"x")
            sys.stdin.read()  # outlive the parent's segments
            os._exit(0)
        children.append(pid)
    for thread in threads: thread.join()
    for pid in children: assert os.read(heard, 1) == b"x"
    mine = sorted((store / "journal").glob(f"{journal.process}-*.jsonl"))
    assert len(mine) > 5
    assert [sealed(path) for path in mine] == [True] * (len(mine) - 1) + [False]
    journal.close()
    assert sealed(mine[-1])
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    """
    read, write = os.pipe()
    source = PREAMBLE + textwrap.dedent(program)
    subprocess.run([sys.executable, "-c", source, str(tmp_path)], check=True, timeout=60, stdin=read)
    os.close(write)
    os.close(read)
    found = said(held(tmp_path))
    assert found["a"] == found["b"] == [*range(300)]


def test_tasks_and_threads_share_a_journal(tmp_path):
    found = run(
        """
        journal = Journal(store, rotate_bytes=3000)
        async def task(who):
            for n in range(40):
                journal.write(json.dumps({"k": "x", "who": who, "n": n}).encode() + b"\\n")
                await asyncio.sleep(0)
        async def main():
            await asyncio.gather(*(task(who) for who in "ab"), asyncio.to_thread(say, journal, "thread", 40))
        asyncio.run(main())
        """,
        tmp_path,
    )
    assert said(found) == {who: [*range(40)] for who in ("a", "b", "thread")}


def test_a_signal_handler_may_write_while_its_thread_does(tmp_path):
    found = run(
        """
        journal = Journal(store, rotate_bytes=3000)
        import itertools
        heard, numbers = [], itertools.count()
        def handler(signum, frame):  # which may itself be interrupted by the next signal
            heard.append(journal.write(b'{"k":"x","who":"handler","n":%d}\\n' % next(numbers)))
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        written = 0
        while len(heard) < 100:
            assert journal.write(json.dumps({"k": "x", "who": "main", "n": written}).encode() + b"\\n")
            written += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert all(heard)
        (store / "counts").write_text(json.dumps([written, len(heard)]))
        """,
        tmp_path,
    )
    written, heard = json.loads((tmp_path / "counts").read_text())
    assert said(found)["main"] == [*range(written)]
    assert sorted(said(found)["handler"]) == [*range(heard)]


def test_a_daemon_that_closes_every_file_gets_a_new_segment_and_keeps_its_own_files(tmp_path):
    found = run(
        """
        journal = Journal(store)
        say(journal, "before", 3)
        os.closerange(3, 256)
        theirs = [os.open(store / f"theirs-{n}", os.O_CREAT | os.O_RDWR) for n in range(5)]
        assert all(say(journal, "after", 3))
        journal.close()
        for handle in theirs:
            assert os.fstat(handle).st_size == 0
        """,
        tmp_path,
    )
    assert said(found) == {"before": [0, 1, 2], "after": [0, 1, 2]}
    assert len(found) == 2


def test_a_store_that_is_removed_meanwhile_is_made_again(tmp_path):
    found = run(
        """
        import shutil
        journal = Journal(store / "in")
        say(journal, "before")
        os.chdir("/")
        shutil.rmtree(store / "in")
        assert say(journal, "after", 3) == [True] * 3
        (store / "in").rename(store / "moved")  # which is no removal: the file is the same
        assert say(journal, "moved") == [True]
        """,
        tmp_path,
    )
    assert found == {}
    assert said(held(tmp_path / "moved")) == {"after": [0, 1, 2], "moved": [0]}


def test_what_was_dropped_is_told_once_there_is_room_again(tmp_path):
    found = run(
        """
        journal = Journal(store)
        most = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        told = []
        for room in (3000, 5000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, most))
            told.append(say(journal, "a", 6, fill=900).count(False))
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            assert say(journal, "b") == [True]
        assert journal.dropped == sum(told)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8, most))
        assert say(journal, "c") == [False]
        if os.fork() == 0:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            assert (say(journal, "child"), journal.dropped) == ([True], 0)
            os._exit(0)
        os.wait()
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        journal.close()
        (store / "told").write_text(json.dumps([*told, 1]))
        """,
        tmp_path,
    )
    told = [record["dropped"] for records in found.values() for record in records if record["k"] == "d"]
    assert told == json.loads((tmp_path / "told").read_text())
    assert min(told) > 0


def test_many_may_make_the_same_store_at_once(tmp_path):
    for number in range(20):
        together = threading.Barrier(4)
        made: list[Journal] = []

        def make(store=tmp_path / f"{number}" / "store", together=together, made=made):
            together.wait()
            made.append(Journal(store))

        threads = [threading.Thread(target=make) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 4
        for journal in made:
            journal.close()


def test_a_folder_that_cannot_be_written_drops_and_never_raises(tmp_path):
    # A file lies where the journal was: nothing can be made there, by anybody.
    found = run(
        """
        import shutil
        journal = Journal(store)
        shutil.rmtree(store / "journal")
        (store / "journal").write_text("")
        assert say(journal, "a", 3) == [False] * 3
        (store / "journal").unlink()
        assert say(journal, "a", 3) == [True] * 3
        journal.close()
        assert say(journal, "a") == [False]
        """,
        tmp_path,
    )
    ((_, told, *records),) = found.values()
    assert (told["k"], told["dropped"], len(records)) == ("d", 3, 3)


# A loss of power ------------------------------------------------------------------------------------------------------


def test_the_disk_is_asked_by_a_thread_for_every_segment_and_once_more_at_the_end(tmp_path, monkeypatch):
    kept: dict[int, int] = {}
    asked = threading.Event()

    def keep(handle: int) -> None:
        found = os.fstat(handle)
        kept[found.st_ino] = found.st_size
        if threading.current_thread().name == "harness-sync":
            asked.set()

    monkeypatch.setattr(syncing, "_keep", keep)
    journal = Journal(tmp_path, rotate_bytes=500, sync_s=0.001)
    say(journal, "a")
    assert asked.wait(30)
    say(journal, "a", 30)
    journal.close()
    paths = [*(tmp_path / "journal").glob("*.jsonl")]
    assert len(paths) > 3
    assert kept == {path.stat().st_ino: path.stat().st_size for path in paths}


def test_a_disk_that_refuses_costs_the_program_nothing_and_is_asked_again(tmp_path, monkeypatch):
    asked: list[int] = []

    def keep(handle: int) -> None:
        asked.append(handle)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(syncing, "_keep", keep)
    followed = syncing.Syncing(1000.0)
    followed.sync()
    followed.add(tmp_path / "gone")
    followed.add(tmp_path / "here")
    (tmp_path / "here").write_text("x")
    for _ in range(3):
        followed.sync()
    assert len(asked) == 3


def test_nobody_syncs_unless_asked_to(tmp_path, monkeypatch):
    monkeypatch.setattr(syncing, "_keep", lambda handle: pytest.fail("synced"))
    journal = Journal(tmp_path)
    say(journal, "a", 3)
    journal.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "harness-sync"]

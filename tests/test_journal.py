"""One process, one file: whole records, or none."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.journal import Journal, make_store, sealed


def records(store: Path) -> list[dict[str, object]]:
    return [
        json.loads(line) for path in sorted((store / "journal").iterdir()) for line in path.read_text().splitlines()
    ]


def segments(store: Path) -> list[Path]:
    return sorted((store / "journal").glob("*.jsonl"))


def test_a_segment_is_sealed_when_its_writer_lets_go(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s", program="a test")
    (segment,) = segments(tmp_path / "s")
    assert not sealed(segment)
    assert journal.write(b'{"k":"x"}\n')
    journal.close()
    assert sealed(segment)
    header, record = records(tmp_path / "s")
    assert (header["k"], header["v"], header["pid"], header["program"]) == ("h", 1, os.getpid(), "a test")
    assert record == {"k": "x"}
    assert segment.stat().st_mode & 0o777 == 0o600


def test_a_full_segment_is_followed_by_the_next_of_the_same_process(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s", rotate_bytes=1000)
    for number in range(100):
        assert journal.write(json.dumps({"k": "x", "n": number, "fill": "y" * 50}).encode() + b"\n")
    found = segments(tmp_path / "s")
    assert len(found) > 5
    assert {path.name.split("-")[0] for path in found} == {journal.process}
    assert [sealed(path) for path in found] == [True] * (len(found) - 1) + [False]
    assert [r["n"] for r in records(tmp_path / "s") if r["k"] == "x"] == list(range(100))
    journal.close()


def test_threads_never_mix_their_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s", rotate_bytes=20_000)

    def write(name: str) -> None:
        for number in range(200):
            journal.write(json.dumps({"k": "x", "t": name, "n": number, "fill": name * 40}).encode() + b"\n")

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    for name in "abcd":
        assert [r["n"] for r in records(tmp_path / "s") if r.get("t") == name] == list(range(200))


def test_a_forked_child_writes_a_file_of_its_own_and_the_parent_keeps_its_lock(tmp_path: Path) -> None:
    program = """
    import os, sys
    from pathlib import Path
    from harness.journal import Journal, sealed
    store = Path(sys.argv[1])
    journal = Journal(store)
    mine = next((store / "journal").glob("*.jsonl"))
    child = os.fork()
    if child == 0:
        assert journal.write(b'{"k":"child"}\\n')
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not sealed(mine)
    assert journal.write(b'{"k":"parent"}\\n')
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "s")], check=True)
    kinds = [[json.loads(line)["k"] for line in path.read_text().splitlines()] for path in segments(tmp_path / "s")]
    assert sorted(kinds) == [["h", "child"], ["h", "parent"]]


def test_a_write_that_does_not_fit_leaves_nothing_behind_and_is_counted(tmp_path: Path) -> None:
    program = """
    import resource, signal, sys
    from pathlib import Path
    from harness.journal import Journal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(Path(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    results = [journal.write(b'{"k":"x","fill":"' + b"y" * 1000 + b'"}\\n') for _ in range(6)]
    assert results[0] and not results[-1], results
    assert journal.dropped == results.count(False)
    """
    assert resource.RLIMIT_FSIZE
    subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "s")], check=True)
    (segment,) = segments(tmp_path / "s")
    assert segment.read_bytes().endswith(b"}\n")
    assert all(record["k"] in {"h", "x"} for record in records(tmp_path / "s"))


def test_what_is_written_after_the_end_is_counted_and_no_error(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s")
    journal.close()
    assert not journal.write(b"{}\n")
    assert journal.dropped == 1


def test_a_store_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the store") as caught:
        make_store(tmp_path / "file")
    assert caught.value.hint

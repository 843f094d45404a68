"""The app over a real store: journals that are being written, the database, and a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.tui import command
from harness.errors import EnvironmentProblem, StoreError, UnknownRunError
from tests.store.journals import Living, began, ended, said, write
from tests.tui.stage import look_again, press, screen_text, settle
from tui.app import make, screenshot

ROOT = Path(__file__).parents[2]
HOSTILE = "WORD\x1b]52;c;aGFja2Vk\x1b\\[/nope]\u202e\x9b31m"


def conversation(run_id: str, *texts: str, start_ns: int = 1_000, over: bool = True) -> list:
    """The records of a conversation in which these things were said."""
    records = [began(f"{run_id}-root", run_id=run_id, name="invoke_workflow chat", start_ns=start_ns)]
    for number, text in enumerate(texts):
        place = {"run_id": run_id, "parent_id": f"{run_id}-root", "start_ns": start_ns + number + 1, "seq": number + 2}
        records += said(f"{run_id}-{number}", "coder", text, **place)
    if over:
        attributes = {"harness.ending": "max_turns", "harness.run.name": "over and out"}
        records.append(
            ended(
                f"{run_id}-root", run_id=run_id, name="invoke_workflow chat", start_ns=start_ns, attributes=attributes
            )
        )
    return records


async def test_a_journal_that_is_written_is_seen_live_and_its_death_too(tmp_path):
    write(tmp_path, "a" * 12, 1, conversation("old0", "Hello there.", "General."))
    segment = write(tmp_path, "b" * 12, 1, conversation("live", "The first.", start_ns=5_000, over=False))
    writer = Living(segment)
    app = make(tmp_path)
    async with app.run_test(size=(118, 30)) as pilot:
        await settle(pilot)
        first, second = (line.split()[:2] for line in screen_text(app).splitlines()[2:4])
        assert first == ["●", "live"]
        assert second == ["✔", "old0"]
        await press(pilot, "enter")
        assert "The first." in screen_text(app)
        assert "following" in screen_text(app)
        with segment.open("a") as journal:
            for record in said(
                "live-9", "tester", "The second.", run_id="live", parent_id="live-root", start_ns=6_000, seq=9
            ):
                journal.write(json.dumps(record) + "\n")
        await look_again(pilot)
        assert "The second." in screen_text(app)
        writer.die()
        await look_again(pilot)
        assert "interrupted: the program died" in screen_text(app)
        await press(pilot, "escape")
        assert screen_text(app).splitlines()[2].split()[:2] == ["◌", "live"]


async def test_the_first_run_of_a_store_that_was_not_there_shows_by_itself(tmp_path):
    app = make(tmp_path / "store")
    async with app.run_test(size=(80, 20)) as pilot:
        await settle(pilot)
        assert "There is no store yet" in screen_text(app)
        assert not (tmp_path / "store").exists()
        write(tmp_path / "store", "a" * 12, 1, conversation("old0", "Hello there."))
        await look_again(pilot)
        assert "old0" in screen_text(app)


def test_a_screenshot_is_an_svg_of_what_the_app_shows(tmp_path):
    write(tmp_path, "a" * 12, 1, conversation("old0", "Hello there."))
    drawn = ET.fromstring(screenshot(tmp_path, "@1", (100, 24)))  # noqa: S314 - our own drawing
    words = "".join(drawn.itertext()).replace("\xa0", " ")
    assert drawn.tag.endswith("svg")
    assert "Hello there." in words
    assert "ended by the limit of turns" in words
    with pytest.raises(UnknownRunError):
        screenshot(tmp_path, "nosuch")


def test_without_a_terminal_one_line_points_at_the_verbs_that_print(tmp_path):
    result = CliRunner().invoke(command, ["--store", str(tmp_path)])
    assert isinstance(result.exception, EnvironmentProblem)
    assert "harness show" in result.exception.hint


def test_without_textual_one_line_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.cli.tui.find_spec", lambda _: None)
    result = CliRunner().invoke(command, ["--store", str(tmp_path)])
    assert isinstance(result.exception, EnvironmentProblem)
    assert result.exception.hint == "pip install 'autogen-harness[tui]'"


def test_a_run_of_a_store_that_is_not_there_is_an_error_before_the_app_starts(tmp_path):
    result = subprocess_tui(tmp_path / "none", "@1", until="no store at")
    assert "no store at" in result.text
    assert result.code == StoreError.code


def test_loading_the_app_loads_no_database_and_none_of_the_heavy_widgets():
    heavy = "{'duckdb', 'markdown_it', 'textual.widgets._markdown', 'textual.widgets._text_area', 'opentelemetry'}"
    script = f"import sys, tui.app; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


class Ended:
    """What a program wrote to its terminal, and how it ended."""

    def __init__(self, raw: bytes, code: int) -> None:
        self.raw, self.code = raw, code
        self.text = raw.decode(errors="replace")


def subprocess_tui(store: Path, *args: str, until: str, keys: bytes = b"") -> Ended:
    """Run the verb in a real terminal until it shows *until*, then press *keys*."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24", "COLORTERM": "truecolor"}
    program = "from harness.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "tui", "--store", str(store), *args],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(slave)
    raw, pressed, deadline = b"", False, time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            if not select.select([master], [], [], 1)[0]:
                continue
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            raw += piece
            if not pressed and until.encode() in raw:
                os.write(master, keys)
                pressed = True
        return Ended(raw, process.wait(timeout=30))
    finally:
        process.kill()
        process.wait()
        os.close(master)


def test_in_a_real_terminal_hostile_text_sends_nothing_of_its_own(tmp_path):
    write(tmp_path, "a" * 12, 1, conversation("old0", HOSTILE))
    shown = subprocess_tui(tmp_path, "@1", until="WORD", keys=b"q")
    assert shown.code == 0
    assert "WORD␛]52;c;aGFja2Vk␛\\[/nope]<U+202E><U+009B>31m" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.text)
    assert b"\x1b]52" not in shown.raw
    assert "\u202e" not in shown.text
    assert b"\xc2\x9b" not in shown.raw


def test_in_a_real_terminal_an_unknown_run_is_one_clear_line(tmp_path):
    write(tmp_path, "a" * 12, 1, conversation("old0", "Hello."))
    shown = subprocess_tui(tmp_path, "nosuch", until="nosuch")
    assert shown.code == UnknownRunError.code
    assert "harness: " in shown.text
    assert "Traceback" not in shown.text

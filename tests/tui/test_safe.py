"""Hostile text is shown, as what it is, on every screen; and nothing of it reaches the terminal raw."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from textual.color import Color
from textual.widgets import Static

from harness.errors import StoreError
from harness.model import Ending, EndingKind, Operation, Run, RunStatus, Severity, Status
from tests.tui.stage import Memory, Script, app_on, look_again, press, screen_text, settle, strips
from tui import safe

PAYLOADS = {
    "style": "[bold red]WORD[/]",
    "broken markup": "[/nope]WORD",
    "action": "[@click=app.quit]WORD[/]",
    "link": "[link=file:///etc/passwd]WORD[/link]",
    "unclosed": "[WORD",
    "variable": "$WORD [$error]WORD",
    "clipboard": "\x1b]52;c;aGFja2Vk\x1b\\WORD",
    "title": "\x1b]0;owned\x07WORD",
    "screen": "\x1b[2J\x1b[HWORD",
    "c1": "\x9b31mWORD\x9d\x90",
    "nul and del": "\x00WORD\x7f\x08\x08",
    "bidi": "\u202egnp.WORD\u202c\u2066",
    "tags": "WORD\U000e0068\U000e0069",
    "zero width": "W\u200bORD WORD\ufeff",
    "lone surrogate": "WORD\ud800",
    "lines": "WORD\r\nx\x0b\x0c\x85\u2028\u2029y\ttab",
    "wide": "\uff37\uff2f\uff32\uff24 WORD 👩‍👩‍👧‍👦 e\u0301\u0301\u0301",
}
RAW = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"
)


def hostile(text: str, status: RunStatus = RunStatus.FAILED, *, run_id: str = "8f3c2a77") -> Run:
    """A run with *text* in every field that a foreign program fills."""
    script = Script(run_id, text)
    first = script.say(text, text, text, text)
    script.say(
        text,
        "",
        parts=[
            {"type": "reasoning", "content": text},
            {"type": "tool_call", "id": text, "name": text, "arguments": {text: [text, {text: None}]}},
            {"type": "tool_call", "name": text, "arguments": text},
            {"type": "tool_call_response", "id": text, "response": {text: text}},
            {"type": text, text: text},
            text,
            {"type": "text", "content": [text]},
        ],
    )
    script.say(text, "", body={text: text})
    script.say(text, "", body={"parts": text})
    script.span(Operation.TURN, text, parent=script.root, **{text: text, "list": [text]})
    script.span(Operation.OTHER, text, parent=text, seconds=None)
    failed = script.call(
        Operation.CHAT, text, error=text, request={"model": text, "messages": [text, {"role": text}], text: text}
    )
    script.calls[-1] = replace(script.calls[-1], model=text, name=text)
    script.call(Operation.TOOL, text, status=Status.INTERRUPTED, request={"name": text, "arguments": text})
    script.call(Operation.HUMAN, text, status=Status.OPEN, request={"prompt": text})
    script.find(text, text, text, at=first, severity=Severity.ERROR)
    script.find(text, text, text, at=failed)
    script.find(text, text, text)
    script.endings[script.root] = Ending(kind=EndingKind.STOPPED, agent=text, detail=text)
    return script.run(status, ending=text, mode=text, framework=text, tags=(text,), source_id=text)


def raw_characters(app) -> str:
    """What would reach the terminal and should not."""
    return "".join(
        RAW.findall("".join(segment.text for strip in strips(app) for segment in strip if not segment.control))
    )


async def test_hostile_runs_are_readable_on_every_screen_and_let_nothing_through(monkeypatch):
    # Without the guard, so that the one door has to hold by itself.
    monkeypatch.setattr(safe.Guard, "apply", lambda _, segments, __: segments)
    every = list(PAYLOADS.values())
    texts = [" ".join(every[begin::5]) for begin in range(5)]
    app = app_on(Memory(*(hostile(text, run_id=f"{order:08}") for order, text in enumerate(texts))))
    async with app.run_test(size=(118, 120), notifications=True) as pilot:
        await settle(pilot)
        assert screen_text(app).count("WORD") >= len(texts)
        assert not raw_characters(app)
        for text in texts:
            # The call that failed, the run as a whole, an operation with hostile attributes, and what is copied.
            for keys in (("enter",), ("end", "tab"), ("down", "down", "y"), ("escape", "down")):
                await press(pilot, *keys)
                assert screen_text(app).count("WORD") > 2, text
                assert not raw_characters(app), text


@pytest.mark.parametrize("payload", ["screen", "broken markup"])
async def test_a_hostile_run_is_readable_in_a_narrow_terminal_too(payload):
    app = app_on(Memory(hostile(PAYLOADS[payload])))
    async with app.run_test(size=(80, 20)) as pilot:
        await settle(pilot)
        assert PAYLOADS[payload][-6:] in screen_text(app)
        for keys in (("enter",), ("tab",), ("tab",), ("tab",)):
            await press(pilot, *keys)
            assert "WORD" in screen_text(app)
            assert not raw_characters(app)


async def test_a_hostile_error_becomes_a_toast_as_it_is():
    source = Memory(hostile("calm"))
    app = app_on(source)
    async with app.run_test(size=(118, 30), notifications=True) as pilot:
        await settle(pilot)
        source.error = StoreError("[/nope]\x1b]52;c;aGk=\x1b\\WORD", hint="[@click=app.quit]x[/]")
        await look_again(pilot)
        shown = screen_text(app)
        assert "[/nope]␛]52" in shown
        assert "calm" in shown
        assert not raw_characters(app)


async def test_the_guard_stops_what_a_widget_lets_through():
    app = app_on(Memory())
    async with app.run_test(size=(80, 20)) as pilot:
        await settle(pilot)
        await app.screen.mount(Static("A\x1b]52;c;aGFja2Vk\x1b\\Z\u202e\x9b", markup=False))
        await pilot.pause()
        out = app.screen._compositor.render_full_update(simplify=False)
        text = "".join(segment.text for segment in app.console.render(out) if not segment.control)
        assert "A]52;c;aGFja2Vk\\Z" in text
        assert not RAW.findall(text.replace("\n", ""))


@given(st.text(st.characters(), max_size=60))
def test_no_text_gets_through_the_door_unprintable_and_no_letter_is_lost(text):
    shown = safe.plain(text).plain
    assert not RAW.findall(shown.replace("\n", ""))
    assert [c for c in text if c.isalnum() and c.isascii()] == [
        c for c in re.sub(r"<U\+[0-9A-F]+>", "", shown) if c.isalnum() and c.isascii()
    ] or "<U+" in text


@given(st.text(max_size=80), st.integers(1, 30))
def test_what_is_fitted_takes_exactly_its_cells_on_one_line(text, width):
    fitted = safe.fit(text, width)
    assert fitted.cell_length == width
    assert "\n" not in fitted.plain
    assert "\t" not in fitted.plain


@given(st.text(max_size=200), st.integers(2, 30))
def test_what_is_wrapped_is_never_wider_than_asked(text, width):
    assert all(line.cell_length <= width for line in safe.wrap(text, width))


@given(st.lists(st.text(st.characters(), max_size=20), max_size=4))
def test_the_guard_takes_out_only_what_is_not_printable(texts):
    segments = [Segment(text) for text in texts]
    out = "".join(segment.text for segment in safe.Guard().apply(segments, Color(0, 0, 0)))
    assert not RAW.findall(out.replace("\n", "").replace("\t", ""))
    assert [c for c in "".join(texts) if c.isalnum() and c.isascii()] == [c for c in out if c.isalnum() and c.isascii()]

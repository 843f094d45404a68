"""The app as a person sees and drives it."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from harness.errors import StoreError, UnknownRunError
from harness.model import EndingKind, Operation, RunStatus, Status
from tests.tui.stage import BEGIN, SECOND, Memory, Script, app_on, look_again, press, screen_text, settle, triage
from tui import keys
from tui.screens.help import HelpScreen
from tui.screens.run import PANES, RunScreen
from tui.screens.runs import RunsScreen

WIDE, NARROW = (118, 30), (80, 20)


def finished() -> Memory:
    script = triage()
    script.end()
    return Memory(
        script.run(),
        triage("71be9000", begin_ns=BEGIN + 100 * SECOND).run(RunStatus.RUNNING),
        Script("5d02c700", "write-tests", begin_ns=BEGIN + 200 * SECOND).run(RunStatus.FAILED, tags=("nightly",)),
    )


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_the_runs_are_listed_newest_first_with_what_they_took(size):
    app = app_on(finished())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        title, columns, first, second, third, *_, footer = screen_text(app).splitlines()
        assert "3 runs · ● 1 running · $0.014" in title
        assert "when↓" in columns
        assert first.split()[:3] == ["✖", "5d02c700", "write-tests"]
        assert second.split()[:3] == ["●", "71be9000", "triage-inbox"]
        assert third.split()[:3] == ["✔", "8f3c2a77", "triage-inbox"]
        assert third.split()[-9:] == ["6", "2.2k", "$0.0068", "7.0", "s", "✖", "2", "1", "h"]
        assert "–" in first
        assert " ".join(footer.split()) == "⏎ Open / Filter s Sort f Follow y Copy id ? Keys"


async def test_where_there_is_room_the_run_at_the_cursor_is_previewed():
    app = app_on(finished())
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "down", "down")
        shown = screen_text(app)
        assert "8f3c2a77 ended by a termination message, user" in shown
        assert "○◆■★■▼─" in shown
        assert "✖ S501 hidden-text" in shown
    app = app_on(finished())
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "down", "down")
        assert "S501" not in screen_text(app)


async def test_the_filter_works_while_it_is_typed_and_escape_shows_all_again():
    app = app_on(finished())
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"triage -status", "colon", *"run")
        shown = screen_text(app)
        assert "1 of 3 runs" in shown
        assert "8f3c2a77" in shown
        assert "71be9000" not in shown
        assert "esc All runs" in shown
        await press(pilot, "enter", "enter")
        assert isinstance(app.screen, RunScreen)
        await press(pilot, "escape", "escape")
        assert "write-tests" in screen_text(app)
        assert "esc All runs" not in screen_text(app)


async def test_sorting_goes_through_the_columns_and_keeps_the_cursor_on_its_run():
    app = app_on(finished())
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "down")
        order = [line.split()[1] for line in screen_text(app).splitlines()[2:5]]
        assert order == ["5d02c700", "71be9000", "8f3c2a77"]
        await press(pilot, "s")
        assert "cost↓" in screen_text(app)
        assert [line.split()[1] for line in screen_text(app).splitlines()[2:5]] == ["71be9000", "8f3c2a77", "5d02c700"]
        assert app.screen._list.at_cursor.run_id == "71be9000"
        await press(pilot, "S")
        assert "cost↑" in screen_text(app)
        assert screen_text(app).splitlines()[2].split()[1] == "5d02c700"


async def test_an_empty_store_says_what_to_do_next_and_shows_the_first_run_when_it_comes():
    source = Memory()
    app = app_on(source)
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        for words in ("No runs yet", ".harness is empty", "harness demo", "harness trace your_app.py"):
            assert words in screen_text(app)
        for key in ("down", "enter", "s", "y", "f", "G"):
            await press(pilot, key)
        source.put(triage().run(RunStatus.RUNNING))
        await look_again(pilot)
        assert "No runs yet" not in screen_text(app)
        assert "8f3c2a77" in screen_text(app)


async def test_without_a_store_the_app_waits_for_one():
    stores: list = [None]
    app = app_on(None)
    app.feed._open = lambda: stores[0]
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        assert "There is no store yet at .harness" in screen_text(app)
        stores[0] = Memory(triage().run())
        await look_again(pilot)
        assert "8f3c2a77" in screen_text(app)


async def test_a_run_shows_conversation_waterfall_and_detail_of_one_place():
    app = app_on(finished())
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "end", "enter")
        shown = screen_text(app)
        for words in (
            "✔ triage-inbox  4 turns · 2.2k tok · $0.0068 · 7.0 s · ended by a termination message",
            "✖ 2 findings",
            "○ user → planner",
            "│ Sort the inbox.",
            '│ → list_mail(folder="inbox", limit=50)',
            "│ ← 50 mails",
            "✖ S501 hidden-text  the result holds hidden text",
            "612 tok",
            "─── ended by a termination message, user ───",
            "◆ planner",
            "chat gpt-4o-mini",
            "user → planner",
        ):
            assert words in shown, words
        await press(pilot, "down")
        assert app.screen._waterfall.story.rows[app.screen._waterfall.cursor].span.name == "invoke_agent planner"
        assert " planner → user, coder" in screen_text(app)
        await press(pilot, "tab", "down")
        # Now in the waterfall, at the planner's model call: the detail is the call's, the conversation stays.
        assert app.screen._conversation.cursor == 1
        assert "500 tokens in · 112 tokens out" in screen_text(app)
        await press(pilot, "down")
        assert app.screen._conversation.cursor == 2


async def test_findings_and_an_agents_messages_are_a_key_away():
    app = app_on(finished(), "8f3c")
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settle(pilot)
        talk = app.screen._conversation
        visited = []
        for key in ("right_square_bracket", "right_square_bracket", "right_square_bracket", "left_square_bracket"):
            await press(pilot, key)
            visited.append(talk.cursor)
        assert visited == [3, 5, 5, 3]
        assert "no finding after this" in screen_text(app)
        await press(pilot, "up")
        await press(pilot, "right_curly_bracket")
        assert talk.cursor == 4
        await press(pilot, "left_curly_bracket")
        assert talk.cursor == 2


async def test_a_narrow_terminal_shows_one_pane_at_a_time_at_the_same_position():
    app = app_on(finished(), "8f3c")
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "down")
        for pane, words in (
            ("waterfall", "◆ planner"),
            ("detail", "planner → user, coder"),
            ("conversation", "│ Plan: 1)"),
        ):
            await press(pilot, "tab")
            assert [other for other in PANES if app.screen.query_one(f"#{other}").region] == [pane]
            assert words in screen_text(app)
            assert "✖ 2 findings" in screen_text(app)
        assert app.screen._conversation.cursor == 1
        await press(pilot, "shift+tab")
        assert app.focused.id == "detail"


async def test_a_long_message_unfolds_and_folds_again():
    script = Script()
    script.say("coder", "\n".join(f"line {number}" for number in range(60)))
    app = app_on(Memory(script.run()), "8f3c")
    async with app.run_test(size=(90, 80)) as pilot:
        await settle(pilot)
        assert "line 11" in screen_text(app)
        assert "line 12" not in screen_text(app)
        assert "⏎ unfolds" in screen_text(app)
        await press(pilot, "enter")
        assert "line 59" in screen_text(app)
        await press(pilot, "enter")
        assert "line 12" not in screen_text(app)


async def test_a_run_that_goes_on_grows_on_screen_and_is_followed_until_a_person_goes_up():
    script = triage()
    source = Memory(script.run(RunStatus.RUNNING))
    app = app_on(source, "8f3c")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "following" in screen_text(app)
        for number in range(30):
            script.turn("coder", f"Done with mail {number}.")
        script.call(Operation.CHAT, "tester", status=Status.OPEN)
        source.put(script.run(RunStatus.RUNNING))
        await look_again(pilot)
        shown = screen_text(app)
        assert "Done with mail 29." in shown
        assert "tester asks gpt-4o-mini" in shown
        assert "waiting for the answer" in shown
        await press(pilot, "up", "up", "up")
        assert "following" not in screen_text(app)
        here = app.screen._conversation.cursor
        lines = screen_text(app).splitlines()
        script.turn("coder", "The very last.")
        source.put(script.run(RunStatus.RUNNING))
        await look_again(pilot)
        assert app.screen._conversation.cursor == here
        assert [line[:60] for line in screen_text(app).splitlines()[5:20]] == [line[:60] for line in lines[5:20]]
        await press(pilot, "f")
        assert "The very last." in screen_text(app)
        script.end(EndingKind.MAX_TURNS)
        source.put(script.run())
        await look_again(pilot)
        assert "ended by the limit of turns" in screen_text(app).splitlines()[0]


async def test_an_interrupted_run_says_so():
    app = app_on(Memory(triage().run(RunStatus.INTERRUPTED)), "8f3c")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "─── interrupted: the program died before the conversation ended ───" in screen_text(app)
        assert "◌ triage-inbox" in screen_text(app).splitlines()[0]


async def test_the_last_good_runs_stay_when_the_store_cannot_be_read():
    source = finished()
    app = app_on(source)
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settle(pilot)
        source.error = StoreError("the store is locked", hint="Close the other program.")
        await look_again(pilot)
        shown = screen_text(app)
        assert "the store is locked Close the other program." in shown
        assert "8f3c2a77" in shown


async def test_copying_a_message_takes_it_as_recorded_and_warns_of_what_is_hidden():
    script = Script()
    script.say("tool", "a\x1b]0;b\x07\u202e")
    app = app_on(Memory(script.run()), "8f3c")
    async with app.run_test(size=WIDE, notifications=True) as pilot:
        await settle(pilot)
        await press(pilot, "y")
        await settle(pilot)
        assert app.clipboard == "a\x1b]0;b\x07\u202e"
        assert "copied as recorded" in screen_text(app)


async def test_a_run_nobody_knows_ends_the_app_with_the_reason():
    app = app_on(finished(), "nosuch")
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
    assert isinstance(app.return_value, UnknownRunError)


async def test_a_hundred_thousand_runs_paint_and_reach_their_end():
    runs = [Script(f"{number:08}", begin_ns=BEGIN + number * SECOND).run() for number in range(1000)]
    from dataclasses import replace

    summaries = [
        replace(run.summary, run_id=f"{copy:04}{run.run_id[4:]}", started_ns=BEGIN - copy * 1000 * SECOND - order)
        for copy in range(100)
        for order, run in enumerate(runs)
    ]

    class Many(Memory):
        def runs(self, limit=50, offset=0):
            return summaries[offset : offset + limit]

        def run(self, run_id):
            return runs[0]

    app = app_on(Many())
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert "100,000 runs" in screen_text(app)
        await press(pilot, "G")
        assert screen_text(app).splitlines()[-10].split()[1] == summaries[-1].run_id
        await press(pilot, "slash", *summaries[-1].run_id)
        assert "1 of newest 100,000 runs" in screen_text(app) or "1 of 100,000 runs" in screen_text(app)


async def test_without_colour_everything_is_still_told_apart(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_on(finished(), "8f3c")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        assert app.no_color
        shown = screen_text(app)
        for glyph in "○◆■★▼✔✖▲":
            assert glyph in shown


async def test_clicking_the_map_goes_there():
    app = app_on(finished(), "8f3c")
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await pilot.click("#map", offset=(1 + 4, 1))
        await settle(pilot)
        assert app.screen._conversation.cursor == 4


# Keys


@pytest.mark.parametrize("place", ["runs", "run"])
async def test_every_key_works_where_the_help_says_and_stands_in_it(place):
    app = app_on(finished(), "8f3c" if place == "run" else None)
    async with app.run_test(size=(100, 60)) as pilot:
        await settle(pilot)
        if place == "runs":
            await press(pilot, "slash", "tab")
            app.screen._list.focus()
            await pilot.pause()
        active = {key: bound.binding.action for key, bound in app.screen.active_bindings.items()}
        for action in (*keys.at(place), *keys.at("list"), *keys.at("everywhere")):
            for key in action.keys:
                assert active.get(key) == action.method or (key, action.id) == ("ctrl+p", "command-palette"), key
            owner = [node for node in (app.focused, app.screen, app) if hasattr(node, f"action_{action.method}")]
            assert owner, action.id
        await press(pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        shown = screen_text(app)
        for action in (*keys.at(place), *keys.at("list"), *keys.at("everywhere")):
            assert action.help in shown
            assert action.shown in shown
        await press(pilot, "escape")
        assert isinstance(app.screen, RunScreen if place == "run" else RunsScreen)


@pytest.mark.parametrize("size", [WIDE, NARROW])
@pytest.mark.parametrize("place", ["runs", "run"])
async def test_the_footer_has_room_for_all_it_promises(place, size):
    app = app_on(finished(), "8f3c" if place == "run" else None)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        footer = screen_text(app).splitlines()[-1]
        for action in (*keys.at(place), *keys.at("everywhere")):
            if action.footer and action.id != "leave-filter":
                assert f"{action.shown} {action.label}" in footer


def test_no_two_actions_of_a_place_want_the_same_key():
    for place in ("runs", "run"):
        taken = [key for where in (place, "list", "everywhere") for action in keys.at(where) for key in action.keys]
        assert len(taken) == len(set(taken))


async def test_the_palette_does_what_the_keys_do():
    app = app_on(finished())
    async with app.run_test(size=WIDE) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+p", *"Reverse")
        await press(pilot, "down", "enter")
        await settle(pilot)
        assert "when↑" in screen_text(app)


async def test_letters_typed_into_the_filter_are_letters():
    app = app_on(finished())
    async with app.run_test(size=NARROW) as pilot:
        await settle(pilot)
        await press(pilot, "slash", *"qsfyrjk")
        assert app.screen.query_one(Input).value == "qsfyrjk"
        assert app.is_running

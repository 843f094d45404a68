"""Heights, lists and filters: the parts that must be right for any data."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.app import App
from textual.content import Content

from harness.model import RunStatus
from tests.tui.stage import BEGIN, SECOND, Script
from tui import query, words
from tui.heights import Heights, Uniform
from tui.lines import Lines

HEIGHTS = st.lists(st.integers(1, 9), max_size=60)


@given(HEIGHTS, st.lists(st.tuples(st.integers(0, 59), st.integers(-2, 20)), max_size=10))
def test_heights_answer_as_plain_sums_do_after_any_corrections(heights, corrections):
    table = Heights(heights)
    for row, height in corrections:
        if row < len(heights):
            table[row] = height
            heights[row] = max(1, height)
    tops = [0, *accumulate(heights)]
    assert table.total == tops[-1]
    assert [table.top(row) for row in range(len(heights) + 1)] == tops
    for line in range(table.total):
        row, top = table.at(line)
        assert top == tops[row]
        assert top <= line < top + heights[row]
    assert table.at(table.total) == (len(heights), table.total)


@given(st.integers(0, 40))
def test_uniform_rows_answer_as_heights_of_one_do(rows):
    table, uniform = Heights([1] * rows), Uniform(rows)
    assert [uniform.at(line) for line in range(rows + 1)] == [table.at(line) for line in range(rows + 1)]
    assert [uniform.top(row) for row in range(rows + 1)] == [table.top(row) for row in range(rows + 1)]


class Tall(Lines):
    """Rows that turn out taller than they look."""

    def __init__(self, real: list[int], guess: int) -> None:
        super().__init__()
        self.real, self.guess = real, guess

    def count(self) -> int:
        return len(self.real)

    def estimate(self, row: int, width: int) -> int:
        return self.guess

    def draw(self, row: int, width: int) -> list[Content]:
        return [Content(f"{row}.{line}") for line in range(self.real[row])]


class Shelf(App):
    def __init__(self, lines: Lines) -> None:
        super().__init__()
        self.lines = lines

    def compose(self):
        yield self.lines


def seen(app: App) -> list[str]:
    return [strip.text.split("▁")[0].strip(" ▁▂▃▄▅▆▇█") for strip in app.screen._compositor.render_strips()]


@pytest.mark.parametrize("guess", [1, 3, 9])
async def test_wherever_the_cursor_goes_its_row_is_in_view_whole_and_rows_follow_without_gaps(guess):
    real = [1 + (row * 7) % 5 for row in range(300)]
    every_line = [f"{row}.{line}" for row in range(300) for line in range(real[row])]
    lines = Tall(real, guess)
    app = Shelf(lines)
    async with app.run_test(size=(30, 12)) as pilot:
        lines.reload()
        for keys in (["G"], ["k"] * 9, ["pageup"] * 4, ["g"], ["pagedown"] * 3, ["j"] * 7, ["end"], ["home"]):
            await pilot.press(*keys)
            await pilot.pause()
            shown = [line for line in seen(app) if line]
            first = every_line.index(shown[0])
            assert shown == every_line[first : first + 12]
            row = lines.cursor
            assert [line for line in shown if line.startswith(f"{row}.")] == [f"{row}.{n}" for n in range(real[row])]


@pytest.mark.parametrize("guess", [1, 9])
async def test_scrolling_up_over_rows_of_unknown_height_moves_by_what_was_asked(guess):
    real = [1 + (row * 7) % 5 for row in range(300)]
    every_line = [f"{row}.{line}" for row in range(300) for line in range(real[row])]
    lines = Tall(real, guess)
    app = Shelf(lines)
    async with app.run_test(size=(30, 12)) as pilot:
        lines.reload()
        await pilot.press("G")
        await pilot.pause()
        top = every_line.index(seen(app)[0])
        for _ in range(12):
            lines.scroll_relative(y=-3, animate=False, immediate=True)
            await pilot.pause()
            top -= 3
            assert seen(app) == every_line[top : top + 12]


async def test_a_row_taller_than_the_view_is_walked_through_before_the_next():
    lines = Tall([40, 2], 1)
    app = Shelf(lines)
    async with app.run_test(size=(30, 10)) as pilot:
        lines.reload()
        met = set(seen(app))
        presses = 0
        while lines.cursor == 0:
            await pilot.press("j")
            met |= set(seen(app))
            presses += 1
            assert presses < 40
        assert {f"0.{line}" for line in range(40)} <= met


async def test_a_click_selects_the_row_under_it_and_a_second_one_opens_it():
    opened = []

    class Desk(Shelf):
        def on_lines_opened(self, event):
            opened.append(event.row)

    lines = Tall([2, 3, 2], 1)
    app = Desk(lines)
    async with app.run_test(size=(30, 10)) as pilot:
        lines.reload()
        await pilot.click(offset=(3, 4))
        assert lines.cursor == 1
        await pilot.click(offset=(3, 4), times=2)
        await pilot.pause()
        assert opened == [1]


def summaries():
    script = Script("aa11", "invoice triage")
    script.find("L101", "repeated-message", "again")
    yield script.run(RunStatus.FAILED, tags=("nightly", "demo"), cost_usd=2.0, input_tokens=5, mode="replay").summary
    yield Script("bb22", "Write tests", begin_ns=BEGIN - SECOND).run(cost_usd=None, input_tokens=9000).summary
    yield Script("cc33", "invoice copy", begin_ns=BEGIN - 2 * SECOND).run(RunStatus.RUNNING, cost_usd=0.5).summary


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["aa11", "bb22", "cc33"]),
        ("INVOICE", ["aa11", "cc33"]),
        ("invoice -copy", ["aa11"]),
        ("status:fail", ["aa11"]),
        ("-status:failed invoice", ["cc33"]),
        ("tag:demo", ["aa11"]),
        ('"write tests"', ["bb22"]),
        ('"write te', ["bb22"]),
        ("name:inv", ["aa11", "cc33"]),
        ("name:copy", []),
        ("nosuch:field", []),
        ("id:bb", ["bb22"]),
        ("mode:replay worst:warning", ["aa11"]),
    ],
)
def test_a_filter_takes_the_runs_all_its_words_fit(text, found):
    runs = list(summaries())
    assert [run.run_id for run in query.select(runs, query.parse(text), query.ORDERS[0])] == found


@given(st.text(max_size=40))
def test_any_text_is_a_filter_and_takes_a_run_or_not(text):
    (run, *_) = summaries()
    assert query.parse(text)(run) in {True, False}


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=12))
def test_a_run_is_found_by_any_part_of_its_name(name):
    run = Script("aa11", name).run().summary
    assert query.parse(f'"{name}"')(run)
    assert not query.parse(f'-name:"{name}"')(run)


def test_orders_put_what_is_unknown_last_and_turn_round():
    runs = list(summaries())
    by = {order.name: order for order in query.ORDERS}
    assert [run.run_id for run in query.select(runs, query.Filter(), by["cost"])] == ["aa11", "cc33", "bb22"]
    assert [run.run_id for run in query.select(runs, query.Filter(), by["cost"], reverse=True)] == [
        "bb22",
        "cc33",
        "aa11",
    ]
    assert query.select(runs, query.Filter(), by["findings"])[0].run_id == "aa11"
    assert [run.name for run in query.select(runs, query.Filter(), by["name"])] == [
        "invoice copy",
        "invoice triage",
        "Write tests",
    ]
    assert [run.run_id for run in query.select(runs, query.Filter(), by["when"], reverse=True)] == [
        "cc33",
        "bb22",
        "aa11",
    ]


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (words.duration(None), "–"),
        (words.duration(0), "0 ms"),
        (words.duration(300_000), "0.3 ms"),
        (words.duration(9_960_000), "10 ms"),
        (words.duration(12_000_000), "12 ms"),
        (words.duration(4_100_000_000), "4.1 s"),
        (words.duration(59_960_000_000), "1:00"),
        (words.duration(134 * SECOND), "2:14"),
        (words.duration(3_723 * SECOND), "1:02:03"),
        (words.count(None), "–"),
        (words.count(0), "0"),
        (words.count(999), "999"),
        (words.count(21_449), "21.4k"),
        (words.count(999_950), "1.0M"),
        (words.money(None), "–"),
        (words.money(0), "$0"),
        (words.money(0.00001), "<$0.0001"),
        (words.money(0.0068), "$0.0068"),
        (words.money(0.061), "$0.061"),
        (words.money(1234.5), "$1,234.50"),
        (words.ago(BEGIN, BEGIN + 200 * SECOND), "3 min"),
        (words.ago(BEGIN, BEGIN - SECOND), "now"),
        (words.total_tokens(None, None), None),
        (words.total_tokens(None, 3), 3),
        (words.plural(1, "turn"), "1 turn"),
        (words.plural(1204, "turn"), "1,204 turns"),
    ],
)
def test_numbers_read_as_a_person_says_them_and_unknown_is_never_zero(said, meant):
    assert said == meant

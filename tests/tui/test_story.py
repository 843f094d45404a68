"""A run told: items, rows, and the way between them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.model import SYNTHETIC_NS, EndingKind, Operation, RunStatus, Severity, Status
from tests.tui.stage import SECOND, Script, triage
from tui import facts, marks
from tui.story import Kind, tell
from tui.widgets.minimap import draw


def test_items_are_what_was_said_in_order_and_rows_are_what_was_done():
    script = triage()
    script.end()
    story = tell(script.run())
    assert [item.agent for item in story.items] == ["user", "planner", "coder", "tool", "coder", "tester", ""]
    assert [item.kind for item in story.items] == [Kind.MESSAGE] * 6 + [Kind.ENDING]
    assert [(row.depth, row.span.operation) for row in story.rows] == [
        (0, Operation.CONVERSATION),
        *[(1, Operation.TURN), (2, Operation.CHAT)] * 4,
    ]


def test_messages_are_numbered_as_commands_count_them():
    script = triage()
    script.end()
    story = tell(script.run())
    assert [item.number for item in story.items] == [1, 2, 3, 4, 5, 6, None]
    assert any("· #2 ·" in line.text for line in facts.of_item(story, story.items[1]))


def test_what_nobody_timed_has_no_time():
    run = triage().run()
    story = tell(replace(run, summary=replace(run.summary, started_ns=SYNTHETIC_NS)))
    told = [line.text for line in facts.of_item(story, story.items[1])]
    assert told[1].endswith("· #2")
    assert not any(line.startswith("began at") for line in told)


def test_an_item_knows_the_tokens_of_its_turn_and_says_nothing_where_nobody_counted():
    story = tell(triage().run())
    assert [item.tokens for item in story.items] == [None, 612, 410, None, 612, 612]


def test_item_and_row_point_at_each_other():
    script = triage()
    script.end()
    story = tell(script.run())
    planner = story.items[1]
    assert story.rows[story.row_of[1]].span.name == "invoke_agent planner"
    assert planner.span.parent_id == story.rows[story.row_of[1]].span.span_id
    # A turn and the model call in it both lead to what was said in the turn.
    turn = story.row_of[1]
    assert [story.item_of[turn], story.item_of[turn + 1]] == [1, 1]
    # What was said outside any turn leads to the conversation.
    assert story.rows[story.row_of[0]].span.operation is Operation.CONVERSATION
    # And the conversation leads to where it begins, not to its end.
    assert story.item_of[story.row_of[0]] == 0


def test_findings_stand_where_they_point_and_those_of_the_whole_run_come_last():
    script = triage()
    script.end()
    script.find("B201", "over-budget", "too dear")
    turn = next(span for span in script.spans if span.operation is Operation.TURN)
    script.find("T301", "slow", "a slow turn", at=turn.span_id)
    script.findings.append(replace(script.findings[0], code="S502", span_id=None, seq=0))
    story = tell(script.run())
    found = {finding.code: index for index, item in enumerate(story.items) for finding in item.findings}
    assert found == {"S501": 3, "L101": 5, "B201": 7, "T301": 0, "S502": 0}
    assert story.items[-1].kind is Kind.FINDING
    assert story.next_finding(0, 1) == 3
    assert story.next_finding(3, -1) == 0
    assert story.next_finding(7, 1) is None


def test_the_next_message_of_an_agent_skips_the_others():
    story = tell(triage().run())
    assert story.next_of_agent(2, 1) == 4
    assert story.next_of_agent(4, -1) == 2
    assert story.next_of_agent(4, 1) is None


def test_calls_that_hang_or_fail_are_told_and_those_that_answered_are_not():
    script = triage()
    script.call(Operation.CHAT, "coder", error="RateLimitError: slow down")
    script.call(Operation.HUMAN, "user", status=Status.OPEN)
    told = [item.call.span.status for item in tell(script.run(RunStatus.RUNNING)).items if item.call is not None]
    assert told == [Status.ERROR, Status.OPEN]


def test_an_interrupted_run_says_so_once():
    story = tell(triage().run(RunStatus.INTERRUPTED))
    assert story.items[-1].ending.kind is EndingKind.INTERRUPTED
    script = triage()
    script.end(EndingKind.INTERRUPTED)
    endings = [item for item in tell(script.run(RunStatus.INTERRUPTED)).items if item.kind is Kind.ENDING]
    assert len(endings) == 1


def test_several_conversations_have_headings():
    script = triage()
    inner = script.span(Operation.CONVERSATION, "invoke_workflow nested", parent=script.root)
    script.say("critic", "Nice.", "coder", parent=inner)
    kinds = [item.kind for item in tell(script.run()).items]
    assert kinds.count(Kind.HEADING) == 2
    assert kinds[0] is Kind.HEADING


def test_agents_have_different_glyphs_none_of_which_means_something_else():
    names = [f"agent {number}" for number in range(36)]
    glyphs = {mark.glyph for mark in marks.agents(names).values()}
    assert len(glyphs) == len(names)
    taken = {mark.glyph for table in (marks.RUN, marks.SEVERITY, marks.SPAN) for mark in table.values()}
    assert not glyphs & taken


@given(st.lists(st.tuples(st.integers(-1, 14), st.integers(0, 9), st.sampled_from(Operation)), max_size=15), st.data())
def test_any_forest_of_spans_even_with_circles_is_told_whole(shape, data):
    script = Script()
    for parent, begin, operation in shape:
        script.now_ns = script.begin_ns + begin * SECOND
        script.span(operation, f"{operation.value}", parent=None if parent < 0 else f"{2 * parent + 1:016x}")
    for span in data.draw(st.permutations(script.spans))[:4]:
        script.say("agent", "words", parent=span.span_id)
    run = replace(script.run(), spans=data.draw(st.permutations(script.run().spans)))
    story = tell(run)
    shown = [row.span.span_id for row in story.rows]
    assert sorted(shown) == sorted({span.span_id for span in run.spans if span.operation is not Operation.MESSAGE})
    assert len(story.item_of) == len(story.rows)
    assert all(-1 <= item < len(story.items) for item in story.item_of)
    assert len(story.row_of) == len(story.items)
    assert all(0 <= row < len(story.rows) for row in story.row_of)
    assert [item.at_ns for item in story.items] == sorted(item.at_ns for item in story.items)


@given(st.integers(0, 40), st.integers(1, 60), st.integers(0, 39))
def test_the_minimap_has_a_cell_for_every_item_or_as_many_as_fit_and_shows_the_worst_finding_of_each(said, width, bad):
    script = Script()
    for number in range(said):
        at = script.say("ab"[number % 2], "words")
        if number == bad:
            script.find("X1", "bad", "bad", at=at, severity=Severity.ERROR)
    above, _, below = draw(tell(script.run()), 0, width).plain.partition("\n")
    assert len(below) == len(above) == min(width, said)
    assert above.count("✖") == (1 if bad < said else 0)
    if bad < said <= width:
        assert above[bad] == "✖"


def test_all_that_is_known_of_a_call_can_be_read_and_copied():
    script = triage()
    run = script.run()
    story = tell(run)
    chat = next(row.span for row in story.rows if row.span.operation is Operation.CHAT)
    text = "\n".join(line.text for line in facts.of_span(story, chat))
    for words in (
        "gpt-4o-mini",
        "500 tokens in · 112 tokens out · $0.0017",
        "user: Please.",
        "assistant: Plan:",
        chat.span_id,
    ):
        assert words in text
    assert '"Please."' in facts.original(story, None, chat)
    assert facts.original(story, story.items[1], chat).startswith("Plan: 1)")


def test_a_long_text_is_cut_in_the_detail_and_copied_whole():
    script = Script()
    script.say("coder", "x" * 50_000)
    story = tell(script.run())
    shown = facts.of_item(story, story.items[0])
    assert sum(len(line.text) for line in shown) < 25_000
    assert any("30,000 more characters" in line.text for line in shown)
    assert len(facts.original(story, story.items[0], None)) == 50_000

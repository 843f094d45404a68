"""T301, T302 and T307: conversations that did not end because they were done."""

from __future__ import annotations

import pytest

from harness.check import judge
from harness.checks.end_words import end_words
from harness.checks.ending import near_miss
from harness.model import LIMITS, EndingKind, Operation, Severity, Status
from tests.checks.talks import Talk, talk


def endings(events):
    return judge(events, select=["T"])


@pytest.mark.parametrize("kind", sorted(LIMITS))
def test_a_conversation_that_a_limit_ended_is_found(kind):
    (finding,) = endings(talk(["ann: Hello.", "ben: Hi."], ending=kind.value, HARNESS_ENDING_DETAIL="10"))
    assert finding.code == "T301"
    assert finding.evidence["ending"] == kind.value
    assert finding.evidence["limit"] == "10"
    assert finding.evidence["near_miss"] is None
    assert "=10 ended the conversation, not a termination message" in finding.text


@pytest.mark.parametrize("kind", sorted(set(EndingKind) - LIMITS - {EndingKind.ERROR}))
def test_every_other_ending_is_none_of_this_checks_business(kind):
    assert endings(talk(["ann: Hello.", "ben: Hi."], ending=kind.value)) == []


def test_an_error_that_ended_the_last_conversation_is_found_and_one_that_the_program_got_over_is_noted():
    run = Talk()
    run.conversation("ann: Hello.", ending="error", status=Status.ERROR, ERROR_TYPE="OSError", ERROR_MESSAGE="no disk")
    (finding,) = endings(run.events())
    assert (finding.code, finding.severity, finding.seq) == ("T307", Severity.WARNING, 0)
    assert finding.text == "the conversation ended with OSError: no disk"
    run.conversation("ann: Hello.", "ben: Hi.", ending="termination_message")
    (finding,) = endings(run.events())
    assert (finding.code, finding.severity) == ("T307", Severity.NOTE)
    assert finding.text.endswith("and the program began another")


def test_an_error_of_a_conversation_within_another_is_told_with_the_one_around_it():
    run = Talk()

    def nested(me):
        run.conversation("ann: Ask.", parent=me, ending="error", status=Status.ERROR, ERROR_TYPE="ValueError")

    run.conversation("ben: Hello.", nested, "ann: Answer.", ending="termination_message")
    assert endings(run.events()) == []
    run.conversation("ben: Again.", nested, ending="error", status=Status.ERROR, ERROR_TYPE="ValueError")
    (finding,) = endings(run.events())
    assert finding.text == "the conversation ended with ValueError"


def test_the_finding_names_whose_limit_it_was_and_points_at_the_last_message():
    events = talk(
        ["ann: Hello.", "ben: Hi."], ending="reply_limit", HARNESS_ENDING_AGENT="ben", HARNESS_ENDING_DETAIL="1"
    )
    (finding,) = endings(events)
    assert finding.text.startswith("max_consecutive_auto_reply=1 of ben ended")
    assert finding.span_id == [event.span.span_id for event in events if event.message][-1]


@pytest.mark.parametrize(("kind", "limit"), [("max_turns", "1"), ("reply_limit", "0")])
def test_a_chat_of_one_question_and_its_answer_is_meant_so(kind, limit):
    assert endings(talk(["ann: 2 + 2?", "ben: 4"], ending=kind, HARNESS_ENDING_DETAIL=limit)) == []


def test_a_nested_conversation_is_judged_by_its_own_messages():
    run = Talk()

    def nested(me):
        run.conversation("ann: Ask.", "cat: TERMINATE.", parent=me, ending="max_turns", HARNESS_ENDING_DETAIL="2")

    run.conversation("ben: Hello.", nested, "ann: Answer.", ending="termination_message")
    (finding,) = endings(run.events())
    assert finding.evidence["near_miss"]["sender"] == "cat"


def test_a_near_miss_is_told_with_the_messages_that_came_after():
    said = ["ben: How much is 2 + 2?", "ann: The answer is 4. TERMINATE", "ben: Go on.", "ann: It is 4.", "ben: Go on."]
    events = talk(said, ending="max_turns", HARNESS_ENDING_DETAIL="3")
    (finding,) = endings(events)
    assert finding.text.endswith("ann said TERMINATE inside the text 3 messages before")
    assert finding.evidence["near_miss"] == {
        "sender": "ann",
        "word": "TERMINATE",
        "why": "inside the text",
        "text": "The answer is 4. TERMINATE",
        "messages_after": 3,
    }
    assert finding.span_id == [event.span.span_id for event in events if event.message][1]


def test_the_task_that_asks_for_the_word_is_no_near_miss():
    said = ["ben: Solve it, then TERMINATE", "ann: Working on it."]
    (finding,) = endings(talk(said, ending="max_turns"))
    assert finding.evidence["near_miss"] is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("TERMINATE", "alone"),
        ("TERMINATE.", "with something around it"),
        ("**TERMINATE**", "with something around it"),
        ("The answer is 4. TERMINATE", "inside the text"),
        ("4\n\nTERMINATE", "inside the text"),
        ("terminate", "in another case"),
        ("The answer is 4.\nTerminate.", "in another case"),
        ("TERMIN ATE", "misspelt"),
        ("TER\x08MINATE", "misspelt"),
        ("DETERMINATED", None),
        ("The answer is 4. terminate", "in another case"),
        ("Shall we stop here? Terminate!", "in another case"),
        ("We should terminate the contract.", None),
        ("The answer is 4. We can terminate.", None),
        ("terminated", None),
        ("Reply TERMINATE when you are done.", None),
        ("If all is well, please say the word TERMINATE", None),
        ("", None),
    ],
)
def test_what_looks_like_a_termination_message(text, why):
    assert near_miss(text) == why


def test_a_program_that_died_is_found_where_it_was():
    run = Talk()
    run.conversation(
        "ann: Hello.",
        lambda me: run.span(Operation.CHAT, parent=me, status=Status.INTERRUPTED, end=False),
        status=Status.INTERRUPTED,
    )
    (finding,) = endings(run.events())
    assert finding.code == "T302"
    assert finding.evidence["last_operation"] == "chat"
    assert finding.evidence["open_spans"] == 2


def test_a_conversation_that_still_goes_on_is_not_interrupted():
    run = Talk()
    run.conversation("ann: Hello.", status=Status.OPEN)
    assert endings(run.events()) == []


def test_events_without_messages_break_nothing():
    (finding,) = endings(talk([], ending="max_rounds"))
    assert finding.span_id


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("max_round", "max_round ended"),
        ("12", "max_round=12 ended"),
        ("Maximum number of messages 5 reached", "a limit (Maximum number of messages 5 reached) ended"),
    ],
)
def test_a_limit_is_named_once(detail, said):
    (finding,) = endings(talk(["ann: Hello."], ending="max_rounds", HARNESS_ENDING_DETAIL=detail))
    assert finding.text.startswith(said)


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ("FINAL SOLUTION FOUND: 4", "SOLUTION FOUND"),
        (r"**SOLUTION\_FOUND**", r"SOLUTION\_FOUND"),
        ("SOLUTION-FOUND", "SOLUTION-FOUND"),
        ("SOLUTION_FOUND, or SOLUTION FOUND", None),
        ("The solution found is 4.", None),
        ("RESOLUTION FOUND", None),
        ("SOLUTION FOUNDED", None),
        ("SOLUTION was FOUND", None),
    ],
)
def test_what_looks_like_a_word_of_several_parts(text, missed):
    (word,) = end_words([{"end_words": ["SOLUTION_FOUND"]}])
    assert word.missed(text) == missed


def test_words_to_end_with_are_those_of_prompts_and_conditions_that_may_be_misspelt():
    inner = {"type": "OrTerminationCondition", "conditions": [{"type": "TextMentionTermination", "text": "ALL_DONE"}]}
    told = [
        {"end_words": ["WE_AGREE", 7]},
        {"termination": inner},
        {"termination": {"text": "NOT_THIS"}},
        {"end_words": 1},
    ]
    assert [each.word for each in end_words(told)] == ["WE_AGREE", "ALL_DONE"]
    assert end_words([{"end_words": ["Approve", "OK", "TERMINATE", "Nearly_There", "A_" * 40]}]) == []


@pytest.mark.parametrize(
    ("text", "missed"),
    [
        ("approve", "approve"),
        ("It reads well.\n\n**Approve.**", "Approve"),
        ("It reads well. Approve!", "Approve"),
        ("APPROVE", None),
        ("I approve. APPROVE", None),
        ("I approve.", None),
        ("Approved.", None),
        ("", None),
    ],
)
def test_a_word_of_one_part_is_missed_where_it_stands_alone_in_other_letters(text, missed):
    (word,) = end_words([{"termination": {"type": "TextMentionTermination", "text": "APPROVE"}}])
    assert word.missed(text) == missed

"""L101: what is a loop, and what only looks like one."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.check import judge
from harness.checks.looping.reading import canonical_move, canonical_text
from harness.model import Operation, Severity
from tests.checks.talks import Talk, call, result, talk


def loops(events, code="L101"):
    return [finding for finding in judge(events, select=[code]) if finding.severity is Severity.WARNING]


def test_one_agent_that_says_the_same_three_times_is_a_loop():
    (finding,) = loops(talk(["ann: Go on.", "ann: Go on.", "ann: Go on."]))
    assert finding.name == "repeated-message"
    assert finding.text == "ann says 'Go on.' for the third time, and nothing new came of it"
    assert finding.evidence["times"] == 3
    assert finding.evidence["senders"] == ["ann"]


def test_saying_it_twice_is_not_yet_a_loop():
    assert loops(talk(["ann: Go on.", "ann: Go on."])) == []


def test_two_agents_that_thank_each_other_without_end_are_one_loop_however_long():
    (finding,) = loops(talk(["ann: Thanks!", "ben: Welcome!"] * 20))
    assert finding.evidence["messages_in_a_round"] == 2
    assert finding.evidence["senders"] == ["ann", "ben"]
    assert "with ben" in finding.text or "with ann" in finding.text


def test_a_round_of_five_agents_is_a_loop():
    (finding,) = loops(talk([f"{name}: I agree." for name in "abcde"] * 4))
    assert finding.evidence["messages_in_a_round"] == 5


def test_the_finding_points_at_every_message_that_says_the_same():
    events = talk(["ann: Thanks!", "ben: Welcome!"] * 3 + ["ann: Bye."])
    (finding,) = loops(events)
    spoken = [event.message for event in events if event.message]
    assert finding.evidence["messages"] == [0, 2, 4]
    assert {spoken[number].text for number in finding.evidence["messages"]} == {"Thanks!"}
    assert (finding.seq, finding.span_id) == (4, spoken[4].span_id)


def test_case_spaces_times_addresses_and_uuids_are_nothing_new():
    said = [
        "ann: Still  waiting at 2024-05-01T10:00:00Z for 123e4567-e89b-12d3-a456-426614174000",
        "ann: still waiting at 2024-05-01 10:00:05.123 for 9b2e4567-e89b-12d3-a456-426614174abc",
        "ann: STILL waiting\nat 2024-05-01T10:00:10+00:00 for 00000000-e89b-12d3-a456-426614174000",
    ]
    assert len(loops(talk(said))) == 1


def test_another_number_is_something_new():
    assert loops(talk([f"ann: {number} of 10 done" for number in range(10)])) == []


def test_a_game_of_guesses_is_not_a_loop_though_one_side_repeats_itself():
    said = [each for number in range(10) for each in (f"ann: Is it {number}?", "ben: Too low.")]
    assert loops(talk(said)) == []


def test_the_same_call_with_the_same_result_three_times_is_a_loop_whatever_the_ids_and_the_order_of_keys():
    said = []
    for number, arguments in enumerate(({"a": 1, "b": 2}, '{"b": 2, "a": 1}', '{"a":1,"b":2}')):
        said += [("ann", [call("add", arguments, f"c{number}")]), ("tools", [result("no such tool", f"c{number}")])]
    (finding,) = loops(talk([*said, "ann: I give up."]))
    assert set(finding.evidence["senders"]) == {"ann", "tools"}


def test_the_loop_of_a_tool_names_the_tool():
    (finding,) = loops(talk([("ann", [call("add", {"a": 1})])] * 3))
    assert finding.text.startswith("ann calls add for the third time")


def test_polling_whose_result_changes_is_not_a_loop():
    said = [
        each
        for number in range(6)
        for each in (("ann", [call("status", {})]), ("tools", [result(f"{number * 10} percent")]))
    ]
    assert loops(talk(said)) == []


def test_the_same_work_on_other_items_is_not_a_loop_even_if_every_result_is_the_same():
    said = [
        each
        for number in range(6)
        for each in (("ann", [call("delete", {"file": f"f{number}"})]), ("tools", [result("ok")]))
    ]
    assert loops(talk(said)) == []


def test_items_named_by_uuids_are_other_items():
    ids = [f"123e4567-e89b-12d3-a456-42661417400{number}" for number in range(6)]
    said = [each for item in ids for each in (("ann", [call("delete", {"id": item})]), ("tools", [result("ok")]))]
    assert loops(talk(said)) == []


def test_the_same_failure_after_another_edit_is_not_a_loop():
    said = [each for number in range(5) for each in (f"ann: x = {number}", "ben: exitcode: 1 (execution failed)")]
    assert loops(talk(said)) == []


def test_messages_without_content_are_a_loop_too():
    (finding,) = loops(talk(["ann: ", "ben: "] * 3))
    assert "says nothing" in finding.text


def test_a_second_loop_after_something_new_is_found_too():
    assert len(loops(talk([*["ann: One."] * 4, "ben: New.", *["ann: Two."] * 4]))) == 2


def test_what_a_human_types_is_new_even_if_it_was_said_before():
    run = Talk()

    def human(me):
        run.span(Operation.HUMAN, parent=me, HARNESS_HUMAN_INPUT="continue")

    run.conversation(*[each for _ in range(6) for each in (human, "user: continue", "ann: Anything else?")])
    assert loops(run.events()) == []


def test_a_human_who_only_presses_enter_is_not_new():
    run = Talk()

    def human(me):
        run.span(Operation.HUMAN, parent=me, HARNESS_HUMAN_INPUT="")

    run.conversation(*[each for _ in range(3) for each in (human, "ann: Anything else?")])
    assert len(loops(run.events())) == 1


def test_the_same_conversation_held_three_times_is_not_a_loop():
    run = Talk()
    for _ in range(4):
        run.conversation("ann: What is 2 + 2?", "ben: 4")
    assert loops(run.events()) == []


WORDS = st.text(alphabet=string.ascii_letters + string.digits + " \n\t-:.TZ+é", max_size=80)


@given(WORDS)
def test_making_a_text_canonical_twice_changes_nothing_more(text):
    assert canonical_text(canonical_text(text)) == canonical_text(text)


@given(st.lists(WORDS.filter(str.strip), min_size=1, max_size=30, unique_by=canonical_text))
def test_a_conversation_in_which_everything_is_new_has_no_loop(texts):
    assert loops(talk([("ann" if number % 2 else "ben", [text_part(text)]) for number, text in enumerate(texts)])) == []


def test_a_loop_that_goes_on_for_two_more_rounds_is_an_error_and_told_of_no_more():
    found = judge(talk(["ann: Thanks!", "ben: Welcome!"] * 40), select=["L101"])
    assert [(each.severity, each.seq) for each in found] == [(Severity.WARNING, 4), (Severity.ERROR, 8)]
    assert found[1].text.endswith("and it goes on")


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.integers(3, 5))
def test_whatever_round_is_said_often_enough_is_found_once(round_, times):
    said = [f"{name}: line {number}" for number, name in enumerate(round_)] * times
    assert len(loops(talk(said))) == 1


@given(st.dictionaries(st.text(max_size=4), st.integers(), max_size=4))
def test_arguments_are_the_same_call_as_json_or_as_text_in_any_order(arguments):
    import json

    backwards = json.dumps(dict(reversed(arguments.items())))
    moves = [
        canonical_move(event.message)
        for event in talk([("ann", [call("f", arguments)]), ("ann", [call("f", backwards)])])
        if event.message
    ]
    assert moves[0] == moves[1]


@pytest.mark.parametrize("parts", [None, "text", [None], [{"type": "image", "uri": "a"}], [{}]])
def test_odd_messages_break_nothing(parts):
    assert len(loops(talk([("ann", parts)] * 3))) == 1


def text_part(text):
    return {"type": "text", "content": text}


def thought(text):
    return {"type": "reasoning", "content": text}


def test_the_same_call_is_the_same_whatever_was_thought_before_it():
    wording = ("I should look it up.", "Perhaps page 7 has it; look there.", "Let me try to look once more.")
    said = [("ann", [thought(text), call("look", {"page": 7})]) for text in wording]
    (finding,) = loops(talk(said))
    assert finding.evidence["messages"] == [0, 1, 2]


def test_thoughts_that_come_back_are_no_loop_and_nobody_answers_itself_by_thinking():
    said = [
        each
        for turn in range(8)
        for each in (
            ("ann", [thought("The request is not satisfied yet.")]),
            ("ann", [thought("Next speaker will be ben, who reads.")]),
            ("ann", [thought("I have not yet asked ben.")]),
            ("ann", [thought("So I ask him to read it.")]),
            f"ann: Please read page {turn} of the report and tell me what it says.",
            ("ann", [thought("I wait for ben.")]),
            f"ben: Page {turn} names {turn * 3} towns and {turn * 5} rivers.",
        )
    ]
    assert judge(talk(said), select=["L"]) == []


def test_an_answer_is_new_though_its_sender_thought_of_it_before():
    said = ["user: Tell me of the towns along the river, one after the other."]
    for turn in range(8):
        answer = f"The town number {turn} has {turn * 113 + 40} houses and {turn * 7 + 3} bridges over the river"
        said += [("ann", [thought(answer)]), f"ann: {answer}.", f"user: And what of town {turn + 1}?"]
    assert judge(talk(said), select=["L"]) == []


CONTINUE = "proxy: Continue. Put the answer in \\boxed{} or write SOLUTION_FOUND."


@pytest.mark.parametrize(
    ("answer", "said", "meant"),
    [
        ("It is \x08oxed{4}.", "oxed{", "\\boxed{"),
        ("It is oxed{4}.", "oxed{", "\\boxed{"),
        ("It is boxed{4}.", "boxed{", "\\boxed{"),
        ("SOLUTION FOUND: it is 4.", "SOLUTION FOUND", "SOLUTION_FOUND"),
        ("SOLUTION-FOUND", "SOLUTION-FOUND", "SOLUTION_FOUND"),
    ],
)
def test_a_loop_after_a_mark_that_was_nearly_made_says_so(answer, said, meant):
    (finding,) = loops(talk([CONTINUE, f"ann: {answer}", *[CONTINUE, "ann: I said so."] * 3]))
    assert finding.evidence["near_miss"] == {"message": 1, "said": said, "meant": meant}
    assert finding.text.endswith(f"; message 1 says {said!r} for {meant!r}")


def test_a_mark_that_was_made_is_no_near_miss():
    (finding,) = loops(talk([CONTINUE, "ann: \\boxed{4} SOLUTION_FOUND", *[CONTINUE, "ann: I said so."] * 3]))
    assert "near_miss" not in finding.evidence


def test_the_same_error_of_different_code_is_a_loop_and_other_errors_are_none():
    def attempts(error):
        return [
            each
            for turn in range(4)
            for each in (
                f"ann: ```python\nx{turn} = {turn}\n```",
                f"ben: exitcode: 1 (execution failed)\n{error}{turn}",
            )
        ]

    same = "Traceback (most recent call last):\nNameError: name 'page' is not defined in line "
    (finding,) = loops(talk(attempts(same)), "L103")
    assert (finding.seq, finding.evidence["outcome"]) == (5, "error")
    assert loops(talk([each + "x" * len(each) for each in attempts(same)]), "L103") == []


@pytest.mark.parametrize("figure", ["0", "17.5"])
def test_the_same_figure_of_different_code_is_a_loop_and_other_figures_are_none(figure):
    def attempts(last):
        tried = [(f"ann: ```python\nprint(f{turn}())\n```", f"ben: {figure}") for turn in range(2)]
        return [
            "ben: How many are left?",
            *[each for pair in tried for each in pair],
            "ann: ```\nprint(g())\n```",
            last,
        ]

    (finding,) = loops(talk(attempts(f"ben: {figure}")), "L103")
    assert (finding.seq, finding.evidence["outcome"]) == (6, "result")
    assert loops(talk(attempts("ben: 12")), "L103") == []


def test_three_empty_replies_are_a_loop_whoever_waits_for_them():
    (finding,) = loops(talk(["ann: Anything else?", "ben: ", "ann: Tell me.", "ben: ", "ann: Hello?", "ben: "]))
    assert "ben says nothing for the third time" in finding.text


def test_who_goes_on_by_itself_is_told_of_once_and_what_it_adds_ends_it():
    alone = ["ann: Let me know when there is more to do.", "ann: Do let me know when there is anything more to do."]
    alone += ["ann: When there is anything to do, let me know.", "ann: Let me know if there is anything else to do."]
    (finding,) = loops(talk(["ben: Begin.", *alone]), "L104")
    assert finding.evidence["messages"] == [2, 3, 4]
    assert loops(talk(["ben: Begin.", *alone[:3], "ann: Room 417 is free at 9:30.", *alone[2:3]]), "L104") == []


def test_checks_that_share_what_they_hear_find_what_each_finds_alone():
    events = talk(["ann: Thanks!", "ben: Welcome!"] * 5 + [f"ann: {text}" for text in ("So be it then.",) * 4])
    together = [(each.code, each.seq, each.evidence) for each in judge(events, select=["L"])]
    apart = [
        (each.code, each.seq, each.evidence)
        for code in ("L101", "L102", "L103", "L104")
        for each in judge(events, select=[code])
    ]
    assert sorted(together, key=str) == sorted(apart, key=str)


def test_a_result_the_framework_s_summary_of_it_and_the_answer_are_no_loop():
    said = "The weather in Seattle is 72 degrees and sunny."
    told = [("ann", [result(said)]), f"ann: {said}", f"ann: {said} TERMINATE"]
    assert (
        judge(talk(["user: What is the weather in Seattle?", ("ann", [call("weather", {})]), *told]), select=["L"])
        == []
    )
    printed = f"ann: [FunctionExecutionResult(content={said!r}, call_id='c')]"
    assert judge(talk(["user: What is the weather in Seattle?", printed, *told[1:]]), select=["L"]) == []


def test_what_a_proxy_always_replies_is_a_loop_though_a_stray_fact_is_said_in_between():
    reply = "proxy: Please choose the right database."
    said = ["user: What does Nvidia expect of 2023?", "ann: It expects 14 percent.", reply, "ann: TERMINATE", reply]
    said += [
        "ann: What Google expects of 2023 is what Nvidia expects, so the right database is what you choose.",
        reply,
    ]
    (finding,) = loops(talk(said))
    assert finding.evidence["messages"] == [2, 4, 6]


def test_the_same_grade_for_one_long_piece_of_work_after_the_other_is_no_loop():
    task = " ".join(f"word{chr(97 + place % 26)}{chr(97 + place // 26)}" for place in range(200))
    said = [
        each
        for turn in range(8)
        for each in (
            f"ann: {task} answer {turn * 7}, {turn * 7 + 1}, {turn * 7 + 2}, {turn * 7 + 3}",
            "ben: accuracy: complete, clarity: very clear, style: very good",
        )
    ]
    assert loops(talk(said)) == []


QUESTION = "what is the highest value that one may expect of three throws of a single die"
IDEAS = (
    "count every outcome by hand and write down the largest of them", "simulate many rounds and average what they gave",
    "find the chance of each maximum and weigh them by it", "ask a colleague who knows about such games of chance",
    "draw a tree of all throws and look at every path once", "compare it to two throws before going on to more",
)  # fmt: skip


def test_prompts_that_a_program_puts_together_for_a_grader_are_no_loop():
    said = [f"user: {QUESTION}", "ann: Rate this path.", f"cat: one may {', or '.join(IDEAS)}"]
    for turn, idea in enumerate(IDEAS):
        said += [
            f"ann: Rate this path. {QUESTION} one may {idea}",
            f"ben: That would be {'good fair poor'.split()[turn % 3]}.",
        ]
    assert judge(talk(said), select=["L102"]) == []


def test_who_copies_what_another_said_hands_nothing_on():
    agreed = (
        "We all agree that the sum is right and that every step was done with care so this task is now done and well"
    )
    names = ("ann", "ben", "cat")
    said = ["user: Add 2 and 3.", "ann: It is 5."]
    said += [f"{names[turn % 3]}: {'Indeed. ' * (turn % 2)}{agreed}" for turn in range(9)]
    assert judge(talk(said), select=["L"])[0].seq <= 8


def voice(turn):
    """Say one more idea at length: half of it in words said before, with a new name or two."""
    common = " ".join(f"common{chr(97 + place)}" for place in range(24))
    fresh = " ".join(f"fresh{chr(97 + turn)}{chr(97 + place)}" for place in range(20))
    return f"You are right, there is more. {common} {fresh} and item_{turn}"


def test_an_agent_that_goes_on_by_itself_at_length_is_told_of_at_its_fourth_message():
    said = ["user: Find a use for this.", *[f"ann: {voice(turn)}" for turn in range(5)]]
    (finding,) = loops(talk(said), "L104")
    assert (finding.seq, finding.evidence["messages"]) == (4, [2, 3, 4])


@pytest.mark.parametrize(
    "between", ["ben: Go on.", ("ann", [call("look", {})]), ("ann", [result("page 7")]), "ann: ```python\nx = 1\n```"]
)
def test_who_works_or_is_answered_in_between_does_not_answer_itself(between):
    said = ["user: Find a use for this.", *[each for turn in range(5) for each in (f"ann: {voice(turn)}", between)]]
    assert loops(talk(said), "L104") == []


ASKED = ["user: 小明有20元。两个兄弟各有他的两倍。三人一共有多少元。", "ann: 20加40加40等于100元。"]
AGREED = ("我同意这个答案是正确的", "总数是100元", "所有步骤都由大家计算过", "因此问题已经解决了")


def test_reworded_repeats_are_found_in_a_script_without_spaces():
    turned = ["".join([*AGREED[turn % 4 :], *AGREED[: turn % 4]]) for turn in range(6)]
    assert len({*turned}) == 4
    assert judge(talk(ASKED + [f"ann: {each}" for each in turned]), select=["L"])[0].seq <= 5
    apart = [f"{('ann', 'ben')[turn % 2]}: {each}" for turn, each in enumerate(turned)]
    assert judge(talk(ASKED + apart), select=["L"])[0].seq <= 7


def test_work_that_goes_on_in_a_script_without_spaces_is_no_loop():
    work = (
        "首先打开数据文件。检查每一列的缺失值。", "缺失值集中在收入列。我建议用中位数填补。",
        "填补之后请画出收入与年龄的散点图。", "散点图显示年龄越大收入越高。但六十岁以后下降。",
        "那么我们加入二次项来拟合这条曲线。", "二次项显著。模型的解释力明显提高。",
        "请写一份报告。说明方法、图形和结论。", "报告已完成。共五页。附有图形和参考文献。",
    )  # fmt: skip
    said = [f"{('ann', 'ben', 'cat')[turn % 3]}: {each}" for turn, each in enumerate(work)]
    assert judge(talk(["user: 请分析这份数据。", *said]), select=["L"]) == []

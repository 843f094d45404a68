"""What checks find in runs of real agents, asked by a scripted server: set-ups, calls and errors as frameworks give."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from harness import derive
from harness.check import Judge
from harness.model import Finding
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.checks.golden_runs import ours
from tests.server import ScriptedServer, error, tool_call

pytestmark = [
    *THEIR_WARNINGS,
    pytest.mark.skipif(importlib.util.find_spec("autogen") is None, reason="the classic extra is not installed"),
]


def judged(store: Path, play: Any, script: list[Any]) -> dict[str, Finding]:
    """Record what *play* does with a server that answers by *script*, and give the last finding of each code."""
    with ScriptedServer(script) as server, recording(store) as seen:
        play(server)
    judging = Judge(checks=ours())
    found = [finding for event in derive.events(seen.run) for finding in judging.see(event)]
    return {finding.code: finding for finding in [*found, *judging.finish()]}


def stage() -> Any:
    from tests.adapters import stage

    return stage


def test_a_chat_in_which_nobody_has_a_predicate_ends_at_a_limit_and_is_told_why(tmp_path):
    def play(server):
        user = stage().proxy(is_termination_msg=None, max_consecutive_auto_reply=1, default_auto_reply="Go on.")
        user.initiate_chat(stage().assistant("helper", server), message="Hello.")

    found = judged(tmp_path, play, ["First.", "Second.", "Third."])
    assert found["T304"].evidence["why"] == "missing"
    assert "T301" in found


def test_a_group_whose_manager_knows_no_end_is_told_so(tmp_path):
    def play(server):
        autogen = stage().autogen
        user = stage().proxy(is_termination_msg=None, default_auto_reply="Go on.")
        helper = stage().assistant("helper", server, is_termination_msg=stage().says_terminate)
        chat = autogen.GroupChat([user, helper], messages=[], max_round=3, speaker_selection_method="round_robin")
        manager = autogen.GroupChatManager(chat, llm_config=stage().config(server))
        user.initiate_chat(manager, message="Hello.")

    found = judged(tmp_path, play, ["Done. TERMINATE"] * 3)
    assert found["T304"].evidence == {"why": "manager", "ending": "max_rounds"}


def test_a_group_that_never_selects_who_would_say_that_it_is_done_is_told_so(tmp_path):
    def play(server):
        autogen = stage().autogen
        user = stage().proxy(is_termination_msg=None, default_auto_reply="Go on.")
        coder = stage().assistant("coder", server, "You write code.")
        boss = stage().assistant("boss", server, "Say TERMINATE when all is done.")
        chat = autogen.GroupChat(
            [user, coder, boss],
            messages=[],
            max_round=3,
            speaker_selection_method=lambda last, _: [coder, user][last is coder],
        )
        manager = autogen.GroupChatManager(
            chat, llm_config=stage().config(server), is_termination_msg=stage().says_terminate
        )
        user.initiate_chat(manager, message="Hello.")

    found = judged(tmp_path, play, ["Like this."] * 3)
    assert found["T304"].evidence == {"why": "never_selected", "ending": "max_rounds"}
    assert "boss" in found["T304"].text


def test_a_word_that_the_prompt_asks_for_and_the_model_spells_otherwise_is_told(tmp_path):
    def play(server):
        user = stage().proxy(
            is_termination_msg=lambda message: "SOLUTION_FOUND" in (message.get("content") or ""),
            default_auto_reply="Go on.",
        )
        solver = stage().assistant("solver", server, "Solve it, and end with SOLUTION_FOUND.")
        user.initiate_chat(solver, message="How much is 2 + 2?", max_turns=2)

    found = judged(tmp_path, play, ["It is 4. SOLUTION FOUND", "Anything else?"])
    near = found["T301"].evidence["near_miss"]
    assert (near["sender"], near["word"], near["messages_after"]) == ("solver", "SOLUTION_FOUND", 2)


def test_a_predicate_that_cannot_read_a_message_without_text_is_told(tmp_path):
    def play(server):
        user = stage().proxy(is_termination_msg=lambda message: "TERMINATE" in message["content"])
        with pytest.raises(TypeError):
            user.initiate_chat(stage().assistant("helper", server), message="Hello.")

    found = judged(tmp_path, play, [tool_call("add", a=1, b=2)])
    assert found["T305"].evidence == {"agent": "helper", "error": "TypeError", "messages": [1]}


def test_a_tool_that_was_not_given_is_told_and_what_it_fails_with_is_heeded(tmp_path):
    def play(server):
        user, helper = stage().proxy(), stage().assistant("helper", server)

        @user.register_for_execution()
        @helper.register_for_llm(description="Add.")
        def add(a: int, b: int) -> int:
            return a + b

        user.initiate_chat(helper, message="Pay me back.")

    found = judged(tmp_path, play, [tool_call("refund", order=7), "I cannot do that. TERMINATE"])
    assert found["S602"].evidence == {"agent": "helper", "tool": "refund", "given": ["add"]}
    assert "R401" not in found


def test_a_failure_that_the_answer_does_not_speak_of_is_told(tmp_path):
    def play(server):
        user, helper = stage().proxy(), stage().assistant("helper", server)

        @user.register_for_execution()
        @helper.register_for_llm(description="Book.")
        def book(flight: str) -> str:
            raise ValueError(f"no seat on {flight}")

        user.initiate_chat(helper, message="Book flight 7.")

    found = judged(tmp_path, play, [tool_call("book", flight="7"), "Flight 7 is booked. TERMINATE"])
    assert found["R401"].evidence == {"agent": "helper", "failed": "user", "messages": [2, 3]}
    assert found["R401"].seq == 3


def test_a_model_that_refuses_is_told_with_the_error_of_its_client(tmp_path):
    def play(server):
        with pytest.raises(Exception, match="no such model"):
            stage().proxy().initiate_chat(stage().assistant("helper", server), message="Hello.")

    found = judged(tmp_path, play, [error(404, "no such model")])
    assert found["R403"].evidence == {"agent": "helper", "error": "NotFoundError", "times": 1}


def test_code_on_this_machine_is_told_with_who_ran_it(tmp_path):
    def play(server):
        settings = {"work_dir": str(tmp_path / "code"), "use_docker": False}
        user = stage().proxy(code_execution_config=settings)
        user.initiate_chat(stage().assistant("helper", server), message="Print 1.")

    found = judged(tmp_path / "store", play, ["```python\nprint(1)\n```", "TERMINATE"])
    assert found["S601"].evidence["agent"] == "user"
    assert found["S601"].evidence["language"] == "python"


async def test_a_team_that_waits_for_who_never_speaks_is_told(tmp_path):
    pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")
    from autogen_agentchat import agents, conditions, teams

    class Says(agents.BaseChatAgent):
        produced_message_types = ()

        async def on_messages(self, messages, cancellation_token):
            from autogen_agentchat.base import Response
            from autogen_agentchat.messages import TextMessage

            return Response(chat_message=TextMessage(content="APPROVE", source=self.name))

        async def on_reset(self, cancellation_token):
            pass

    with recording(tmp_path) as seen:
        end = conditions.SourceMatchTermination(["boss"]) | conditions.MaxMessageTermination(4)
        team = teams.RoundRobinGroupChat([Says("ann", "a"), Says("ben", "b")], termination_condition=end)
        await team.run(task="Write.")
    judging = Judge(checks=ours())
    found = [finding for event in derive.events(seen.run) for finding in judging.see(event)]
    (why,) = [finding.evidence["why"] for finding in found if finding.code == "T304"]
    assert why == "never_spoke"


async def test_a_team_that_waits_for_a_word_that_no_prompt_asks_for_is_told(tmp_path):
    pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")
    from autogen_agentchat import conditions, teams

    from tests.adapters.agentchat_stage import assistant

    async def end_of(folder: Path, prompt: str) -> list[Any]:
        with ScriptedServer(["Like this.", "Fine."]) as server, recording(folder) as seen:
            end = conditions.TextMentionTermination("APPROVE") | conditions.MaxMessageTermination(3)
            members = [assistant("ann", server, "You write."), assistant("ben", server, prompt)]
            await teams.RoundRobinGroupChat(members, termination_condition=end).run(task="Write.")
        judging = Judge(checks=ours())
        found = [finding for event in derive.events(seen.run) for finding in judging.see(event)]
        return [finding.evidence["why"] for finding in found if finding.code == "T304"]

    assert await end_of(tmp_path / "unasked", "You read.") == ["unasked"]
    assert await end_of(tmp_path / "asked", "You read. Say APPROVE if you like it.") == []


async def test_a_team_whose_task_says_the_word_ends_before_anybody_answers_unless_it_says_whose_word_counts(tmp_path):
    pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")
    from autogen_agentchat import conditions, teams

    from tests.adapters.agentchat_stage import assistant

    async def found(folder: Path, **of: Any) -> list[tuple[str, int | None]]:
        with ScriptedServer(["Like this.", "APPROVE"]) as server, recording(folder) as seen:
            end = conditions.TextMentionTermination("APPROVE", **of)
            members = [assistant("ann", server, "You write."), assistant("ben", server, "Say APPROVE.")]
            team = teams.RoundRobinGroupChat(members, termination_condition=end, max_turns=3)
            await team.run(task="Write until ben says APPROVE.")
        judging = Judge(checks=ours())
        every = [finding for event in derive.events(seen.run) for finding in judging.see(event)]
        return [(finding.code, finding.seq) for finding in every if finding.code.startswith("T")]

    assert await found(tmp_path / "anybody") == [("T308", 0)]
    assert await found(tmp_path / "ben", sources=["ben"]) == []


async def test_a_tool_of_ag2_that_raised_is_a_failure_that_the_next_to_speak_has_to_heed(tmp_path, monkeypatch):
    ag2 = pytest.importorskip("ag2", reason="the ag2 extra is not installed")
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path))
    from ag2.config import OpenAIConfig

    def look(page: int) -> str:
        """Look at a page."""
        raise LookupError(f"there is no page {page}")

    async def found(last: str) -> list[str]:
        with ScriptedServer([tool_call("look", page=1), last]) as server, recording(tmp_path) as seen:
            config = OpenAIConfig("gpt-4o-mini", api_key=server.api_key, base_url=server.base_url, max_retries=0)
            await ag2.Agent("ann", "You look.", config=config, tools=[look]).ask("What stands on page 1?")
        judging = Judge(checks=ours())
        return [finding.code for event in derive.events(seen.run) for finding in judging.see(event)]

    assert await found("Here is what page 1 says: all is well.") == ["R401"]
    assert await found("I could not read page 1.") == []

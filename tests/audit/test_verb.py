"""``harness audit`` as a user meets it: a file, a function, a scenario; text, JSON and SARIF."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("autogen", reason="the classic extra is not installed")
if not hasattr(__import__("autogen"), "ConversableAgent"):
    pytest.skip("the classic extra is not installed", allow_module_level=True)

_KEY = "sk-0123456789abcdefghij"
_PROGRAM = f"""
import autogen
from pathlib import Path

config = {{"config_list": [{{"model": "gpt-4o", "api_key": "{_KEY}"}}]}}
writer = autogen.AssistantAgent("writer", llm_config=config)
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)


@user.register_for_execution()
@writer.register_for_llm(description="Leave a mark.")
def delete_file() -> str:
    Path("mark").write_text("done")
    return "done"


if __name__ == "__main__":
    user.initiate_chat(writer, message="Hello.", max_turns=2)
    Path("after").write_text("went on")


def pair():
    return user, writer
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(_PROGRAM)
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def audit(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "audit", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_a_file_is_judged_at_its_first_question_and_goes_no_further(folder: Path) -> None:
    done = audit(folder, "app.py")
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("app.py: bounded\n  at most 4 messages and 2 model calls")
    assert "app.py:6" in done.stdout
    assert "It was ended at its first chat call of writer at app.py:18" in done.stderr
    assert not (folder / "mark").exists()
    assert not (folder / "after").exists()
    assert _KEY not in done.stdout + done.stderr


def test_json_gives_the_certificate_the_checklist_and_where_each_agent_is_made(folder: Path) -> None:
    done = audit(folder, "app.py", "--json")
    found = json.loads(done.stdout)
    certificate = found["certificate"]
    assert (certificate["verdict"], certificate["messages"], certificate["model_calls"]) == ("bounded", 4, 2)
    assert certificate["tight"]
    assert certificate["cost_usd"] > 0
    assert found["checklist"][0]["point"] == "It ends by itself"
    assert len(found["checklist"]) == 6
    lines = {agent["name"]: agent["line"] for agent in found["agents"]}
    assert lines == {"writer": 6, "user": 7}
    codes = {each["code"] for each in found["findings"]}
    assert {"A703", "A706", "A710"} <= codes
    assert _KEY not in done.stdout


def test_sarif_puts_each_finding_at_the_line_that_makes_its_agent(folder: Path) -> None:
    done = audit(folder, "app.py", "--format", "sarif")
    run = json.loads(done.stdout)["runs"][0]
    places = {
        result["ruleId"]: (
            result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            result["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for result in run["results"]
    }
    assert places["A710"] == ("app.py", 6)
    assert places["A706"] == ("app.py", 7)
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert "withdraw" in rules["A710"]["help"]["text"]


def test_reports_name_files_from_the_root_of_the_repository(folder: Path) -> None:
    (folder / ".git").mkdir()
    below = folder / "service"
    below.mkdir()
    (folder / "app.py").rename(below / "app.py")
    done = audit(below, "app.py", "--format", "sarif")
    run = json.loads(done.stdout)["runs"][0]
    uris = {found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for found in run["results"]}
    assert uris == {"service/app.py"}


def test_a_function_that_gives_two_agents_is_judged_as_their_chat(folder: Path) -> None:
    found = json.loads(audit(folder, "app:pair", "--json").stdout)
    assert found["certificate"]["verdict"] == "bounded"
    assert found["certificate"]["messages"] == 201
    assert "A702" in {each["code"] for each in found["findings"]}


def test_how_bad_a_finding_must_be_can_be_set(folder: Path) -> None:
    (folder / "app.py").write_text(_PROGRAM.replace(f', "api_key": "{_KEY}"', ""))
    assert audit(folder, "app.py", "--fail-on", "error").returncode == 0
    assert audit(folder, "app.py", "--fail-on", "note").returncode == 1


def test_a_red_line_that_a_project_suppresses_fails_nothing_and_one_suppressed_in_vain_is_told(folder: Path) -> None:
    crossed = [each["code"] for each in json.loads(audit(folder, "app.py", "--json").stdout)["findings"]]
    assert "A710" in crossed
    told = [*dict.fromkeys(crossed), "A704", "T301"]
    (folder / "pyproject.toml").write_text(
        "".join(f'[[tool.harness.suppress]]\ncode = "{code}"\nreason = "known"\n' for code in told)
        + '[[tool.harness.suppress]]\ncode = "A701"\nrun = "other.py"\nreason = "not here"\n'
    )
    done = audit(folder, "app.py", "--fail-on", "note", "--report", "sarif=found.sarif")
    assert done.returncode == 0, done.stdout
    assert "–       A710 key-in-code" in done.stdout
    assert "suppressed: known" in done.stdout
    assert "✖" not in done.stdout
    assert "the suppression of A704 (known) is for" in done.stderr
    assert done.stderr.count("suppression of") == 1
    results = json.loads((folder / "found.sarif").read_text())["runs"][0]["results"]
    assert {each["suppressions"][0]["justification"] for each in results} == {"known"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("print('nothing here')", "made no agent"),
    ],
)
def test_a_file_that_fails_or_makes_nothing_is_one_clear_error(folder: Path, text: str, said: str) -> None:
    (folder / "app.py").write_text(text)
    done = audit(folder, "app.py")
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_target_is_said(folder: Path) -> None:
    for target, said in (
        ("gone.py", "no file"),
        ("no/target", "no target"),
        ("gone", "no module"),
        ("gone:x", "no module"),
        ("app:gone", "has no"),
    ):
        done = audit(folder, target)
        assert done.returncode == 2, target
        assert said in done.stderr


def test_a_module_is_judged_as_python_would_run_it_and_a_part_of_a_package_is_told_how(folder: Path) -> None:
    package = folder / "team"
    package.mkdir()
    (folder / "app.py").rename(package / "agents.py")
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(
        "from .agents import pair\n\nuser, writer = pair()\nuser.initiate_chat(writer)\n"
    )
    found = json.loads(audit(folder, "team", "--json").stdout)
    assert (found["certificate"]["messages"], found["ended_at"]["line"]) == (201, 4)
    assert json.loads(audit(folder, "team.agents", "--json").stdout)["certificate"]["messages"] == 4
    done = audit(folder, "team/__main__.py")
    assert done.returncode == 2
    assert "It is part of a package" in done.stderr


def test_a_target_that_fails_gives_no_secret_away(folder: Path) -> None:
    (folder / "app.py").write_text(f"def make():\n    raise ValueError('no such key: {_KEY}')\n")
    done = audit(folder, "app:make")
    assert "ValueError: no such key: [secret:openai" in done.stderr
    assert "called without arguments" in done.stderr
    assert _KEY not in done.stderr


def test_a_list_of_set_ups_is_judged_for_each_of_them(folder: Path) -> None:
    more = "\n\ndef pairs():\n    return [pair(), (writer, user), user]\n"
    (folder / "app.py").write_text(_PROGRAM + more)
    found = json.loads(audit(folder, "app:pairs", "--json").stdout)
    assert [each["certificate"]["verdict"] for each in found["conversations"]] == ["bounded"] * 3
    assert [agent["name"] for agent in found["agents"]] == ["user", "writer"]


def test_a_file_that_asks_for_nothing_is_judged_at_its_end(folder: Path) -> None:
    (folder / "app.py").write_text(_PROGRAM.replace("    user.initiate_chat", "    lambda: user.initiate_chat"))
    found = json.loads(audit(folder, "app.py", "--json").stdout)
    assert found["ended"] is None
    assert {agent["name"] for agent in found["agents"]} == {"writer", "user"}


def test_where_no_conversation_was_found_nothing_passes_and_every_report_says_so(folder: Path) -> None:
    (folder / "app.py").write_text("import autogen\n\nwriter = autogen.AssistantAgent('writer', llm_config=False)\n")
    reports = ("sarif", "junit", "github", "markdown")
    done = audit(folder, "app.py", *(word for kind in reports for word in ("--report", f"{kind}=found.{kind}")))
    assert done.returncode == 5
    assert "no conversation was begun or made ready, so nothing is proved" in done.stdout
    for kind in reports:
        assert "nothing is proved" in (folder / f"found.{kind}").read_text(), kind


def test_a_question_to_a_person_and_the_network_end_it_too(folder: Path) -> None:
    for line, said in (
        ("input('?')", "question to a person"),
        ("import socket; socket.create_connection(('192.0.2.1', 9), 1)", "network"),
    ):
        (folder / "app.py").write_text(
            _PROGRAM.replace("    user.initiate_chat", f"    {line}\n    user.initiate_chat")
        )
        found = json.loads(audit(folder, "app.py", "--json").stdout)
        assert said in found["ended"]


def test_what_takes_too_long_is_ended(folder: Path) -> None:
    (folder / "app.py").write_text("while True:\n    pass\n")
    done = audit(folder, "app.py", "--seconds", "3")
    assert done.returncode == 3
    assert "asked for nothing within 3 s" in done.stderr


_SEVERAL = """
import autogen
import harness

config = {"config_list": [{"model": "gpt-4o"}]}
writer = autogen.AssistantAgent("writer", llm_config=config)
user = autogen.UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
members = [autogen.ConversableAgent(name, llm_config=config, human_input_mode="NEVER") for name in "abc"]
manager = autogen.GroupChatManager(
    autogen.GroupChat(members, [], max_round=5), llm_config=config
)


class Critic(autogen.AssistantAgent):
    pass


def later():
    critic = Critic("critic", llm_config=config)
    user.initiate_chat(
        critic,
        message="Hello.",
    )


def other(agent):
    user.initiate_chat(agent, message="Hello.")


if __name__ == "__main__":
    with harness.guard({"max_cost_usd": 1}):
        user.initiate_chat(writer, message="Hello.", max_turns=2)
    user.initiate_chat(manager, message="Hello.")
    later()
    other(writer)
"""


def test_every_conversation_that_is_ready_is_judged_and_what_was_not_reached_is_told(folder: Path) -> None:
    (folder / "app.py").write_text(_SEVERAL)
    found = json.loads(audit(folder, "app.py", "--json").stdout)
    told = [(each["what"], each["begun"], each["line"]) for each in found["conversations"]]
    assert told == [("the chat of user and writer", True, 32), ("the group chat of chat_manager", False, 9)]
    bounds = [each["certificate"]["messages"] for each in found["conversations"]]
    assert bounds == [4, 5]
    assert (found["certificate"]["messages"], found["certificate"]["model_calls"]) == (5, 16)
    missed = [(each["line"], each["what"], each["function"]) for each in found["not_judged"]]
    assert missed == [
        (19, "Critic", "later"),
        (20, "user.initiate_chat", "later"),
        (27, "user.initiate_chat", None),
        (33, "user.initiate_chat", None),
    ]
    done = audit(folder, "app.py")
    assert "bounded: the group chat of chat_manager, not begun yet  app.py:9" in done.stdout
    assert "app.py:19  Critic  (harness audit app:later)" in done.stdout
    assert json.loads(audit(folder, "app:later", "--json").stdout)["certificate"]["messages"] == 201


@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ("", "[tool.harness.guard]\nmax_cost_usd = 1\n"),
        ("", "[tool.harness.limits]\nmax_tokens = 1000\n"),
        ("import harness; harness.instrument(guard=harness.Guard())", ""),
        ("import harness; held = harness.guard(); held.__enter__()", ""),
    ],
)  # fmt: skip
def test_a_guard_limits_the_cost_wherever_it_is_set_up(folder: Path, how: str, settings: str) -> None:
    (folder / "pyproject.toml").write_text(settings)
    (folder / "app.py").write_text(_PROGRAM.replace("    user.initiate_chat", f"    {how}\n    user.initiate_chat"))
    found = json.loads(audit(folder, "app.py", "--json").stdout)
    assert "A703" not in {each["code"] for each in found["findings"]}


def test_a_guard_without_a_limit_of_cost_is_none_and_one_that_would_stop_at_once_hides_nothing(folder: Path) -> None:
    guards = (
        'harness.guard({"max_cost_usd": None, "max_model_calls": None})',
        'harness.guard({"max_cost_usd": 0.0}, fail_closed=True)',
    )
    for guard, found_fault in zip(guards, (True, False), strict=True):
        (folder / "app.py").write_text(
            _PROGRAM.replace(
                "    user.initiate", f"    import harness; held = {guard}; held.__enter__()\n    user.initiate"
            )
        )
        found = json.loads(audit(folder, "app.py", "--json").stdout)
        assert found["ended"].startswith("chat call of writer")
        assert ("A703" in {each["code"] for each in found["findings"]}) == found_fault


def test_a_program_cannot_take_the_refusal_off(folder: Path) -> None:
    away = "    import harness; harness.instrument(); harness.uninstrument()\n    user.initiate_chat"
    (folder / "app.py").write_text(_PROGRAM.replace("    user.initiate_chat", away))
    assert json.loads(audit(folder, "app.py", "--json").stdout)["ended"] == "chat call of writer"


def test_a_file_that_only_says_how_agents_are_made_is_told_what_to_audit_instead(folder: Path) -> None:
    (folder / "app.py").write_text("import autogen\n\n\ndef make():\n    return autogen.AssistantAgent('a')\n")
    done = audit(folder, "app.py")
    assert done.returncode == 2
    assert "AssistantAgent in line 5 was not reached. Audit that: harness audit app:make" in " ".join(
        done.stderr.split()
    )

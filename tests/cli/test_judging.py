"""``harness check``, ``explain`` and ``doctor``, on runs that were really recorded."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from harness import semconv
from harness.call import Call, Reply, chain
from harness.check import explained
from harness.cli import execute
from harness.cli.explain import paragraphs
from harness.journal import Journal
from harness.model import Operation
from harness.store import open_store
from harness.trace import Trace

if TYPE_CHECKING:
    from pathlib import Path

PROJECT = '[project]\nname = "mine"\n'


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with nothing recorded, as the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_STORE", raising=False)
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return tmp_path


def record(
    project: Path, *said: str, name: str = "chat", ending: str = "max_turns", mode: str = "live", calls: int = 0
):
    """Record one run through the tracer, with *calls* model calls of 1,000 tokens at $0.001 each."""
    journal = Journal(project / ".harness", program="test")
    trace = Trace(journal, attributes={semconv.HARNESS_RUN_MODE: mode})
    conversation = trace.open(Operation.CONVERSATION, name, {semconv.GEN_AI_WORKFLOW: name})
    usage = {"input_tokens": 900, "output_tokens": 100}
    ask = chain([trace], lambda _: Reply(value={"message": {"role": "assistant", "parts": []}, "usage": usage}))
    for line in said:
        sender, _, text = line.partition(": ")
        trace.spoken(sender, ["all"], {"role": "assistant", "parts": [{"type": "text", "content": text}]})
    for _ in range(calls):
        request = {"model": "gpt-4o", "messages": [], "tools": [], "parameters": {}}
        ask(Call(operation=Operation.CHAT, agent="ann", request=request))
    trace.close(conversation, {semconv.HARNESS_ENDING: ending, semconv.HARNESS_ENDING_DETAIL: "3"})
    journal.close()
    return conversation.run.run_id


def check(capsys: pytest.CaptureFixture[str], *args: str):
    """Run ``harness check`` and give its exit code and its findings."""
    code = execute(["check", *args, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


LOOP = ["ann: Thanks!", "ben: Welcome!"] * 4


def test_check_judges_the_newest_run_says_why_and_keeps_what_it_found(project, capsys):
    record(project, "ann: Fine.", name="older", ending="termination_message")
    newest = record(project, *LOOP, name="polite")
    assert execute(["check"]) == 1
    out, err = capsys.readouterr()
    assert "polite" in out
    assert "older" not in out
    assert "L101 repeated-message  at message 5 of 8" in out
    assert "max_turns=3 ended the conversation" in out
    assert "harness explain L101 T301" in err
    assert [finding.code for finding in open_store().run(newest).findings] == ["L101", "T301"]
    assert open_store().runs()[0].findings == 2


def test_findings_as_json_have_the_public_shape(project, capsys):
    run_id = record(project, *LOOP)
    code, found = check(capsys, "@1")
    assert code == 1
    assert [set(each) for each in found] == [
        {"code", "name", "severity", "run_id", "source_id", "seq", "span_id", "text", "evidence"}
    ] * 2
    assert {each["run_id"] for each in found} == {run_id}
    assert found[0]["severity"] == "warning"
    assert execute(["check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == found


def test_a_clean_run_is_clean(project, capsys):
    record(project, "ann: Fine.", ending="termination_message")
    assert execute(["check"]) == 0
    assert "nothing found" in capsys.readouterr().out
    assert check(capsys) == (0, [])


def test_several_runs_are_judged_at_once_each_only_once(project, capsys):
    one, two = record(project, *LOOP, name="one"), record(project, *LOOP, name="two")
    code, found = check(capsys, "@1", "@2", two)
    assert code == 1
    assert [each["run_id"] for each in found] == [two, two, one, one]


def test_all_runs_are_judged_and_kept_and_of_many_only_those_with_findings_are_shown(project, capsys):
    found = record(project, *LOOP, name="polite")
    for number in range(210):
        record(project, "ann: Fine.", name=f"clean{number}", ending="termination_message")
    assert execute(["check", "--all"]) == 1
    out, err = capsys.readouterr()
    assert out.count("✖") == 1
    assert "polite" in out
    assert "clean" not in out
    assert "210 of 211 runs: nothing found" in err
    code, findings = check(capsys, "--all")
    assert code == 1
    assert {finding["run_id"] for finding in findings} == {found}
    assert {finding.code for finding in open_store().run(found).findings} == {"L101", "T301"}
    assert execute(["check", "--all", found]) == 2


def test_that_a_limit_is_how_a_program_normally_ends_is_told_over_its_runs(project, capsys):
    limited = [record(project, "ann: Fine.", name="draft") for _ in range(3)]
    record(project, "ann: Fine.", name="draft", ending="termination_message")
    record(project, "ann: Fine.", name="draft", mode="replay", ending="termination_message")
    for ending in ("max_turns", "termination_message", "termination_message"):
        record(project, "ann: Fine.", name="review", ending=ending)
    assert execute(["check", "--all"]) == 1
    out, err = capsys.readouterr()
    assert "✖ draft  over 4 runs\n  warning T306 limit-is-the-way-out\n" in out
    assert "3 of 4 runs of draft ended by a limit (max_turns=3): that is its normal way out" in " ".join(out.split())
    assert "review  over" not in out
    assert "harness explain T301 T306" in err
    code, found = check(capsys, "--all", "--select", "T306")
    assert code == 1
    (over,) = found
    assert (over["code"], over["run_id"], over["seq"]) == ("T306", None, None)
    assert over["evidence"] == {"name": "draft", "runs": 4, "limited": 3, "limits": {"max_turns=3": 3}}
    assert sorted(over["run_ids"]) == sorted(limited)
    assert check(capsys, *limited[:2], "--select", "T306") == (0, [])
    record(project, "ann: Fine.", name="draft", ending="max_rounds")
    _, (over,) = check(capsys, "--all", "--select", "T306")
    assert "(3 by max_turns=3, 1 by max_rounds=3)" in over["text"]


@pytest.mark.parametrize("form", ["sarif", "junit", "github", "markdown"])
def test_what_is_found_over_several_runs_is_in_every_report(project, capsys, form):
    for _ in range(3):
        record(project, "ann: Fine.", name="draft")
    assert execute(["check", "--all", "--select", "T306", "--format", form, "--report", "html=page.html"]) == 1
    said = "3 of 3 runs of draft ended by a limit"
    assert said in capsys.readouterr().out
    assert said in (project / "page.html").read_text()


def test_a_limit_that_is_meant_is_suppressed_for_the_runs_of_that_name(project, capsys):
    for name in ("draft", "review"):
        for _ in range(3):
            record(project, "ann: Fine.", name=name)
    settings = '[tool.harness]\nsuppress = [{code = "T306", run = "draft", reason = "three rounds are meant"}%s]\n'
    (project / "pyproject.toml").write_text(PROJECT + settings % "")
    assert execute(["check", "--all", "--select", "T306"]) == 1
    out, err = capsys.readouterr()
    told = "3 of 3 runs of draft ended by a limit (max_turns=3): that is its normal way out suppressed: three rounds"
    assert told in " ".join(out.split())
    assert out.count("warning T306") == 1
    assert "nothing was found" not in err
    (project / "pyproject.toml").write_text(PROJECT + settings.replace("draft", "rev*") % "" + "checks.T306.runs = 4\n")
    assert execute(["check", "--all", "--select", "T306"]) == 0
    (project / "pyproject.toml").write_text(
        PROJECT + settings.replace("draft", "rev*") % "" + "checks.T306.share = 2\n"
    )
    assert execute(["check", "--all", "--select", "T306"]) == 0
    assert "nothing was found that the suppression of T306 (three rounds are meant) is for" in capsys.readouterr().err


@pytest.mark.parametrize(("level", "code"), [("note", 1), ("warning", 1), ("error", 0)])
def test_the_level_that_fails_can_be_chosen(project, capsys, level, code):
    record(project, *LOOP)
    assert check(capsys, "--fail-on", level)[0] == code


def test_limits_of_the_command_line_go_before_those_of_the_project(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + "[tool.harness.limits]\nmax_model_calls = 1\nmax_tokens = 3000\n")
    record(project, "ann: Fine.", ending="termination_message", calls=3)
    code, found = check(capsys)
    assert (code, [each["code"] for each in found]) == (1, ["B203"])
    code, found = check(capsys, "--max-model-calls", "3", "--max-tokens", "2500")
    assert (code, [each["code"] for each in found]) == (1, ["B201"])
    assert found[0]["evidence"]["by_agent"] == {"ann": 3000}


def test_judging_by_some_checks_leaves_what_others_said(project, capsys):
    run_id = record(project, *LOOP, calls=3)
    check(capsys, "--max-model-calls", "2")
    code, found = check(capsys, "--select", "T")
    assert (code, [each["code"] for each in found]) == (1, ["T301"])
    assert {finding.code for finding in open_store().run(run_id).findings} == {"L101", "T301", "B203"}


def test_a_budget_judged_with_a_limit_of_that_time_stands_and_says_so_until_it_is_judged_again(project, capsys):
    record(project, "ann: Fine.", ending="termination_message", calls=3)
    assert check(capsys, "--max-model-calls", "2")[0] == 1
    assert execute(["check"]) == 1
    assert "(judged earlier)" in capsys.readouterr().out
    assert check(capsys, "--max-model-calls", "3") == (0, [])
    assert check(capsys) == (0, [])


SUPPRESSED = """
[[tool.harness.suppress]]
code = "L101"
reason = "the weather is polled"
[[tool.harness.suppress]]
code = "T301"
reason = "not ours"
run = "another"
"""


def test_a_suppressed_finding_is_shown_with_its_reason_and_fails_nothing(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + SUPPRESSED)
    record(project, *LOOP, ending="termination_message")
    assert execute(["check"]) == 0
    out, err = capsys.readouterr()
    assert "✔" in out
    assert "suppressed: the weather is polled" in out
    assert "harness explain" not in err
    code, found = check(capsys)
    assert (code, [(each["code"], each["suppressed"]) for each in found]) == (0, [("L101", "the weather is polled")])
    kinds = {"sarif": '"justification": "the weather is polled"', "junit": "suppressed: the weather is polled"}
    for form, told in {**kinds, "markdown": r"L101 \(suppressed\)"}.items():
        assert execute(["check", "--format", form]) == 0
        assert told in capsys.readouterr().out
    assert execute(["check", "--format", "github"]) == 0
    assert capsys.readouterr().out == ""


def test_a_suppression_of_nothing_is_told_where_it_could_have_been_needed(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + SUPPRESSED)
    record(project, "ann: Fine.", ending="termination_message")
    assert execute(["check"]) == 0
    err = capsys.readouterr().err
    assert "nothing was found that the suppression of L101 (the weather is polled) is for" in err
    assert "T301" not in err
    record(project, *LOOP, ending="termination_message")
    assert execute(["check", "@1", "@2"]) == 0
    assert "suppression of" not in capsys.readouterr().err


def test_a_suppression_may_be_of_some_runs_alone(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + SUPPRESSED)
    record(project, "ann: Fine.", name="chat")
    record(project, "ann: Fine.", name="another")
    code, found = check(capsys, "@1", "@2")
    assert [each.get("suppressed") for each in found] == ["not ours", None]
    assert code == 1


def test_a_project_sets_what_a_check_judges_by(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + "[tool.harness.checks]\nL101 = {times = 5}\n")
    record(project, *LOOP, ending="termination_message")
    assert check(capsys) == (0, [])


def test_a_replay_says_that_its_times_were_not_judged(project, capsys):
    record(project, "ann: Fine.", ending="termination_message", mode="replay")
    assert execute(["check", "--max-seconds", "0"]) == 0
    err = capsys.readouterr().err
    assert re.search("^B205.* not judged: a replay's times are not those of the run$", err, re.MULTILINE)


def test_a_disabled_check_stays_silent(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + '[tool.harness]\ndisable = ["L"]\n')
    record(project, *LOOP)
    assert [each["code"] for each in check(capsys)[1]] == ["T301"]


def test_hostile_text_reaches_the_terminal_made_visible(project, capsys):
    record(project, *["ann: \x1b[2J\u202eevil"] * 3, name="\x1b]0;owned\x07")
    assert execute(["check"]) == 1
    out = capsys.readouterr().out
    assert not set("\x1b\x07\u202e") & set(out)
    assert "␛]0;owned␇" in out


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["check"], 3, "harness: no store at"),
        (["check", "--select", "Q"], 2, "harness: no check answers to 'Q'"),
        (["check", "--max-tokens", "-1"], 2, "harness: Invalid value"),
        (["explain", "L999"], 2, "harness: no check is called 'L999'"),
    ],
)
def test_a_mistake_is_one_clear_line_and_what_to_do(project, capsys, args, code, line):
    assert execute(args) == code
    out, err = capsys.readouterr()
    assert out == ""
    first, hint = err.strip().splitlines()
    assert first.startswith(line)
    assert hint.startswith("  ")


def test_a_store_without_runs_has_nothing_to_judge(project, capsys):
    Journal(project / ".harness", program="test").close()
    assert execute(["check"]) == 5
    assert "no run to judge" in capsys.readouterr().err


def test_an_unknown_run_is_a_mistake(project, capsys):
    record(project, *LOOP)
    assert execute(["check", "nonesuch"]) == 2
    assert "no run 'nonesuch'" in capsys.readouterr().err


def test_a_limit_the_project_misspells_is_a_mistake(project, capsys):
    (project / "pyproject.toml").write_text(PROJECT + "[tool.harness.limits]\nmax_cost = 1\n")
    record(project, *LOOP)
    assert execute(["check"]) == 2
    assert "Did you mean 'max_cost_usd'?" in capsys.readouterr().err


def test_explain_says_what_why_and_how_to_mend_it(project, capsys):
    assert execute(["explain", "ended-by-limit"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("T301 ended-by-limit · warning · looks at content, end\n\nA limit ended the conversation")
    assert "\n\nWhy: " in out
    assert "\n\nFix: " in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("settings", "line", "near"),
    [
        ("[tool.harness.checks]\nL110 = {times = 4}", "no check is called 'L110'", "L10"),
        ("[tool.harness.checks]\nL101 = {time = 4}", "L101 repeated-message has no threshold 'time'", "'times'"),
        ("[tool.harness.checks]\nX002 = {time = 4}", "X002 tracing-fault has no numbers to judge by", ""),
        ('[[tool.harness.suppress]]\ncode = "L110"\nreason = "so"', "no check answers to 'L110'", "L10"),
    ],
)
def test_a_setting_of_no_check_is_refused_with_the_nearest(project, capsys, settings, line, near):
    (project / "pyproject.toml").write_text(PROJECT + settings)
    record(project, "ann: Fine.")
    assert execute(["check"]) == 2
    first, *hint = capsys.readouterr().err.strip().splitlines()
    assert line in first
    assert near in "".join(hint)


def test_explain_says_what_numbers_a_check_judges_by(project, capsys):
    assert execute(["explain", "L101"]) == 0
    assert "    L101 = {times = 3" in capsys.readouterr().out
    assert execute(["explain", "L101", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["thresholds"]["times"] == 3


def test_explain_keeps_what_is_to_be_copied_on_one_line(project, capsys):
    assert execute(["explain", *(kind.code for kind in explained())]) == 0
    shown = capsys.readouterr().out
    written = {code for kind in explained() for text in paragraphs(kind) for code in re.findall("`[^`]+`", text)}
    assert len(written) > 50
    assert [code for code in written if code not in shown] == []


def test_explain_lists_every_check_and_describes_it_as_data(project, capsys):
    assert execute(["explain"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert execute(["explain", "--json"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert listed == [each["code"] for each in described]
    assert {"B202", "L101", "T301", "X001"} <= set(listed)
    assert all(each["why"] and each["fix"] and each["title"] for each in described)


def doctor(capsys, *args):
    code = execute(["doctor", "--json", *args])
    return code, {item["name"]: item for item in json.loads(capsys.readouterr().out)}


def test_doctor_finds_what_is_installed_and_the_next_step_for_what_is_not(project, capsys):
    pytest.importorskip("autogen", reason="the classic extra is not installed")
    code, items = doctor(capsys)
    assert code == 0
    assert items["classic"]["state"] == "ok"
    assert "openai" in items["classic"]["detail"]
    assert items["store"]["state"] == "absent"
    assert "harness demo" in items["store"]["next"]
    assert str(project / ".harness") in items["store"]["detail"]
    assert not (project / ".harness").exists()


def test_doctor_has_pip_keep_to_what_agentchat_holds_to(project, capsys, monkeypatch):
    installed = {"autogen-agentchat": "0.7.5"}
    monkeypatch.setattr("harness.cli.doctor.version", installed.get)
    assert doctor(capsys)[1]["otlp"]["next"] == "pip install 'autogen-harness[otlp]' autogen-agentchat"
    installed.clear()
    assert doctor(capsys)[1]["otlp"]["next"] == "pip install 'autogen-harness[otlp]'"


def test_doctor_reads_the_store(project, capsys):
    record(project, *LOOP)
    code, items = doctor(capsys)
    assert items["store"]["state"] == "ok"
    assert items["runs"]["detail"].startswith("1 run, 0 of them running")
    assert code == (0 if "classic" in items else 3)


def test_doctor_says_how_to_mend_a_store_that_others_can_read(project, capsys):
    record(project, *LOOP)
    (project / ".harness").chmod(0o755)
    code, items = doctor(capsys)
    assert code == 3
    assert items["store"]["state"] == "problem"
    assert items["store"]["next"].startswith("chmod 700")


def test_doctor_says_how_to_mend_a_damaged_store(project, capsys):
    record(project, *LOOP)
    (project / ".harness" / "spans.duckdb").write_bytes(b"this is no database" * 1000)
    code, items = doctor(capsys)
    assert code == 3
    assert items["runs"]["state"] == "problem"
    assert items["runs"]["next"]


def test_doctor_says_where_the_settings_are_wrong(project, capsys):
    (project / "pyproject.toml").write_text("[tool.harness]\nlimits = 3\n")
    code, items = doctor(capsys)
    assert code == 3
    assert "limits must be a table" in items["settings"]["detail"]


def installed(monkeypatch, **versions):
    from importlib import metadata

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr("harness.cli.doctor.metadata.version", version)


def test_doctor_without_a_framework_says_what_to_install(project, capsys, monkeypatch):
    installed(monkeypatch, duckdb="1.5.3")
    code, items = doctor(capsys)
    assert code == 3
    assert "pip install 'autogen-harness[classic]'" in items["frameworks"]["next"]
    assert items["tui"]["state"] == "absent"
    assert items["tui"]["next"] == "pip install 'autogen-harness[tui]'"


@pytest.mark.parametrize(
    ("versions", "state", "words"),
    [
        ({"pyautogen": "0.2.35", "openai": "1.66.2"}, "ok", "pyautogen 0.2.35 with openai 1.66.2"),
        ({"autogen": "0.14.1", "openai": "3.51.0"}, "ok", "autogen 0.14.1"),
        ({"pyautogen": "0.9"}, "problem", "without an OpenAI client"),
        ({"pyautogen": "0.9", "ag2": "0.14.0", "openai": "2.54.0"}, "problem", "overwrite each other"),
    ],
)
def test_doctor_knows_which_distribution_gives_the_classic_autogen(
    project, capsys, monkeypatch, versions, state, words
):
    installed(monkeypatch, **versions)
    _, items = doctor(capsys)
    assert items["classic"]["state"] == state
    assert words in items["classic"]["detail"]


def test_doctor_does_not_promise_to_record_what_no_adapter_can(project, capsys, monkeypatch):
    installed(monkeypatch, **{"pyautogen": "0.10.0", "autogen-agentchat": "0.7.5", "ag2": "1.2.1", "openai": "3.51.0"})
    monkeypatch.setattr("harness.cli.doctor.plugins.names", lambda _: ["classic"])
    code, items = doctor(capsys)
    assert code == 3
    assert "classic" not in items
    assert items["agentchat"]["state"] == items["ag2"]["state"] == "absent"
    assert "cannot record it" in items["agentchat"]["detail"]

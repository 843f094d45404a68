"""Many scenarios: workers, batches that are killed and gone on with, and scenarios that hang."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli.progress import Progress
from harness.errors import EnvironmentProblem, Exit
from harness.model import Finding, Severity
from harness.store import open_store
from scenarios import batch, jobs, pool, runner, scenario, verdict_record
from scenarios.jobs import Asked
from scenarios.parting import Divergence, Kind, Owner
from scenarios.rehearsal import Rehearsal
from scenarios.repeating import Trials
from scenarios.replaying import Account
from scenarios.verdict import Verdict
from tests.adapters.recorded import THEIR_WARNINGS

pytest.importorskip("autogen", reason="the classic extra is not installed")
pytestmark = THEIR_WARNINGS
LIBRARY = Path(__file__).parents[2] / "scenarios" / "library"
# A shell lets what it runs in the background ignore interruptions.
COMMAND = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from harness.cli import main; main()"
)
PATIENCE_S = 120
LIMITS_S = (2, 8, 32)
"""Time that passes in vain, unless the machine is so busy that what is waited for takes longer: then the next."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    yield tmp_path
    gc.collect()  # What frameworks leave open is collected in the test that left it.


def talks(folder, *names, **changes):
    """Scenarios that replay one bundled conversation; *changes* are texts by name that are put at their ends."""
    for name in names:
        text = (LIBRARY / "politeness.scenario.yaml").read_text(encoding="utf-8")
        text = text.replace("name: politeness", f"name: {name}") + changes.get(name, "")
        (folder / f"{name}.scenario.yaml").write_text(text, encoding="utf-8")
        shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / f"{name}.cassette.jsonl")


def hangs(folder, name="hangs", limits=""):
    """A scenario whose function never comes back, once it has told that it began."""
    (folder / f"{name}_it.py").write_text(
        "import pathlib, time\n\n\ndef chat():\n"
        f"    pathlib.Path({str(folder / name)!r}).touch()\n    while True:\n        time.sleep(0.05)\n",
        encoding="utf-8",
    )
    (folder / f"{name}.scenario.yaml").write_text(f"factory: {name}_it:chat\n{limits}", encoding="utf-8")
    shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / f"{name}.cassette.jsonl")


def command(folder, *arguments, **more):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "run", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def ran(folder, *arguments):
    done = command(folder, *arguments)
    out, err = done.communicate(timeout=PATIENCE_S)
    return done.returncode, out, err


def wait_for(what, patience_s=PATIENCE_S):
    until = time.monotonic() + patience_s
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


FULL = Verdict(
    name="x",
    path=Path("x.scenario.yaml"),
    outcome="failed",
    reasons=("one", "two"),
    remarks=("r",),
    hints=("h",),
    code=Exit.DIVERGED,
    run_id="r1",
    findings=(Finding(code="L101", name="n", severity=Severity.ERROR, text="t", seq=3, evidence={"a": [1]}),),
    raised="it raised X",
    replayed=Rehearsal(
        account=Account(hits=1, misses=2),
        divergence=Divergence(kind=Kind.PROMPT, owner=Owner.PROGRAM, agent="a", call="c", change="d", line=4),
        exchanges=({"exchange": 1, "verdict": "hit"},),
        frameworks=("autogen 0.9", "autogen 0.14"),
    ),
    recorded=True,
    seconds=1.5,
    output="printed",
)


@pytest.mark.parametrize(
    "verdict",
    [
        FULL,
        replace(FULL, replayed=None, findings=()),
        replace(FULL, trials=Trials(attempts=(FULL, replace(FULL, outcome="passed")), live=True)),
    ],
    ids=["full", "bare", "several"],
)
def test_a_verdict_comes_back_as_it_was_written(verdict):
    text = json.dumps(verdict_record.dump(verdict))
    assert verdict_record.load(json.loads(text)) == verdict


def test_a_verdict_on_a_real_run_comes_back_but_for_the_calls_of_the_replay(folder):
    talks(folder, "one")
    verdict = runner.run_scenario(folder / "one.scenario.yaml")
    again = verdict_record.load(json.loads(json.dumps(verdict_record.dump(verdict))), verdict.scenario)
    assert again == replace(verdict, replayed=replace(verdict.replayed, calls=()))
    assert again.summary.started_ns == verdict.summary.started_ns


def test_workers_play_all_and_give_the_verdicts_that_one_would(folder):
    talks(folder, "a", "b", "c", b="  messages: 3\n")
    code, out, err = ran(folder, "-n", "2", "--json")
    assert (code, err) == (Exit.FINDINGS, "")
    many = json.loads(out)
    code, out, _ = ran(folder, "--json")
    alone = json.loads(out)
    assert [one["name"] for one in many] == ["a", "b", "c"]
    for one, other in zip(many, alone, strict=True):
        for changing in ("run_id", "seconds"):
            one.pop(changing), other.pop(changing)
        for finding in (*one["findings"], *other["findings"]):
            finding.pop("span_id")
        assert one == other
    assert len(open_store().runs()) == 6


def test_what_only_some_can_say_is_said_of_them_alone(folder):
    talks(folder, "good", "bad")
    (folder / "bad.cassette.jsonl").unlink()
    (folder / "ugly.scenario.yaml").write_text("agents: 5\n", encoding="utf-8")
    code, out, _ = ran(folder, "-n", "3", "--json")
    assert code == Exit.USAGE
    found = {one["name"]: (one["outcome"], one["reasons"][:1]) for one in json.loads(out)}
    assert found["good"] == ("passed", [])
    assert found["bad"][0] == found["ugly"][0] == "error"
    assert found["bad"][1][0].startswith("no cassette at")
    assert "'agents' must be a list" in found["ugly"][1][0] or "'task' is missing" in found["ugly"][1][0]


def test_a_killed_batch_has_lost_nothing_that_was_finished_and_goes_on(folder):
    talks(folder, "a", "b", "z")
    hangs(folder, "hang")
    running = command(folder, "-n", "2")
    (file,) = (None,)
    try:
        wait_for((folder / "hang").exists)

        def finished():
            return [
                one for one in (folder / "store" / "batches").glob("*.jsonl") if one.read_text().count("passed") >= 3
            ]

        wait_for(finished)
        (file,) = finished()
        workers = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.communicate()
    wait_for(lambda: not any(map(alive, workers)))
    kept = batch.interrupted(folder / "store")
    assert kept is not None
    assert kept.path == file
    assert sorted(key.rpartition("::")[2] for key in kept.verdicts()) == ["a", "b", "z"]
    before = len(open_store().runs())
    (folder / "hang_it.py").write_text("def chat():\n    pass\n", encoding="utf-8")
    changed = folder / "b.scenario.yaml"
    changed.write_text(changed.read_text(encoding="utf-8") + "  messages: 99\n", encoding="utf-8")
    code, out, _ = ran(folder, "--resume", "--json")
    outcomes = {one["name"]: one["outcome"] for one in json.loads(out)}
    assert outcomes == {"a": "passed", "b": "failed", "hang": "inconclusive", "z": "passed"}
    assert code == Exit.FINDINGS
    assert len(open_store().runs()) == before + 1  # b alone: a and z were known, and in hang nobody talks now
    code, _, err = ran(folder, "--resume")
    assert code == Exit.NOTHING_RAN
    assert "was interrupted" in err


def test_an_interruption_ends_what_is_played_and_says_how_to_go_on(folder):
    talks(folder, "a")
    hangs(folder)
    running = command(folder, "-n", "2")
    wait_for((folder / "hangs").exists)
    workers = [int(pid) for pid in Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()]
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == Exit.INTERRUPTED
    assert "`harness run --resume` plays what is missing" in err
    assert not any(map(alive, workers))


def test_a_batch_that_is_running_is_not_gone_on_with(folder):
    made = batch.begin(folder / "store", {"paths": []})
    with made.held() as mine:
        assert mine
        assert batch.interrupted(folder / "store") is None
    assert batch.interrupted(folder / "store") == made
    made.complete()
    assert batch.interrupted(folder / "store") is None


def test_a_line_that_was_cut_off_costs_nothing_else(folder):
    talks(folder, "a")
    what = scenario.load(folder / "a.scenario.yaml")
    made = batch.begin(folder / "store", {"paths": []})
    with made.path.open("a") as file:
        file.write('{"scenario": "half')
    made.keep(what, FULL)
    (record,) = made.verdicts().values()
    assert batch.still_holds(record, what)
    assert verdict_record.load(record["verdict"]).reasons == FULL.reasons
    assert "printed" not in made.path.read_text()


def test_a_secret_in_a_verdict_is_not_kept(folder, monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "correct-horse-battery")
    talks(folder, "a")
    made = batch.begin(folder / "store", {"paths": []})
    made.keep(scenario.load(folder / "a.scenario.yaml"), replace(FULL, reasons=("it said correct-horse-battery",)))
    assert "correct-horse-battery" not in made.path.read_text()
    assert len(made.verdicts()) == 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_scenario_that_hangs_is_given_up_and_the_others_go_on(folder, workers):
    talks(folder, "a", "z")
    hangs(folder)
    for seconds in LIMITS_S:
        code, out, _ = ran(folder, "-n", workers, "--time-limit", str(seconds), "--json")
        found = {one["name"]: (one["outcome"], one["reasons"]) for one in json.loads(out)}
        if found["a"][0] == found["z"][0] == "passed":
            break
    assert (found["a"][0], found["z"][0]) == ("passed", "passed")
    outcome, (reason,) = found["hangs"]
    assert (outcome, reason[:22]) == ("error", "it was given up after ")
    assert code == Exit.ENVIRONMENT


def test_a_scenario_that_hangs_longer_than_it_allows_itself_fails(folder):
    hangs(folder, limits="limits: {seconds: 0.5}\n")
    verdict = runner.run_scenario(folder / "hangs.scenario.yaml")
    assert (verdict.outcome, verdict.reasons[0]) == ("failed", "it was stopped: the limit of 0.5 s was reached")


PROGRAM = """\
import pathlib, subprocess, sys, time

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("half").write_text(str(child.pid))
pathlib.Path("half").rename("pids")
time.sleep(600)
"""


def test_a_program_that_hangs_is_killed_with_its_children(folder):
    (folder / "app.py").write_text(PROGRAM, encoding="utf-8")
    (folder / "app.scenario.yaml").write_text("program: app.py\n", encoding="utf-8")
    shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / "app.cassette.jsonl")
    for seconds in LIMITS_S:
        verdict = runner.rehearse(scenario.load(folder / "app.scenario.yaml"), patience_s=seconds)
        assert (verdict.outcome, verdict.reasons, verdict.code) == (
            "error",
            (f"it was given up after {seconds} s",),
            Exit.ENVIRONMENT,
        )
        if (folder / "pids").exists():
            break
    child = int((folder / "pids").read_text())
    wait_for(lambda: not alive(child))


def test_a_worker_that_dies_costs_its_one_scenario(folder):
    talks(folder, "a", "z")
    (folder / "dies.py").write_text("import os\n\n\ndef chat():\n    os._exit(7)\n", encoding="utf-8")
    (folder / "dies.scenario.yaml").write_text("factory: dies:chat\n", encoding="utf-8")
    shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / "dies.cassette.jsonl")
    found = jobs.find(runner.find([folder]))
    answers = {
        job.name: answer
        for job, answer in pool.play(found, Asked(options={"patience_s": 30.0}), workers=1, store=folder / "store")
    }
    assert isinstance(answers["dies"], EnvironmentProblem)
    assert str(answers["dies"]).startswith("its process was gone")
    assert [answers[name].outcome for name in "az"] == ["passed", "passed"]


def test_leaving_early_ends_the_workers(folder):
    talks(folder, "a")
    hangs(folder)
    found = jobs.find(runner.find([folder]))
    with contextlib.closing(pool.play(found, Asked(), workers=2, store=folder / "store")) as playing:
        assert next(playing)[0].name == "a"
        wait_for((folder / "hangs").exists)
        mine = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        workers = [int(pid) for pid in mine if "scenarios.worker" in Path(f"/proc/{pid}/cmdline").read_text()]
        assert len(workers) == 2
    assert not any(map(alive, workers))


def test_a_selection_that_means_nothing_is_an_error(folder):
    talks(folder, "a")
    code, out, err = ran(folder, "--select", "nope")
    assert (code, out) == (Exit.NOTHING_RAN, "")
    assert "--select 'nope'" in err
    code, out, _ = ran(folder, "--select", "loop and name:a", "--json")
    assert [one["name"] for one in json.loads(out)] == ["a"]


def test_workers_play_the_cases_of_a_file_and_what_is_written_in_python(folder):
    talks(folder, "a")
    path = folder / "a.scenario.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "data: [{case: x, n: 12}, {case: y, n: 3}]\n", encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace("expect:", "expect:\n  messages: '{n}'"), encoding="utf-8")
    for case in "xy":
        shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / f"a.{case}.cassette.jsonl")
    shutil.copy(LIBRARY / "politeness.cassette.jsonl", folder / "b.cassette.jsonl")
    (folder / "b.scenario.py").write_text(
        "import harness\nmodel = {'model': 'gpt-4o-mini', 'temperature': 0}\n"
        "agents = [{'name': name, 'type': 'assistant', 'llm_config': model,"
        " 'system_message': f'You are {name.title()}. Be polite and always answer.'} for name in ('ada', 'ben')]\n"
        "harness.scenario('b', framework='classic', agents=agents, team={'initiator': 'ada', 'max_turns': 6},\n"
        "    task='Shall we meet on Tuesday at ten?', expect={'findings': ['L101', 'T301'],\n"
        "    'python': [lambda run: len(run.messages) == 12 or 'another length']})\n",
        encoding="utf-8",
    )
    _, out, _ = ran(folder, "-n", "2", "--json")
    found = {one["name"]: (one["outcome"], one["reasons"]) for one in json.loads(out)}
    assert found == {
        "a[x]": ("passed", []),
        "a[y]": ("failed", ["expected 3 messages, but there were 12"]),
        "b": ("passed", []),
    }


def test_repeated_scenarios_are_put_together_by_workers_too(folder):
    talks(folder, "a", "b")
    code, out, _ = ran(folder, "-n", "2", "--repeat", "2", "--json")
    assert code == Exit.CLEAN
    assert [len(one["trials"]["attempts"]) for one in json.loads(out)] == [2, 2]


def test_the_progress_says_what_is_done_what_goes_on_and_what_did_not_pass():
    progress = Progress(4)
    for name in ("one", "two\x1b[31m"):
        progress.began(name)
    progress.ended("one", "failed")
    line = progress.line()
    assert line.startswith("1 of 4 · two")
    assert "\x1b" not in line
    assert "1 failed" in line


def test_the_progress_is_silent_where_nobody_watches(capfd):
    with Progress(2) as progress:
        progress.began("one")
        progress.ended("one", "passed")
    assert capfd.readouterr() == ("", "")

"""Change one thing after recording: the replay says what, and who changed it. Nothing is served in silence."""

from __future__ import annotations

import gc
import importlib.util
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import Exit
from scenarios import cassette, runner
from scenarios.casting import MODULES
from scenarios.parting import Kind, Owner
from tests.adapters.recorded import THEIR_WARNINGS
from tests.scenarios.mutations import MUTATIONS, PLAIN, row
from tests.server import Reply, ScriptedServer, ToolCall, rules

pytestmark = THEIR_WARNINGS

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs" / "scenarios.md"
FAMILIES = {"classic": "{findings: [T301]}", "agentchat": "{findings: [T301]}", "ag2": "{ending: termination_message}"}
"""What is expected of the conversation in each family."""
PRICE = Reply(tool_calls=[ToolCall(name="price", arguments={"what": "ticket"}, id="call_Xy12Zk")])


def script():
    return rules({"the planner": [PRICE, "Three tickets cost 42 euros."], "the critic": ["That is right."]})


@pytest.fixture(scope="module", params=FAMILIES)
def recorded(request, tmp_path_factory):
    """A folder with the scenario of one family, recorded."""
    family = request.param
    if importlib.util.find_spec(MODULES[family]) is None:
        pytest.skip(f"the {family} extra is not installed")
    folder = tmp_path_factory.mktemp(family)
    with pytest.MonkeyPatch.context() as patch, ScriptedServer(script()) as server:
        patch.chdir(folder)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        shutil.copy(HERE / f"mutation_{family}.py", folder / "stage.py")
        (folder / "settings.json").write_text(json.dumps(PLAIN), encoding="utf-8")
        path = folder / "tickets.scenario.yaml"
        path.write_text(f"factory: stage:chat\nexpect: {FAMILIES[family]}\n", encoding="utf-8")
        verdict = runner.run_scenario(path, store=folder / "store", record="all")
    assert verdict.recorded, verdict.reasons
    assert len(server.log) == 3
    yield path
    gc.collect()  # what frameworks leave open is collected in the tests that left it


def play(recorded, folder, monkeypatch, mutation=None, framework=None):
    """Play the recorded scenario in *folder* with one thing changed."""
    monkeypatch.chdir(folder)
    for file in recorded.parent.glob("*.*"):
        shutil.copy(file, folder)
    path, file = folder / recorded.name, folder / "tickets.cassette.jsonl"
    if framework:
        text = file.read_text(encoding="utf-8")
        now = json.loads(text.partition("\n")[0])["cassette"]["framework"]
        file.write_text(text.replace(now, framework, 1), encoding="utf-8")
    if mutation:
        (folder / "settings.json").write_text(json.dumps({**PLAIN, **mutation.settings}), encoding="utf-8")
        if mutation.live:
            path.write_text(f"{path.read_text(encoding='utf-8')}live: [{', '.join(mutation.live)}]\n", encoding="utf-8")
        for old, new in mutation.edits.items():
            lines = file.read_text(encoding="utf-8").split("\n")
            at = next(index for index, line in enumerate(lines) if old in line)
            file.write_text("\n".join([*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]]), encoding="utf-8")
    return runner.run_scenario(path, store=folder / "store")


def test_what_is_not_changed_replays(recorded, tmp_path, monkeypatch):
    verdict = play(recorded, tmp_path, monkeypatch)
    assert (verdict.outcome, verdict.reasons, verdict.remarks) == ("passed", (), ())
    assert verdict.account.answered == len(cassette.read(recorded.parent / "tickets.cassette.jsonl").exchanges)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.what)
def test_each_change_is_told_with_its_class_and_its_owner(recorded, tmp_path, monkeypatch, mutation):
    verdict = play(recorded, tmp_path, monkeypatch, mutation)
    assert verdict.code is Exit.DIVERGED, (verdict.outcome, verdict.reasons)
    found = verdict.replayed.divergence
    assert (found.kind, found.owner) == (mutation.kind, mutation.owner), verdict.reasons
    assert row(mutation.what, found.kind, found.owner) in DOCS.read_text(encoding="utf-8").splitlines()


def test_a_tool_whose_code_changed_is_not_called_and_so_not_noticed(recorded, tmp_path, monkeypatch):
    (dearer,) = (mutation for mutation in MUTATIONS if mutation.live == ("tool",))
    verdict = play(recorded, tmp_path, monkeypatch, replace(dearer, live=()))
    assert (verdict.outcome, verdict.account.live) == ("passed", 0)
    assert "A tool whose\ncode changed is not called in a replay" in DOCS.read_text(encoding="utf-8")


def test_another_framework_is_told_even_where_all_requests_are_the_same(recorded, tmp_path, monkeypatch):
    verdict = play(recorded, tmp_path, monkeypatch, framework="autogen 0.1")
    assert verdict.outcome == "passed"
    then, now = verdict.replayed.frameworks
    assert then == "autogen 0.1"
    assert now != then
    rows = DOCS.read_text(encoding="utf-8").splitlines()
    assert row("the framework's version, and no request", Kind.FRAMEWORK, Owner.ENVIRONMENT) in rows

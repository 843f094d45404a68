"""``harness accept`` and ``harness cassette``, with real agents and the files they leave."""

from __future__ import annotations

import gc
import importlib.util
import json

import pytest

from harness import cli
from harness.errors import Exit
from scenarios import cassette, runner
from scenarios.casting import MODULES
from scenarios.parting import Kind, Owner
from tests.adapters.recorded import THEIR_WARNINGS
from tests.server import ScriptedServer, tool_call

pytestmark = THEIR_WARNINGS

TOOLS = '''\
def price(what: str) -> str:
    """Look up the price of one ticket."""
    return "14 euros"
'''
CLERK = """\
agents:
  - name: clerk
    system_message: You sell tickets.
    llm_config: {model: gpt-4o-mini, temperature: 0}
    tools: ["tools:price"]
"""
SHOPS = {
    "classic": f"""\
{CLERK}\
  - {{name: user, max_consecutive_auto_reply: 2}}
team: {{initiator: user, max_turns: 2}}
task: What do three cost?
expect: {{findings: [T301]}}
""",
    "agentchat": f"framework: agentchat\n{CLERK}    reflect_on_tool_use: true\ntask: What do three cost?\n",
    "ag2": f"framework: ag2\n{CLERK}task: What do three cost?\n",
}
CALLS = {"classic": "user", "agentchat": "clerk", "ag2": "clerk"}
"""Who calls the clerk's tool."""
SCRIPT = [tool_call("price", what="ticket"), "Three cost 42 euros."]


def family(name):
    missing = importlib.util.find_spec(MODULES[name]) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"the {name} extra is not installed"))


of_every_family = pytest.mark.parametrize("shop", [family(name) for name in SHOPS], indirect=True)


def record(path):
    with ScriptedServer(SCRIPT) as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        verdict = runner.run_scenario(path, record="all")
    assert verdict.recorded, verdict.reasons


@pytest.fixture
def shop(tmp_path, monkeypatch, request):
    """A scenario that was recorded, in a project of its own; of classic agents unless a test asks for others."""
    name = getattr(request, "param", "classic")
    pytest.importorskip(MODULES[name], reason=f"the {name} extra is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    (tmp_path / "tools.py").write_text(TOOLS, encoding="utf-8")
    path = tmp_path / "shop.scenario.yaml"
    path.write_text(SHOPS[name], encoding="utf-8")
    record(path)
    yield path
    gc.collect()  # what frameworks leave open is collected in the test that left it


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def accept(capsys, *arguments):
    code = cli.execute(["accept", *arguments])
    return code, capsys.readouterr().out


@of_every_family
def test_a_changed_prompt_is_shown_then_accepted_and_every_later_replay_says_so(shop, capsys):
    file = shop.with_name("shop.cassette.jsonl")
    before = cassette.read(file)
    edit(shop, "You sell tickets.", "You sell tickets politely.")
    assert runner.run_scenario(shop).code is Exit.DIVERGED
    code, out = accept(capsys, "shop.scenario.yaml")
    assert code == Exit.CLEAN
    assert "2 recorded requests become what is asked now, with its answer" in out
    assert "- You sell tickets." in out
    assert "+ You sell tickets politely." in out
    assert "and the same in 1 more request" in out
    assert cassette.read(file) == before
    code, out = accept(capsys, "--yes")
    assert (code, "shop.cassette.jsonl written" in out) == (Exit.CLEAN, True)
    made = cassette.read(file)
    assert [found.reply for found in made.exchanges] == [found.reply for found in before.exchanges]
    assert [found.accepted for found in made.exchanges] == [("prompt",), (), ("prompt",)]
    again = runner.run_scenario(shop)
    assert (again.outcome, again.reasons) == ("passed", ())
    assert again.remarks == (
        "2 recorded exchanges were given to an older request, which was changed and accepted since",
    )
    assert accept(capsys)[1].startswith("shop: nothing to accept")


@of_every_family
@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("shop.scenario.yaml", "gpt-4o-mini", "gpt-4o", "the answer is one of 'gpt-4o-mini', not of 'gpt-4o'"),
        ("tools.py", "what: str", "item: str", "the answer calls 'price' without 'item', which it requires now"),
        ("tools.py", "def price", "def cost", "the answer calls the tool 'price', which is not offered any more"),
        (
            "shop.cassette.jsonl",
            '{"arguments": {"what": "ticket"}, "id"',
            '{"arguments": {"what": "book"}, "id"',
            "tool call 1 of '{caller}': the result is that of other arguments",
        ),
    ],
)
def test_what_the_recorded_answers_do_not_serve_is_refused_with_the_reason(
    shop, request, capsys, file, old, new, reason
):
    if file == "tools.py":
        edit(shop, "You sell tickets.", "You sell tickets politely.")
        edit(shop, "tools:price", "tools:cost" if "cost" in new else "tools:price")
    edit(shop.with_name(file), old, new)
    kept = shop.with_name("shop.cassette.jsonl").read_bytes()
    code, out = accept(capsys, "--yes", "shop.scenario.yaml")
    assert code == Exit.DIVERGED
    assert out.startswith("shop: not accepted")
    assert reason.format(caller=CALLS[request.node.callspec.params["shop"]]) in out
    assert shop.with_name("shop.cassette.jsonl").read_bytes() == kept


@of_every_family
def test_what_a_tool_gives_for_real_is_noticed_and_accepted_though_no_model_is_told(shop, capsys):
    lines = [line for line in shop.read_text(encoding="utf-8").splitlines() if not line.startswith("expect")]
    shop.write_text("\n".join([*lines, "limits: {model_calls: 1}", "expect: {ending: stopped}\n"]), encoding="utf-8")
    record(shop)
    with shop.open("a", encoding="utf-8") as lines:
        lines.write("live: [tool]\n")
    assert runner.run_scenario(shop).outcome == "passed"
    edit(shop.with_name("tools.py"), "14 euros", "15 euros")
    parted = runner.run_scenario(shop)
    assert parted.code is Exit.DIVERGED
    found = parted.replayed.divergence
    assert (found.kind, found.owner, found.old, found.new) == (Kind.TOOL_RESULT, Owner.TOOL, "14 euros", "15 euros")
    assert found.call.startswith("tool call 1 of ")
    code, out = accept(capsys, "--yes", "shop.scenario.yaml")
    assert (code, "15 euros" in out) == (Exit.CLEAN, True)
    again = runner.run_scenario(shop)
    assert (again.outcome, again.reasons) == ("passed", ())


def test_a_conversation_that_goes_on_for_longer_is_refused(shop, capsys):
    edit(shop, "max_turns: 2", "max_turns: 3")
    code, out = accept(capsys, "--yes", "shop.scenario.yaml")
    assert (code, "model call 3 of 'clerk' has no recorded answer left" in out) == (Exit.DIVERGED, True)


def test_what_nobody_asks_for_any_more_is_dropped_by_accept_and_by_prune(shop, capsys):
    file = shop.with_name("shop.cassette.jsonl")
    edit(shop, "max_turns: 2", "max_turns: 1")
    code, out = accept(capsys, "--json", "shop.scenario.yaml")
    (told,) = json.loads(out)
    assert (code, told["dropped"], told["changes"], told["written"]) == (Exit.CLEAN, 2, [], False)
    assert cli.execute(["cassette", "prune", file.name]) == Exit.CLEAN
    assert "2 of 3 exchanges would go" in capsys.readouterr().out
    assert len(cassette.read(file).exchanges) == 3
    assert cli.execute(["cassette", "prune", "--yes", "--run", "@1", file.name]) == Exit.CLEAN
    assert "2 of 3 exchanges gone" in capsys.readouterr().out
    assert len(cassette.read(file).exchanges) == 1
    assert runner.run_scenario(shop).remarks == ()
    assert cli.execute(["cassette", "prune", file.name]) == Exit.CLEAN
    assert "every exchange is asked for" in capsys.readouterr().out


def test_prune_finds_the_case_of_a_file_that_a_cassette_answers(shop, capsys):
    edit(shop, "max_turns: 2", "max_turns: '{turns}'")
    edit(shop, "agents:\n", "data: [{case: short, turns: 1}, {case: long, turns: 2}]\nagents:\n")
    recorded = shop.with_name("shop.cassette.jsonl").read_bytes()
    for case in ("short", "long"):
        shop.with_name(f"shop.{case}.cassette.jsonl").write_bytes(recorded)
    assert cli.execute(["cassette", "prune", "--yes", "shop.long.cassette.jsonl"]) == Exit.CLEAN
    assert "every exchange is asked for" in capsys.readouterr().out
    assert cli.execute(["cassette", "prune", "--yes", "shop.short.cassette.jsonl"]) == Exit.CLEAN
    assert "2 of 3 exchanges gone" in capsys.readouterr().out
    assert cli.execute(["cassette", "prune", "shop.cassette.jsonl"]) == Exit.USAGE
    assert "plays 'shop.cassette.jsonl'" in capsys.readouterr().err


def test_prune_keeps_what_any_of_the_scenarios_asks_for_that_a_cassette_answers(shop, capsys):
    text = shop.read_text(encoding="utf-8").replace("max_turns: 2", "max_turns: 1")
    shop.with_name("short.scenario.yaml").write_text(f"cassette: shop.cassette.jsonl\n{text}", encoding="utf-8")
    assert cli.execute(["cassette", "prune", "shop.cassette.jsonl"]) == Exit.CLEAN
    assert "every exchange is asked for" in capsys.readouterr().out


def test_prune_takes_a_run_of_this_cassette_alone_and_leaves_what_was_made_for_real(shop, capsys):
    with shop.open("a", encoding="utf-8") as lines:
        lines.write("live: [tool]\n")
    live = runner.run_scenario(shop)
    assert (live.outcome, live.account.live) == ("passed", 1)
    assert cli.execute(["cassette", "prune", "--run", live.run_id, "shop.cassette.jsonl"]) == Exit.CLEAN
    assert "every exchange is asked for" in capsys.readouterr().out
    other = shop.with_name("other.cassette.jsonl")
    other.write_text(shop.with_name("shop.cassette.jsonl").read_text().replace('"clerk"', '"boss"'), encoding="utf-8")
    assert cli.execute(["cassette", "prune", "--run", live.run_id, other.name]) == Exit.USAGE
    assert "is no replay of 'other.cassette.jsonl'" in capsys.readouterr().err


def test_prune_does_not_believe_a_replay_that_parted(shop, capsys):
    edit(shop, "You sell tickets.", "You sell tickets politely.")
    assert cli.execute(["cassette", "prune", "--yes", "shop.cassette.jsonl"]) == Exit.USAGE
    assert "does not replay to its end" in capsys.readouterr().err


def test_a_cassette_reads_as_the_conversation_it_was(shop, capsys):
    assert cli.execute(["cassette", "show", "shop.cassette.jsonl"]) == Exit.CLEAN
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "shop.cassette.jsonl"
    assert lines[1].startswith("format 2 · ")
    assert lines[3:] == [
        "user → clerk",
        "1  clerk asks gpt-4o-mini · temperature 0 · tools price",
        "system: You sell tickets.",
        *[line for line in lines if line.endswith(": What do three cost?")],
        '→ price({"what":"ticket"})',
        '2  user calls price({"what":"ticket"})',
        "→ 14 euros",
        "3  clerk asks gpt-4o-mini · temperature 0 · tools price",
        "tool: 14 euros",
        "→ Three cost 42 euros.",
    ]


def test_two_cassettes_are_compared_call_by_call(shop, capsys):
    other = shop.with_name("other.cassette.jsonl")
    text = shop.with_name("shop.cassette.jsonl").read_text(encoding="utf-8")
    other.write_text(text.replace('"call_1"', '"call_9"'), encoding="utf-8")
    assert cli.execute(["cassette", "diff", "shop.cassette.jsonl", other.name]) == Exit.CLEAN
    assert "equal" in capsys.readouterr().out
    other.write_text(text.replace("Three cost 42", "Three cost 45").replace("14 euros", "15 euros"), encoding="utf-8")
    assert cli.execute(["cassette", "diff", "shop.cassette.jsonl", other.name]) == Exit.FINDINGS
    assert [line.split(":")[0].split(maxsplit=2)[2] for line in capsys.readouterr().out.splitlines()] == [
        "tool call 1 of 'user'",
        "model call 2 of 'clerk'",
    ]


def test_verify_finds_secrets_and_what_no_exchange_uses_and_redact_and_migrate_mend_it(shop, capsys):
    file = shop.with_name("shop.cassette.jsonl")
    assert cli.execute(["cassette", "verify", file.name]) == Exit.CLEAN
    edit(file, "You sell tickets.", "You sell tickets with sk-" + "a1B2" * 8 + ".")
    with file.open("a", encoding="utf-8") as lines:
        lines.write('{"message": {"id": "lonely", "body": {"role": "user", "parts": []}}}\n')
    capsys.readouterr()
    assert cli.execute(["cassette", "verify", file.name]) == Exit.FINDINGS
    out = capsys.readouterr().out
    assert "it holds a secret" in out
    assert "no exchange uses the message 'lonely'" in out
    assert cli.execute(["cassette", "redact", file.name]) == Exit.CLEAN
    assert "a1B2" not in file.read_text(encoding="utf-8")
    assert cli.execute(["cassette", "verify", file.name]) == Exit.CLEAN
    edit(file, '"format": 2', '"format": 1')
    capsys.readouterr()
    assert cli.execute(["cassette", "verify", file.name]) == Exit.CLEAN
    assert "note: line 1: format 1 is read, but not written any more" in capsys.readouterr().out
    assert cli.execute(["cassette", "migrate", file.name]) == Exit.CLEAN
    assert cassette.read(file).header.format == 2
    capsys.readouterr()
    assert cli.execute(["cassette", "migrate", file.name]) == Exit.CLEAN
    assert capsys.readouterr().out == f"{file.name}: up to date\n"


def test_verify_names_the_line_of_a_file_that_is_none(tmp_path, capsys):
    path = tmp_path / "broken.cassette.jsonl"
    path.write_text('{"cassette": {"format": 2}}\n{"exchange": {}}\n', encoding="utf-8")
    assert cli.execute(["cassette", "verify", str(path)]) == Exit.FINDINGS
    assert "broken.cassette.jsonl:2:" in capsys.readouterr().out

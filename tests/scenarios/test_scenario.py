from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model import Operation
from scenarios import scenario, yaml_file
from scenarios.expecting import Sequence
from scenarios.scenario import Expect, Saying
from scenarios.schema import SCHEMA

PAIR = """\
name: pair
description: Two agents.
tags: [demo, two]
agents:
  - name: ada
    type: assistant
    system_message: Be polite.
    llm_config: {model: gpt-4o-mini, temperature: 0}
    is_termination_msg: {contains: TERMINATE}
    max_consecutive_auto_reply: 3
  - name: ben
    role: user_proxy
    human_input_mode: NEVER
    default_auto_reply: Go on.
    code_execution: {work_dir: work, timeout: 9}
    tools: [tools:add]
team: {initiator: ben, max_turns: 6}
task: Say hello.
cassette: other.jsonl
live: [tool]
expect:
  ending: max_turns
  said: [hello, {regex: "h.llo"}]
  not_said: [sorry]
  tools: []
  findings: [L101]
  messages: 12
  max_cost_usd: 1
  max_turns: 6
"""


@pytest.fixture
def write(tmp_path):
    def writing(text, name="pair.scenario.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def test_everything_a_file_says_is_read(write):
    path = write(PAIR)
    found = scenario.load(path)
    assert (found.name, found.description, found.tags, found.task) == (
        "pair",
        "Two agents.",
        ("demo", "two"),
        "Say hello.",
    )
    assert [agent["name"] for agent in found.agents] == ["ada", "ben"]
    assert found.team == {
        "pattern": "two_agent",
        "initiator": "ben",
        "recipient": "ada",
        "max_turns": 6,
        "speaker_selection": "auto",
    }
    assert found.framework == "classic"
    assert found.cassette == path.parent / "other.jsonl"
    assert found.live == {Operation.TOOL}
    assert found.expect == Expect(
        ending="max_turns",
        said=(Saying(text="hello"), Saying(text="h.llo", regex=True)),
        not_said=(Saying(text="sorry"),),
        tools=Sequence(exactly=()),
        findings=("L101",),
        messages=12,
        limits={"max_cost_usd": 1.0, "max_turns": 6.0},
    )


def test_name_and_cassette_come_from_the_file_where_it_says_nothing(write):
    path = write("factory: shop:talk\n", "shop.scenario.yaml")
    found = scenario.load(path)
    assert found.name == "shop"
    assert found.cassette == path.parent / "shop.cassette.jsonl"
    assert found.factory == "shop:talk"
    assert found.expect == Expect()


def test_a_program_and_its_arguments_are_told_apart(write, tmp_path):
    (tmp_path / "my app.py").write_text("", encoding="utf-8")
    found = scenario.load(write("program: \"'my app.py' --fast 'two words'\"\n"))
    assert found.program == ("my app.py", "--fast", "two words")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("description:", "descripton:", ":2: unknown key 'descripton'; did you mean 'description'?"),
        (
            "    system_message",
            "    sytem_message",
            ":7: unknown key 'sytem_message' in 'agents\\[1\\]'; did you mean 'system_",
        ),
        ("  ending: max_turns", "  endng: max_turns", ":22: unknown key 'endng' in 'expect'; did you mean 'ending'?"),
        (
            "ending: max_turns",
            "ending: max_turn",
            ":22: 'expect.ending' cannot be 'max_turn'; did you mean 'max_turns'?",
        ),
        ("messages: 12", "messages: twelve", ":27: 'expect.messages' must be a whole number, not 'twelve'"),
        ("messages: 12", "messages: yes", ":27: 'expect.messages' must be a whole number, not True"),
        ("max_cost_usd: 1", "max_cost_usd: -1", ":28: 'expect.max_cost_usd' must be at least 0"),
        ("tags: [demo, two]", "tags: demo", ":3: 'tags' must be a list, not 'demo'"),
        ("tags: [demo, two]", "tags: [demo, 2]", ":3: 'tags\\[2\\]' must be text, not 2"),
        ("name: pair", "name: [pair]", ":1: 'name' must be text"),
        (
            "type: assistant",
            "type: asistant",
            ":6: 'agents\\[1\\].type' cannot be 'asistant'; did you mean 'assistant'?",
        ),
        ("role: user_proxy", "role: user_proxy\n    type: assistant", "'type' and 'role' say the same"),
        ("name: ben", "name: ada", ":11: two agents are called 'ada'"),
        (
            "{contains: TERMINATE}",
            "{contains: a, equals: b}",
            ":9: 'agents\\[1\\].is_termination_msg' has exactly one of",
        ),
        ("{contains: TERMINATE}", "{regex: '('}", ":9: '\\(' is not a regular expression"),
        (
            "{contains: TERMINATE}",
            "lambda x: x",
            ":9:.* not valid YAML|:9: 'agents\\[1\\].is_termination_msg' must be a mapping",
        ),
        ("{model: gpt-4o-mini, temperature: 0}", "{temperature: 0}", ":8: 'agents\\[1\\].llm_config.model' is missing"),
        ("tools:add", "tools.add", ":16: 'tools.add' is not of the form 'module:function'"),
        (
            "timeout: 9",
            "time_out: 9",
            ":15: unknown key 'time_out' in 'agents\\[2\\].code_execution'; did you mean 'timeout'?",
        ),
        ("initiator: ben", "initiator: bem", ":17: 'team.initiator' cannot be 'bem'; did you mean 'ben'?"),
        ("initiator: ben", "initiator: ben, recipient: ben", ":17: 'ben' cannot talk to itself"),
        ("task: Say hello.\n", "", ":1: 'task' is missing"),
        ("task: Say hello.", "task: Say hello.\nfactory: a:b", ":19: a scenario has exactly one of"),
        ("live: [tool]", "live: [tools]", ":20: 'live\\[1\\]' cannot be 'tools'; did you mean 'tool'?"),
        ('regex: "h.llo"', 'regx: "h.llo"', ":23: unknown key 'regx' in 'expect.said\\[2\\]'; did you mean 'regex'?"),
        ("name: pair", "name: pair\nname: pear", ":2: 'name' is given twice"),
        ("tags: [demo, two]", "tags: [demo, two", ":4: not valid YAML"),
        ("name: pair", "name: !!python/name:os.system", ":1: not valid YAML: could not determine a constructor"),
        (PAIR, "- a\n- b\n", ":1: a scenario is a mapping of keys to values, not \\['a', 'b'\\]"),
        (PAIR, "", ":1: a scenario is a mapping of keys to values, not None"),
        (PAIR, "name: nothing\n", "exactly one of 'agents', 'factory' and 'program', not none of them"),
        (PAIR, "program: app.py\n", ":1: no program at '.*app.py'"),
        (PAIR, 'program: "\'app.py"\n', ":1: 'program' is not a command line"),
        (PAIR, "factory: a\n", ":1: 'a' is not of the form 'module:function'"),
        (PAIR, "factory: a:b\ntask: x\n", ":2: 'task' belongs to 'agents'"),
        (PAIR, "agents: []\ntask: x\n", ":1: 'agents' is empty"),
        (PAIR, "agents: [{name: a}]\n", ":1: 'task' is missing"),
        (PAIR, "agents: [{name: a}]\ntsk: x\n", ":2: unknown key 'tsk'; did you mean 'task'?"),
        (PAIR, "agents: [{name: a}]\nworkflo: [{task: x}]\n", ":2: unknown key 'workflo'; did you mean 'workflow'?"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(write, before, after, told):
    assert before in PAIR
    with pytest.raises(UsageError, match=told) as caught:
        scenario.load(write(PAIR.replace(before, after, 1)))
    assert "\n" not in str(caught.value)


def test_a_pair_takes_two_agents(write):
    with pytest.raises(UsageError, match="'two_agent' takes two agents, and there are 1"):
        scenario.load(write("agents: [{name: a}]\nteam: {pattern: two_agent}\ntask: x\n"))


DESK = """\
framework: {framework}
agents:
- {{name: front, llm_config: {{model: m}}}}
- {{name: tech, llm_config: {{model: m}}}}
- {{name: sales, llm_config: {{model: m}}}}
team: {{pattern: graph, edges: {edges}}}
task: x
"""


@pytest.mark.parametrize(
    ("framework", "edges", "told"),
    [
        ("agentchat", "[{from: front, to: tec}]", ":6: 'team.edges\\[1\\].to' cannot be 'tec'; did you mean 'tech'?"),
        ("agentchat", "[{from: front}]", ":6: 'team.edges\\[1\\].to' is missing"),
        ("agentchat", "[{from: front, to: tech, tool: x}]", ":6: unknown key 'tool' in 'team.edges\\[1\\]'"),
        ("ag2", "[{from: front, to: tech, when: {contains: x}}]", ":6: unknown key 'when' in 'team.edges\\[1\\]'"),
        ("ag2", "[{from: front, tool: x}, {from: tech, tool: x}]", ":6: the tool 'x' leads on from one agent alone"),
        ("ag2", "[]", ":6: 'team.edges' is empty"),
    ],
)
def test_edges_that_lead_nowhere_are_told(write, framework, edges, told):
    with pytest.raises(UsageError, match=told):
        scenario.load(write(DESK.format(framework=framework, edges=edges)))


@pytest.mark.parametrize("team", ["pattern: graph", "pattern: round_robin, edges: [{from: front, to: tech}]"])
def test_a_graph_and_nothing_else_has_edges(write, team):
    text = DESK.format(framework="agentchat", edges="[]").replace("pattern: graph, edges: []", team)
    with pytest.raises(UsageError, match="a 'graph' has 'edges', and nothing else has"):
        scenario.load(write(text))


NESTED = """\
agents:
- name: editor
  nested: {trigger: writer, chats: [{recipient: critic}]}
- {name: writer, llm_config: {model: m}}
- {name: critic, llm_config: {model: m}}
task: x
"""


def test_who_is_only_spoken_to_inside_a_turn_does_not_make_a_pair_a_group(write):
    found = scenario.load(write(NESTED))
    (stage,) = found.stages
    assert (found.framework, stage.agents, stage.team["pattern"]) == ("classic", ("editor", "writer"), "two_agent")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("recipient: critic", "recipient: crtic", "'agents\\[1\\].nested.chats\\[1\\].recipient' cannot be 'crtic'"),
        ("recipient: critic", "recipient: editor", "'agents\\[1\\].nested.chats\\[1\\].recipient' cannot be 'editor'"),
        ("trigger: writer", "trigger: [writer, wrter]", "'agents\\[1\\].nested.trigger' cannot be 'wrter'"),
        ("trigger: writer, ", "triger: writer, ", "unknown key 'triger' in 'agents\\[1\\].nested'"),
    ],
)
def test_nested_chats_with_nobody_are_told(write, before, after, told):
    assert before in NESTED
    with pytest.raises(UsageError, match=told):
        scenario.load(write("framework: classic\n" + NESTED.replace(before, after)))


def test_a_file_that_is_not_there_or_not_text_is_told(write, tmp_path):
    with pytest.raises(UsageError, match="no file at"):
        scenario.load(tmp_path / "none.scenario.yaml")
    path = tmp_path / "x.scenario.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot read"):
        scenario.load(path)


def test_aliases_that_refer_to_themselves_do_not_hang(write):
    with pytest.raises(UsageError):
        scenario.load(write("agents: &a [*a]\ntask: x\n"))


@given(st.text(max_size=60))
def test_any_text_is_a_scenario_or_one_clear_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.scenario.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    with pytest.raises(UsageError) as caught:
        scenario.load(path)
    assert len(str(caught.value).splitlines()) == 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text("ab:"),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from([*SCHEMA["properties"], *SCHEMA["properties"]["expect"]["properties"]]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    )
)
def test_any_values_under_known_keys_are_a_scenario_or_one_clear_error(tmp_path_factory, value):
    import yaml

    path = tmp_path_factory.getbasetemp() / "values.scenario.yaml"
    path.write_text(yaml.safe_dump(value), encoding="utf-8")
    try:
        found = scenario.load(path)
    except UsageError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 - both outcomes are right
    else:
        assert sum(map(bool, (found.agents, found.factory, found.program))) == 1


def test_a_file_whose_aliases_multiply_is_refused_before_it_is_unfolded(tmp_path):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]" for before, key in itertools.pairwise("abcdef")]
    path = tmp_path / "many.scenario.yaml"
    path.write_text("\n".join(lines))
    with pytest.raises(UsageError, match="do aliases multiply"):
        yaml_file.read(path)

"""One scenario, many cases; and scenarios written in Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from scenarios import scenario
from scenarios.cases import each
from scenarios.yaml_file import Document

TEXT = """\
factory: a:b
tags: ["{currency}", all]
data:
  - {case: euro zone, currency: EUR, rate: 1.08, count: 3}
  - {currency: JPY, rate: "0.0067", count: 4}
expect:
  said: ["{rate} for {currency}", {regex: "^{2}{other}"}]
  messages: "{count}"
"""


def write(folder: Path, text: str, name: str = "shop") -> Path:
    path = folder / f"{name}.scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_row_is_a_case_with_its_values_and_a_cassette_of_its_own(tmp_path):
    first, second = scenario.load_all(write(tmp_path, TEXT.replace("^{2}", "x{2}")))
    assert (first.name, second.name) == ("shop[euro zone]", "shop[2]")
    assert (first.cassette.name, second.cassette.name) == (
        "shop.euro-zone.cassette.jsonl",
        "shop.2.cassette.jsonl",
    )
    assert (first.tags, second.tags) == (("EUR", "all"), ("JPY", "all"))
    assert (first.expect.said[0].text, second.expect.said[0].text) == ("1.08 for EUR", "0.0067 for JPY")
    assert first.expect.said[1].text == "x{2}{other}"
    assert (first.expect.messages, second.expect.messages) == (3, 4)


def test_one_case_of_several_is_loaded_by_its_name(tmp_path):
    path = write(tmp_path, TEXT.replace("^{2}", "x{2}"))
    assert scenario.load(path, "2").name == scenario.load(path, "shop[2]").name == "shop[2]"
    with pytest.raises(UsageError, match="holds 2 scenarios") as caught:
        scenario.load(path)
    assert "shop[euro zone], shop[2]" in caught.value.hint
    with pytest.raises(UsageError, match="has no scenario '3'"):
        scenario.load(path, "3")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rows.csv", "currency,rate\nEUR,1\nJPY,2\n"),
        ("rows.json", '[{"currency": "EUR", "rate": 1}, {"currency": "JPY", "rate": 2}]'),
        ("rows.jsonl", '{"currency": "EUR", "rate": 1}\n\n{"currency": "JPY", "rate": 2}\n'),
        ("rows.yaml", "- {currency: EUR, rate: 1}\n- {currency: JPY, rate: 2}\n"),
    ],
)
def test_rows_may_be_in_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = scenario.load_all(
        write(tmp_path, f"factory: a:b\ndata: {name}\nexpect: {{said: ['{{currency}} {{rate}}']}}\n")
    )
    assert [one.expect.said[0].text for one in found] == ["EUR 1", "JPY 2"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: nowhere.csv\n", ":2: no file at '.*nowhere.csv'"),
        ("data: []\n", ":2: 'data' is empty"),
        ("data: [1]\n", r":2: 'data\[1\]' must be a mapping, not 1"),
        ("data: 5\n", ":2: 'data' must be a list or text, not 5"),
        ("data: rows.txt\n", ":2: cannot read '.*rows.txt': it is neither"),
        ("data: bad.json\n", ":2: cannot read '.*bad.json'"),
        ("data: [{case: a b}, {case: a-b}]\n", ":2: rows 1 and 2 are both called 'a-b'"),
        ("data: [{currency: EUR}]\ndescription: '{curency}'\n", ":3: the data have no column 'curency'; did you mean"),
        ("data: [{n: x}]\nexpect:\n  messages: '{n}'\n", ":4: 'expect.messages' must be a whole number, not 'x'"),
    ],
)
def test_what_is_wrong_with_data_is_told_with_its_place(tmp_path, text, told):
    (tmp_path / "rows.txt").write_text("a", encoding="utf-8")
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        scenario.load_all(write(tmp_path, f"factory: a:b\n{text}"))


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,3}", fullmatch=True), st.text(max_size=5), min_size=1, max_size=3),
    st.text("ab{}xyz 1", max_size=20),
)
def test_values_take_the_place_of_their_columns_once_and_nothing_else_changes(row, text):
    document = Document(path=Path("x"), value={"data": [{**row, "case": "1"}], "task": f"A{text}"})
    try:
        ((_, made),) = each(document)
    except UsageError as error:
        assert "did you mean" in str(error)  # noqa: PT017 - a misspelt column is refused
        return
    expected, rest = "", f"A{text}"
    while rest:
        name = next((name for name in (*row, "case") if rest.startswith(f"{{{name}}}")), None)
        if name is None:
            expected, rest = expected + rest[0], rest[1:]
        else:
            expected, rest = expected + {**row, "case": "1"}[name], rest[len(name) + 2 :]
    assert made.value["task"] == expected


PYTHON = """\
import harness
from prices import lookup

harness.scenario(
    "shop",
    framework="classic",
    agents=[
        {"name": "clerk", "llm_config": {"model": "m"}, "tools": (lookup, lambda x: x)},
        {"name": "user"},
    ],
    task="How much is {currency}?",
    data=[{"case": "euro", "currency": "EUR"}, {"case": "yen", "currency": "JPY"}],
    expect={"python": [lambda run: True], "tools": ["lookup"]},
)
harness.scenario("other", factory=lookup, repeat=2)
"""


@pytest.fixture
def in_python(tmp_path):
    (tmp_path / "prices.py").write_text("def lookup(name):\n    return name\n", encoding="utf-8")
    path = tmp_path / "all.scenario.py"

    def writing(text=PYTHON):
        path.write_text(text, encoding="utf-8")
        return path

    return writing


def test_scenarios_in_python_are_as_those_in_a_file(in_python, tmp_path):
    euro, yen, other = scenario.load_all(in_python())
    assert (euro.name, yen.name, other.name) == ("shop[euro]", "shop[yen]", "other")
    assert (euro.task, yen.task) == ("How much is EUR?", "How much is JPY?")
    assert euro.path == tmp_path / "all.scenario.py"
    assert other.cassette == tmp_path / "other.cassette.jsonl"
    assert other.repeat == 2
    written = write(
        tmp_path,
        "name: shop\nframework: classic\nagents:\n- {name: clerk, llm_config: {model: m}}\n- {name: user}\n"
        "task: How much is EUR?\n",
    )
    same = scenario.load(written)
    assert (euro.stages, euro.framework) == (same.stages, same.framework)


def test_functions_that_python_hands_over_are_found_again(in_python):
    from scenarios import stage

    euro, _, other = scenario.load_all(in_python())
    first, second = euro.agents[0]["tools"]
    assert first != second
    assert stage.named(euro, first)("x") == "x"
    assert stage.named(other, other.factory).__name__ == "lookup"
    assert stage.named(euro, euro.expect.python[0])(None) is True


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import harness\nharness.scenario('x', agents=[{'name': 'a', 'sytem_message': 'b'}], task='t')\n",
         r"all.scenario.py: unknown key 'sytem_message' in 'agents\[1\]'; did you mean 'system_message'"),
        ("import harness\n" + 2 * "harness.scenario('x', factory='a:b')\n", "two scenarios are called 'x'"),
        ("x = 1\n", "it makes no scenario"),
        ("x = \n", "all.scenario.py:1: it raised SyntaxError"),
        ("raise KeyError('a')\n", "it raised KeyError"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_python_is_told(in_python, text, told):
    with pytest.raises(UsageError, match=told):
        scenario.load_all(in_python(text))


def test_a_row_of_json_is_written_into_a_text_as_json(tmp_path):
    (one,) = scenario.load_all(write(tmp_path, 'factory: a:b\ndata: [{x: {a: [1, "é"]}}]\ndescription: "is {x}"\n'))
    assert json.loads(one.description.removeprefix("is ")) == {"a": [1, "é"]}

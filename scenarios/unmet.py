"""Hold a run against what was expected of it: what did not come, and what came and should not, in the file's order."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import HarnessError, UsageError
from harness.model import Finding, Json, Message, Operation, Run, Severity
from harness.text import one_line

from .expecting import Item, finds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .expecting import Expect, Question, Saying
    from .expecting import Sequence as Wanted

_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """One tool call or message of a run: its name, and the arguments of a call."""

    name: str
    arguments: Json = None


def unmet(expect: Expect, run: Run, findings: Sequence[Finding]) -> list[str]:
    """List what was expected and did not come, and what came and was not expected, as far as the run itself says."""
    return [
        *_ending(expect, run),
        *_sayings(expect, run),
        *_sequence("tool", expect.tools, _called(run)),
        *_sequence("speaker", expect.speakers, [Done(name=message.sender) for message in run.messages]),
        *_findings(expect, findings),
        *_messages(expect, run),
    ]


def answers(questions: Sequence[Question], ask: Callable[[str], Any]) -> Iterator[str]:
    """Say which *questions* in SQL, put with *ask*, have another answer. Raises UsageError for one that is none."""
    for question in questions:
        try:
            rows = ask(question.query).rows
        except UsageError as error:
            raise UsageError(f"'expect.sql' {_cut(question.query)}: {error}", hint=error.hint) from error
        if len(rows) != 1 or len(rows[0]) != 1:
            yield f"the answer to {_cut(question.query)} should be one value, and has {len(rows)} rows"
        elif not _same(rows[0][0], question.equals):
            yield f"the answer to {_cut(question.query)} is {_cut(rows[0][0])}, not {_cut(question.equals)}"


def _same(value: Any, wanted: Json) -> bool:  # noqa: ANN401 - whatever DuckDB gives
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    if isinstance(wanted, (int, float)) and value is not None:
        try:
            return float(value) == float(wanted)  # DuckDB has decimals
        except (TypeError, ValueError):
            return False
    return bool(value == wanted) or (isinstance(wanted, str) and value is not None and str(value) == wanted)


class CheckBrokeError(HarnessError):
    """A function that should judge a run raised instead (exit 2): the scenario could not be judged."""


def opinions(functions: Mapping[str, Callable[[Run], object]], run: Run) -> Iterator[str]:
    """Say what the *functions* of a scenario find wrong with *run*. Raises CheckBrokeError if one raises."""
    for name, function in functions.items():
        try:
            said = function(run)
        except Exception as error:
            msg = f"{name} could not judge the run: {type(error).__qualname__}: {one_line(error, 200)}"
            raise CheckBrokeError(msg, hint="It is given the run (harness.model.Run).") from error
        if said is False:
            yield f"{name} says no"
        elif isinstance(said, str):
            if said:
                yield f"{name}: {one_line(said, 300)}"
        elif said is not None and said is not True:
            msg = f"{name} gave {_cut(said)} instead of True, False or a text"
            raise CheckBrokeError(msg, hint="True and None are well; False, and a text that says why, are not.")


def _ending(expect: Expect, run: Run) -> Iterator[str]:
    if expect.ending is None or run.summary.ending == expect.ending:
        return
    endings = [ending for ending in run.endings.values() if ending.kind.value == run.summary.ending]
    detail = f" ({one_line(endings[-1].detail, _WIDTH)})" if endings and endings[-1].detail else ""
    yield f"expected the ending {expect.ending}, but it ended by {run.summary.ending or 'nothing at all'}{detail}"


def _sayings(expect: Expect, run: Run) -> Iterator[str]:
    for saying in expect.said:
        if not any(_says(saying, message) for message in run.messages):
            yield (
                f"{one_line(saying.by, 40)} did not say {_quoted(saying)}"
                if saying.by
                else (f"nobody said {_quoted(saying)}")
            )
    for saying in expect.not_said:
        for number, message in enumerate(run.messages, start=1):
            if _says(saying, message):
                yield f"{one_line(message.sender, 40)} said {_quoted(saying)} (message {number}), which nobody should"
                break


def _says(saying: Saying, message: Message) -> bool:
    return saying.by in {None, message.sender} and finds(saying, message.text)


def _quoted(saying: Saying) -> str:
    if saying.schema is not None:
        return "JSON of the form that is asked for"
    return f"what matches {saying.text!r}" if saying.regex else repr(saying.text)


def _called(run: Run) -> list[Done]:
    return [
        Done(name=call.name or "", arguments=_read(call.request.get("arguments")))
        for call in run.calls
        if call.span.operation is Operation.TOOL
    ]


def _read(arguments: Json) -> Json:
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _sequence(what: str, wanted: Wanted, done: Sequence[Done]) -> Iterator[str]:
    """Say what of *wanted* does not hold of what was done, tool calls or speakers as *what* says."""
    verb = "to be called" if what == "tool" else "to speak"
    if wanted.exactly is not None and not _pairwise(wanted.exactly, done):
        told = f"the {what}s {_listed(wanted.exactly)}" if wanted.exactly else f"no {what}"
        yield f"expected {told} {verb}, but it was {_shown(done, wanted.exactly)}"
    if (missing := _out_of_order(wanted.in_order, done)) is not None:
        told = _listed(wanted.in_order)
        yield f"expected the {what}s {told} in this order, but {_one(missing)} did not come in its turn"
    if wanted.any_order is not None and not _matched(wanted.any_order, done):
        told = _listed(wanted.any_order)
        yield f"expected the {what}s {told} in any order, but it was {_shown(done, wanted.any_order)}"
    for item in wanted.include:
        if not any(_is(item, one) for one in done):
            yield f"expected the {what} {_one(item)}, but it was {_shown(done, (item,))}"
    for item in wanted.exclude:
        number = next((number for number, one in enumerate(done, start=1) if _is(item, one)), None)
        if number is not None:
            told = "was called" if what == "tool" else "spoke"
            yield f"the {what} {_one(item)} {told} (number {number}), which it should not"


def _is(item: Item, done: Done) -> bool:
    if item.name != done.name:
        return False
    given = done.arguments if isinstance(done.arguments, dict) else {}
    return all(name in given and given[name] == value for name, value in item.arguments.items())


def _pairwise(items: Sequence[Item], done: Sequence[Done]) -> bool:
    return len(items) == len(done) and all(map(_is, items, done))


def _out_of_order(items: Sequence[Item], done: Sequence[Done]) -> Item | None:
    left = iter(done)
    return next((item for item in items if not any(_is(item, one) for one in left)), None)


def _matched(items: Sequence[Item], done: Sequence[Done]) -> bool:
    """Say whether each item can have one of *done* for itself, with none left over: a perfect matching."""
    if len(items) != len(done):
        return False
    taken: dict[int, int] = {}

    def place(item: int, tried: set[int]) -> bool:
        for index, one in enumerate(done):
            if index not in tried and _is(items[item], one):
                tried.add(index)
                if index not in taken or place(taken[index], tried):
                    taken[index] = item
                    return True
        return False

    return all(place(item, set()) for item in range(len(items)))


def _listed(items: Sequence[Item]) -> str:
    return one_line(", ".join(map(_one, items)), 200) or "none"


def _one(item: Item) -> str:
    values = {name: json.dumps(value, default=str, ensure_ascii=False) for name, value in item.arguments.items()}
    told = ", ".join(f"{name}={one_line(value, 80)}" for name, value in values.items())
    return f"{item.name}({told})" if told else item.name


def _shown(done: Sequence[Done], wanted: Sequence[Item]) -> str:
    """List what was done, with arguments where some are asked for by name."""
    asked = {item.name for item in wanted if item.arguments}
    names = [f"{one.name}({_cut(one.arguments)})" if one.name in asked else one.name for one in done]
    counted = Counter(names)
    if len(names) > 12 and len(counted) < len(names):  # noqa: PLR2004 - a long list is not read
        names = [f"{name} {count}×" if count > 1 else name for name, count in counted.items()]
    return one_line(", ".join(names), 200) or "none"


def _cut(value: object) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False), 80)


def _findings(expect: Expect, findings: Sequence[Finding]) -> Iterator[str]:
    for wanted in expect.findings:
        if not any(wanted in {finding.code, finding.name} for finding in findings):
            yield f"the finding {wanted} was expected and did not come"
    for finding in findings:
        forgiven = finding.severity is Severity.NOTE or finding.suppressed is not None
        if not forgiven and not {finding.code, finding.name} & set(expect.findings):
            yield f"unexpected finding {finding.code} {finding.name}: {one_line(finding.text, 200)}"


def _messages(expect: Expect, run: Run) -> Iterator[str]:
    if expect.messages is not None and run.summary.messages != expect.messages:
        yield f"expected {expect.messages} messages, but there were {run.summary.messages}"

"""``harness accept``: take a reviewed change into the cassette without asking a model."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from harness import plugins
from harness.cli.common import emit_json, json_option, say, store_option
from harness.errors import Exit, NothingRanError
from harness.model import CALLS
from harness.text import printable

_MOST_TOLD = 3


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[SCENARIO]...")
@click.option("--yes", is_flag=True, help="Write the cassette. Without it, say what would change.")
@json_option
@store_option
def command(*, paths: tuple[Path, ...], yes: bool, as_json: bool, store: Path | None) -> int:
    """Take what the agents of SCENARIO ask now into its cassette, with the answers that were recorded.

    SCENARIO is a *.scenario.yaml or a folder, by default all below the current one. Each is played offline; recorded
    requests that differ are replaced, and marked as accepted. It is refused where a recorded answer does not serve: it
    is another model's, another tool call's, or given in another course of the conversation. Exits with 4 if one is
    refused.
    """
    runner = plugins.sibling("scenarios.runner")
    found = runner.find(paths or (Path(),))
    if not found:
        raise NothingRanError("no scenario here", hint="A scenario is a file NAME.scenario.yaml.")
    load_all = plugins.sibling("scenarios.scenario").load_all
    records = [_accept(what, yes=yes, store=store, show=not as_json) for path in found for what in load_all(path)]
    if as_json:
        emit_json(records)
    elif not yes and any(record["changes"] or record["dropped"] for record in records if not record["refusals"]):
        again = " ".join(shlex.quote(str(path)) for path in paths)
        say(f"Nothing is written yet: `harness accept --yes{' ' if again else ''}{printable(again)}`.")
    return Exit.DIVERGED if any(record["refusals"] for record in records) else Exit.CLEAN


def _accept(what: Any, *, yes: bool, store: Path | None, show: bool) -> dict[str, Any]:  # noqa: ANN401 - a Scenario
    runner = plugins.sibling("scenarios.runner")
    accepting, cassettes = plugins.sibling("scenarios.accepting"), plugins.sibling("scenarios.cassette")
    recorded = cassettes.read(what.cassette)
    verdict = runner.rehearse(what, store=store, matching="sequence", tags=("accept",))
    framework = verdict.summary.framework if verdict.summary else None
    made = accepting.accept(recorded, verdict.replayed.calls, kinds=CALLS - what.live, framework=framework)
    refusals = list(made.refusals)
    if verdict.raised is not None and what.expect.ending not in {"error", "stopped"}:
        refusals.insert(0, f"the program did not come to its end: {verdict.raised}")
    proof = None
    if made.needed and not refusals:
        proof = _played_again(runner, what, made.cassette, store)
        refusals += [
            f"played again, it still parts: {line}" for line in proof.reasons[:1] if proof.code == Exit.DIVERGED
        ]
    written = yes and made.needed and not refusals and made.cassette.write(what.cassette)
    if show:
        _tell(what, made, refusals, proof, written=written)
    return {
        "path": str(what.path),
        "cassette": str(what.cassette),
        "changes": [
            {"call": change.call, "line": change.line, "differences": [found.text for found in change.differences]}
            for change in made.changes
        ],
        "dropped": made.dropped,
        "refusals": refusals,
        "written": written,
        "outcome": proof.outcome if proof is not None else verdict.outcome,
    }


def _played_again(runner: Any, what: Any, cassette: Any, store: Path | None) -> Any:  # noqa: ANN401 - of a sibling
    """Play the scenario with the cassette as it would be: what is accepted must replay."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / what.cassette.name
        cassette.write(path)
        return runner.rehearse(replace(what, cassette=path), store=store, tags=("accept",))


def _tell(what: Any, made: Any, refusals: list[str], proof: Any, *, written: bool) -> None:  # noqa: ANN401 - as above
    telling = plugins.sibling("scenarios.telling")
    name, file = printable(what.name), printable(what.cassette)
    if refusals:
        click.secho(f"{name}: not accepted", bold=True)
        for reason in refusals[:_MOST_TOLD]:
            click.echo(f"  {printable(reason)}")
        if refusals[_MOST_TOLD:]:
            click.echo(f"  … and {len(refusals) - _MOST_TOLD} more")
        click.echo(f"  Record it again: `harness run --record all {printable(shlex.quote(str(what.path)))}`.")
        return
    if not made.needed:
        click.echo(f"{name}: nothing to accept, {file} replays as it is")
        return
    click.secho(f"{name}: {file} {'written' if written else 'would be written'}", bold=True)
    for line in _changes(made, telling.short_diff):
        click.echo(f"  {printable(line)}")
    if proof is not None and proof.outcome != "passed":
        click.echo(f"  It replays, but does not do what is expected ({proof.outcome}):")
        for reason in proof.reasons:
            click.echo(f"    {printable(reason)}")


def _changes(made: Any, short_diff: Any) -> Iterator[str]:  # noqa: ANN401 - an Acceptance, a function of a sibling
    count = len(made.changes)
    if count:
        yield f"{count} recorded request{' becomes' if count == 1 else 's become'} what is asked now, with its answer"
    for change, alike in _grouped(made.changes):
        at = f" (line {change.line})" if change.line else ""
        first = change.differences[0]
        yield f"{change.call}{at}: {first.place}"
        yield from (f"  {line}" for line in short_diff(first.old, first.new))
        yield from (f"  also {other.text}" for other in change.differences[1:])
        if alike:
            yield f"  and the same in {alike} more request{'' if alike == 1 else 's'}"
    if made.dropped:
        yield f"{made.dropped} exchange{'' if made.dropped == 1 else 's'} nobody asks for any more: dropped"


def _grouped(changes: Sequence[Any]) -> list[tuple[Any, int]]:
    """Tell a change once, with how many more requests it shows in: a prompt is sent again with every call."""
    groups: dict[object, list[Any]] = {}
    for change in changes:
        groups.setdefault(tuple((found.where, found.old, found.new) for found in change.differences), []).append(change)
    return [(same[0], len(same) - 1) for same in groups.values()]

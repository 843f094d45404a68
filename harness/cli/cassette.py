"""``harness cassette``: care of cassettes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness import plugins
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit, UsageError
from harness.model import CALLS
from harness.text import printable

_FILE = click.Path(dir_okay=False, path_type=Path)
_files = click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")


@click.group("cassette")
@store_option
@click.pass_context
def command(ctx: click.Context, store: Path | None) -> None:
    """Look after cassettes (*.cassette.jsonl): read them, compare them, keep them small and free of secrets."""
    ctx.obj = store


@command.command()
@_files
@click.option("--all", "whole", is_flag=True, help="Cut nothing.")
@json_option
def show(files: tuple[Path, ...], *, whole: bool, as_json: bool) -> None:
    """Print what was recorded, as the conversation it was."""
    cassettes, listing = plugins.sibling("scenarios.cassette"), plugins.sibling("scenarios.listing")
    found = [(path, cassettes.read(path)) for path in files]
    if as_json:
        emit_json([{"path": str(path), **_document(cassette)} for path, cassette in found])
        return
    for number, (path, cassette) in enumerate(found):
        if number:
            click.echo()
        click.secho(printable(path), bold=True)
        for line in listing.lines(cassette, whole=whole):
            click.echo(line)


def _document(cassette: Any) -> dict[str, Any]:  # noqa: ANN401 - a sibling's Cassette
    exchanges = [{**asdict(found), "kind": found.kind.value} for found in cassette.exchanges]
    return {"header": asdict(cassette.header), "exchanges": exchanges}


@command.command()
@click.argument("first", type=_FILE, metavar="A")
@click.argument("second", type=_FILE, metavar="B")
@json_option
def diff(first: Path, second: Path, *, as_json: bool) -> int:
    """Say what two cassettes do not share, call by call. Exit code 0 if nothing, 1 otherwise.

    Names in the files, their order of lines and the ids of tool calls do not count.
    """
    cassettes, listing = plugins.sibling("scenarios.cassette"), plugins.sibling("scenarios.listing")
    rows = listing.differing(cassettes.read(first), cassettes.read(second))
    if as_json:
        emit_json([asdict(row) for row in rows])
    elif not rows:
        click.echo("equal: the same requests, the same answers")
    for row in () if as_json else rows:
        places = " ".join(f"{side}{number}" for side, number in (("A", row.left), ("B", row.right)) if number)
        click.echo(f"{places:<9} {printable(row.call)}: {printable(row.text)}")
    return Exit.FINDINGS if rows else Exit.CLEAN


@command.command()
@_files
@json_option
def verify(files: tuple[Path, ...], *, as_json: bool) -> int:
    """Prove that cassettes can be read whole, hold nothing unused, and no secret. Exit code 1 if not."""
    caring = plugins.sibling("scenarios.caring")
    found = {path: caring.verify(path) for path in files}
    if as_json:
        emit_json(
            [{"path": str(path), "faults": [asdict(fault) for fault in faults]} for path, faults in found.items()]
        )
    for path, faults in () if as_json else found.items():
        wrong = any(not fault.note for fault in faults)
        click.echo(f"{'✖' if wrong else '✔'} {printable(path)}")
        for fault in faults:
            at = f"line {fault.line}: " if fault.line else ""
            click.echo(f"    {'note: ' if fault.note else ''}{at}{printable(fault.text)}")
    return Exit.FINDINGS if any(not fault.note for faults in found.values() for fault in faults) else Exit.CLEAN


@command.command()
@_files
def redact(files: tuple[Path, ...]) -> None:
    """Take out what is known to be a secret now: in this project's settings and this environment."""
    caring = plugins.sibling("scenarios.caring")
    _rewrite(files, caring.redacted, "secrets taken out", "no secret in it")


@command.command()
@_files
def migrate(files: tuple[Path, ...]) -> None:
    """Write cassettes of an older format, or that were edited, as they are written now."""
    caring = plugins.sibling("scenarios.caring")
    _rewrite(files, caring.migrated, "brought up to date", "up to date")


def _rewrite(files: tuple[Path, ...], made: Any, changed: str, same: str) -> None:  # noqa: ANN401 - a function of a sibling
    cassettes = plugins.sibling("scenarios.cassette")
    for path in files:
        done = made(cassettes.read(path)).write(path)
        click.echo(f"{printable(path)}: {changed if done else same}")


@command.command()
@_files
@click.option(
    "--run", "ref", metavar="RUN", help="A replay of it in the store.  [default: play the scenarios that it answers]"
)
@click.option("--yes", is_flag=True, help="Write. Without it, say what would go.")
@store_option
@click.pass_obj
def prune(outer: Path | None, files: tuple[Path, ...], ref: str | None, *, yes: bool, store: Path | None) -> int:
    """Remove the exchanges that no replay asks for: of the scenarios beside the file that it answers, or of RUN."""
    cassettes, caring = plugins.sibling("scenarios.cassette"), plugins.sibling("scenarios.caring")
    listing, waiting = plugins.sibling("scenarios.listing"), False
    for path in files:
        found = cassettes.read(path)
        places = _unused(path, found, ref, store or outer)
        if not places:
            click.echo(f"{printable(path)}: every exchange is asked for")
            continue
        made = caring.without(found, places)
        written = yes and made.write(path)
        waiting = waiting or not written
        click.echo(
            f"{printable(path)}: {len(places)} of {len(found.exchanges)} exchanges {'gone' if written else 'would go'}"
        )
        for row in listing.differing(found, made):
            click.echo(f"  {printable(row.call)}")
    if waiting:
        say("Nothing is written yet: `harness cassette prune --yes` does.")
    return Exit.CLEAN


def _unused(path: Path, found: Any, ref: str | None, store: Path | None) -> list[int]:  # noqa: ANN401 - a Cassette
    """List the places of the exchanges that nobody asked for. Raises UsageError where a replay cannot tell."""
    outcomes = plugins.sibling("scenarios.outcomes")
    if ref is not None:
        opened = existing_store(store)
        opened.ingest()
        calls = outcomes.played(opened.run(opened.find(ref)))
        if not outcomes.of_this(found, calls):
            hint = "`harness runs` names the mode of each."
            raise UsageError(f"run {ref!r} is no replay of {str(path)!r} as it is now", hint=hint)
        if any(call.outcome.value == "miss" for call in calls):
            raise UsageError(f"run {ref!r} parted from the cassette", hint="`harness accept` or record it again first.")
        live = {call.call.span.operation for call in calls if call.place is None}
        places: list[int] = outcomes.unused(found, calls, CALLS - live)
        return places
    players = _players(path)
    if not players:
        hint = "Name a run that replayed the cassette: `--run RUN`."
        raise UsageError(f"no scenario in {str(path.parent)!r} plays {path.name!r}", hint=hint)
    left = [_left(what, store) for what in players]
    return sorted(set.intersection(*left))


def _players(path: Path) -> list[Any]:
    """Find every scenario in the cassette's folder, and those below, that it answers: each case has one of its own."""
    runner, scenarios = plugins.sibling("scenarios.runner"), plugins.sibling("scenarios.scenario")
    found = [one for file in runner.find([path.parent]) for one in scenarios.load_all(file)]
    return [one for one in found if one.cassette.resolve() == path.resolve()]


def _left(what: Any, store: Path | None) -> set[int]:  # noqa: ANN401 - a Scenario
    """Play *what*, and list the places of the exchanges that it does not ask for."""
    verdict = plugins.sibling("scenarios.runner").rehearse(what, store=store)
    if verdict.code is Exit.DIVERGED or verdict.raised:
        reason = verdict.reasons[0] if verdict.reasons else verdict.raised
        raise UsageError(f"{what.name!r} does not replay to its end: {reason}", hint="`harness run` says more.")
    return {row["exchange"] - 1 for row in verdict.replayed.exchanges if row["verdict"] == "unused"}

"""``harness run``: rehearse scenarios, offline by default, and judge them."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import click

from harness.cli import batches, reporting
from harness.cli.common import emit_json, json_option, say, store_option
from harness.cli.forks import fork_options
from harness.cli.gates import Gates, gate_options
from harness.cli.rehearsals import as_record, option, rehearse_all, tell
from harness.errors import Exit, UsageError


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option(
    "--record",
    type=click.Choice(["none", "once", "all"]),
    default="none",
    show_default=True,
    help="Ask the real models and write the cassette: never, where it is missing, always.",
)
@click.option(
    "--matching",
    type=click.Choice(["match", "strict", "sequence"]),
    help="Which recorded reply is due: that of an equal request, the next, or that of the agent's n-th call.",
)
@click.option("--note", default="", metavar="TEXT", help="A line for the header of what is recorded.")
@fork_options
@click.option(
    "--freeze",
    multiple=True,
    type=click.Choice(["clock", "uuid", "random"]),
    help="Let it stand still; may be given again.  [default: what the scenario or its cassette says]",
)
@batches.many_options
@gate_options
@reporting.report_option
@click.option("--verbose", "-v", is_flag=True, help="Show what the programs print, too.")
@json_option
@store_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    paths: tuple[Path, ...],
    record: str,
    matching: str | None,
    note: str,
    fork: Any,  # noqa: ANN401 - a Fork, or None
    freeze: tuple[str, ...],
    many: batches.Many,
    gates: Gates,
    wanted: reporting.Wanted,
    verbose: bool,
    as_json: bool,
    store: Path | None,
) -> int:
    """Rehearse the scenarios (*.scenario.yaml, *.scenario.py) in the files and folders PATH, by default all below here.

    Each replays its cassette to the real agents, with no key and no network, and is then held against what it expects.
    With --fork-at it goes on for real after a message, and keeps nothing of it in the cassette.
    Exits with 1 if one failed, with 4 if one asked what its cassette does not hold, and with 5 if there is none.
    """
    from harness import config, plugins

    if record == "all" and gates.repeat not in {None, 1}:
        raise UsageError("--record all keeps one conversation, so it cannot be repeated", hint="Leave out --repeat.")
    if record != "none" and fork is not None:
        raise UsageError("a fork plays what is recorded, so it cannot record", hint="`harness promote` keeps its run.")
    if many.workers > 1 and fork is not None:
        raise UsageError("a fork is played by itself", hint="Leave out -n.")
    place = config.load(store=store).store
    options = {"record": record, "note": note, "matching": matching, "fork": fork, "freeze": freeze}
    work = batches.work(paths, many, gates, place, options)
    with contextlib.nullcontext() if work.batch is None else work.batch.held():
        try:
            verdicts = rehearse_all(
                work,
                store=place,
                show=not as_json,
                verbose=verbose,
                workers=many.workers,
                raising=False if wanted else None,
            )
        except KeyboardInterrupt:
            if work.batch is None:
                raise
            say(f"\nharness: interrupted; `harness run --resume{option(store)}` plays what is missing")
            return Exit.INTERRUPTED
    gates.keep(verdicts)
    document = [as_record(verdict) for verdict in verdicts]
    reporting.write(wanted, reporting.of_verdicts(verdicts, store=store, document=document))
    if as_json:
        emit_json(document)
    else:
        tell(verdicts, store=store)
    return int(plugins.sibling("scenarios.verdict").exit_code(verdicts))

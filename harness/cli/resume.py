"""``harness resume``: go on with a stored run, for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from harness import plugins
from harness.cli.common import emit_json, existing_store, json_option, store_option
from harness.cli.forks import change_options
from harness.cli.rehearsals import as_record, tell
from harness.text import printable


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--message", metavar="TEXT", help="Say this once it is over, as who began the conversation.")
@change_options
@click.option(
    "--program", metavar="COMMAND", help="What is to be run, for a run that does not say it: 'app.py --fast'."
)
@click.option("--verbose", "-v", is_flag=True, help="Show what the program prints, too.")
@json_option
@store_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    run: str,
    message: str | None,
    model: str | None,
    prompts: Mapping[str, str],
    program: str | None,
    verbose: bool,
    as_json: bool,
    store: Path | None,
) -> int:
    """Go on with RUN where its recording ends: with the real models, tools and people.

    The program or scenario that it came from is run again, and what was recorded is played to it, so that its agents
    are as they were. What follows is a run of its own. One that came to its end needs something more: --message.
    """
    opened = existing_store(store)
    opened.ingest()
    resume = plugins.sibling("scenarios.resuming").resume
    verdict = resume(opened, opened.find(run), program=program, message=message, model=model, prompts=prompts)
    if as_json:
        emit_json(as_record(verdict))
        return int(verdict.code)
    if verbose and verdict.output:
        click.echo(printable(verdict.output), err=True)
    tell([verdict], store=store)
    return int(verdict.code)

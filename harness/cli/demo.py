"""``harness demo``: rehearse the bundled scenarios with real agents, offline, and say what to try next."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import click

from harness.cli.batches import Work
from harness.cli.common import emit_json, json_option, store_option
from harness.cli.gates import Gates
from harness.cli.rehearsals import as_record, option, rehearse_all, tell
from harness.errors import EnvironmentProblem, Exit
from harness.text import printable

_HEAD = "Real AutoGen agents, replayed models; nothing leaves this machine.\n\n"
_NEXT = (
    ("harness show @1", "the newest of these conversations"),
    ("harness check @1", "what the checks find in it"),
    ("harness tui", "browse all of them"),
    ("harness explain T301", "what a finding means, and what to do about it"),
    ("harness trace your_app.py", "record your own AutoGen program, unchanged"),
)
_STORELESS = ("harness explain", "harness trace")


@click.command()
@click.option("--verbose", "-v", is_flag=True, help="Show what the agents print, too.")
@json_option
@store_option
def command(*, verbose: bool, as_json: bool, store: Path | None) -> int:
    """Rehearse six bundled conversations of real AutoGen agents, with no key and no network.

    Their models' answers are replayed from cassettes; agents, tools and chats are real. The runs are kept in the store,
    tagged demo. Two of the six go wrong on purpose, and the demo passes when the checks find it.
    """
    from harness import config, plugins

    settings = config.load(store=store)
    folder = plugins.HOME / "scenarios" / "library"
    found = plugins.sibling("scenarios.runner").find((folder,))
    if not found:
        raise EnvironmentProblem(f"no scenarios are bundled in {str(folder)!r}", hint="Install autogen-harness again.")
    begun = time.perf_counter()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as workplace:
        os.chdir(workplace)  # Agents may leave files behind.
        try:
            jobs = plugins.sibling("scenarios.jobs").find(found)
            work = Work(jobs=jobs, options={"tags": ("demo",)}, gates=Gates())
            verdicts = rehearse_all(
                work, store=settings.store, show=not as_json, verbose=verbose, head=_HEAD, raising=True
            )
        finally:
            os.chdir(here)
    if as_json:
        emit_json([as_record(verdict) for verdict in verdicts])
    else:
        tell(verdicts, store=store)
        click.echo(f"  {time.perf_counter() - begun:.1f} s; the runs are in {printable(settings.store)}\n")
        click.echo("What to try next:")
        commands = [words if words.startswith(_STORELESS) else words + option(store) for words, _ in _NEXT]
        width = max(map(len, commands))
        for words, (_, why) in zip(commands, _NEXT, strict=True):
            click.echo(f"  {words:<{width}}  {why}")
    failed = any(verdict.outcome != "passed" for verdict in verdicts)
    return int(plugins.sibling("scenarios.verdict").exit_code(verdicts)) if failed else Exit.CLEAN

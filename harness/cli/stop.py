"""``harness stop``: end a run that goes on in another process."""

from __future__ import annotations

import time
from pathlib import Path

import click

from harness.cli.common import existing_store, say, store_option
from harness.errors import Exit, StoreError, UsageError
from harness.guarding import stopping
from harness.model import RunStatus
from harness.text import printable

_AGAIN_S = 0.2


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait so long for it to end.",
)
@store_option
def command(*, run: str, wait_s: float, store: Path | None) -> int:
    """Stop RUN in whichever processes it goes on: no further call is made, and its conversations end.

    A call that is being made is waited for. Whatever is recorded can be stopped, guarded or not. The command exits with
    1 if the run has not ended yet when it has waited long enough: it does before its next call.
    """
    opened = existing_store(store)
    run_id = opened.find(run)
    shown = printable(run_id)
    status = opened.run(run_id).summary.status
    if status is not RunStatus.RUNNING:
        raise UsageError(f"run {run_id!r} is not running: it is {status.value}", hint="`harness runs` lists what is.")
    try:
        stopping.throw(opened.path, run_id)
    except OSError as error:
        raise StoreError(f"the run cannot be told: {error}", hint="Is the store another user's?") from error
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        if opened.run(run_id).summary.status is not RunStatus.RUNNING:
            stopping.reset(opened.path, run_id)
            say(f"harness: run {shown} was stopped")
            return Exit.CLEAN
        time.sleep(min(_AGAIN_S, max(0.0, until - time.monotonic())))
    say(f"harness: run {shown} was told to stop; it ends before its next call")
    return Exit.FINDINGS

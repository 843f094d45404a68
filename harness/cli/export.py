"""``harness export``: send runs to another tool, and say how many spans it took."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import EnvironmentProblem, Exit, UsageError
from harness.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.model import Run
    from harness.store import Store


@click.command("export")
@click.argument("runs", metavar="[RUN…]", nargs=-1)
@click.option("--to", default="otlp", show_default=True, metavar="NAME", help="The exporter.")
@click.option(
    "--endpoint",
    metavar="URL",
    envvar=["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    help="Where the receiver listens, such as http://localhost:4318.  [default: $OTEL_EXPORTER_OTLP_ENDPOINT]",
)
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="Send this HTTP header too; repeatable.")
@json_option
@store_option
def command(  # noqa: PLR0913, PLR0917 - one parameter an option
    runs: tuple[str, ...],
    to: str,
    endpoint: str | None,
    headers: tuple[str, ...],
    as_json: bool,  # noqa: FBT001
    store: Path | None,
) -> int:
    """Send runs to another tool; without a RUN, the newest.

    The store keeps everything, so what failed can be sent again. Exit code 3 if a span was not accepted.
    """
    from harness import plugins

    if endpoint is None:
        raise UsageError("no endpoint to export to", hint="Add --endpoint URL, such as http://localhost:4318.")
    exporter: Any = plugins.load("harness.exporters", to)()
    opened = existing_store(store)
    opened.ingest()
    found = list(dict.fromkeys(opened.find(ref) for ref in runs or ("@1",)))
    report = exporter.export(_loaded(opened, found), endpoint=endpoint, headers=dict(map(_header, headers)))
    if as_json:
        emit_json({"runs": len(found), **asdict(report), "accepted": report.accepted})
    else:
        click.echo(_account(len(found), report))
    if report.complete:
        for problem in report.problems:
            say(f"harness: {printable(problem)}")
        return Exit.CLEAN
    first, *others = report.problems or ("not every span was accepted",)
    for problem in others:
        say(f"harness: {printable(problem)}")
    raise EnvironmentProblem(first, hint="Nothing is lost: the store keeps the runs, so the command can be repeated.")


def _loaded(store: Store, run_ids: list[str]) -> Iterator[Run]:
    """Read one run at a time: memory stays that of the largest."""
    return (store.run(run_id) for run_id in run_ids)


def _header(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise UsageError("--header wants NAME=VALUE", hint="For example --header x-api-key=…")
    return name.strip(), value.strip()


def _account(runs: int, report: Any) -> str:  # noqa: ANN401 - any exporter's report
    counts = [f"{report.accepted} accepted", f"{report.rejected} rejected", f"{report.failed} failed"]
    if report.unconfirmed:
        counts.append(f"{report.unconfirmed} unconfirmed")
    if report.retried:
        counts.append(f"{report.retried} requests repeated")
    named = "1 run" if runs == 1 else f"{runs} runs"
    total = report.sent + report.failed
    return f"{named}, {total} {'span' if total == 1 else 'spans'}: {', '.join(counts)}"

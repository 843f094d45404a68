"""``harness import``: take in what other tools wrote down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness import config
from harness.cli import figures
from harness.cli.common import emit_json, json_option, say, store_option
from harness.errors import Exit, UsageError
from harness.importers import kinds
from harness.text import one_line

if TYPE_CHECKING:
    from harness.importers.keeping import Account

_SHOWN = 10
_WIDEST = 200


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE…")
@click.option(
    "--format",
    "kind",
    metavar="KIND",
    help=f"Read the files as this kind ({', '.join(kinds.OURS)}); default: what they look like.",
)
@json_option
@store_option
def command(store: Path | None, files: tuple[Path, ...], kind: str | None, *, as_json: bool) -> int:
    """Import runs from files of other tools; gzip is unzipped. Importing a file again changes nothing.

    Bad lines are counted and named, good ones are kept. Exits with 2 if a file could not be read at all.
    """
    from harness.importers.keeping import bring_in
    from harness.store import open_store

    if kind is not None:
        kinds.load(kind)
    opened = open_store(config.load(store=store).store)
    accounts: list[Account] = []
    refused = 0
    for file in files:
        try:
            account = bring_in(opened, file, kind=kind)
        except UsageError as error:
            refused += 1
            if len(files) == 1:
                raise
            say(f"harness: {one_line(error, 2 * _WIDEST)}")
            continue
        accounts.append(account)
        refused += not account.runs and bool(account.bad)
        _name_bad(account)
        if not as_json:
            figures.put(_line(account))
    if as_json:
        emit_json([_document(account) for account in accounts])
    elif any(account.new for account in accounts):
        say(f"`harness runs{figures.elsewhere(store)}` lists them, `harness check{figures.elsewhere(store)}` judges.")
    return Exit.USAGE if refused else Exit.CLEAN


def _line(account: Account) -> str:
    runs = [f"{figures.count(account.new)} new", f"{figures.count(account.known)} known"]
    if account.grown:
        runs.append(f"{figures.count(account.grown)} with more to tell")
    return (
        f"{one_line(account.file, _WIDEST)} ({account.format}): runs {', '.join(runs)}; "
        f"{figures.many(account.messages, 'message')}, {figures.many(account.spans, 'span')}; "
        f"{figures.many(len(account.bad), 'bad line')}"
    )


def _name_bad(account: Account) -> None:
    for bad in account.bad[:_SHOWN]:
        say(f"{one_line(account.file, _WIDEST)}:{bad.line}: {one_line(bad.why, _WIDEST)}")
    if len(account.bad) > _SHOWN:
        say(f"… and {figures.many(len(account.bad) - _SHOWN, 'more bad line')}; --json names them all.")


def _document(account: Account) -> dict[str, object]:
    return {
        "file": account.file,
        "format": account.format,
        "runs_new": account.new,
        "runs_known": account.known,
        "runs_grown": account.grown,
        "messages": account.messages,
        "spans": account.spans,
        "bad_lines": len(account.bad),
        "bad": [{"line": bad.line, "why": bad.why} for bad in account.bad],
    }

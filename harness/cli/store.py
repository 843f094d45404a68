"""``harness store``: care of the store."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli import figures
from harness.cli.amounts import age, octets, size
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit
from harness.text import one_line

if TYPE_CHECKING:
    from harness.store import Store
    from harness.store.care import Info, Pruned
    from harness.store.verifying import Verified

_SAMPLE = 200
_MOST_SHOWN = 20
_WIDEST = 200


@click.group("store")
@store_option
@click.pass_context
def command(ctx: click.Context, store: Path | None) -> None:
    """Look after the store: what is in it, whether it is whole, and what may go."""
    ctx.obj = store


@command.command()
@json_option
@store_option
@click.pass_obj
def info(outer: Path | None, store: Path | None, *, as_json: bool) -> None:
    """Say what the store holds and how large it is."""
    from harness.store import care

    opened = _ready(store or outer)
    found = care.info(opened.path)
    if as_json:
        emit_json(asdict(found))
        return
    for line in _described(found, time.time_ns()):
        figures.put(line)


def _described(found: Info, now_ns: int) -> list[str]:
    waiting = f"{figures.count(found.journals)}, {octets(found.journal_bytes)}"
    if found.living:
        waiting += f" ({figures.count(found.living)} being written)"
    rows = [
        ("path", one_line(found.path, _WIDEST)),
        ("database", octets(found.database_bytes)),
        ("journals", waiting if found.journals else "none"),
        ("runs", figures.count(found.runs)),
        ("spans", figures.count(found.spans)),
        ("messages", figures.count(found.messages)),
        ("oldest", figures.UNKNOWN if found.oldest_ns is None else figures.ago(found.oldest_ns, now_ns)),
        ("newest", figures.UNKNOWN if found.newest_ns is None else figures.ago(found.newest_ns, now_ns)),
        ("bad lines", figures.count(found.bad)),
        ("schema", str(found.schema)),
        ("duckdb", found.duckdb),
    ]
    return figures.table(rows)


@command.command()
@click.option("--all", "everything", is_flag=True, help=f"Derive every run anew, not only the newest {_SAMPLE}.")
@json_option
@store_option
@click.pass_obj
def verify(outer: Path | None, store: Path | None, *, everything: bool, as_json: bool) -> int:
    """Prove that the store is whole: each record once, nothing missing, totals equal to what the spans say.

    Exit code 1 if something is wrong. Lines of journals that were no records are counted; they are nothing wrong here.
    """
    from harness.store.verifying import verify as verified

    opened = _ready(store or outer)
    found = verified(opened.path, most=None if everything else _SAMPLE)
    if as_json:
        emit_json(asdict(found))
    else:
        _tell(found)
    return Exit.FINDINGS if found.flaws else Exit.CLEAN


def _tell(found: Verified) -> None:
    for flaw in found.flaws[:_MOST_SHOWN]:
        line = f"✖ {flaw.kind}  {one_line(flaw.run_id, 40)}: {one_line(flaw.text, _WIDEST)}"
        figures.put(click.style(line[:1], fg="red") + line[1:])
    if len(found.flaws) > _MOST_SHOWN:
        figures.put(f"… and {figures.count(len(found.flaws) - _MOST_SHOWN)} more; --json lists all")
    which = "every run" if found.runs == found.of else f"the newest {figures.count(found.runs)} of {found.of:,} runs"
    looked = (
        f"{which}: {figures.many(found.spans, 'span')}, {figures.many(found.parts, 'content')}, "
        f"{figures.many(found.links, 'link')}"
        if found.of
        else "no runs"
    )
    mark = click.style("✖", fg="red") if found.flaws else click.style("✔", fg="green")
    result = figures.many(len(found.flaws), "fault") if found.flaws else "the store is whole"
    figures.put(f"{mark} {result} · {looked} · {figures.many(found.bad, 'bad line')}")
    if found.runs < found.of:
        say("`harness store verify --all` looks at every run.")


@command.command()
@click.option("--older-than", callback=age, metavar="AGE", help="Remove runs that ended longer ago: 12h, 30d, 8w.")
@click.option("--keep-runs", type=click.IntRange(min=0), metavar="N", help="Remove all but the newest N runs.")
@click.option(
    "--max-size", callback=size, metavar="SIZE", help="Remove the oldest until the database fits: 500MB, 1GB."
)
@click.option("--keep-tag", "tags", multiple=True, metavar="TAG", help="Keep runs with this tag; repeatable.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@json_option
@store_option
@click.pass_obj
def prune(  # noqa: PLR0913 - one parameter an option
    outer: Path | None,
    store: Path | None,
    *,
    older_than: int | None,
    keep_runs: int | None,
    max_size: int | None,
    tags: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Remove old runs with all that belongs to them, and give their space back.

    A run goes if any of the rules says so. Runs that go on stay, and those with a tag of --keep-tag.
    """
    from harness.store import care

    opened = _ready(store or outer)
    since_ns = None if older_than is None else time.time_ns() - older_than
    keep = care.Keep(since_ns=since_ns, newest=keep_runs, most_bytes=max_size, tags=tags)
    done = care.prune(opened.path, keep, dry_run=dry_run)
    if as_json:
        emit_json({**asdict(done), "dry_run": dry_run})
        return
    figures.put(_pruned(done, dry_run=dry_run))
    if max_size is not None and done.after_bytes is not None and done.after_bytes > max_size:
        say(f"The database cannot be smaller than {octets(done.after_bytes)} with the runs that stay.")


def _pruned(done: Pruned, *, dry_run: bool) -> str:
    verb = "would remove" if dry_run else "removed"
    sizes = octets(done.before_bytes)
    if done.after_bytes is not None and done.after_bytes != done.before_bytes:
        sizes += f" → {octets(done.after_bytes)}"
    if not done.run_ids:
        return f"nothing to remove · {figures.many(done.kept, 'run')} · {sizes}"
    named = [one_line(run_id, 40) for run_id in done.run_ids[:3]]
    some = ", ".join(named) + (" …" if len(done.run_ids) > len(named) else "")
    return f"{verb} {figures.many(len(done.run_ids), 'run')} ({some}) · {figures.many(done.kept, 'run')} kept · {sizes}"


@command.command()
@json_option
@store_option
@click.pass_obj
def compact(outer: Path | None, store: Path | None, *, as_json: bool) -> None:
    """Write the database anew without the space that removed rows left.

    It takes the room of a second database meanwhile. Recording and reading go on.
    """
    from harness.store import care

    opened = _ready(store or outer)
    before, after = care.compact(opened.path)
    if as_json:
        emit_json({"before_bytes": before, "after_bytes": after})
        return
    figures.put(f"{octets(before)} → {octets(after)}")


def _ready(path: Path | None) -> Store:
    """Open the store that is there, with what waits taken in and an older database brought up to date."""
    from harness.store.migrations import migrate

    opened = existing_store(path)
    migrate(opened.path)
    opened.ingest()
    return opened

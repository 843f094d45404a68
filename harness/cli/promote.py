"""``harness promote``: make a scenario and its cassette of a stored run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from harness import plugins
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.errors import Exit, UsageError
from harness.text import printable

_SUFFIX = ".scenario.yaml"


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("path", required=False, type=click.Path(path_type=Path), metavar="[PATH]")
@click.option(
    "--program", metavar="COMMAND", help="What is to be run, for a run that does not say it: 'app.py --fast'."
)
@click.option("--force", is_flag=True, help="Replace files that are there.")
@json_option
@store_option
def command(  # noqa: PLR0913 - one parameter an option
    *, run: str, path: Path | None, program: str | None, force: bool, as_json: bool, store: Path | None
) -> int:
    """Make a scenario of RUN, with a cassette of what its models, tools, code and people answered.

    RUN is a run id, the beginning of one, or @1 for the newest. PATH is the scenario's file, or a folder for it, by
    default where its program lies. A run that `harness trace` recorded names its program, and one of a scenario takes
    that over. What cannot be rebuilt of another one is told, and nothing is written (exit code 1). A run without
    contents is refused.
    """
    drafting = plugins.sibling("scenarios.drafting")
    opened = existing_store(store)
    opened.ingest()
    found = drafting.draft(opened, opened.find(run), program=program)
    if found.missing:
        _refuse(found, run, as_json=as_json)
        return Exit.FINDINGS
    file = _file(found, path)
    cassette = file.with_name(file.name.removesuffix(_SUFFIX) + plugins.sibling("scenarios.cassette").SUFFIX)
    _check(found, file, cassette, force=force)
    file.write_text(drafting.document(found, file), encoding="utf-8")
    try:
        plugins.sibling("scenarios.scenario").load(file)
        found.cassette.write(cassette)
    except UsageError:
        file.unlink()
        raise
    if as_json:
        emit_json(
            {
                "scenario": str(file),
                "cassette": str(cassette),
                "exchanges": len(found.cassette.exchanges),
                "missing": [],
                "remarks": list(found.remarks),
            }
        )
        return Exit.CLEAN
    click.echo(f"{printable(file)}: a scenario of {len(found.cassette.exchanges)} exchanges in {printable(cassette)}")
    for remark in found.remarks:
        click.echo(f"  {printable(remark)}")
    say(f"Next: `harness run {printable(shlex.quote(str(file)))}` plays it.")
    return Exit.CLEAN


def _file(found: Any, path: Path | None) -> Path:  # noqa: ANN401 - a Draft of a sibling
    """Say where the scenario goes."""
    if path is None or path.is_dir():
        return (path or _near(found.folder)) / f"{found.name}{_SUFFIX}"
    if not path.name.endswith(_SUFFIX):
        raise UsageError(f"{str(path)!r} is no name for a scenario", hint=f"Name it NAME{_SUFFIX}, or name a folder.")
    return path


def _near(folder: Path) -> Path:
    """Write *folder* relative to where one stands, if it is below."""
    try:
        return folder.absolute().relative_to(Path.cwd())
    except ValueError:
        return folder


def _check(found: Any, file: Path, cassette: Path, *, force: bool) -> None:  # noqa: ANN401 - as above
    if not found.value.get("program") and file.absolute().parent != found.folder:
        hint = f"Put it into {str(found.folder)!r}: what the scenario names lies there."
        raise UsageError(f"{str(file)!r} is not beside the scenario that was rehearsed", hint=hint)
    if not file.absolute().parent.is_dir():
        raise UsageError(f"there is no folder {str(file.absolute().parent)!r}", hint="Make it first.")
    for each in (file, cassette):
        if each.exists() and not force:
            raise UsageError(f"{str(each)!r} is there already", hint="Name another file, or replace it with --force.")


def _refuse(found: Any, run: str, *, as_json: bool) -> None:  # noqa: ANN401 - as above
    if as_json:
        emit_json({"scenario": None, "cassette": None, "exchanges": len(found.cassette.exchanges)} | _told(found))
        return
    click.echo(f"{printable(run)} cannot be rebuilt, and nothing was written. It lacks:")
    for what in found.missing:
        click.echo(f"  {printable(what)}")
    count = len(found.cassette.exchanges)
    click.echo(f"It has {count} exchange{'' if count == 1 else 's'} that a cassette could hold.")
    say("If you have the program: `harness promote RUN --program 'app.py'`.")


def _told(found: Any) -> dict[str, list[str]]:  # noqa: ANN401 - as above
    return {"missing": list(found.missing), "remarks": list(found.remarks)}

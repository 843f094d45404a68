"""``harness doctor``: say what is installed, which frameworks can be traced, and whether the store is well."""

from __future__ import annotations

import os
import platform
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import click

from harness import __version__, config, plugins
from harness.cli.common import emit_json, json_option, store_option
from harness.errors import Exit, HarnessError
from harness.text import printable

DISTRIBUTION = "autogen-harness"
OK, ABSENT, PROBLEM = "ok", "absent", "problem"
_MARKS = {OK: ("✔", "green"), ABSENT: ("–", None), PROBLEM: ("✖", "red")}
_OURS_ALONE = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing that was looked at: its *state* is ok, absent (and need not be there) or problem; *next* mends it."""

    name: str
    state: str
    detail: str
    next: str = ""


@click.command()
@json_option
@store_option
def command(*, as_json: bool, store: Path | None) -> int:
    """Look at Python, the extras, the frameworks and the store. Exits with 3 if something must be mended first."""
    items = [*_base(), *_frameworks(), *_extras(), *_store(store)]
    if as_json:
        emit_json([asdict(item) for item in items])
    else:
        for item in items:
            mark, colour = _MARKS[item.state]
            click.echo(f"{click.style(mark, fg=colour)} {item.name:<12} {printable(item.detail)}")
            if item.next:
                click.echo(f"  {'':<12} next: {printable(item.next)}")
    return Exit.ENVIRONMENT if any(item.state == PROBLEM for item in items) else Exit.CLEAN


def version(distribution: str) -> str | None:
    """Give the installed version of *distribution*, or None, without importing anything of it."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _base() -> Iterator[Item]:
    yield Item(name="python", state=OK, detail=f"{platform.python_version()} on {platform.system()}")
    engines = " ".join(f"{name} {version(name) or '–'}" for name in ("duckdb", "opentelemetry-api"))
    yield Item(name="harness", state=OK, detail=f"{__version__} with {engines}")


def _frameworks() -> Iterator[Item]:
    adapters = set(plugins.names("harness.adapters"))
    known = {"classic": _classic(), "agentchat": _agentchat(), "ag2": _ag2()}
    for name, found in known.items():
        if found is None:
            continue
        if isinstance(found, Item):
            yield found
        elif name in adapters:
            yield Item(name=name, state=OK, detail=f"{found}: `harness trace` records it")
        else:
            yield Item(name=name, state=ABSENT, detail=f"{found} is installed, but this version cannot record it")
    if not any(name in adapters and found is not None for name, found in known.items()):
        install = f"pip install '{DISTRIBUTION}[classic]' in the environment of your program"
        yield Item(name="frameworks", state=PROBLEM, detail="no AutoGen that can be recorded", next=install)


def _below(found: str, major: int, minor: int) -> bool:
    numbers = [int(part) if part.isdigit() else 0 for part in found.split(".")[:2]]
    return tuple(numbers) < (major, minor)


def _classic() -> str | Item | None:
    """Find what ``import autogen`` gives: three distributions own that package."""
    candidates = (("pyautogen", (0, 10)), ("autogen", (1, 0)), ("ag2", (1, 0)))
    found = [f"{name} {got}" for name, limit in candidates if (got := version(name)) and _below(got, *limit)]
    if len(found) > 1:
        detail = f"{' and '.join(found)} overwrite each other's package `autogen`"
        return Item(name="classic", state=PROBLEM, detail=detail, next="uninstall all of them, then install one again")
    if not found:
        return None
    openai = version("openai")
    if openai is None:
        return Item(
            name="classic",
            state=PROBLEM,
            detail=f"{found[0]} without an OpenAI client",
            next=f"pip install '{DISTRIBUTION}[classic]'",
        )
    return f"{found[0]} with openai {openai}"


def _agentchat() -> str | None:
    got = version("autogen-agentchat")
    return f"autogen-agentchat {got}" if got else None


def _ag2() -> str | None:
    got = version("ag2")
    return f"ag2 {got}" if got and not _below(got, 1, 0) else None


def _extras() -> Iterator[Item]:
    # Named as well, so that pip keeps to the protobuf that AgentChat holds to.
    beside = " autogen-agentchat" if _agentchat() else ""
    for name, distribution, use in (
        ("tui", "textual", "`harness tui`"),
        ("otlp", "opentelemetry-exporter-otlp-proto-http", "`harness export --to otlp`"),
    ):
        got = version(distribution)
        if got:
            yield Item(name=name, state=OK, detail=f"{distribution} {got}: {use}")
        else:
            install = f"pip install '{DISTRIBUTION}[{name}]'{beside if name == 'otlp' else ''}"
            yield Item(name=name, state=ABSENT, detail=f"{use} needs {distribution}", next=install)


def _store(chosen: Path | None) -> Iterator[Item]:
    try:
        path = config.load(store=chosen).store
    except HarnessError as error:
        yield Item(name="settings", state=PROBLEM, detail=str(error), next=error.hint)
        return
    if not path.exists():
        start = "harness demo, or harness trace your_app.py"
        yield Item(name="store", state=ABSENT, detail=f"none yet; it will be {path}", next=start)
        return
    yield _folder(path)
    yield _contents(path)


def _folder(path: Path) -> Item:
    if not path.is_dir() or not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        return Item(
            name="store",
            state=PROBLEM,
            detail=f"{path} is not a folder you can write to",
            next="mend its permissions, or name another with --store or HARNESS_STORE",
        )
    if stat.S_IMODE(path.stat().st_mode) & _OURS_ALONE:
        detail = f"{path} can be read by others, and holds what your agents said"
        return Item(name="store", state=PROBLEM, detail=detail, next=f"chmod 700 {path}")
    return Item(name="store", state=OK, detail=str(path))


def _contents(path: Path) -> Item:
    from harness.store import open_store
    from harness.store.schema import VERSION

    store = open_store(path)
    try:
        (row,) = store.sql("SELECT count(*), count(*) FILTER (status = 'running') FROM runs").rows
    except HarnessError as error:
        return Item(name="runs", state=PROBLEM, detail=str(error), next=error.hint)
    runs, running = row
    detail = f"{runs:,} run{'' if runs == 1 else 's'}, {running:,} of them running; schema {VERSION}"
    return Item(name="runs", state=OK, detail=detail)

"""What the verbs share: the options every one has, and the two channels."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from harness import config
from harness.errors import StoreError
from harness.text import escaped

if TYPE_CHECKING:
    from harness.store import Store

Function = TypeVar("Function", bound=Callable[..., Any])


def store_option(function: Function) -> Function:
    """Add ``--store DIR`` as the parameter *store* (a Path, or None for the project's own)."""
    return click.option(
        "--store", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="The store's folder."
    )(function)


def json_option(function: Function) -> Function:
    """Add ``--json`` as the parameter *as_json*: one JSON document on stdout."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def existing_store(store: Path | None) -> Store:
    """Open the store that is there. Raises StoreError, with the way to make one, if none is."""
    from harness.store import open_store

    path = config.load(store=store).store
    if not path.is_dir():
        hint = "Record a run first: `harness trace your_app.py` or `harness demo`."
        raise StoreError(f"no store at {str(path)!r}", hint=hint)
    return open_store(path)


def say(text: str = "") -> None:
    """Narrate on stderr."""
    click.echo(text, err=True)


def emit_json(value: object) -> None:
    """Print *value* as one JSON document on stdout."""
    import json

    try:
        "✔".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
        ascii_only = False
    except (UnicodeEncodeError, LookupError):
        ascii_only = True
    click.echo(escaped(json.dumps(value, ensure_ascii=ascii_only, indent=2, default=str)))

"""Files to import, written and brought in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.importers.keeping import Account, bring_in
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from harness.model import Run


def write(path: Path, *lines: Any) -> Path:
    """Write a file of one line each: JSON, or the text or bytes as they are."""
    raw = [
        line if isinstance(line, bytes) else line.encode() if isinstance(line, str) else json.dumps(line).encode()
        for line in lines
    ]
    path.write_bytes(b"".join(line + b"\n" for line in raw))
    return path


def conversation(name: str, *said: Any, **more: Any) -> dict[str, Any]:
    """Make a conversation of ``(sender, recipient, role, text)`` or whole messages."""
    messages = [
        dict(zip(("sender", "recipient", "role", "content"), each, strict=True)) if isinstance(each, tuple) else each
        for each in said
    ]
    return {"id": name, "messages": messages, **more}


def import_into(folder: Path, *files: Path, kind: str | None = None) -> tuple[Store, list[Account]]:
    """Import *files* into a store in *folder*."""
    store = Store(folder)
    return store, [bring_in(store, file, kind=kind) for file in files]


def only_run(folder: Path, file: Path, kind: str | None = None) -> Run:
    """Import a file of one run, and give that."""
    store, _ = import_into(folder, file, kind=kind)
    (summary,) = store.runs()
    return store.run(summary.run_id)


def told(run: Run) -> list[tuple[str, tuple[str, ...], str, str]]:
    """Give what was said in a run: sender, recipients, role, text."""
    return [(message.sender, message.recipients, message.role, message.text) for message in run.messages]


def dump(store: Store, views: Iterable[str] = ("runs", "spans", "messages", "calls")) -> dict[str, list[Any]]:
    """Give all that a store says, in an order of its own."""
    found = {}
    for view in views:
        found[view] = sorted(map(repr, store.sql(f"SELECT * FROM {view}").rows))  # noqa: S608 - names of ours
    return found

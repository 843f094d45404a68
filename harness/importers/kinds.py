"""Know the kinds of files there are, and which of them a file is."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from harness import plugins
from harness.errors import UsageError
from harness.importers import files
from harness.importers.draft import Importer

GROUP = "harness.importers"
OURS = {
    "runtime-logging": "harness.importers.runtime_log:RuntimeLog",
    "conversations": "harness.importers.conversations:Conversations",
    "otlp-json": "harness.importers.otlp:OtlpJson",
    "otlp-protobuf": "harness.importers.otlp:OtlpProtobuf",
    "autogen-log": "harness.importers.printed:Printed",
}
"""Our own, in the order in which a file is held against them: the one that can be surest comes first."""


def names() -> list[str]:
    """List every kind: ours in their order, then those that other packages bring."""
    return [*OURS, *(name for name in plugins.names(GROUP) if name not in OURS)]


def load(name: str) -> Importer:
    """Make the importer called *name*. Raises UsageError with the known names if there is none."""
    if name in OURS:
        module, _, attribute = OURS[name].partition(":")
        made: Importer = getattr(import_module(module), attribute)()
        return made
    if name not in names():
        raise UsageError(f"no importer is called {name!r}", hint=f"Known: {', '.join(names())}.")
    other: Importer = plugins.load(GROUP, name)()
    return other


def recognise(path: Path) -> tuple[str, Importer]:
    """Find the kind of the file *path*. Raises UsageError if it is none of them."""
    if path.is_dir():
        raise UsageError(f"{str(path)!r} is a folder", hint="Name the files in it.")
    head = files.head(path)
    for name, importer in _all():
        if importer.sniff(head):
            return name, importer
    known = "; ".join(f"{importer.title} ({name})" for name, importer in _all())
    what = "is empty" if not head.strip() else "is no file of a kind that can be imported"
    raise UsageError(f"{str(path)!r} {what}", hint=f"Known: {known}. --format KIND forces one.")


def _all() -> Iterator[tuple[str, Importer]]:
    for name in names():
        yield name, load(name)

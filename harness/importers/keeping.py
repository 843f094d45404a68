"""Write what an importer reads into the store, each run whole and once, and keep the account."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from harness import config
from harness.errors import StoreError
from harness.importers import kinds
from harness.importers.draft import Bad, Draft, lines
from harness.journal import Journal
from harness.model import Operation, Span
from harness.privacy import Privacy
from harness.redaction import Redaction, store_key

if TYPE_CHECKING:
    from harness.store import Store

BATCH = 2000
"""How many runs are looked up, written and taken in together."""


@dataclass(slots=True, kw_only=True)
class Account:
    """What became of one file. *new* runs were not in the store, *known* ones were, *grown* ones got more spans.

    *spans* and *messages* count what was written. *bad* lists the bad lines in their order.
    """

    file: str
    format: str
    new: int = 0
    known: int = 0
    grown: int = 0
    spans: int = 0
    messages: int = 0
    bad: list[Bad] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How many runs the file tells of."""
        return self.new + self.known + self.grown


def bring_in(store: Store, path: Path, *, kind: str | None = None) -> Account:
    """Import the file *path*, of the given *kind* or the one it looks like. Importing it again changes nothing.

    Each run is one write of a journal, so that whenever this is killed the store holds whole runs. Raises UsageError
    if the file cannot be read or is of no known kind, StoreError if the store cannot be written.
    """
    name, importer = (kind, kinds.load(kind)) if kind else kinds.recognise(path)
    account = Account(file=str(path), format=name)
    found = importer.read(path)
    while batch := list(islice(_drafts(found, account), BATCH)):
        _keep(store, batch, account)
    return account


def _drafts(found: Iterator[Draft | Bad], account: Account) -> Iterator[Draft]:
    for each in found:
        if isinstance(each, Bad):
            account.bad.append(each)
        else:
            yield each


def _keep(store: Store, drafts: Iterable[Draft], account: Account) -> None:
    drafts = list(drafts)
    privacy: Privacy | None = None
    held = _held(store, drafts)
    journal: Journal | None = None
    try:
        for draft in drafts:
            had = held.get(draft.run_id)
            spans = [span for span in draft.spans if had is None or _adds(span, had)]
            if had is not None and not (draft.grows and spans):
                account.known += 1
                continue
            if journal is None or privacy is None:
                journal = Journal(store.path, program="harness import")
                privacy = Privacy(Redaction(key=store_key(store.path), patterns=config.load().redact))
            if not journal.write(lines(draft, spans, privacy)):
                raise StoreError(
                    f"run {draft.run_id!r} of {account.file!r} could not be written",
                    hint="Make room, then import again: what is in the store already is skipped.",
                )
            held[draft.run_id] = {**(had or {}), **{span.span_id: span.end_ns is not None for span in spans}}
            account.new, account.grown = account.new + (had is None), account.grown + (had is not None)
            counts = Counter(span.operation for span in spans)
            account.spans += len(spans)
            account.messages += counts[Operation.MESSAGE]
    finally:
        if journal is not None:
            journal.close()
            store.ingest()


def _adds(span: Span, held: Mapping[str, bool]) -> bool:
    """Say whether the store does not know *span* yet, or knows only that it began."""
    return span.span_id not in held or (span.end_ns is not None and not held[span.span_id])


def _held(store: Store, drafts: Iterable[Draft]) -> dict[str, Mapping[str, bool]]:
    """Find which of the runs the store holds; where a run may grow, which spans of it, and whether they ended."""
    grows: Mapping[str, bool] = {draft.run_id: draft.grows for draft in drafts}
    held: dict[str, Mapping[str, bool]] = {}
    if not store.path.is_dir():
        return held
    with store.view() as con:
        rows = con.execute("SELECT run_id FROM runs WHERE run_id IN (SELECT unnest(?))", [[*grows]]).fetchall()
        held = {str(row[0]): {} for row in rows}
        growing = [run_id for run_id in held if grows[run_id]]
        if growing:
            question = """SELECT run_id, list(span_id), list(end_ns IS NOT NULL)
                FROM spans WHERE run_id IN (SELECT unnest(?)) GROUP BY run_id"""
            rows = con.execute(question, [growing]).fetchall()
            held.update((str(row[0]), dict(zip(row[1], row[2], strict=True))) for row in rows)
    return held

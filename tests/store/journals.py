"""Write journals by hand, as a process would leave them."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.journal import make_store

Record = Mapping[str, Any]


def write(store: Path, process: str, number: int, records: Iterable[Record], *, raw: bytes = b"") -> Path:
    """Write a sealed segment; *raw* bytes follow the records."""
    lines = [{"k": "h", "v": 1, "journal": "", "pid": 1, "at_ns": 1}, *records]
    path = make_store(store) / f"{process}-{number:04d}.jsonl"
    path.write_bytes("".join(json.dumps(line) + "\n" for line in lines).encode() + raw)
    return path


class Living:
    """A process that still holds the lock of its segment."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def die(self) -> None:
        os.close(self._handle)


def began(span_id: str, **fields: Any) -> dict[str, Any]:
    record = {
        "k": "s",
        "run_id": "r1",
        "trace_id": "t1",
        "span_id": span_id,
        "parent_id": None,
        "name": span_id,
        "kind": "INTERNAL",
        "operation": "conversation",
        "seq": 1,
        "start_ns": 1000,
        "attributes": {},
    }
    return {**record, **fields}


def ended(span_id: str, **fields: Any) -> dict[str, Any]:
    return {**began(span_id), "k": "e", "end_ns": 2000, "end_seq": 9, "status": "ok", **fields}


def said(span_id: str, sender: str, text: str, **fields: Any) -> list[dict[str, Any]]:
    """A message: its content, and its start."""
    run_id = fields.get("run_id", "r1")
    body = {"role": "assistant", "parts": [{"type": "text", "content": text}]}
    attributes = {
        "harness.message.sender": sender,
        "harness.message.recipients": ["everyone"],
        "harness.message.role": "assistant",
        "harness.message.part": f"part-{text}",
    }
    return [
        {"k": "p", "run_id": run_id, "hash": f"part-{text}", "body": body},
        began(span_id, operation="message", attributes=attributes, **fields),
    ]

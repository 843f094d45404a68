"""``harness show``: print one run."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import figures
from harness.cli.common import emit_json, existing_store, json_option, say, store_option
from harness.text import one_line

if TYPE_CHECKING:
    from harness.model import Json, Run

_WIDEST = 110
_NARROWEST = 30


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--spans", is_flag=True, help="Print the tree of spans instead, with their durations.")
@json_option
@store_option
def command(store: Path | None, run: str, *, spans: bool, as_json: bool) -> None:
    """Print one run's conversation: who said what to whom, what it cost, what was found and how it ended.

    RUN is a run id, the beginning of one, or @1 for the newest.
    """
    opened = existing_store(store)
    opened.ingest()
    found = opened.run(opened.find(run))
    if as_json:
        emit_json(document(found, spans=spans))
        return
    from harness.cli import pages

    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((100, 24)).columns))
    page = pages.forest(found, width) if spans else pages.conversation(found, width)
    for line in (*pages.title(found, time.time_ns(), width), "", *page):
        figures.put(line)
    name, where = one_line(found.run_id, 200), figures.elsewhere(store)
    other = f"harness show {name}{where}" if spans else f"harness show {name} --spans{where}"
    say()
    say(f"Next: `{other}` prints its {'conversation' if spans else 'spans'}, `harness check {name}{where}` judges it.")


def document(run: Run, *, spans: bool) -> dict[str, Json]:
    """Give all that is known of *run* as one JSON document; its spans only if asked for.

    A call's request is without its messages: every call repeats all that was said.
    """
    found: dict[str, Any] = asdict(run.summary)
    found["messages_count"] = found["messages"]
    found["messages"] = [
        {
            "seq": message.seq,
            "at_ns": message.at_ns,
            "span_id": message.span_id,
            "conversation_id": message.conversation_id,
            "sender": message.sender,
            "recipients": message.recipients,
            "role": message.role,
            "text": message.text,
            "body": message.body,
        }
        for message in run.messages
    ]
    found["calls"] = [
        {
            "span_id": call.span.span_id,
            "operation": call.span.operation.value,
            "status": call.span.status.value,
            "start_ns": call.span.start_ns,
            "end_ns": call.span.end_ns,
            "agent": call.agent,
            "name": call.name,
            "model": call.model,
            "request": {key: value for key, value in call.request.items() if key != "messages"},
            "reply": call.reply,
            "usage": asdict(call.usage),
            "error": call.error,
        }
        for call in run.calls
    ]
    found["endings"] = {span_id: asdict(ending) for span_id, ending in run.endings.items()}
    found["findings_count"] = found["findings"]
    found["findings"] = [asdict(finding) for finding in run.findings]
    if spans:
        found["spans"] = [asdict(span) for span in run.spans]
    return found

"""A stage for the app in tests: runs made by hand, a store in memory, and what a person would see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from harness import semconv
from harness.errors import UnknownRunError
from harness.model import (
    CallRecord,
    Ending,
    EndingKind,
    Finding,
    Message,
    Operation,
    Run,
    RunStatus,
    RunSummary,
    Severity,
    Span,
    Status,
    Usage,
)
from harness.store.follow import Changes
from tui.app import HarnessApp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.pilot import Pilot

SECOND = 1_000_000_000
BEGIN = 1_780_000_000 * SECOND
NOW = BEGIN + 3_600 * SECOND


class Script:
    """Writes a run, one thing after another, a second apart."""

    def __init__(self, run_id: str = "8f3c2a77", name: str = "triage-inbox", *, begin_ns: int = BEGIN) -> None:
        self.run_id, self.name, self.begin_ns, self.now_ns = run_id, name, begin_ns, begin_ns
        self.seq = 0
        self.spans: list[Span] = []
        self.messages: list[Message] = []
        self.calls: list[CallRecord] = []
        self.endings: dict[str, Ending] = {}
        self.findings: list[Finding] = []
        self.root = self.span(Operation.CONVERSATION, f"invoke_workflow {name}", parent=None, seconds=None)

    def span(
        self,
        operation: Operation,
        name: str,
        *,
        parent: str | None,
        seconds: float | None = 1,
        status: Status = Status.OK,
        **attributes,
    ) -> str:
        self.seq += 1
        span_id = f"{self.seq:016x}"
        end_ns = None if seconds is None else self.now_ns + int(seconds * SECOND)
        self.spans.append(
            Span(
                run_id=self.run_id,
                trace_id="a" * 32,
                span_id=span_id,
                parent_id=parent,
                name=name,
                kind="INTERNAL",
                operation=operation,
                status=Status.OPEN if seconds is None and status is Status.OK else status,
                seq=self.seq,
                end_seq=None if end_ns is None else self.seq + 1,
                start_ns=self.now_ns,
                end_ns=end_ns,
                attributes=attributes or {semconv.HARNESS_OPERATION: operation.value},
            )
        )
        self.seq += 1
        return span_id

    def say(
        self,
        sender: str,
        text: str,
        *to: str,
        parts: list | None = None,
        body: dict | None = None,
        parent: str | None = None,
    ) -> str:
        """A message, without a turn around it."""
        span_id = self.span(Operation.MESSAGE, f"message {sender}", parent=parent or self.root, seconds=0)
        self.messages.append(
            Message(
                run_id=self.run_id,
                seq=self.spans[-1].seq,
                at_ns=self.now_ns,
                span_id=span_id,
                conversation_id=self.root,
                sender=sender,
                recipients=to,
                role="assistant",
                body=body
                if body is not None
                else {"role": "assistant", "parts": parts or [{"type": "text", "content": text}]},
            )
        )
        self.now_ns += SECOND // 10
        return span_id

    def turn(
        self, agent: str, text: str, *to: str, tokens: tuple[int, int] = (500, 112), parts: list | None = None
    ) -> str:
        """A turn: it asks a model, then speaks."""
        turn = self.span(Operation.TURN, f"invoke_agent {agent}", parent=self.root, seconds=2)
        self.call(
            Operation.CHAT,
            agent,
            parent=turn,
            tokens=tokens,
            reply={"message": {"role": "assistant", "parts": [{"type": "text", "content": text}]}},
        )
        return self.say(agent, text, *to, parts=parts, parent=turn)

    def call(
        self,
        operation: Operation,
        agent: str,
        *,
        parent: str | None = None,
        tokens: tuple[int, int] | None = None,
        reply: dict | None = None,
        error: str | None = None,
        status: Status = Status.OK,
        request: dict | None = None,
    ) -> str:
        seconds = None if status in {Status.OPEN, Status.INTERRUPTED} else 1.6
        status = Status.ERROR if error else status
        span_id = self.span(
            operation, f"{operation.value} gpt-4o-mini", parent=parent or self.root, seconds=seconds, status=status
        )
        self.calls.append(
            CallRecord(
                span=self.spans[-1],
                agent=agent,
                name="gpt-4o-mini",
                model="gpt-4o-mini",
                request=request
                or {
                    "model": "gpt-4o-mini",
                    "messages": [{"role": "user", "parts": [{"type": "text", "content": "Please."}]}],
                },
                reply=reply,
                usage=Usage(input_tokens=tokens[0], output_tokens=tokens[1], cost_usd=0.0017) if tokens else Usage(),
                error=error,
            )
        )
        self.now_ns += int((seconds or 1) * SECOND)
        return span_id

    def find(
        self, code: str, name: str, text: str, *, at: str | None = None, severity: Severity = Severity.WARNING
    ) -> None:
        self.findings.append(
            Finding(code=code, name=name, severity=severity, text=text, span_id=at, evidence={"text": text})
        )

    def end(self, kind: EndingKind = EndingKind.TERMINATION_MESSAGE, detail: str | None = None) -> None:
        self.endings[self.root] = Ending(kind=kind, agent="user", detail=detail)

    def run(self, status: RunStatus = RunStatus.FINISHED, **changes) -> Run:
        spans = list(self.spans)
        if status in {RunStatus.FINISHED, RunStatus.FAILED}:
            spans[0] = replace(spans[0], end_ns=self.now_ns, end_seq=self.seq + 1, status=Status.OK)
        given = [call.usage.input_tokens for call in self.calls if call.usage.input_tokens is not None]
        taken = [call.usage.output_tokens for call in self.calls if call.usage.output_tokens is not None]
        costs = [call.usage.cost_usd for call in self.calls if call.usage.cost_usd is not None]
        ending = self.endings.get(self.root)
        summary = RunSummary(
            run_id=self.run_id,
            source_id=None,
            name=self.name,
            started_ns=self.begin_ns,
            ended_ns=None if status is RunStatus.RUNNING else self.now_ns,
            status=status,
            ending=ending.kind.value if ending else None,
            mode="live",
            framework="pyautogen 0.9",
            messages=len(self.messages),
            model_calls=len(self.calls),
            tool_calls=0,
            turns=sum(span.operation is Operation.TURN for span in spans),
            errors=0,
            input_tokens=sum(given) if given else None,
            output_tokens=sum(taken) if taken else None,
            cost_usd=sum(costs) if costs else None,
            findings=len(self.findings),
            worst=max(
                (finding.severity for finding in self.findings), key=["note", "warning", "error"].index, default=None
            ),
            tags=(),
        )
        return Run(
            summary=replace(summary, **changes),
            spans=tuple(spans),
            messages=tuple(self.messages),
            calls=tuple(self.calls),
            endings=dict(self.endings),
            findings=tuple(self.findings),
        )


def triage(run_id: str = "8f3c2a77", *, begin_ns: int = BEGIN) -> Script:
    """A run with three agents, a tool and two findings; not ended yet."""
    script = Script(run_id, begin_ns=begin_ns)
    script.say("user", "Sort the inbox. Flag anything about invoices.", "planner")
    script.turn(
        "planner", "Plan: 1) list mails 2) classify 3) flag invoices. coder, start with list_mail.", "user", "coder"
    )
    script.turn(
        "coder",
        "",
        "planner",
        tokens=(300, 110),
        parts=[{"type": "tool_call", "id": "1", "name": "list_mail", "arguments": '{"folder": "inbox", "limit": 50}'}],
    )
    tool = script.say("tool", "", "coder", parts=[{"type": "tool_call_response", "id": "1", "response": "50 mails"}])
    script.find("S501", "hidden-text", "the result holds hidden text", at=tool, severity=Severity.ERROR)
    script.turn("coder", "Classified 50 mails: 41 other, 9 invoices. Flagging the 9 now.", "planner")
    last = script.turn("tester", "3 of the 9 are reminders, not invoices.", "planner")
    script.find("L101", "repeated-message", "'tester' repeats itself", at=last)
    return script


class Memory:
    """A store in memory, and what was put there since it was last polled."""

    def __init__(self, *runs: Run) -> None:
        self.kept = {run.run_id: run for run in runs}
        self.version = self._polled = 0
        self._touched: set[str] = set()
        self.error: Exception | None = None
        self.reads: list[str] = []

    def put(self, run: Run) -> None:
        self.kept[run.run_id] = run
        self._touched.add(run.run_id)
        self.version += 1

    def ingest(self) -> None:
        self.reads.append("ingest")

    def poll(self) -> Changes:
        self._check()
        recorded = self.version != self._polled
        touched, self._touched, self._polled = self._touched, set(), self.version
        if recorded and not touched:
            touched = {run_id for run_id, run in self.kept.items() if run.summary.status is RunStatus.RUNNING}
        return Changes(touched=frozenset(touched), sealed=["segment"] if recorded else [])

    def _check(self) -> None:
        if self.error:
            raise self.error

    def summaries(self, run_ids: Iterable[str]) -> dict[str, RunSummary]:
        return {run_id: self.kept[run_id].summary for run_id in run_ids}

    def close(self) -> None:
        self.reads.append("close")

    def runs(self, limit: int = 50, offset: int = 0) -> list[RunSummary]:
        self._check()
        newest = sorted((run.summary for run in self.kept.values()), key=lambda run: -run.started_ns)
        return newest[offset : offset + limit]

    def find(self, ref: str) -> str:
        for run_id in self.kept:
            if run_id.startswith(ref):
                return run_id
        raise UnknownRunError(f"no run is called {ref!r}", hint="`harness runs` lists them.")

    def run(self, run_id: str) -> Run:
        self.reads.append(run_id)
        return self.kept[run_id]


def app_on(source: object, ref: str | None = None) -> HarnessApp:
    """The app over *source*, at a time that stands still."""
    return HarnessApp(lambda: source, store=".harness", ref=ref, now=lambda: NOW)


async def settle(pilot: Pilot) -> None:
    """Wait until all that was asked for is on screen."""
    feed, asked = pilot.app.feed, None
    await pilot.pause()
    while asked != feed.asked:
        asked = feed.asked
        await asyncio.to_thread(feed.settle)
        await pilot.pause()


async def press(pilot: Pilot, *keys: str) -> None:
    """Press keys, and wait until all that follows is on screen."""
    if keys:
        await pilot.press(*keys)
    await settle(pilot)


async def look_again(pilot: Pilot) -> None:
    """Look at the store now, and wait until all that is new is on screen."""
    pilot.app.feed.look()
    await settle(pilot)


def strips(app: HarnessApp) -> list:
    """The lines as they go out to the terminal, through all filters."""
    return app.screen._compositor.render_strips()


def screen_text(app: HarnessApp) -> str:
    """What a person sees, line by line, without colour."""
    return "\n".join(strip.text.rstrip() for strip in strips(app))

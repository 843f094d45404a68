"""Reports for tests, as few words as they need; and text that would break out of every format there is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.model import Ending, EndingKind, Finding, Message, Operation, Run, Severity, Usage
from harness.reports import Case, Growth, Report
from tests.scenarios.samples import record, run_of, span

HOSTILE = (
    "</pre></title></script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)> \"' onload='x "
    "]]> <!-- & &lt; ::error file=x::boo\n::stop-commands::x\r\n%0A::add-mask::y\n| a | b |\n```\n# head\n"
    "[link](http://evil.example) ![i](x) @someone https://evil.example "
    "\x1b[31mred\x00 \u202egnp.exe \ud800 \ufffe **bold** `code` $(rm) {0}"
)


def message(number: int, sender: str, *parts: dict[str, Any], recipients: tuple[str, ...] = ()) -> Message:
    return Message(
        run_id="run1",
        seq=number,
        at_ns=number,
        span_id=f"m{number}",
        conversation_id=None,
        sender=sender,
        recipients=recipients,
        role="assistant",
        body={"role": "assistant", "parts": list(parts)},
    )


def finding(text: str, code: str = "L101", severity: Severity = Severity.WARNING, **evidence: Any) -> Finding:
    return Finding(code=code, name="repeated-message", severity=severity, text=text, span_id="m1", evidence=evidence)


def a_run(text: str, who: str = "ada") -> Run:
    """A run of two messages and two model calls, with *text* wherever text may be."""
    calls = [
        replace(record(span(Operation.CHAT), {}, None, agent=name), usage=Usage(input_tokens=size, output_tokens=3))
        for name, size in ((who, 10), ("ben", 30))
    ]
    said = [
        message(1, who, {"type": "text", "content": text}, recipients=("ben", text)),
        message(2, "ben", {"type": "tool_call", "name": text, "arguments": {"x": text}}, {"type": text}),
        message(3, who, {"type": "tool_call_response", "response": text}, {"type": "reasoning", "content": text}),
    ]
    run = run_of(*calls)
    about = replace(run.summary, messages=3, model_calls=2, input_tokens=40, output_tokens=6, started_ns=10**18)
    return replace(
        run,
        summary=about,
        messages=said,
        endings={"s": Ending(kind=EndingKind.MAX_TURNS, agent=who, detail=text)},
    )


def a_case(text: str = "it is not so", **changes: Any) -> Case:
    """A failed case, with *text* wherever text may be."""
    run = a_run(text, text)
    values: dict[str, Any] = {
        "name": text,
        "suite": "talks",
        "outcome": "failed",
        "diverged": True,
        "old": text,
        "new": text[::-1],
        "file": "talks/chat.scenario.yaml",
        "lines": {"ada": 7},
        "reasons": (text,),
        "remarks": (text,),
        "hints": (text,),
        "findings": (finding(text, agent=text),),
        "summary": run.summary,
        "run_id": text,
        "seconds": 0.25,
        "growth": (Growth(name="tokens", told=text, share=0.5, worse=True),),
        "run": lambda: run,
    }
    return Case(**{**values, **changes})


def a_report(*cases: Case, **changes: Any) -> Report:
    return Report(**{"title": "harness run", "cases": cases, **changes})

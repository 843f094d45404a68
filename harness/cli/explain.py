"""``harness explain``: say what a check means and how to mend what it finds."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harness import check
from harness.cli.common import emit_json, json_option, say
from harness.text import printable

if TYPE_CHECKING:
    from harness.model import Json

_WIDTH = 100
_CODE = re.compile(r"`[^`]+`")
_KEPT = "\u00a0"


@click.command()
@click.argument("words", nargs=-1, metavar="[CODE|NAME]...")
@json_option
def command(*, words: Sequence[str], as_json: bool) -> None:
    """Explain the checks CODE (L101) or NAME (repeated-message); with none, list them all."""
    found = [check.lookup(word) for word in words] or check.explained()
    if as_json:
        emit_json([as_record(kind) for kind in found])
    elif words:
        click.echo("\n\n".join(_in_full(kind) for kind in found))
    else:
        for kind in found:
            click.echo(printable(f"{kind.code}  {kind.name:<24} {kind.severity.value:<8} {paragraphs(kind)[0]}"))
        say("\nIn full: harness explain CODE")


def paragraphs(kind: type[check.Check]) -> list[str]:
    """Split a check's documentation into its title, why and fix, each on one line."""
    text = inspect.getdoc(kind) or kind.name
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def as_record(kind: type[check.Check]) -> dict[str, Json]:
    """Describe a check as data."""
    title, *rest = paragraphs(kind)
    named = {word: text.strip() for text in rest for word, _, text in [text.partition(":")] if word in {"Why", "Fix"}}
    return {
        "code": kind.code,
        "name": kind.name,
        "severity": kind.severity.value,
        "needs": sorted(need.value for need in kind.needs),
        "thresholds": dict(kind.thresholds),
        "title": title,
        "why": named.get("Why"),
        "fix": named.get("Fix"),
    }


def _in_full(kind: type[check.Check]) -> str:
    needs = ", ".join(sorted(need.value for need in kind.needs))
    head = click.style(f"{kind.code} {kind.name}", bold=True) + f" · {kind.severity.value}"
    head += f" · looks at {needs}" if needs else ""
    body = map(_wrapped, paragraphs(kind))
    return f"{head}\n\n" + printable("\n\n".join([*body, *_numbers(kind)]))


def _wrapped(paragraph: str) -> str:
    """Lay *paragraph* out in lines; what stands in backquotes is to be copied, and stays on one of them."""
    whole = _CODE.sub(lambda code: code[0].replace(" ", _KEPT), paragraph)
    return click.wrap_text(whole, _WIDTH, preserve_paragraphs=False).replace(_KEPT, " ")


def _numbers(kind: type[check.Check]) -> list[str]:
    """Say what the check judges by, the way a project writes it to set something else."""
    if not kind.thresholds:
        return []
    numbers = ", ".join(f"{name} = {number:g}" for name, number in kind.thresholds.items())
    return [f"Judges by, unless `[tool.harness.checks]` says something else:\n\n    {kind.code} = {{{numbers}}}"]

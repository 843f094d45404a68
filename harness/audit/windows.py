"""How much a model reads and writes in one call at most, in tokens, as its maker says.

From platform.openai.com/docs/models, docs.claude.com/en/docs/about-claude/models, ai.google.dev/gemini-api/docs/models
and api-docs.deepseek.com, on the day of the table of prices (``harness.prices.TABLE_DATE``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Tokens: *context* is read at most, *output* written."""

    context: int
    output: int


_ROWS: Final = """
gpt-5.1            400000   128000
gpt-5              400000   128000
gpt-5-mini         400000   128000
gpt-5-nano         400000   128000
gpt-4.1           1047576    32768
gpt-4.1-mini      1047576    32768
gpt-4.1-nano      1047576    32768
gpt-4o             128000    16384
gpt-4o-mini        128000    16384
gpt-4-turbo        128000     4096
gpt-4                8192     8192
gpt-4-32k           32768    32768
gpt-3.5-turbo       16385     4096
gpt-3.5-turbo-16k   16385     4096
o1                 200000   100000
o3                 200000   100000
o3-mini            200000   100000
o4-mini            200000   100000
claude-opus-4-5    200000    64000
claude-opus-4-1    200000    32000
claude-opus-4      200000    32000
claude-sonnet-4-5  200000    64000
claude-sonnet-4    200000    64000
claude-3-7-sonnet  200000    64000
claude-3-5-sonnet  200000     8192
claude-haiku-4-5   200000    64000
claude-3-5-haiku   200000     8192
claude-3-haiku     200000     4096
claude-3-opus      200000     4096
gemini-2.5-flash  1048576    65536
gemini-2.0-flash  1048576     8192
deepseek-chat      128000     8192
"""
_TABLE: Final = {
    name: Window(context=int(context), output=int(output))
    for name, context, output in (row.split() for row in _ROWS.strip().splitlines())
}
_MAKERS = re.compile(r"^(?:openai|azure|anthropic|google|gemini|models|deepseek)/")
_DATE = re.compile(r"(?:[-@]\d{4}-\d{2}-\d{2}|[-@]\d{8}|-\d{4}(?:-preview)?|-preview|-latest)$")


def window(model: str) -> Window | None:
    """Find the window of *model*, under its own name or the name without maker and date; None where it is not known."""
    name = _MAKERS.sub("", model.lower()).replace("gpt-35-", "gpt-3.5-")
    return _TABLE.get(name) or _TABLE.get(_DATE.sub("", name))

"""How many tokens a model takes at once, and how long its answer may be, from dated tables; unknown is unknown.

A window holds what a model is sent and what it answers, as its maker publishes it on platform.openai.com/docs/models,
docs.claude.com/en/docs/about-claude/models, ai.google.dev/gemini-api/docs/models, docs.mistral.ai/getting-started and
api-docs.deepseek.com/quick_start/pricing on TABLE_DATE. What came after it is as platform.claude.com/docs/en/models
published it on ``prices.LATER_DATE``, and for gpt-5.2 and gpt-5.4 as resellers gave it who agreed. Larger windows that
must be asked for are left out.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from harness import prices

TABLE_DATE: Final = "2025-12-01"
"""The day on which the table was right, but for models that came later."""


def _rows(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.strip().splitlines())
    return {model: int(tokens) for tokens, *models in rows for model in models}


TABLE: Final[Mapping[str, int]] = _rows("""
400000   gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro
128000   gpt-5-chat gpt-4o gpt-4o-mini chatgpt-4o gpt-4-turbo gpt-4-turbo-preview gpt-4-0125-preview gpt-4-1106-preview
1047576  gpt-4.1 gpt-4.1-mini gpt-4.1-nano
8192     gpt-4
32768    gpt-4-32k
16385    gpt-3.5-turbo gpt-3.5-turbo-1106 gpt-3.5-turbo-16k
4096     gpt-3.5-turbo-0613 gpt-3.5-turbo-0301 gpt-3.5-turbo-instruct
200000   o1 o1-pro o3 o3-mini o3-pro o4-mini
128000   o1-preview o1-mini
200000   claude-opus-4-5 claude-opus-4-1 claude-opus-4 claude-3-opus claude-sonnet-4-5 claude-sonnet-4
200000   claude-3-7-sonnet claude-3-5-sonnet claude-haiku-4-5 claude-3-5-haiku claude-3-haiku
1048576  gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-2.0-flash gemini-2.0-flash-lite gemini-1.5-flash
2097152  gemini-1.5-pro
131072   mistral-large-2411 mistral-medium-2505 mistral-small-2503 ministral-8b-2410 ministral-3b-2410 open-mistral-nemo
256000   codestral-2501
128000   deepseek-chat deepseek-reasoner
400000   gpt-5.2
1050000  gpt-5.4
1000000  claude-opus-5-5 claude-opus-5 claude-opus-4-6 claude-sonnet-5-5 claude-sonnet-5 claude-sonnet-4-6
""")
"""Tokens by model. A dated name is looked for first, then the name without its date."""


@functools.lru_cache(1024)
def window(model: str) -> int | None:
    """Give how many tokens *model* takes at once, question and answer together; None where nobody knows."""
    return next((TABLE[name] for name in prices.spellings(model) if name in TABLE), None)


_LONGEST: Final[Mapping[str, int]] = _rows("""
128000   gpt-5.1 gpt-5 gpt-5-mini gpt-5-nano
100000   o1 o3 o3-mini o4-mini
65536    gemini-2.5-flash
64000    claude-opus-4-5 claude-sonnet-4-5 claude-sonnet-4 claude-3-7-sonnet claude-haiku-4-5
32768    gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-4-32k
32000    claude-opus-4-1 claude-opus-4
16384    gpt-4o gpt-4o-mini
8192     gpt-4 claude-3-5-sonnet claude-3-5-haiku gemini-2.0-flash deepseek-chat
4096     gpt-4-turbo gpt-3.5-turbo gpt-3.5-turbo-16k claude-3-haiku claude-3-opus
""")


@functools.lru_cache(1024)
def longest_answer(model: str) -> int | None:
    """Give how many tokens *model* answers with at most, as published on TABLE_DATE.

    Of a model whose maker says nothing of it, that is its whole window; None where that is not known either.
    """
    return next((_LONGEST[name] for name in prices.spellings(model) if name in _LONGEST), None) or window(model)

"""Turn tokens into US dollars from a dated table; a model nobody here knows costs None, never 0.

List prices of the providers' own APIs, per million tokens, without batch or volume discounts, as published on
platform.openai.com/docs/pricing, docs.claude.com/en/docs/about-claude/pricing, ai.google.dev/gemini-api/docs/pricing,
mistral.ai/pricing and api-docs.deepseek.com/quick_start/pricing on TABLE_DATE. What came after it is as
platform.claude.com/docs/en/about-claude/pricing published it on LATER_DATE; gpt-5.2, and the cached input of
claude-opus-5-5 and claude-sonnet-5-5, are as resellers gave them who agreed. Models whose price depends on the length
of the prompt are left out, for a wrong price is worse than none. Where AutoGen's own table (``OAI_PRICE1K``) and this
one price a model alike the costs are equal; AutoGen charges cached tokens in full.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

log = logging.getLogger("harness")

TABLE_DATE: Final = "2025-12-01"
"""The day on which the table was right, but for models that came later."""

LATER_DATE: Final = "2026-10-24"
"""The day on which it was right for these."""

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars per million tokens. *cached_usd* is for input read from the provider's cache; None: as other input."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None


def _rows(text: str) -> dict[str, Price]:
    """Read lines of model, input, cached input (``-`` where there is no such price) and output."""
    table = {}
    for line in text.strip().splitlines():
        model, given, cached, taken = line.split()
        table[model] = Price(
            input_usd=float(given), output_usd=float(taken), cached_usd=None if cached == "-" else float(cached)
        )
    return table


TABLE: Final[Mapping[str, Price]] = _rows("""
gpt-5.1                  1.25   0.125  10
gpt-5                    1.25   0.125  10
gpt-5-chat               1.25   0.125  10
gpt-5-mini               0.25   0.025  2
gpt-5-nano               0.05   0.005  0.40
gpt-5-pro                15     -      120
gpt-4.1                  2      0.50   8
gpt-4.1-mini             0.40   0.10   1.60
gpt-4.1-nano             0.10   0.025  0.40
gpt-4o                   2.50   1.25   10
gpt-4o-2024-05-13        5      -      15
gpt-4o-mini              0.15   0.075  0.60
chatgpt-4o               5      -      15
gpt-4-turbo              10     -      30
gpt-4-turbo-preview      10     -      30
gpt-4-0125-preview       10     -      30
gpt-4-1106-preview       10     -      30
gpt-4                    30     -      60
gpt-4-32k                60     -      120
gpt-3.5-turbo            0.50   -      1.50
gpt-3.5-turbo-1106       1      -      2
gpt-3.5-turbo-0613       1.50   -      2
gpt-3.5-turbo-0301       1.50   -      2
gpt-3.5-turbo-16k        3      -      4
gpt-3.5-turbo-instruct   1.50   -      2
o1                       15     7.50   60
o1-preview               15     7.50   60
o1-mini                  1.10   0.55   4.40
o1-pro                   150    -      600
o3                       2      0.50   8
o3-mini                  1.10   0.55   4.40
o3-pro                   20     -      80
o4-mini                  1.10   0.275  4.40
claude-opus-4-5          5      0.50   25
claude-opus-4-1          15     1.50   75
claude-opus-4            15     1.50   75
claude-3-opus            15     1.50   75
claude-sonnet-4-5        3      0.30   15
claude-sonnet-4          3      0.30   15
claude-3-7-sonnet        3      0.30   15
claude-3-5-sonnet        3      0.30   15
claude-haiku-4-5         1      0.10   5
claude-3-5-haiku         0.80   0.08   4
claude-3-haiku           0.25   0.03   1.25
gemini-2.5-flash         0.30   -      2.50
gemini-2.5-flash-lite    0.10   -      0.40
gemini-2.0-flash         0.10   0.025  0.40
gemini-2.0-flash-lite    0.075  -      0.30
mistral-large-2411       2      -      6
mistral-medium-2505      0.40   -      2
mistral-small-2503       0.10   -      0.30
ministral-8b-2410        0.10   -      0.10
ministral-3b-2410        0.04   -      0.04
codestral-2501           0.30   -      0.90
open-mistral-nemo        0.15   -      0.15
deepseek-chat            0.28   0.028  0.42
deepseek-reasoner        0.28   0.028  0.42
gpt-5.2                  1.75   0.175  14
claude-opus-5-5          4      0.20   20
claude-opus-5            5      0.50   25
claude-opus-4-7          5      0.50   25
claude-opus-4-6          5      0.50   25
claude-sonnet-5-5        2      0.10   10
claude-sonnet-5          2      0.20   10
claude-sonnet-4-6        3      0.30   15
""")
"""Prices by model. A dated name is looked for first, then the name without its date."""

# Only names under which the maker's own prices hold: another host of the same model has its own.
_MAKERS = re.compile(r"^(?:openai|azure|anthropic|google|gemini|models|mistral|mistralai|deepseek)/")
_DATE = re.compile(r"(?:[-@]\d{4}-\d{2}-\d{2}|[-@]\d{8}|-\d{4}|-latest)$")


def spellings(model: str) -> tuple[str, str]:
    """Spell *model* as tables do: without maker's prefix and Azure's spelling, and then without its date, too."""
    name = _MAKERS.sub("", model.lower()).replace("gpt-35-", "gpt-3.5-")
    return name, _DATE.sub("", name)


@functools.lru_cache(1024)
def price(model: str) -> Price | None:
    """Find the price of *model*, in the first of its spellings that has one."""
    return next((TABLE[name] for name in spellings(model) if name in TABLE), None)


_told: set[str] = set()


def warn_unknown(model: str) -> None:
    """Log, once for each *model*, that what it costs is not known here."""
    if model not in _told:
        _told.add(model)
        log.warning("no price is known of %r: its cost is unknown. Set one in [tool.harness.prices].", model)


def cost_usd(
    model: str | None,
    input_tokens: int | None,
    output_tokens: int | None,
    *,
    cached_tokens: int = 0,
    overrides: Mapping[str, tuple[float, float]] | None = None,
) -> float | None:
    """Price one call in US dollars; None if the model's price or its tokens are unknown.

    *input_tokens* include the *cached_tokens*. *overrides* are a project's own prices, ``{model: (input, output)}``
    per million tokens; they win, under the model's full name or under the one without its date.
    """
    if not model or input_tokens is None or output_tokens is None:
        return None
    own = overrides and (overrides.get(model) or overrides.get(_DATE.sub("", model)))
    found = Price(input_usd=own[0], output_usd=own[1]) if own else price(model)
    if found is None:
        return None
    cached = min(max(cached_tokens, 0), input_tokens)
    cached_usd = found.input_usd if found.cached_usd is None else found.cached_usd
    fresh = (input_tokens - cached) * found.input_usd
    return (fresh + cached * cached_usd + output_tokens * found.output_usd) / MILLION

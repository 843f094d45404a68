"""Prices: what a call costs, and what nobody knows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import prices

TOKENS = st.integers(0, 10_000_000)
# AutoGen's own prices for these are of an earlier day, or a tenth of the list price.
PRICED_OTHERWISE = {"gpt-4o", "o1", "o1-2024-12-17", "o1-preview", "o1-preview-2024-09-12", "o1-mini", "o3",
                    "o1-mini-2024-09-12", "deepseek-chat"}  # fmt: skip

# No longer sold, or newer than our table.
KNOWN_TO_AUTOGEN_ALONE = r"(davinci|babbage|text-|code-|gpt-4-1106-vision|gpt-5\.2|gpt-5.*(codex|search|chat)|codex-)"


def test_a_call_costs_its_input_and_its_output_per_million_tokens():
    assert prices.cost_usd("gpt-4o-mini", 1_000_000, 2_000_000) == pytest.approx(0.15 + 1.20)


def test_cached_input_is_cheaper_where_the_provider_says_so_and_costs_the_same_where_not():
    assert prices.cost_usd("gpt-4o", 1_000_000, 0, cached_tokens=400_000) == pytest.approx(0.6 * 2.5 + 0.4 * 1.25)
    assert prices.cost_usd("gpt-4", 1_000_000, 0, cached_tokens=400_000) == pytest.approx(30)


def test_a_dated_model_has_its_own_price_if_it_has_one_and_else_that_of_its_family():
    assert prices.cost_usd("gpt-4o-2024-05-13", 1_000_000, 0) == pytest.approx(5)
    assert prices.cost_usd("gpt-4o-2024-08-06", 1_000_000, 0) == pytest.approx(2.5)
    assert prices.cost_usd("claude-sonnet-4-20250514", 0, 1_000_000) == pytest.approx(15)
    assert prices.cost_usd("claude-3-5-sonnet-latest", 0, 1_000_000) == pytest.approx(15)
    assert prices.cost_usd("gpt-4-0613", 1_000_000, 0) == pytest.approx(30)


def test_a_makers_prefix_and_azures_spelling_do_not_hide_a_model():
    assert prices.price("openai/gpt-4o") == prices.price("gpt-4o")
    assert prices.price("gpt-35-turbo") == prices.price("gpt-3.5-turbo")


@pytest.mark.parametrize(
    "model", ["my-own-llama", "gpt-4o-audio-preview", "mistral-large-2512", "", "elsewhere/gpt-4o"]
)
def test_an_unknown_model_costs_none_and_never_zero(model):
    assert prices.cost_usd(model, 1000, 1000) is None


def test_unknown_tokens_cost_none():
    assert prices.cost_usd("gpt-4o", None, 10) is None
    assert prices.cost_usd("gpt-4o", 10, None) is None


def test_a_projects_own_price_wins_also_for_a_dated_name():
    own = {"gpt-4o": (1.0, 2.0), "my-own-llama": (0.1, 0.1), "free": (0.0, 0.0)}
    assert prices.cost_usd("gpt-4o", 1_000_000, 1_000_000, overrides=own) == pytest.approx(3)
    assert prices.cost_usd("gpt-4o-2024-08-06", 1_000_000, 0, overrides=own) == pytest.approx(1)
    assert prices.cost_usd("my-own-llama", 1_000_000, 0, overrides=own) == pytest.approx(0.1)
    assert prices.cost_usd("free", 1_000_000, 0, overrides=own) == 0


@given(st.sampled_from(sorted(prices.TABLE)), TOKENS, TOKENS, TOKENS)
def test_a_cost_is_never_negative_and_caching_never_makes_it_dearer(model, given_, taken, cached):
    plain = prices.cost_usd(model, given_, taken)
    assert 0 <= prices.cost_usd(model, given_, taken, cached_tokens=cached) <= plain + 1e-9


def test_the_table_says_of_which_day_it_is():
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", prices.TABLE_DATE)


def test_prices_equal_autogens_wherever_both_price_the_model_alike():
    utils = pytest.importorskip("autogen.oai.openai_utils", reason="the classic AutoGen is not installed")
    alike, otherwise, unknown = set(), set(), set()
    for model, per_thousand in utils.OAI_PRICE1K.items():
        given, taken = per_thousand if isinstance(per_thousand, tuple) else (per_thousand, per_thousand)
        ours = prices.cost_usd(model, 1234, 567)
        if ours is None:
            unknown.add(model)
        else:
            same = ours == pytest.approx((given * 1234 + taken * 567) / 1000)
            (alike if same else otherwise).add(model)
    assert otherwise == PRICED_OTHERWISE & {*utils.OAI_PRICE1K}
    assert all(re.match(KNOWN_TO_AUTOGEN_ALONE, model) for model in unknown), unknown
    assert len(alike) >= 29

"""``harness.assert_terminates`` in a test of one's own."""

from __future__ import annotations

import pytest

import harness
from harness.errors import UsageError

# What the frameworks warn of while agents are made is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_classic_pair_is_proved_to_end() -> None:
    pytest.importorskip("autogen.agentchat", reason="the classic extra is not installed")
    from tests.audit.classic_grid import _agent

    proved = harness.assert_terminates((_agent("a", 2), _agent("b", 3)), within=6, model_calls=5)
    assert (proved.bound.messages, proved.bound.calls) == (6, 5)
    with pytest.raises(AssertionError, match="it may take 6 messages, more than 5: a answers at most 2 times"):
        harness.assert_terminates((_agent("a", 2), _agent("b", 3)), within=5)
    with pytest.raises(AssertionError, match="its end is by a human"):
        harness.assert_terminates((_agent("a", 2, "ALWAYS"), _agent("b", 3, "TERMINATE")))


def test_a_team_that_only_a_word_ends_is_not_proved_to_end() -> None:
    pytest.importorskip("autogen_agentchat", reason="the agentchat extra is not installed")
    from tests.audit.agentchat_grid import _agents, _conditions, _rr

    with pytest.raises(AssertionError, match="its end is unbounded: a → b → a"):
        harness.assert_terminates(_rr(_agents(2), _conditions()["word"]()))
    proved = harness.assert_terminates(_rr(_agents(2), _conditions()["word"]() | _conditions()["max 5"]()), within=5)
    assert proved.bound.tight


def test_what_is_no_set_up_is_refused() -> None:
    with pytest.raises(UsageError, match="int is no agent, team or chat"):
        harness.assert_terminates(3)

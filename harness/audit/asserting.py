"""Assert in a test that a set-up ends whatever its models say."""

from __future__ import annotations

from harness.audit.bounds import Verdict
from harness.audit.certificate import Certificate
from harness.audit.judging import audit
from harness.errors import UsageError


def assert_terminates(
    setup: object, within: int | None = None, *, model_calls: int | None = None, cost_usd: float | None = None
) -> Certificate:
    """Assert that the conversation of *setup* ends by itself, and give its certificate.

    *setup* is an AgentChat agent or team, an AG2 agent, a classic ``(sender, recipient)``, a ``GroupChatManager``, a
    mapping with the arguments of ``initiate_chat`` and its ``sender``, or a list of such. It ends within so many
    messages, *model_calls* and *cost_usd* US dollars, where these are given. Nothing is asked of any model: a model is
    taken to say the worst it could. Raises AssertionError with the path that has no end, or with the number that is
    too high; UsageError for what is no set-up.
    """
    certificate = audit(setup).certificate
    if certificate is None:
        raise UsageError("there is no conversation in this set-up", hint="Name who talks to whom: (sender, recipient).")
    bound = certificate.bound
    if bound.verdict is not Verdict.BOUNDED:
        raise AssertionError(f"its end is {bound.verdict.value}: {'; '.join(bound.path)}")
    for said, most, allowed in (
        ("messages", bound.messages, within),
        ("model calls", bound.calls, model_calls),
        ("US dollars", certificate.cost_usd, cost_usd),
    ):
        if allowed is None:
            continue
        if most is None:
            raise AssertionError(f"nobody can say how many {said} it takes: {'; '.join(certificate.unpriced)}")
        if most > allowed:
            raise AssertionError(f"it may take {most:g} {said}, more than {allowed:g}: {'; '.join(bound.why)}")
    return certificate

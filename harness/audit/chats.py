"""How long classic chats go on: what counts is how often in a row an agent answers by itself, turns and rounds.

Where the numbers come from (pyautogen 0.2.35 and 0.9, autogen 0.14.1, ``agentchat/conversable_agent.py`` and
``groupchat.py``): ``check_termination_and_human_reply`` counts an agent's answers to one sender, and a human who is
asked takes the count back; ``initiate_chat(max_turns=)`` lets both speak once a turn; ``run_chat`` adds one message a
round, the first being the one that it was given.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.audit.bounds import NOTHING, Bound, Verdict, both, bounded, open_ended, times, total, worst_of
from harness.setups import Group, Plan, Talk, Voice

Judge = Callable[[Plan], Bound]


def talk(plan: Talk, judge: Judge) -> Bound:
    """Bound a chat of two."""
    starter, recipient = plan.starter, plan.recipient
    if plan.max_turns is None:
        counted = _until_one_stops(starter, recipient)
        if isinstance(counted, Bound):
            return counted
        first, second, why = counted
        said = 1 + first + second
    else:
        turns, why = _turns(starter, plan.max_turns, recipient.whole_limit if plan.peer_limit else None)
        silent = turns // (recipient.limit + 1) if recipient.limit is not None else 0
        first, second = max(0, turns - 1), turns - silent
        said = turns + second
        if silent:
            why += f", and {recipient.name} is silent each time after {recipient.limit} answers in a row"
    people = plan.max_turns is not None and (starter.asked or recipient.asked)
    loose = (plan.loose, "what a person says takes no model call" if people else "")
    parts = [
        bounded(said, plan.summary, why, loose=loose),
        times(first, answer(starter, judge)),
        times(second, answer(recipient, judge)),
    ]
    return total(parts)


def group(plan: Group, judge: Judge) -> Bound:
    """Bound a group chat, as often as it is entered."""
    turns, why = (1, "") if plan.max_turns is None else _turns(plan.starter, plan.max_turns, plan.peer_limit)
    most = max(0, plan.max_round - 1)
    answers, cause = most, f"max_round={plan.max_round} of {plan.manager} counts every message"
    limits = [voice.limit for voice in plan.members]
    loose = [plan.loose]
    if turns == 1 and all(limit is not None for limit in limits):
        together = sum(limit or 0 for limit in limits)
        if together < most:
            answers = together
            cause = f"nobody in the group of {plan.manager} answers more often than max_consecutive_auto_reply"
    if any(limit is not None and limit < most for limit in limits) and not _alike(plan, answers):
        loose.append("the group ends when somebody is picked who has answered too often")
    if turns > 1 and any(limit is not None and limit < turns * most for limit in limits):
        loose.append("the group ends when somebody is picked who has answered too often")
    picked = most if answers == most else answers + 1
    if plan.attempts and not plan.always:
        loose.append("a speaker need not be picked by a model in every round")
    replies = [answer(voice, judge) for voice in plan.members]
    if len({(each.messages, each.calls) for each in replies}) > 1:
        loose.append("the most expensive speaker is not always the one who may speak")
    one = both(
        bounded(1 + answers if plan.max_round > 0 else 1, plan.attempts * picked, cause, loose=loose),
        times(answers, worst_of(replies)),
    )
    rounds = times(turns, one)
    again = times(turns - 1, answer(plan.starter, judge))
    outer = bounded(0, plan.summary, *([why] if why else []))
    return total([outer, rounds, again])


def answer(voice: Voice, judge: Judge) -> Bound:
    """Bound what one answer of *voice* takes beyond the answer itself."""
    own = bounded(0, voice.calls, loose=(voice.loose,))
    besides = total(judge(plan) for plan in voice.besides)
    nested = [judge(plan) for plan in voice.nested]
    return both(besides, worst_of(nested if voice.instead else [own, *nested]))


def _until_one_stops(starter: Voice, recipient: Voice) -> tuple[int, int, str] | Bound:
    """Say how often each answers until one may not any more."""
    if recipient.limit is not None and (starter.limit is None or recipient.limit <= starter.limit):
        return recipient.limit, recipient.limit, _stops(recipient)
    if starter.limit is not None:
        return starter.limit, starter.limit + 1, _stops(starter)
    people = [voice.name for voice in (starter, recipient) if voice.human]
    if people:
        others = " and ".join(people)
        return open_ended(
            Verdict.HUMAN, f"{others} is asked, and may go on for ever: only the person who answers ends the chat"
        )
    hidden = [f"{voice.name}: {voice.hidden}" for voice in (starter, recipient) if voice.hidden]
    return open_ended(
        Verdict.UNKNOWN, *(f"{each} answers before anything is counted, and nobody else counts" for each in hidden)
    )


def _stops(voice: Voice) -> str:
    return f"{voice.name} answers at most {voice.limit} times in a row (max_consecutive_auto_reply)"


def _turns(starter: Voice, max_turns: int, peer_limit: int | None) -> tuple[int, str]:
    """Say how many turns are taken, and what ends them."""
    turns, why = max(0, max_turns), f"max_turns={max_turns}"
    if peer_limit == 0:
        return 0, "the recipient's max_consecutive_auto_reply is 0, so nothing is said"
    if starter.limit is not None and starter.limit + 1 < turns:
        turns, why = starter.limit + 1, _stops(starter)
    if peer_limit is not None and starter.limit is not None and peer_limit + 1 < turns:
        turns = peer_limit + 1
        why = f"{starter.name}'s answers are held to the recipient's max_consecutive_auto_reply={peer_limit}, too"
    return turns, why


def _alike(plan: Group, answers: int) -> bool:
    """Say whether a model can have everybody answer as often as they may."""
    limits = {voice.limit for voice in plan.members}
    return answers == 0 or (plan.selection == "round_robin" and len(limits) == 1)


__all__ = ["NOTHING", "answer", "group", "talk"]

"""Find what was said in a foreign run, each message once: other programs have no spans for messages.

What came out of an agent's turn was said by it, unless it only hands on what a turn inside it said. Where the turns
say nothing themselves, what the models they asked were told and answered does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from harness.canonical import canonical
from harness.importers import bus, dialects
from harness.importers.forest import Forest, Known, above
from harness.importers.grouping import Place
from harness.importers.said import Said
from harness.model import Json, Operation, part_text

_USER = "user"
_ENVELOPE = "envelope"
_NAMED = re.compile(r"\[([^\]\n]{1,100})\]: (.*)", re.DOTALL)
_TALKING = frozenset({Operation.CONVERSATION, Operation.TURN})
Body = Mapping[str, Json]


def spoken(known: Forest, repeats: Mapping[Place, Place]) -> list[Said]:
    """List the messages of a run in order; none where its spans are ours, since ours have spans for them."""
    if any(each.operation is Operation.MESSAGE for each in known.values()):
        return []
    return bus.spoken(known) or _by_turns({place: each for place, each in known.items() if place not in repeats})


def _by_turns(known: Forest) -> list[Said]:
    around = {
        place: next((at for at in above(place, known) if known[at].operation in _TALKING), None)
        for place, each in known.items()
        if each.operation in _TALKING or each.operation is Operation.CHAT
    }
    calls: dict[Place | None, list[Place]] = {}
    for place, outer in around.items():
        if known[place].operation is Operation.CHAT:
            calls.setdefault(outer, []).append(place)
    handed_on = _handed_on(known)
    found: list[Said] = []
    for place, each in known.items():
        if each.operation not in _TALKING:
            continue
        asked, answered = dialects.asked(each.span), dialects.answered(each.span)
        outer = around[place]
        opens = outer is None or (each.operation is Operation.CONVERSATION and each.agent is not None)
        if opens and asked and asked[-1].get("role") != "system":
            found.append(_asked(place, each, asked[-1]))
        if each.operation is not Operation.TURN:
            continue
        if not asked and not answered:
            asker = (known[outer].agent if outer is not None else None) or _USER
            said = _by_calls(known, calls.get(place, ()), each.agent or "", asker)
            on_channel = any(known[at].span.attributes.get("ag2.span.type") == _ENVELOPE for at in above(place, known))
            found.extend(_heard(said, found) if on_channel else said)
        elif answered and (place, canonical(answered[0])) not in handed_on:
            to = each.attributes.get(dialects.ANSWERS)
            found.append(Said(place=place, sender=each.agent or "", to=_names(to), body=answered[0], first=False))
    return found


def _asked(place: Place, known: Known, body: Body) -> Said:
    sender = body.get("name") or (known.agent if known.operation is Operation.CONVERSATION else None) or _USER
    to = known.attributes.get(dialects.ASKS) if known.operation is Operation.CONVERSATION else None
    return Said(place=place, sender=str(sender), to=_names(to), body=body, first=True)


def _names(value: Json) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else ()


def _handed_on(known: Forest) -> frozenset[tuple[Place, str]]:
    """Collect what each turn's inner turns said: saying it again only hands it on, unless a chat lies between them."""
    found: set[tuple[Place, str]] = set()
    for place, each in known.items():
        said = (
            [canonical(body) for body in dialects.answered(each.span)[:1]] if each.operation is Operation.TURN else []
        )
        for outer in above(place, known) if said else ():
            if known[outer].operation is Operation.CONVERSATION:
                break
            found.add((outer, said[0]))
    return frozenset(found)


def _by_calls(known: Forest, chats: Sequence[Place], agent: str, asker: str) -> Iterator[Said]:
    """Say what was said in a turn by the model calls made in it: each is asked with all that was said before."""
    for number, place in enumerate(chats):
        asked, answered = dialects.asked(known[place].span), dialects.answered(known[place].span)
        if number == 0:
            if asked and asked[-1].get("role") in {"user", "assistant"}:
                yield Said(place=place, sender=asker, to=(agent,), body=asked[-1], first=True)
        elif results := _results(asked):
            yield Said(place=place, sender=agent, to=(), body={"role": "tool", "parts": results}, first=True)
        if answered:
            to = () if _calls_tools(answered[0]) else (asker,)
            yield Said(place=place, sender=agent, to=to, body=answered[0], first=False)


def _heard(turn: Iterable[Said], before: Iterable[Said]) -> Iterator[Said]:
    """Read a turn on a channel of AG2's: what one agent sends all hear, and each is asked with ``[sender]: text``."""
    known = {(said.sender, _text(said.body)) for said in before}
    for said in turn:
        heard = _NAMED.fullmatch(_text(said.body)) if said.to and said.first else None
        if heard is None:
            yield replace(said, to=())
        elif heard.groups() not in known:
            body = {**said.body, "parts": [{"type": "text", "content": heard[2]}]}
            yield replace(said, sender=heard[1], to=(), body=body)


def _text(body: Body) -> str:
    parts = body.get("parts")
    return "\n".join(part_text(part) for part in parts if isinstance(part, dict)) if isinstance(parts, list) else ""


def _calls_tools(body: Body) -> bool:
    parts = body.get("parts")
    return isinstance(parts, list) and any(isinstance(part, dict) and part.get("type") == "tool_call" for part in parts)


def _results(asked: Sequence[Body]) -> list[Json]:
    """Read what tools gave since the model spoke last, as one message."""
    found: list[Json] = []
    for body in reversed(asked):
        parts = body.get("parts")
        if body.get("role") != "tool" or not isinstance(parts, list):
            break
        found[:0] = parts
    return found

"""The nouns of a set-up: which agents there are, how they are made, and how they take turns. Frozen, no I/O.

Adapters read them off a framework's own objects, and ``harness.audit`` judges them. A *plan* is what decides how long a
conversation may go on: its counters, its conditions, and who may answer whom. ``None`` is a number that nobody set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of the program's own code."""

    file: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Where an agent runs the code that it is given.

    *sandboxed* is None where the framework decides when it runs. *unsafe* says, in words, what of its options opens the
    sandbox. *approved* says that somebody is asked first.
    """

    executor: str
    sandboxed: bool | None
    unsafe: tuple[str, ...] = ()
    approved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicate:
    """What ends a chat when it says yes to a message: *default* is the framework's own, *name* the function's.

    *fails* is what it raised when it was asked about a message whose content is None, *exact* that it says yes to the
    bare word and no to a text that ends with it.
    """

    name: str
    default: bool = False
    fails: str | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent as it was made. *human* is NEVER, TERMINATE or ALWAYS.

    *offered* are the tools that its model is told of, *runs* those that it runs itself. *keys* are the settings that
    hold a key in the clear, and never the key. *max_tokens* is what one answer may take.
    """

    name: str
    kind: str
    place: Place | None = None
    role: str | None = None
    default_role: bool = False
    description: str | None = None
    default_description: bool = False
    models: tuple[str, ...] = ()
    max_tokens: int | None = None
    keys: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    code: Code | None = None
    human: str | None = None
    approval: bool = False
    predicate: Predicate | None = None
    reply_limit: int | None = None
    default_reply: str | None = None
    manager: bool = False


# What decides how long it may go on ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One side of a classic chat.

    *limit* is how often in a row it answers by itself; None where nothing counts: *human* says that a person may go
    on instead, and *hidden* names the function that answers before anything is counted. *calls* are the model calls
    of one answer. *nested* are plans one of which any answer may carry out, *instead* of asking its model if that
    is certain. *besides* are plans that every answer carries out. *asked* says that a person is asked at all,
    *loose* why it may take fewer calls.
    """

    name: str
    limit: int | None
    whole_limit: int = 0
    human: bool = False
    asked: bool = False
    hidden: str | None = None
    calls: int = 0
    nested: tuple[Plan, ...] = ()
    instead: bool = False
    besides: tuple[Plan, ...] = ()
    loose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """A classic chat of two. *peer_limit*: with ``max_turns``, the starter's answers are held to its peer's limit, too.

    *summary* are the model calls that a summary takes. *loose* says why the bound may not be reached.
    """

    starter: Voice
    recipient: Voice
    max_turns: int | None = None
    peer_limit: bool = False
    summary: int = 0
    loose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A classic group chat. *attempts* are the model calls that picking a speaker may take, *always* in each round."""

    starter: Voice
    manager: str
    members: tuple[Voice, ...]
    max_round: int
    attempts: int = 0
    always: bool = True
    selection: str = "auto"
    max_turns: int | None = None
    peer_limit: int | None = None
    summary: int = 0
    loose: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Conversations one after another."""

    links: tuple[Plan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One conversation of several; a model chooses which."""

    ways: tuple[Plan, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recursion:
    """A nested chat whose answers hold the same chat again: *path* names who asks whom."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a team ends. *kind* is one of the following, and *why* names it as its program does.

    ``messages``: after *limit* messages, the task among them, and *events* if they count · ``tokens``: after
    *limit* tokens, if the models say how many · ``source``: once one of *sources* has spoken · ``text``: once one
    of *sources* has said something · ``seconds``: after *limit* seconds, looked at between messages · ``said``: if
    somebody says the right thing, one of *sources* if there are any · ``outside``: if the program says so ·
    ``hidden``: when a function of the program's says so · ``any`` and ``all`` of *parts*.
    """

    kind: str
    why: str
    limit: float | None = None
    sources: tuple[str, ...] = ()
    parts: tuple[Condition, ...] = ()
    events: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One who takes turns in a team.

    *calls* are the most model calls of one turn, None where nothing limits them (*why* says what does not).
    *hidden* names the function that nobody can look into. *tells* says whether its model says how many tokens it
    took, None where that is not known, and *hushed* that it may ask none once somebody else has spoken. *plain*
    says that it can only answer with a text. *inner* is what it has others do each turn, *says* what it says
    itself, and *events* the tool calls, their results and the like that it reports.
    """

    name: str
    calls: int | None = 1
    why: str = ""
    hidden: str | None = None
    human: bool = False
    tells: bool | None = True
    hushed: bool = False
    plain: bool = False
    says: int = 1
    events: int = 0
    loose: str = ""
    inner: Plan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way in a graph: taken always, or on a *condition* (``text``, or the name of a function)."""

    target: str
    condition: str | None = None
    opaque: bool = False
    group: str = ""
    every: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """An AgentChat team. *order* is ``turns``, ``model``, ``handoff``, ``graph`` or ``ledger``.

    *attempts* are the model calls that picking a speaker may take, and *repeats* says whether the last speaker may
    be picked again, and *chooser* names the function that picks before it. *task* counts the messages that it is
    given, and *told* those of them that count as spoken here.
    """

    name: str
    kind: str
    order: str
    members: tuple[Member, ...]
    max_turns: int | None = None
    condition: Condition | None = None
    attempts: int = 0
    repeats: bool = True
    chooser: str | None = None
    task: int = 1
    told: int = 1
    edges: Mapping[str, tuple[Edge, ...]] = field(default_factory=dict)
    starts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One agent that is asked. *loops* names the tools for which its turn may go on and on, if any do."""

    member: Member
    loops: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Agents and *people* on a hub: who speaks after whom, and after how many turns it ends."""

    name: str
    members: tuple[Ask, ...]
    first: str
    max_turns: int | None
    rules: tuple[Rule, ...]
    default: str | None
    people: tuple[str, ...] = ()
    task: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """After *speaker* (None: anyone) may come *target*: None ends it. *certain* says that nothing else decides."""

    speaker: str | None
    target: str | None
    certain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """Something of which nobody knows how long it goes on: *what* it is, and the *function* that hides it."""

    what: str
    function: str


Plan = Talk | Group | Chain | Choice | Recursion | Team | Ask | Workflow | Untold


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a conversation comes from: the line that began it, or that made the one who would (*begun* is false)."""

    place: Place | None
    begun: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was found: the agents, how they take turns, and what the certificate does not count (*aside*).

    *plans* are the conversations that were found, each for itself, and *origins* where each comes from, if that is
    known. *stopped* is where the program was ended.
    """

    framework: str
    agents: tuple[Agent, ...]
    plans: tuple[Plan, ...] = ()
    origins: tuple[Origin, ...] = ()
    aside: tuple[str, ...] = ()
    stopped: Place | None = None

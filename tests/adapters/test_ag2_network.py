"""AG2 1.x agents on a hub: who said what to whom, and in which conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from harness import semconv
from harness.model import Operation, RunStatus, Status
from tests.adapters.ag2_stage import agent, record, replay, said, store
from tests.adapters.recorded import THEIR_WARNINGS, recording
from tests.server import ScriptedServer, error, rules, tool_call

pytestmark = THEIR_WARNINGS
__all__ = ["store"]
PATIENCE_S = 30


@asynccontextmanager
async def hub(*adapters: Any) -> AsyncIterator[Any]:
    """A hub without timers, closed afterwards."""
    from ag2.knowledge import MemoryKnowledgeStore
    from ag2.network import Hub

    opened = await Hub.open(MemoryKnowledgeStore(), ttl_sweep_interval=0, expectation_sweep_interval=0)
    for adapter in adapters:
        opened.register_adapter(adapter)
    async with opened:
        yield opened


async def closed(client: Any, channel: Any) -> None:
    """Wait until *channel* is closed."""
    await client.wait_for_channel_event(
        channel_id=channel.channel_id,
        predicate=lambda envelope: envelope.event_type == "ag2.channel.closed",
        timeout=PATIENCE_S,
    )


async def texts(opened: Any, channel: Any) -> list[tuple[str, str]]:
    """What the hub itself keeps of a channel: who said what."""
    found = await opened.read_wal(channel.channel_id)
    return [(opened.name_for(e.sender_id), e.event_data["text"]) for e in found if e.event_type == "ag2.msg.text"]


async def consult(server: ScriptedServer) -> Any:
    async with hub() as opened:
        alice = await opened.register(agent("alice", server, "You ask."))
        await opened.register(agent("bob", server, "You answer."))
        channel = await alice.open(type="consulting", target="bob")
        alice.ensure_channel_inbox(channel.channel_id)
        await channel.send("What is up?")
        await closed(alice, channel)
        return await texts(opened, channel)


async def test_a_channel_is_one_conversation_with_a_message_for_each_envelope(store: Path) -> None:
    with ScriptedServer(["Not much."]) as server, recording(store) as seen:
        kept = await consult(server)
    (talk,) = seen.spans(Operation.CONVERSATION)
    (turn,) = seen.spans(Operation.TURN)
    assert turn.parent_id == talk.span_id
    assert talk.attributes[semconv.GEN_AI_WORKFLOW] == "alice → bob"
    assert talk.attributes[semconv.HARNESS_CONVERSATION_PATTERN] == "consulting"
    assert [(sender, text) for sender, _, text in said(seen.run)] == kept
    assert said(seen.run) == [("alice", ("bob",), "What is up?"), ("bob", ("alice",), "Not much.")]
    assert seen.ending == ("answered", "bob", "consulting_complete")
    assert seen.run.summary.status is RunStatus.FINISHED
    assert (seen.run.summary.input_tokens, seen.run.summary.output_tokens) == server.tokens
    described = json.loads(talk.attributes[semconv.HARNESS_AGENTS])
    assert [each["name"] for each in described] == ["alice", "bob"]
    assert described[1]["models"] == ["gpt-4o-mini"]


async def test_a_discussion_takes_turns_and_each_thing_said_is_one_message_however_many_hear_it(store: Path) -> None:
    script = rules({"You are bob": ["Mine."], "You are carol": ["Fine."]})
    with ScriptedServer(script) as server, recording(store) as seen:
        async with hub() as opened:
            people = await three(opened, server)
            channel = await people[0].open(type="discussion", target=["bob", "carol"])
            people[0].ensure_channel_inbox(channel.channel_id)
            people[0].on_envelope(ignore)
            await channel.send("Topic.")
            await people[0].wait_for_channel_event(
                channel_id=channel.channel_id,
                predicate=lambda e: opened.name_for(e.sender_id) == "carol" and e.event_type == "ag2.msg.text",
                timeout=PATIENCE_S,
            )
            await channel.close("done")
            kept = await texts(opened, channel)
    assert [(sender, text) for sender, _, text in said(seen.run)] == kept
    assert [recipients for _, recipients, _ in said(seen.run)] == [
        ("bob", "carol"),
        ("alice", "carol"),
        ("alice", "bob"),
    ]
    picked = seen.spans(Operation.SELECTION)
    assert [span.attributes[semconv.HARNESS_SELECTION_CHOICE] for span in picked] == ["bob", "carol", "alice"]
    assert {span.attributes[semconv.HARNESS_SELECTION_METHOD] for span in picked} == {"discussion"}
    assert seen.ending == ("stopped", None, "done")
    assert seen.run.summary.model_calls == len(server.log) == 2


async def three(opened: Any, server: ScriptedServer) -> list[Any]:
    return [await opened.register(agent(name, server, f"You are {name}.")) for name in ("alice", "bob", "carol")]


async def ignore(_envelope: Any) -> None:
    """Hear, and say nothing."""


async def handed_over(server: ScriptedServer) -> Any:
    from ag2.network import (
        AgentTarget,
        Finish,
        FromSpeaker,
        Handoff,
        StayTarget,
        Transition,
        TransitionGraph,
        WorkflowAdapter,
    )

    def pass_on() -> Handoff:
        return Handoff(target="tech", reason="broken")

    def close() -> Finish:
        return Finish(summary="All well.", reason="repaired")

    async with hub(WorkflowAdapter()) as opened:
        front = await opened.register(agent("front", server, "You greet.", tools=[pass_on]))
        await opened.register(agent("tech", server, "You repair.", tools=[close]))
        boss = await opened.register(agent("boss", server, "You wait."))
        graph = TransitionGraph(
            initial_speaker=boss.agent_id,
            transitions=[Transition(when=FromSpeaker(boss.agent_id), then=AgentTarget(front.agent_id))],
            default_target=StayTarget(),
            max_turns=8,
        )
        channel = await boss.open(type="workflow", target=["front", "tech"], knobs={"graph": graph.to_dict()})
        boss.ensure_channel_inbox(channel.channel_id)
        await channel.send("It is broken.")
        await closed(boss, channel)
        found = await opened.read_wal(channel.channel_id)
        return [(opened.name_for(e.sender_id), e.event_data.get("body")) for e in found if e.event_type == "ag2.packet"]


HANDED_OVER = {"You greet": [tool_call("pass_on"), "Passing."], "You repair": [tool_call("close"), "Repaired."]}


async def test_a_handoff_says_who_is_next_and_a_finish_whose_word_ended_it(store: Path) -> None:
    with ScriptedServer(rules(HANDED_OVER)) as server, recording(store) as seen:
        await handed_over(server)
    assert [one for one in said(seen.run) if one[1]] == [
        ("boss", ("front", "tech"), "It is broken."),
        ("front", ("boss", "tech"), "[Handed off via pass_on] broken\nPassing."),
        ("tech", ("boss", "front"), "Repaired."),
    ]
    picked = [
        (span.attributes[semconv.HARNESS_SELECTION_METHOD], span.attributes[semconv.HARNESS_SELECTION_CHOICE])
        for span in seen.spans(Operation.SELECTION)
    ]
    assert picked == [("workflow", "front"), ("handoff", "tech")]
    assert seen.ending == ("termination_message", "tech", "repaired")
    assert [span.attributes[semconv.GEN_AI_AGENT] for span in seen.spans(Operation.TURN)] == ["front", "tech"]


async def test_a_handoff_is_made_again_in_a_replay_and_not_read_from_its_text(store: Path) -> None:
    with ScriptedServer(rules(HANDED_OVER)) as server:
        first = await record(store, server, handed_over)
    for _ in range(2):
        again, replaying = await replay(store, handed_over)
        assert again == first
        assert (replaying.misses, replaying.unused()) == ((), ())


async def delegated(server: ScriptedServer) -> Any:
    async with hub() as opened:
        alice = await opened.register(agent("alice", server, "You lead."))
        await opened.register(agent("bob", server, "You answer."))
        return (await alice.agent.ask("Go.")).body


DELEGATED = {
    "You lead": [
        tool_call("peers", action="describe", name="bob"),
        tool_call("delegate", target="bob", prompt="Well?"),
        "Done.",
    ],
    "You answer": [tool_call("context", action="quote", speaker="alice"), "So."],
}


async def test_a_channel_that_an_agent_opens_in_its_turn_stands_in_that_call(store: Path) -> None:
    with ScriptedServer(rules(DELEGATED)) as server, recording(store) as seen:
        await delegated(server)
    outer, inner = seen.spans(Operation.CONVERSATION)
    above = seen.parent(inner)
    assert above is not None
    assert above.attributes[semconv.GEN_AI_TOOL_NAME] == "delegate"
    assert (outer.parent_id, inner.attributes[semconv.GEN_AI_WORKFLOW]) == (None, "alice → bob")
    assert ("bob", ("alice",), "So.") in said(seen.run)


async def test_random_ids_do_not_enter_a_cassette_so_that_it_is_the_same_when_recorded_again(store: Path) -> None:
    for name in ("one.jsonl", "two.jsonl"):
        with ScriptedServer(rules(DELEGATED)) as server:
            await record(store, server, delegated, name)
    one, two = ((store / name).read_text(encoding="utf-8") for name in ("one.jsonl", "two.jsonl"))
    assert all(name in one for name in ("[agent bob]", "[id 1]", "[time]"))
    assert one == two
    again, replaying = await replay(store, delegated, "one.jsonl")
    assert again == "Done."
    assert (replaying.misses, replaying.unused()) == ((), ())


async def test_a_request_that_was_not_recorded_closes_its_channel_so_that_nobody_waits_for_an_answer(
    store: Path,
) -> None:
    asks = "What is up?"

    async def play(server: ScriptedServer) -> tuple[list[tuple[str, str]], str]:
        async with hub() as opened:
            alice = await opened.register(agent("alice", server))
            await opened.register(agent("bob", server))
            channel = await alice.open(type="conversation", target="bob")
            alice.ensure_channel_inbox(channel.channel_id)
            await channel.send(asks)
            await alice.wait_for_channel_event(
                channel_id=channel.channel_id,
                predicate=lambda e: e.event_type == "ag2.channel.closed" or opened.name_for(e.sender_id) == "bob",
                timeout=PATIENCE_S,
            )
            state = (await opened.get_channel(channel.channel_id)).state.value
            return await texts(opened, channel), state

    with ScriptedServer(["Not much."]) as server:
        await record(store, server, play)
    asks = "What is new?"
    (said_then, state), replaying = await replay(store, play)
    assert said_then == [("alice", "What is new?")]
    assert state == "closed"
    assert [miss.difference for miss in replaying.misses] == [
        "message 2 of 2, the user message: 'What is up?' became 'What is new?'"
    ]


async def test_channels_at_the_same_time_do_not_mix(store: Path) -> None:
    with ScriptedServer(echo) as server, recording(store) as seen:
        async with hub() as opened:
            alice = await opened.register(agent("alice", server))
            for name in ("bob", "carol"):
                await opened.register(agent(name, server))
            channels = [await alice.open(type="consulting", target=name) for name in ("bob", "carol")]
            for channel in channels:
                alice.ensure_channel_inbox(channel.channel_id)
            await asyncio.gather(*(channel.send(f"n{n}") for n, channel in enumerate(channels)))
            await asyncio.gather(*(closed(alice, channel) for channel in channels))
    assert [said(run) for run in seen.runs] == [
        [("alice", ("bob",), "n0"), ("bob", ("alice",), "Echo n0")],
        [("alice", ("carol",), "n1"), ("carol", ("alice",), "Echo n1")],
    ]


async def test_what_a_person_says_on_a_hub_is_theirs(store: Path) -> None:
    from ag2.network import HubClient, LocalLink, Passport

    with ScriptedServer(["Hello."]) as server, recording(store) as seen:
        async with hub() as opened:
            await opened.register(agent("bob", server))
            client = HubClient(LocalLink(opened), hub=opened)
            ann = await client.register_human(Passport(name="ann", kind="human"))
            channel = await ann.open(type="consulting", target="bob")
            await channel.send("Hi.")
            async for envelope in ann.envelopes():
                if envelope.event_type == "ag2.channel.closed":
                    break
            await client.close()
    assert [(message.sender, message.role, message.text) for message in seen.run.messages] == [
        ("ann", "user", "Hi."),
        ("bob", "assistant", "Hello."),
    ]


async def test_a_channel_that_is_open_when_its_hub_closes_has_stopped(store: Path) -> None:
    with ScriptedServer(lambda _: "Yes.") as server, recording(store) as seen:
        async with hub() as opened:
            alice = await opened.register(agent("alice", server))
            bob = await opened.register(agent("bob", server))
            bob.on_envelope(acknowledge(bob))
            channel = await alice.open(type="conversation", target="bob")
            await channel.send("Hi.")
    assert seen.ending == ("stopped", None, "the hub was closed")
    assert said(seen.run) == [("alice", ("bob",), "Hi.")]


def echo(request: dict[str, Any]) -> str:
    return f"Echo {request['messages'][-1]['content']}"


def acknowledge(client: Any) -> Any:
    from ag2.network import EV_CHANNEL_INVITE, default_handler

    async def handler(envelope: Any) -> None:
        if envelope.event_type == EV_CHANNEL_INVITE:
            await default_handler(envelope, client)

    return handler


async def test_a_channel_that_is_open_when_the_harness_goes_is_ended_and_nothing_says_why(store: Path) -> None:
    with ScriptedServer(lambda _: "Yes.") as server:
        async with hub() as opened:
            with recording(store) as seen:
                alice = await opened.register(agent("alice", server))
                bob = await opened.register(agent("bob", server))
                bob.on_envelope(acknowledge(bob))
                channel = await alice.open(type="conversation", target="bob")
                await channel.send("Hi.")
            await channel.send("Nobody watches.")
    assert seen.ending == ("unknown", None, None)
    assert said(seen.run) == [("alice", ("bob",), "Hi.")]


async def test_a_channel_from_before_is_watched_from_its_next_envelope_on(store: Path) -> None:
    with ScriptedServer(["Not much."]) as server:
        async with hub() as opened:
            alice = await opened.register(agent("alice", server))
            await opened.register(agent("bob", server))
            channel = await alice.open(type="consulting", target="bob")
            alice.ensure_channel_inbox(channel.channel_id)
            with recording(store) as seen:
                await channel.send("What is up?")
                await closed(alice, channel)
    assert [text for _, _, text in said(seen.run)] == ["What is up?", "Not much."]
    assert seen.run.summary.turns == 1


async def test_a_turn_that_fails_on_a_hub_is_an_error_and_the_channel_goes_on(store: Path) -> None:
    with ScriptedServer([error(400, "too long")]) as server, recording(store) as seen:
        async with hub() as opened:
            alice = await opened.register(agent("alice", server))
            await opened.register(agent("bob", server))
            failed = asyncio.Event()

            class Listener:
                async def on_turn_failed(self, *_args: Any) -> None:
                    failed.set()

            opened.register_listener(Listener())
            channel = await alice.open(type="conversation", target="bob")
            await channel.send("Hi.")
            await asyncio.wait_for(failed.wait(), PATIENCE_S)
            await channel.close("enough")
    (turn,) = seen.spans(Operation.TURN)
    assert (turn.status, turn.attributes[semconv.ERROR_TYPE]) == (Status.ERROR, "BadRequestError")
    assert seen.ending == ("stopped", None, "enough")
    assert seen.run.summary.status is RunStatus.FINISHED

"""Classic agents that speak a conversation somebody wrote down, in a real group chat: models, tools and people of it.

``conversation.json`` beside this file's copy holds it, in the form of conversation JSON lines.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import autogen
from openai.types.chat import ChatCompletionMessage

ENDLESS = 1_000_000


class Script:
    """A model client that answers what is said next in the conversation."""

    messages: list[dict[str, Any]] = []  # noqa: RUF012 - the one conversation of this process
    at = 0

    def __init__(self, config: dict[str, Any], **_: Any) -> None:
        self.model = config["model"]

    def create(self, _params: dict[str, Any]) -> Any:
        """Give the next message."""
        said = self.messages[Script.at]
        message = ChatCompletionMessage(
            role="assistant", content=said["content"], tool_calls=said.get("tool_calls") or None
        )
        choice = SimpleNamespace(message=message, finish_reason="stop")
        usage = SimpleNamespace(prompt_tokens=10, completion_tokens=5, total_tokens=15)
        return SimpleNamespace(id=f"c{Script.at}", choices=[choice], model=self.model, usage=usage, cost=0.0)

    def message_retrieval(self, response: Any) -> list[Any]:
        """Give what was said: a text, or a message that calls tools."""
        message = response.choices[0].message
        return [message if message.tool_calls else message.content]

    def cost(self, _response: Any) -> float:
        """Ask for nothing."""
        return 0.0

    @staticmethod
    def get_usage(response: Any) -> dict[str, Any]:
        """Say what it used."""
        usage = response.usage
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "cost": 0.0,
            "model": response.model,
        }


def speak(agent: Any, messages: Any, sender: Any, **_: Any) -> tuple[bool, Any]:
    """Say what is next: a model's words are asked of the model, all else is what the tool or the person gave."""
    said = Script.messages[Script.at]
    if said["role"] == "assistant":
        return agent.generate_oai_reply(messages, sender)
    return True, native(said, called(messages or ()))


def called(messages: Any) -> dict[str | None, str]:
    """Name the calls by the ids they have here: a cassette gives its own in the place of the model's."""
    written = [call["id"] for message in Script.messages for call in message.get("tool_calls") or ()]
    asked = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    return dict(zip(written, asked, strict=False))


def native(said: dict[str, Any], ids: dict[str | None, str]) -> dict[str, Any]:
    """Write a message as AutoGen has it."""
    if said["role"] == "tool":
        call_id = said.get("tool_call_id")
        response = {"role": "tool", "content": said["content"], "tool_call_id": ids.get(call_id, call_id)}
        return {"role": "tool", "content": said["content"], "tool_responses": [response]}
    return {"role": said["role"], "content": said["content"]}


def chat() -> None:
    """Speak the conversation, and come to its end when nobody has anything more to say."""
    conversation = json.loads((Path(__file__).parent / "conversation.json").read_text(encoding="utf-8"))
    messages = Script.messages = conversation["messages"]
    Script.at = 0
    agents: dict[str, Any] = {}
    for name in dict.fromkeys(message["sender"] for message in messages):
        config = {"config_list": [{"model": "script", "model_client_cls": "Script"}], "cache_seed": None}
        agents[name] = autogen.ConversableAgent(
            name,
            llm_config=config,
            human_input_mode="NEVER",
            code_execution_config=False,
            max_consecutive_auto_reply=ENDLESS,
            is_termination_msg=lambda _message: False,
        )
        agents[name].register_model_client(Script)
        agents[name].register_reply([autogen.Agent, None], speak, position=0)

    def next_speaker(_last: Any, _group: Any) -> Any:
        Script.at += 1
        return agents[messages[Script.at]["sender"]] if Script.at < len(messages) else None

    group = autogen.GroupChat(
        list(agents.values()), messages=[], max_round=len(messages) + 1, speaker_selection_method=next_speaker
    )
    manager = autogen.GroupChatManager(group, llm_config=False, is_termination_msg=lambda _message: False)
    first = messages[0]
    agents[first["sender"]].initiate_chat(manager, message=native(first, {}), silent=True)

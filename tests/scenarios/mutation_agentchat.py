"""The conversation of the mutation table with AgentChat: found beside a scenario as its factory."""

from __future__ import annotations

import json
from pathlib import Path

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.tools import FunctionTool
from autogen_ext.models.openai import OpenAIChatCompletionClient

SETTINGS = Path("settings.json").read_text(encoding="utf-8")
"""The module is loaded afresh each time, beside the scenario."""


async def chat():
    """Play it as ``settings.json`` beside the scenario says."""
    settings = json.loads(SETTINGS)

    def client():
        return OpenAIChatCompletionClient(model=settings["model"], temperature=settings["temperature"])

    def price(what: str) -> str:
        return f"{settings['price']} euros"

    tools = [FunctionTool(price, settings["description"])]
    agents = {
        "planner": AssistantAgent(
            "planner", client(), system_message=settings["prompt"], tools=tools, reflect_on_tool_use=True
        ),
        "critic": AssistantAgent("critic", client(), system_message="You are the critic."),
    }
    said = [text for text in (settings["greeting"], settings["task"]) if text]
    team = RoundRobinGroupChat([agents[name] for name in settings["order"]], max_turns=2)
    await team.run(task=[TextMessage(content=text, source="user") for text in said])

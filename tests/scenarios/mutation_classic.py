"""The conversation of the mutation table with classic AutoGen: found beside a scenario as its factory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import autogen


def chat():
    """Play it as ``settings.json`` beside the scenario says."""
    settings = json.loads(Path("settings.json").read_text(encoding="utf-8"))
    config = {"config_list": [{"model": settings["model"]}], "temperature": settings["temperature"], "cache_seed": None}
    planner = autogen.AssistantAgent("planner", system_message=settings["prompt"], llm_config=config)
    critic = autogen.AssistantAgent("critic", system_message="You are the critic.", llm_config=config)
    user = autogen.UserProxyAgent(
        "user", human_input_mode="NEVER", code_execution_config=False, default_auto_reply="Go on."
    )

    def price(what: Annotated[str, "What is sold"]) -> str:
        return f"{settings['price']} euros"

    autogen.register_function(price, caller=planner, executor=user, name="price", description=settings["description"])
    agents = {"planner": planner, "critic": critic}
    first, second = (agents[name] for name in settings["order"])
    said = []
    if settings["greeting"]:
        said.append({"name": "user", "role": "user", "content": settings["greeting"]})
    turns = [first, user, first, second] if first is planner else [first, second, user, second]
    upcoming = iter(turns)

    def next_speaker(_last, _group):
        return next(upcoming, None)

    group = autogen.GroupChat(
        agents=[user, planner, critic], messages=said, max_round=5, speaker_selection_method=next_speaker
    )
    manager = autogen.GroupChatManager(groupchat=group, llm_config=False)
    if said:
        for agent in agents.values():
            manager.send(said[0], agent, request_reply=False, silent=True)
    user.initiate_chat(manager, message=settings["task"], clear_history=False)

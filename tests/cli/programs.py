"""Unmodified AutoGen programs, as in its guides and AgentWall's, for the tests to run."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.server import Reply, ScriptedServer, ToolCall, rules

TWO_AGENTS = """
import os, uuid
from autogen import AssistantAgent, UserProxyAgent

llm_config = {
    "config_list": [{
        "model": "gpt-4o-mini",
        "api_key": os.environ["OPENAI_API_KEY"],
        "base_url": os.environ["OPENAI_BASE_URL"],
        "extra_body": {"agentwall_run_id": f"run-{uuid.uuid4()}"},
    }],
}
assistant = AssistantAgent("assistant", llm_config=llm_config)
user_proxy = UserProxyAgent(
    "user_proxy",
    human_input_mode="NEVER",
    code_execution_config=False,
    is_termination_msg=lambda message: "TERMINATE" in (message.get("content") or ""),
)

@user_proxy.register_for_execution()
@assistant.register_for_llm(description="Add two numbers.")
def add(a: int, b: int) -> int:
    return a + b

result = user_proxy.initiate_chat(assistant, message="What is 1 + 2?")
print("HISTORY", [message["content"] for message in result.chat_history])
print("COST", result.cost["usage_including_cached_inference"]["total_cost"])
"""

GROUP = """
import os
from autogen import AssistantAgent, GroupChat, GroupChatManager, UserProxyAgent

llm_config = {
    "config_list": [{
        "model": "gpt-4o-mini",
        "api_key": os.environ["OPENAI_API_KEY"],
        "base_url": os.environ["OPENAI_BASE_URL"],
    }],
}
user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
coder = AssistantAgent("coder", system_message="You are the coder.", llm_config=llm_config)
reviewer = AssistantAgent("reviewer", system_message="You are the reviewer.", llm_config=llm_config)
groupchat = GroupChat(agents=[user, coder, reviewer], messages=[], max_round=10)
manager = GroupChatManager(
    groupchat=groupchat,
    llm_config=llm_config,
    is_termination_msg=lambda message: "TERMINATE" in (message.get("content") or ""),
)
user.initiate_chat(manager, message="Write a function that doubles.")
for message in groupchat.messages:
    print("SAID", message["name"], repr(message["content"]))
"""


def two_agents_script() -> list[Reply | str]:
    """What the server says to ``TWO_AGENTS``."""
    return [Reply(tool_calls=[ToolCall(name="add", arguments={"a": 1, "b": 2})]), "It is 3. TERMINATE"]


def group_script() -> object:
    """What the server says to ``GROUP``."""
    return rules(
        {
            "role play": ["coder", "reviewer", "coder"],
            "You are the coder": ["def double(x): return x * 3", "def double(x): return x * 2\nTERMINATE"],
            "You are the reviewer": ["That triples."],
        }
    )


def environment(server: ScriptedServer | None = None, **more: str) -> dict[str, str]:
    """This process's environment, asking *server*, or a port where nobody listens."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HARNESS_", "OPENAI_", "PYTEST_"))}
    url = server.base_url if server else "http://127.0.0.1:9/v1"
    return {**kept, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "scripted-key-0123456789", **more}


def write(folder: Path, source: str, name: str = "app.py") -> Path:
    """Put a program into *folder*."""
    path = folder / name
    path.write_text(textwrap.dedent(source))
    return path


def harness(
    *args: object, cwd: Path, server: ScriptedServer | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, args)],
        cwd=cwd,
        env=environment(server, **environ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

"""A real program with a canary in every field that could carry one, and every place it could get to."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from click.testing import CliRunner

from harness import plugins
from harness.store import open_store
from tests.cli.programs import environment, harness, write
from tests.exporters.receiver import Receiver
from tests.server import Reply, ScriptedServer, ToolCall, rules

FIELDS = (
    "agent_name",
    "system_message",
    "description",
    "task",
    "tool_name",
    "tool_description",
    "tool_argument",
    "tool_field",
    "tool_result",
    "nested_json",
    "code",
    "code_output",
    "exception",
    "server_error",
    "url",
    "query",
    "header",
    "extra_body",
    "environment",
    "api_key",
    "argv",
    "option",
    "human_input",
    "reply",
    "run_name",
    "basic",
    "pattern",
    "odd",
)

PROGRAM = """
import json, os, sys
import harness
from autogen import AssistantAgent, ConversableAgent, GroupChat, GroupChatManager, UserProxyAgent
from autogen.coding import LocalCommandLineCodeExecutor

secret = json.loads(os.environ["PLANTED"])
config = {"config_list": [{
    "model": "gpt-4o-mini",
    "api_key": secret["api_key"],
    "base_url": os.environ["OPENAI_BASE_URL"].replace("://", f"://someone:{secret['url']}@"),
    "default_headers": {"X-Mine": secret["header"]},
    "extra_body": {"mine": secret["extra_body"]},
}], "cache_seed": None}
ends = lambda message: "TERMINATE" in str(message.get("content") or "")

def tool(text: str, settings: str = "") -> str:
    if text == "raise":
        raise LookupError("it broke with " + secret["exception"])
    return json.dumps({"result": secret["tool_result"], "echo": settings, "env": os.environ["MY_DEPLOY_TOKEN"]})

tool.__name__ = "tool_" + secret["tool_name"]

class Typing(ConversableAgent):
    def get_human_input(self, prompt):
        return "exit" if self.typed else self.type()
    typed = False
    def type(self):
        self.typed = True
        return "I type " + secret["human_input"] + " and " + secret["odd"]

with harness.run("nightly " + secret["run_name"], tags=["t-" + secret["run_name"]]):
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config={
        "executor": LocalCommandLineCodeExecutor(work_dir="code", timeout=60)}, is_termination_msg=ends)
    helper = AssistantAgent("helper_" + secret["agent_name"], llm_config=config, is_termination_msg=ends,
        system_message="You help. Mind " + secret["system_message"], description="Helps " + secret["description"])
    helper.register_for_llm(description="Does " + secret["tool_description"])(tool)
    user.register_for_execution()(tool)
    user.initiate_chat(helper, message=f"Do it: {secret['task']}, see https://x.example/?token={secret['query']}&a=1, "
        f"Authorization: Basic {secret['basic']}, {secret['pattern']}", max_turns=8)
    failing = AssistantAgent("failing", llm_config=config, system_message="You fail.")
    try:
        user.initiate_chat(failing, message="Fail.", max_turns=1)
    except Exception as error:
        print("RAISED", type(error).__name__)
    typing = Typing("typing", human_input_mode="ALWAYS", llm_config=False)
    typing.initiate_chat(AssistantAgent("other", llm_config=config, system_message="You answer."), message="Hello.")
    members = [user, AssistantAgent("one", llm_config=config, system_message="You are one.",
        description="One of " + secret["description"])]
    chat = GroupChat(members, messages=[], max_round=3, send_introductions=True, speaker_selection_method="round_robin")
    user.initiate_chat(GroupChatManager(chat, llm_config=config, is_termination_msg=ends), message="Meet.")
print("DONE")
"""


def shaped(field: str) -> str:
    """A secret of a known shape, one for each field; some are known by other means than their shape."""
    plain = {
        "tool_field": f"Pa55word-of-{field}",  # by the name of its field
        "url": f"Pa55word-of-{field}",
        "query": f"Pa55word-of-{field}",
        "header": f"Pa55word-of-{field}",  # it only carries the request
        "basic": "UGE1NXdvcmQtb2YtYmFzaWM=",
        "option": f"Pa55word-of-{field}",  # by the option it follows
        "environment": f"Pa55word-of-{field}",
        "pattern": "EMP-443322",
        "odd": 'od"d\\Pa55wörd\tof it',
    }
    return plain.get(field) or f"sk-{field.replace('_', '')}-{'Zz9' * 8}"


def wordy(field: str) -> str:
    """A content that looks like nothing, one for each field."""
    return "plum" + field.replace("_", "") + "content"


def script(secret: Mapping[str, str], tool: str) -> object:
    """What the models say."""
    arguments = {
        "text": f"with {secret['tool_argument']}",
        "settings": json.dumps({"inner": json.dumps({"key": secret["nested_json"]}), "password": secret["tool_field"]}),
    }
    code = f"```python\nimport os\nx = '{secret['code']}'\nprint('out', os.environ['CODE_OUTPUT'])\n```"
    return rules(
        {
            "You help": [
                Reply(tool_calls=[ToolCall(name=tool, arguments=arguments)]),
                Reply(tool_calls=[ToolCall(name=tool, arguments={"text": "raise"})]),
                code,
                f"Here is {secret['reply']}. TERMINATE",
            ],
            "You fail": [Reply(status=400, text=f"no such key {secret['server_error']}")] * 3,
            "You answer": ["Answered."] * 3,
            "You are one": [f"I am one, {secret['reply']}. TERMINATE"] * 3,
        }
    )


def perform(folder: Path, secret: Mapping[str, str], *options: str) -> tuple[str, int]:
    """Run the program in *folder*, with its store there; give its stderr, and how often it asked a model.

    With *options*, those of ``harness trace``, it runs under that.
    """
    patterns = "[tool.harness]\nredact = ['EMP-\\d+']\n"
    write(folder, patterns, "pyproject.toml")
    variables = {
        "PLANTED": json.dumps(dict(secret)),
        "MY_DEPLOY_TOKEN": secret["environment"],
        "ODD_PASSWORD": secret["odd"],
        "CODE_OUTPUT": secret["code_output"],
    }
    app = write(folder, PROGRAM)
    with ScriptedServer(script(secret, "tool_" + secret["tool_name"])) as server:
        arguments = [app, secret["argv"], "--password", secret["option"], f"--api-key={secret['option']}"]
        if options:
            done = harness("trace", *options, *arguments, cwd=folder, server=server, **variables)
        else:  # what it leaves is its journal, and nothing has been taken in yet
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=folder,
                env=environment(server, HARNESS_TRACE="1", **variables),
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("DONE"), done.stdout[-2000:] + done.stderr
    assert "RAISED" in done.stdout
    assert all(value in json.dumps(server.log) for value in (secret["task"], secret["tool_result"]))
    return done.stderr, len(server.log)


def everywhere(folder: Path) -> Iterator[tuple[str, str]]:
    """Give every text that the harness makes of what it recorded in *folder*, each with where it is from."""
    store = folder / ".harness"
    for path in sorted(store.rglob("*.jsonl")):
        yield f"journal {path.name}", path.read_text(errors="replace")
    yield from _read(store)
    for path in sorted(store.rglob("*")):
        if path.is_file():
            yield f"file {path.name}", path.read_bytes().decode("latin-1")
    for path in sorted(folder.glob("*.cassette.jsonl")):
        yield f"cassette {path.name}", path.read_text()


def _read(store: Path) -> Iterator[tuple[str, str]]:
    opened = open_store(store)
    opened.ingest()
    commands = [["runs", "--json"], ["show", "@1"], ["show", "@1", "--spans"], ["show", "@1", "--json", "--spans"]]
    commands += [["check", "@1", "--format", kind] for kind in ("text", "json")] + [["stats"], ["stats", "--json"]]
    commands += [["diff", "@1", "@1", "--json"]]
    commands += [["sql", f"select * from {view}", "--json"] for view in ("runs", "spans", "messages", "calls")]  # noqa: S608
    for command in commands:
        done = CliRunner().invoke(_command(), [*command, "--store", str(store)])
        yield f"harness {' '.join(command)}", done.output + done.stderr
    yield from _exported(store)
    yield "the terminal app", asyncio.run(_seen(store))


def _command() -> object:
    import click

    from harness.cli import execute

    @click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    def run(words: tuple[str, ...]) -> None:
        execute(list(words))

    return run


def _exported(store: Path) -> Iterator[tuple[str, str]]:
    for name in plugins.names("harness.exporters"):
        target = store.parent / f"exported-{name}"
        with Receiver() as receiver:
            options = ["--endpoint", receiver.endpoint] if name == "otlp" else ["--out", str(target)]
            done = CliRunner().invoke(_command(), ["export", "@1", "--to", name, "--store", str(store), *options])
            yield f"export {name}", "".join(map(str, receiver.requests)) + done.output
        paths = [target, *target.rglob("*")] if target.is_dir() else [target]
        for path in paths:
            if path.is_file():
                yield f"export {name} {path.name}", path.read_bytes().decode("latin-1")


async def _seen(store: Path) -> str:
    from tests.tui.stage import press, screen_text, settle

    app = plugins.sibling("tui.app").make(store)
    seen = []
    async with app.run_test(size=(160, 200)) as pilot:
        await settle(pilot)
        seen.append(screen_text(app))
        await press(pilot, "enter")
        await settle(pilot)
        seen.append(screen_text(app))
    return "\n".join(seen)

"""``harness trace`` takes along the Python processes that a program starts."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.children import PATH
from harness.children.starting import isolated
from harness.store import open_store
from tests.cli.programs import environment, harness, write
from tests.server import ScriptedServer

pytest.importorskip("autogen", reason="the classic extra is not installed")

CHAT = """
import os, sys
from autogen import AssistantAgent, UserProxyAgent

def chat(question):
    config = {"config_list": [{
        "model": "gpt-4o-mini", "api_key": os.environ["OPENAI_API_KEY"], "base_url": os.environ["OPENAI_BASE_URL"],
    }]}
    user = UserProxyAgent("user", human_input_mode="NEVER", code_execution_config=False)
    helper = AssistantAgent("helper", llm_config=config)
    said = user.initiate_chat(helper, message=question, max_turns=1, silent=True).chat_history[-1]["content"]
    print("SAID", said, flush=True)

if __name__ == "__main__":
    chat(sys.argv[1])
"""

WAYS = {
    "a file": "subprocess.run([sys.executable, 'talk.py', 'one'], check=True)",
    "-c": "subprocess.run([sys.executable, '-c', 'import talk; talk.chat(\"one\")'], check=True)",
    "-m": "subprocess.run([sys.executable, '-m', 'talk', 'one'], check=True)",
    "an environment of its own": "subprocess.run([sys.executable, 'talk.py', 'one'], check=True, env={k: os.environ[k] "
    "for k in ('PATH', 'OPENAI_API_KEY', 'OPENAI_BASE_URL', 'HOME') if k in os.environ})",
    "a shell": "subprocess.run(f'{sys.executable} talk.py one', shell=True, check=True)",
    "os.system": "assert os.system(f'{sys.executable} talk.py one') == 0",
    "a child's child": "subprocess.run([sys.executable, '-c', 'import subprocess, sys; "
    'subprocess.run([sys.executable, "talk.py", "one"], check=True)\'], check=True)',
    "fork": "import talk\n    if os.fork() == 0:\n        talk.chat('one')\n        os._exit(0)\n    os.wait()",
    **{
        method: f"import talk\n    process = multiprocessing.get_context('{method}').Process(target=talk.chat, "
        "args=('one',))\n    process.start(); process.join(); assert process.exitcode == 0"
        for method in ("fork", "spawn", "forkserver")
    },
}


def starting(folder: Path, way: str) -> Path:
    write(folder, CHAT, "talk.py")
    return write(
        folder, f"import multiprocessing, os, subprocess, sys\n\nif __name__ == '__main__':\n    {WAYS[way]}\n"
    )


def said(output: str) -> list[str]:
    return [line.removeprefix("SAID ") for line in output.splitlines() if line.startswith("SAID ")]


@pytest.mark.parametrize("way", WAYS)
def test_a_python_process_that_a_program_starts_is_recorded(tmp_path: Path, way: str) -> None:
    app = starting(tmp_path, way)
    with ScriptedServer(["Hello."]) as server:
        done = harness("trace", "--store", "s", app, cwd=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    assert "SAID Hello." in done.stdout
    (run,) = open_store(tmp_path / "s").runs()
    assert (run.messages, run.model_calls) == (2, 1)
    assert f"harness: run {run.run_id}" in done.stderr


@pytest.mark.parametrize("way", ["a file", "an environment of its own", "spawn"])
def test_a_replay_answers_processes_from_the_cassette_and_uses_each_answer_once(tmp_path: Path, way: str) -> None:
    app = starting(tmp_path, way)
    source = app.read_text()
    app.write_text(source + source.partition("'__main__':\n")[2])  # the same question twice
    with ScriptedServer(["Hello.", "Hello again."]) as server:
        recorded = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
    assert "recorded 2 exchanges" in recorded.stderr, recorded.stderr
    replayed = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path, OPENAI_API_KEY="x" * 20)
    assert replayed.returncode == 0, replayed.stderr
    assert said(replayed.stdout) == said(recorded.stdout) == ["Hello.", "Hello again."]
    assert "replayed 2 exchanges from c.jsonl, 0 unused" in replayed.stderr


def test_a_question_of_a_process_that_the_cassette_lacks_ends_the_replay_with_4(tmp_path: Path) -> None:
    app = starting(tmp_path, "a file")
    with ScriptedServer(["Hello."]) as server:
        harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
        app.write_text(app.read_text().replace("'one'], check=True", "'two']"))
        done = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path, server=server)
    assert done.returncode == 4
    assert "is not in the cassette" in done.stderr
    assert len(server.log) == 1


def test_a_process_of_a_replay_that_asks_past_the_frameworks_is_kept_from_the_network(tmp_path: Path) -> None:
    write(tmp_path, CHAT, "talk.py")
    asking = "import os, urllib.request; urllib.request.urlopen(os.environ['OPENAI_BASE_URL'], data=b'{}')"
    source = f"import subprocess, sys, talk\ntalk.chat('one')\nsubprocess.run([sys.executable, '-c', {asking!r}])\n"
    app = write(tmp_path, source)
    with ScriptedServer(["Hello."]) as server:
        harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
        seen = len(server.log)
        done = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path, server=server)
        assert len(server.log) == seen
    assert done.returncode == 4
    assert "kept from the network (127.0.0.1:" in done.stderr


@pytest.mark.parametrize("option", ["-I", "-S"])
def test_a_python_that_reads_no_path_runs_as_ever_and_is_refused_in_a_replay(tmp_path: Path, option: str) -> None:
    write(tmp_path, CHAT, "talk.py")
    source = f"import subprocess, sys, talk\ntalk.chat('one')\nsubprocess.run([sys.executable, {option!r}, '-c', "
    app = write(tmp_path, source + "'print(1 + 1)'], check=True)\n")
    with ScriptedServer(["Hello."]) as server:
        live = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
    assert live.stdout.endswith("\n2\n"), live.stderr
    replayed = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path)
    assert replayed.returncode == 4
    assert "cannot be answered from a cassette" in replayed.stderr


@pytest.mark.parametrize(
    ("command", "is_isolated"),
    [
        (["python3", "-I", "x.py"], True),
        (["/usr/bin/python3.11", "-W", "error", "-uE", "x.py"], True),
        (["python", "x.py", "-I"], False),
        (["python", "-c", "print()", "-S"], False),
        (["python", "-mE"], False),
        (["python", "-X", "importtime", "-"], False),
        (["ls", "-I"], False),
        ("python -I", False),
        ([], False),
    ],
)
def test_a_python_that_reads_no_path_is_told_by_its_options(command: Any, is_isolated: object) -> None:
    assert isolated(command) is is_isolated


def test_a_process_started_inside_a_run_belongs_to_it(tmp_path: Path) -> None:
    write(tmp_path, CHAT, "talk.py")
    source = """
    import subprocess, sys
    import harness

    for name in ("first", "second"):
        with harness.run(name, id=f"run-{name}"):
            subprocess.run([sys.executable, "talk.py", name], check=True)
    subprocess.run([sys.executable, "talk.py", "alone"], check=True)
    """
    with ScriptedServer(["a", "b", "c"]) as server:
        done = harness("trace", "--store", "s", write(tmp_path, source), cwd=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    runs = {run.run_id: run.messages for run in open_store(tmp_path / "s").runs()}
    assert len(runs) == 3
    assert (runs["run-first"], runs["run-second"]) == (2, 2)


def shimmed(source: str, folder: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    variables = {"PYTHONPATH": os.pathsep.join([str(PATH), str(folder)]), "HARNESS_CHILDREN": "live|autogen,ag2|x|{}"}
    return subprocess.run(
        [sys.executable, *options, "-c", source],
        env={**environment(), **variables, **more},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_users_own_sitecustomize_runs_as_without_us(tmp_path: Path) -> None:
    write(tmp_path, "import sys\nprint('mine', __name__, __file__)\nsys.mine = True\n", "sitecustomize.py")
    done = shimmed("import sys, sitecustomize; print(sys.mine, sitecustomize.__file__)", tmp_path)
    mine = tmp_path / "sitecustomize.py"
    assert done.stdout == f"mine sitecustomize {mine}\nTrue {mine}\n", done.stderr


def test_an_error_in_the_users_own_sitecustomize_is_told_as_python_tells_it(tmp_path: Path) -> None:
    write(tmp_path, "raise LookupError('mine')\n", "sitecustomize.py")
    with_us = shimmed("print('on')", tmp_path)
    alone = shimmed("print('on')", tmp_path, PYTHONPATH=str(tmp_path))
    assert (with_us.stdout, with_us.returncode) == (alone.stdout, alone.returncode) == ("on\n", 0)
    assert "mine" in with_us.stderr


def test_a_process_that_imports_no_framework_loads_nothing_of_ours_and_keeps_its_path(tmp_path: Path) -> None:
    source = "import sys; print(sorted(set(sys.modules)), sys.path)"
    with_us = shimmed(source, tmp_path)
    alone = shimmed(source, tmp_path, PYTHONPATH=str(tmp_path), HARNESS_CHILDREN="")
    modules, plain = (set(ast.literal_eval(done.stdout.partition("] ")[0] + "]")) for done in (with_us, alone))
    assert modules - plain == {"sitecustomize"}
    assert with_us.stdout.partition("] ")[2] == alone.stdout.partition("] ")[2]


def test_a_harness_that_is_the_users_own_is_left_alone(tmp_path: Path) -> None:
    write(tmp_path, "print('theirs')\n", "harness.py")
    write(tmp_path, "", "autogen.py")
    done = shimmed("import autogen, sys; print('harness' in sys.modules)", tmp_path)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize("told", ["live", "live|autogen", "live|autogen|/nowhere|not json", "||||"])
def test_a_variable_that_says_nothing_of_use_breaks_no_process(tmp_path: Path, told: str) -> None:
    write(tmp_path, "print('imported')\n", "autogen.py")
    done = shimmed("import autogen", tmp_path, HARNESS_CHILDREN=told)
    assert (done.stdout, done.returncode) == ("imported\n", 0), done.stderr

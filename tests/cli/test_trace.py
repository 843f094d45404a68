"""``harness trace`` on unmodified programs, each in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from harness.model import Operation, RunStatus
from harness.store import open_store
from tests.cli.programs import GROUP, TWO_AGENTS, environment, group_script, harness, two_agents_script, write
from tests.server import Reply, ScriptedServer

pytest.importorskip("autogen", reason="the classic extra is not installed")


def only_run(store: Path) -> Any:
    opened = open_store(store)
    (summary,) = opened.runs()
    return opened.run(summary.run_id)


def line(output: str, word: str) -> str:
    (found,) = [text for text in output.splitlines() if text.startswith(word + " ")]
    return found.removeprefix(word + " ")


def conversation(output: str) -> str:
    """What a program printed, without the ids AutoGen makes at random."""
    return re.sub(r"\([0-9a-f]{8}-[0-9a-f-]{27}\)", "(id)", output)


def test_a_two_agent_program_is_recorded_as_it_and_the_server_saw_it(tmp_path: Path) -> None:
    app = write(tmp_path, TWO_AGENTS)
    with ScriptedServer(two_agents_script()) as server:
        done = harness("trace", "--store", "s", app, cwd=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "s")
    assert [m.text for m in run.messages] == [text or "" for text in ast.literal_eval(line(done.stdout, "HISTORY"))]
    assert run.summary.model_calls == len(server.log)
    assert run.summary.tool_calls == 1
    usage = [entry["response"]["usage"] for entry in server.log]
    assert run.summary.input_tokens == sum(entry["prompt_tokens"] for entry in usage)
    assert run.summary.output_tokens == sum(entry["completion_tokens"] for entry in usage)
    assert run.summary.cost_usd == pytest.approx(float(line(done.stdout, "COST")))
    assert "ended: termination message" in done.stderr


def test_a_group_program_is_recorded_message_by_message(tmp_path: Path) -> None:
    app = write(tmp_path, GROUP)
    with ScriptedServer(group_script()) as server:
        done = harness("trace", "--store", "s", app, cwd=tmp_path, server=server)
    assert done.returncode == 0, done.stderr
    run = only_run(tmp_path / "s")
    said = [text.removeprefix("SAID ") for text in done.stdout.splitlines() if text.startswith("SAID ")]
    assert [f"{m.sender} {m.text!r}" for m in run.messages] == said
    assert run.summary.model_calls == len(server.log)
    selections = [entry for entry in server.log if "role play" in str(entry["request"]["messages"][0]["content"])]
    assert sum(span.operation is Operation.SELECTION for span in run.spans) == len(selections) == 3


@pytest.mark.parametrize(("source", "script"), [(TWO_AGENTS, two_agents_script), (GROUP, group_script)])
def test_a_program_replays_the_same_conversation_with_the_server_down(tmp_path: Path, source: str, script: Any) -> None:
    app = write(tmp_path, source)
    with ScriptedServer(script()) as server:
        recorded = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
    assert recorded.returncode == 0, recorded.stderr
    cassette = (tmp_path / "c.jsonl").read_text()
    assert "scripted-key" not in cassette
    assert "agentwall" not in cassette
    replayed = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path, OPENAI_API_KEY="")
    assert replayed.returncode == 0, replayed.stderr
    assert conversation(replayed.stdout) == conversation(recorded.stdout)
    assert "0 unused" in replayed.stderr
    newest, first = open_store(tmp_path / "s").runs()
    assert (newest.mode, first.mode) == ("replay", "record")
    assert (newest.messages, newest.input_tokens, newest.cost_usd, newest.ending) == (
        first.messages,
        first.input_tokens,
        first.cost_usd,
        first.ending,
    )


def test_recording_again_leaves_an_equal_cassette_untouched(tmp_path: Path) -> None:
    app = write(tmp_path, TWO_AGENTS)
    stamps = []
    for _ in range(2):
        with ScriptedServer(two_agents_script()) as server:
            done = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
        stamps.append((tmp_path / "c.jsonl").stat().st_mtime_ns)
    assert stamps[0] == stamps[1]
    assert "unchanged" in done.stderr


def test_a_changed_prompt_diverges_with_the_nearest_exchange_and_the_first_difference(tmp_path: Path) -> None:
    app = write(tmp_path, TWO_AGENTS)
    with ScriptedServer(two_agents_script()) as server:
        harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
    write(tmp_path, TWO_AGENTS.replace("What is 1 + 2?", "What is 2 + 2?"))
    done = harness("trace", "--store", "s", "--replay", "c.jsonl", app, cwd=tmp_path)
    assert done.returncode == 4
    assert "2 + 2" in done.stderr
    assert "1 + 2" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_raises_keeps_its_own_traceback_and_code_and_what_was_recorded(tmp_path: Path) -> None:
    app = write(tmp_path, TWO_AGENTS + '\nraise LookupError("after the chat")\n')
    with ScriptedServer(two_agents_script()) as server:
        done = harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path, server=server)
    assert done.returncode == 1
    assert "LookupError: after the chat" in done.stderr
    assert f'File "{app}"' in done.stderr
    assert "harness/cli" not in done.stderr
    assert len(only_run(tmp_path / "s").messages) == 4
    assert not (tmp_path / "c.jsonl").exists()


@pytest.mark.parametrize(("leaving", "code", "printed"), [("3", 3, ""), ("None", 0, ""), ("'gone'", 1, "gone")])
def test_a_program_leaves_with_its_own_code(tmp_path: Path, leaving: str, code: int, printed: str) -> None:
    app = write(tmp_path, f"import sys\nsys.exit({leaving})\n")
    done = harness("trace", "--store", "s", app, cwd=tmp_path)
    assert done.returncode == code
    assert printed in done.stderr
    assert "no AutoGen conversation was seen" in done.stderr


def test_a_program_sees_itself_as_python_would_run_it(tmp_path: Path) -> None:
    source = """
    import json, sys
    import neighbour
    print(json.dumps([sys.argv, __name__, __file__, sys.path[0], sys.modules["__main__"].__dict__ is globals()]))
    """
    app = write(tmp_path, source)
    write(tmp_path, "", "neighbour.py")
    traced = harness("trace", "--store", "s", "-q", app, "--store", "mine", "-x", cwd=tmp_path)
    plain = subprocess.run(
        [sys.executable, str(app), "--store", "mine", "-x"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert traced.stdout == plain.stdout, traced.stderr
    assert json.loads(traced.stdout)[0] == [str(app), "--store", "mine", "-x"]


def test_a_module_runs_as_with_python_m(tmp_path: Path) -> None:
    package = tmp_path / "mine"
    package.mkdir()
    write(package, "")
    write(package, "", "__init__.py")
    write(package, "import sys\nprint(__name__, sys.argv[1:])\n", "__main__.py")
    done = harness("trace", "--store", "s", "-m", "mine", "a", "-b", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "__main__ ['a', '-b']\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere.py"], "there is no program 'nowhere.py'"),
        (["-m", "nowhere_at_all"], "there is no module 'nowhere_at_all'"),
        ([], "Missing argument"),
        (["--record", "a", "--replay", "b", "x.py"], "exclude each other"),
        (["--replay", "missing.jsonl", __file__], "missing.jsonl"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(tmp_path: Path, args: list[str], said: str) -> None:
    done = harness("trace", *args, cwd=tmp_path)
    assert done.returncode == 2
    first = done.stderr.splitlines()[0]
    assert first.startswith("harness: ")
    assert said in first
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_read_does_not_hide_the_programs_own_code(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "spans.duckdb").write_bytes(b"not a database at all")
    app = write(tmp_path, "import sys\nprint('did its work')\nsys.exit(7)\n")
    done = harness("trace", "--store", "s", app, cwd=tmp_path)
    assert done.returncode == 7
    assert done.stdout == "did its work\n"
    assert "spans.duckdb" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_read_spoils_no_program_that_went_well_but_a_recording(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/spans.duckdb").write_text("no database")
    app = write(tmp_path, "print('well')")
    done = harness("trace", "--store", "s", app, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "well\n")
    assert "spans.duckdb" in done.stderr.splitlines()[0]
    assert harness("trace", "--store", "s", "--record", "c.jsonl", app, cwd=tmp_path).returncode == 3
    assert not (tmp_path / "c.jsonl").exists()


def test_a_forked_child_that_leaves_tells_nothing(tmp_path: Path) -> None:
    source = """
    import os, sys
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    """
    done = harness("trace", "--store", "s", write(tmp_path, source), cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr.count("harness:") == 1


def test_a_program_may_change_folder_close_its_stdout_and_have_its_own_excepthook(tmp_path: Path) -> None:
    source = """
    import os, sys
    os.chdir("/")
    print(os.path.exists(__file__), flush=True)
    sys.excepthook = lambda kind, error, trace: print("hooked", error, file=sys.stderr)
    sys.stdout.close()
    raise LookupError("mine")
    """
    write(tmp_path, source)
    done = harness("trace", "--store", "s", "app.py", cwd=tmp_path)
    assert done.stdout == "True\n"
    assert done.returncode == 1
    assert "hooked mine" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_runs_as_python_runs_it(tmp_path: Path) -> None:
    folder = tmp_path / "tool"
    folder.mkdir()
    write(folder, "import beside, sys\nprint(__name__, __spec__ is not None, beside.X, sys.argv)\n", "__main__.py")
    write(folder, "X = 1\n", "beside.py")
    traced = harness("trace", "--store", "s", "-q", "tool", "a", cwd=tmp_path)
    plain = subprocess.run([sys.executable, "tool", "a"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert traced.stdout == plain.stdout, traced.stderr


def test_a_program_killed_in_the_middle_shows_as_interrupted_with_every_message_so_far(tmp_path: Path) -> None:
    app = write(tmp_path, TWO_AGENTS)
    held = threading.Event()
    script = [two_agents_script()[0], Reply(text="never heard", hold=held)]
    with ScriptedServer(script) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", "trace", "--store", "s", str(app)],
            cwd=tmp_path,
            env=environment(server),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        server.wait_for(2)
        live = harness("runs", "--store", "s", "--json", cwd=tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        held.set()
    assert json.loads(live.stdout)[0]["status"] == "running"
    listed = json.loads(harness("runs", "--store", "s", "--json", cwd=tmp_path).stdout)
    assert [row["status"] for row in listed] == ["interrupted"]
    assert listed[0]["messages"] == 3
    shown = harness("show", "@1", "--store", "s", cwd=tmp_path).stdout
    assert "What is 1 + 2?" in shown
    assert "add" in shown
    assert "interrupted" in shown
    run = only_run(tmp_path / "s")
    assert run.summary.status is RunStatus.INTERRUPTED
    assert [message.sender for message in run.messages] == ["user_proxy", "assistant", "user_proxy"]


def test_the_store_of_a_project_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    write(tmp_path, "", "pyproject.toml")
    inner = tmp_path / "src"
    inner.mkdir()
    app = write(inner, "")
    assert harness("trace", app, cwd=inner).returncode == 0
    store = tmp_path / ".harness"
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / ".gitignore").read_text() == "*\n"

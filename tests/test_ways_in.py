"""The ways in besides ``harness trace``: a variable, OpenTelemetry's entry point, and the program's own tracing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import harness
from harness.model import Operation
from harness.store import open_store
from tests.adapters.stage import THEIR_WARNINGS, assistant, proxy
from tests.cli.programs import TWO_AGENTS, environment, two_agents_script, write
from tests.server import ScriptedServer

pytestmark = THEIR_WARNINGS


@pytest.fixture(autouse=True)
def _detached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    harness.uninstrument()
    yield
    harness.uninstrument()


def runs(store: Path) -> list[Any]:
    opened = open_store(store)
    return [opened.run(summary.run_id) for summary in opened.runs()]


def python(source: str, cwd: Path, server: ScriptedServer | None = None, **variables: str) -> Any:
    return subprocess.run(
        [sys.executable, write(cwd, source)],
        cwd=cwd,
        env=environment(server, **variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_variable_records_a_program_that_imports_the_harness(tmp_path: Path) -> None:
    with ScriptedServer(two_agents_script()) as server:
        done = python("import harness\n" + TWO_AGENTS, tmp_path, server, HARNESS_TRACE="1", HARNESS_STORE="s")
    assert done.returncode == 0, done.stderr
    (run,) = runs(tmp_path / "s")
    assert run.summary.model_calls == 2


@pytest.mark.parametrize("variables", [{}, {"HARNESS_TRACE": "0"}, {"HARNESS_TRACE": ""}])
def test_without_the_variable_importing_the_harness_loads_nothing_and_writes_nothing(
    tmp_path: Path, variables: dict[str, str]
) -> None:
    source = (
        "import sys, harness; print([name for name in sys.modules if name.startswith(('harness.', 'opentelemetry'))])"
    )
    done = python(source, tmp_path, HARNESS_STORE="s", **variables)
    assert done.stdout == "[]\n", done.stderr
    assert not (tmp_path / "s").exists()


def test_the_variable_does_not_record_our_own_command(tmp_path: Path) -> None:
    for command in ([sys.executable, "-m", "harness"], [str(Path(sys.executable).with_name("harness"))]):
        subprocess.run(
            [*command, "--version"],
            cwd=tmp_path,
            env=environment(HARNESS_TRACE="1", HARNESS_STORE="s"),
            check=True,
            timeout=60,
            stdout=subprocess.DEVNULL,
        )
    assert not (tmp_path / "s").exists()


def test_the_variable_with_a_store_that_cannot_be_made_is_told_and_the_program_goes_on(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = python("import harness; print('on')", tmp_path, HARNESS_TRACE="1", HARNESS_STORE="file/store")
    assert (done.returncode, done.stdout) == (0, "on\n")
    assert "nothing is recorded" in done.stderr


def test_opentelemetry_finds_the_instrumentor_and_takes_it_on_and_off(tmp_path: Path) -> None:
    (point,) = entry_points(group="opentelemetry_instrumentor", name="autogen-harness")
    instrumentor = point.load()()
    provider, exporter = program_tracing()
    instrumentor.instrument(store=tmp_path / "s", tracer_provider=provider, skip_dep_check=True)
    assert instrumentor.is_instrumented_by_opentelemetry
    with ScriptedServer(["Hi."]) as server:
        proxy().initiate_chat(assistant("helper", server), message="Hello?", max_turns=1)
    instrumentor.uninstrument()
    with ScriptedServer(["Hi."]) as server:
        proxy().initiate_chat(assistant("helper", server), message="Hello?", max_turns=1)
    assert [run.summary.model_calls for run in runs(tmp_path / "s")] == [1]
    assert sum(span.name.startswith("chat ") for span in exporter.get_finished_spans()) == 1


def test_taking_the_harness_off_leaves_threads_as_they_were(tmp_path: Path) -> None:
    kinds = (threading.Thread, threading.Timer, ThreadPoolExecutor)
    before = [dict(vars(kind)) for kind in kinds]
    harness.instrument(tmp_path / "s")
    assert [dict(vars(kind)) for kind in kinds] != before
    harness.uninstrument()
    assert [dict(vars(kind)) for kind in kinds] == before


def test_the_instrumentor_imports_no_sdk(tmp_path: Path) -> None:
    source = "import sys; from harness.instrumentor import Instrumentor; print('opentelemetry.sdk' in sys.modules)"
    assert python(source, tmp_path).stdout == "False\n"


def program_tracing() -> tuple[TracerProvider, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider, exporter


def test_each_of_our_spans_is_one_of_the_programs_own_provider_by_its_ids(tmp_path: Path) -> None:
    provider, exporter = program_tracing()
    tracer = provider.get_tracer("theirs")
    user = proxy()

    def tool(key: str) -> str:
        with tracer.start_as_current_span("inside"):
            return key

    with ScriptedServer(two_agents_script()) as server:
        helper = assistant("helper", server)
        user.register_for_execution(name="add")(lambda a, b: tool(f"{a + b}"))
        helper.register_for_llm(name="add", description="add", api_style="tool")(add)
        harness.instrument(tmp_path / "s", otel=provider)
        with tracer.start_as_current_span("request") as outside:
            user.initiate_chat(helper, message="What is 1 + 2?")
            assert otel.get_current_span() is outside
    harness.uninstrument()
    (run,) = runs(tmp_path / "s")
    theirs = {f"{span.context.span_id:016x}": span for span in exporter.get_finished_spans()}
    assert len(theirs) == len(run.spans) + 2
    for span in run.spans:
        other = theirs[span.span_id]
        assert (other.name, other.start_time, other.end_time) == (span.name, span.start_ns, span.end_ns)
        assert f"{other.context.trace_id:032x}" == span.trace_id == f"{outside.get_span_context().trace_id:032x}"
        assert f"{other.parent.span_id:016x}" == span.parent_id
        assert other.attributes["harness.operation"] == span.operation.value
    (called,) = [span for span in run.spans if span.operation is Operation.TOOL]
    (inside,) = [span for span in theirs.values() if span.name == "inside"]
    assert f"{inside.parent.span_id:016x}" == called.span_id


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def test_a_span_of_the_program_is_the_parent_of_a_run_that_begins_in_it(tmp_path: Path) -> None:
    provider, exporter = program_tracing()
    harness.instrument(tmp_path / "s")
    with ScriptedServer(["Hi."]) as server, provider.get_tracer("theirs").start_as_current_span("request") as outside:
        proxy().initiate_chat(assistant("helper", server), message="Hello?", max_turns=1)
    harness.uninstrument()
    (run,) = runs(tmp_path / "s")
    (root,) = [span for span in run.spans if span.operation is Operation.CONVERSATION]
    context = outside.get_span_context()
    assert (root.trace_id, root.parent_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert {span.trace_id for span in run.spans} == {root.trace_id}
    assert run.summary.ending == "max_turns"
    assert [span.name for span in exporter.get_finished_spans()] == ["request"]  # ours are not asked for


def test_what_leaves_through_the_programs_provider_holds_no_more_than_the_journal(tmp_path: Path) -> None:
    provider, exporter = program_tracing()
    secret = "sk-" + "aB3d" * 8
    harness.instrument(tmp_path / "s", otel=provider, capture="metadata")
    with ScriptedServer(["Hi."]) as server:
        proxy().initiate_chat(assistant(f"helper_{secret}"[:60], server), message="a word of mine", max_turns=1)
    harness.uninstrument()
    seen = json.dumps([[span.name, dict(span.attributes)] for span in exporter.get_finished_spans()])
    assert "mine" not in seen
    assert secret not in seen


def test_no_provider_is_ever_set(tmp_path: Path) -> None:
    source = """
    import harness, sys
    from opentelemetry import trace
    before = trace._TRACER_PROVIDER
    harness.instrument("s", otel=True)
    with harness.run("x"):
        pass
    print(trace._TRACER_PROVIDER is before, "opentelemetry.sdk" in sys.modules)
    """
    assert python(source, tmp_path).stdout == "True False\n"

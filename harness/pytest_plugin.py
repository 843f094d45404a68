"""Let pytest collect scenarios, and record, replay and judge the agents of tests that are marked ``harness``.

A file ``*.scenario.yaml`` or ``*.scenario.py`` holds tests of its own; the agents of a test function that is marked
``@pytest.mark.harness(…)`` are watched while it runs. pytest loads this in every project that has the harness
installed, so nothing but the standard library and pytest itself is imported before the first of either.
``-p no:autogen-harness`` turns it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from pathlib import Path

SUFFIXES = (".scenario.yaml", ".scenario.py")
_STAGE: pytest.StashKey[Any] = pytest.StashKey()
_MARKER = (
    "harness(cassette=None, live=(), matching='match', normalise=None, checks='', findings=(), **limits): "
    "record the agents of this test, answer them from the cassette if there is one, and judge the run."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--harness-record``."""
    parser.getgroup("harness").addoption(
        "--harness-record",
        choices=("none", "once", "all"),
        default="none",
        help="ask the real models and write cassettes: never, where one is missing, always",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER)


class ScenarioFailed(Exception):  # noqa: N818 - an outcome, not an error of the program
    """A scenario's verdict that is not *passed*; its text is the verdict's own lines."""


class ScenarioFile(pytest.File):
    """A file that holds scenarios, most often one."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield a test for each scenario in the file. It is read now only if it may hold several."""
        suffix = next(suffix for suffix in SUFFIXES if self.path.name.endswith(suffix))
        several = suffix == ".scenario.py" or b"\ndata:" in b"\n" + self.path.read_bytes()
        for name, case in self._cases() if several else [(self.path.name.removesuffix(suffix), None)]:
            item = ScenarioItem.from_parent(self, name=name, case=case)
            # What a framework deprecates is no failure of the conversation, however strict a project is with itself.
            item.add_marker(pytest.mark.filterwarnings("default"))
            yield item

    def _cases(self) -> list[tuple[str, str | None]]:
        from harness import plugins

        return [(one.name, one.name) for one in plugins.sibling("scenarios.scenario").load_all(self.path)]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401, ARG002 - pytest's own signature
        """Show an error a person can act on in its own words."""
        return _own_words(excinfo.value) or super().repr_failure(excinfo)


class ScenarioItem(pytest.Item):
    """One scenario, as a test. Its run is kept in the project's store, to be looked at with `harness tui`."""

    def __init__(self, *, case: str | None = None, **more: Any) -> None:  # noqa: ANN401 - pytest's own
        """*case* names the scenario where its file holds several."""
        super().__init__(**more)
        self.case = case

    def runtest(self) -> None:
        """Run the scenario. Raises ScenarioFailed with the verdict's reasons if it did not pass."""
        from harness import plugins

        chosen = {"case": self.case} if self.case is not None else {}
        record = self.config.getoption("--harness-record")
        verdict = plugins.sibling("scenarios.runner").run_scenario(self.path, record=record, **chosen)
        if verdict.summary is not None:
            names = ("run_id", "messages", "model_calls", "input_tokens", "output_tokens", "cost_usd", "ending")
            _keep(self, {name: getattr(verdict.summary, name) for name in names})
        if verdict.outcome != "passed":
            raise ScenarioFailed("\n".join((f"{self.name}: {verdict.outcome}", *verdict.lines())))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401 - pytest's own signature
        """Show a verdict, or an error a person can act on, in its own words instead of a traceback of ours."""
        return _own_words(excinfo.value) or super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the scenario by its file."""
        return self.path, None, f"scenario: {self.name}"


def _own_words(error: BaseException) -> str:
    """Say what a scenario or an error of ours says; empty for any other error."""
    from harness.errors import HarnessError
    from harness.text import printable

    if isinstance(error, ScenarioFailed):
        return printable(error)
    return printable("\n".join(filter(None, (str(error), error.hint)))) if isinstance(error, HarnessError) else ""


def _keep(item: pytest.Item, facts: Mapping[str, Any]) -> None:
    """Let reports of pytest's own, such as JUnit's, tell of the run."""
    item.user_properties += [(f"harness.{name}", value) for name, value in facts.items() if value is not None]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files."""
    if file_path.name.endswith(SUFFIXES):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(hookwrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, None]:
    """Watch the agents of a marked test, async or not, and judge their run when it is over."""
    marked = pyfuncitem.get_closest_marker("harness") is not None
    if not marked and pyfuncitem.stash.get(_STAGE, None) is None:
        yield
        return
    stage = _stage(pyfuncitem)
    with _in_own_words():
        stage.begin()
    try:
        outcome = yield
    finally:
        stage.end()
    reasons = stage.judge(passed=outcome.excinfo is None)
    _keep(pyfuncitem, stage.facts())
    if not reasons:
        return
    from harness.text import printable

    told = printable("\n".join(reasons))
    if outcome.excinfo is None:
        outcome.force_exception(pytest.fail.Exception(told, pytrace=False))
    else:
        pyfuncitem.add_report_section("call", "harness", told)


def _stage(item: pytest.Item) -> Any:  # noqa: ANN401 - a sibling's Marked
    """Give what records, replays and judges *item*: one and the same for the fixture and the marker."""
    from harness import plugins

    if item.stash.get(_STAGE, None) is None:
        marked = plugins.sibling("scenarios.marked")
        keywords = {
            name: value for mark in reversed([*item.iter_markers("harness")]) for name, value in mark.kwargs.items()
        }
        with _in_own_words():
            item.stash[_STAGE] = marked.Marked(
                marked.marker(keywords),
                name=item.name,
                folder=item.path.parent,
                record=item.config.getoption("--harness-record"),
            )
    return item.stash[_STAGE]


class _in_own_words:  # noqa: N801 - used as a block
    """Let an error that a person can act on fail the test in its own words, without a traceback of ours."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        told = _own_words(error) if error is not None else ""
        if told:
            raise pytest.fail.Exception(told, pytrace=False) from None


@pytest.fixture
def harness_run(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - a sibling's Marked
    """Give the run of this test: ``harness_run.run`` is all that its agents did so far, ``harness_run.run_id`` its id.

    ``@pytest.mark.harness(…)`` says what answers the agents and what is expected of them; without it they are recorded
    and judged.
    """
    return _stage(request.node)


@pytest.fixture
def harness_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a store of its own, made when first written to; ``HARNESS_STORE`` points at it."""
    store = tmp_path / "harness-store"
    monkeypatch.setenv("HARNESS_STORE", str(store))
    return store

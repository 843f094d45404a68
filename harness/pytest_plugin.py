"""Let pytest collect ``*.scenario.yaml`` files: each is a test that replays its conversation and judges it.

pytest loads this in every project that has the harness installed, so nothing but the standard library and pytest
itself is imported before a scenario runs or a fixture is asked for. ``-p no:autogen-harness`` turns it off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".scenario.yaml"


class ScenarioFailed(Exception):  # noqa: N818 - an outcome, not an error of the program
    """A scenario's verdict that is not *passed*; its text is the verdict's own lines."""


class ScenarioFile(pytest.File):
    """A file that is one scenario."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the one test that the file is."""
        item = ScenarioItem.from_parent(self, name=self.path.name.removesuffix(SUFFIX))
        # What a framework deprecates is no failure of the conversation, however strict the project is with itself.
        item.add_marker(pytest.mark.filterwarnings("default"))
        yield item


class ScenarioItem(pytest.Item):
    """One scenario, as a test. Its run is kept in the project's store, to be looked at with `harness tui`."""

    def runtest(self) -> None:
        """Run the scenario. Raises ScenarioFailed with the verdict's reasons if it did not pass."""
        from harness import plugins

        verdict = plugins.sibling("scenarios.runner").run_scenario(self.path)
        outcome = getattr(verdict.outcome, "value", verdict.outcome)
        if outcome != "passed":
            raise ScenarioFailed("\n".join((f"{self.name}: {outcome}", *verdict.lines())))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ANN401 - pytest's own signature
        """Show a verdict, or an error a person can act on, in its own words instead of a traceback of ours."""
        from harness.errors import HarnessError
        from harness.text import printable

        error = excinfo.value
        if isinstance(error, ScenarioFailed):
            return printable(error)
        if isinstance(error, HarnessError):
            return printable("\n".join(filter(None, (str(error), error.hint))))
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the scenario by its file."""
        return self.path, None, f"scenario: {self.name}"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files."""
    if file_path.name.endswith(SUFFIX):
        return ScenarioFile.from_parent(parent, path=file_path)
    return None


@pytest.fixture
def harness_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the test a store of its own, made when first written to; ``HARNESS_STORE`` points at it."""
    store = tmp_path / "harness-store"
    monkeypatch.setenv("HARNESS_STORE", str(store))
    return store

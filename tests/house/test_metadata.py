"""What installing the harness asks for, on each Python it supports."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import harness
from harness import plugins

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
OPENAI = [Version(number) for number in ("1.66.2", "2.54.0", "3.27.0", "3.51.0")]

# Requires-Python of the releases that pip may pick, as their own metadata has it.
REQUIRES_PYTHON = {
    ("pyautogen", "0.2.35"): ">=3.8,<3.13",
    ("pyautogen", "0.9"): ">=3.9,<3.14",
    ("pyautogen", "0.10.0"): ">=3.10",
    ("autogen", "0.14.1"): ">=3.10",
}


def required(python: str, *extras: str) -> dict[str, Requirement]:
    """List what pip would be asked for on *python* with *extras*, extras of extras included."""
    wanted, found, queue = set(extras), {}, list(extras)
    while True:
        environment = {"python_version": python, "python_full_version": f"{python}.0"}
        for text in metadata.requires("autogen-harness") or []:
            requirement = Requirement(text)
            marker = requirement.marker
            if marker and not any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *wanted)):
                continue
            if requirement.name == "autogen-harness":
                queue += requirement.extras - wanted
            else:
                found[requirement.name] = requirement
        if not queue:
            return found
        wanted.add(queue.pop())


@pytest.mark.parametrize("python", PYTHONS)
def test_there_is_exactly_one_classic_autogen_for_each_python_and_it_runs_there(python):
    picked = {name: requirement for name, requirement in required(python, "classic").items() if "autogen" in name}
    ((name, requirement),) = picked.items()
    assert name == ("autogen" if python == "3.14" else "pyautogen")
    fitting = [
        version
        for (candidate, version), pythons in REQUIRES_PYTHON.items()
        if candidate == name and Version(version) in requirement.specifier and f"{python}.0" in SpecifierSet(pythons)
    ]
    assert fitting


def test_the_pyautogen_that_is_another_framework_is_never_picked_as_the_classic_one():
    assert Version("0.10.0") not in required("3.12", "classic")["pyautogen"].specifier


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("extra", ["classic", "demo", "all"])
def test_an_openai_client_comes_with_the_classic_autogen(python, extra):
    assert [version for version in OPENAI if version in required(python, extra)["openai"].specifier]


def test_everything_together_leaves_a_client_that_ag2_and_the_classic_autogen_both_take():
    # ag2 1.2.1 asks for openai>=3.27,<4; autogen-ext 0.7.5 for openai>=1.93.
    fitting = [version for version in OPENAI if version in required("3.12", "all")["openai"].specifier]
    assert [version for version in fitting if version in SpecifierSet(">=3.27,<4")]


@pytest.mark.parametrize("python", PYTHONS)
def test_the_base_installs_no_framework_and_no_terminal_app(python):
    base = required(python)
    assert not {"pyautogen", "autogen", "ag2", "autogen-agentchat", "openai", "textual", "rich", "pytest"} & base.keys()
    assert ("tomli" in base) == (python == "3.10")


def test_all_holds_what_every_other_extra_holds():
    extras = set(PROJECT["optional-dependencies"]) - {"all"}
    assert required("3.12", "all").keys() == required("3.12", *extras).keys()


def test_every_python_promised_is_a_python_allowed():
    allowed = SpecifierSet(PROJECT["requires-python"])
    promised = [text.rpartition(" ")[2] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert promised == PYTHONS
    assert all(f"{python}.0" in allowed for python in promised)
    assert "3.9.20" not in allowed


def test_the_version_is_the_same_everywhere():
    assert harness.__version__ == PROJECT["version"] == metadata.version("autogen-harness")


def test_every_entry_point_of_ours_can_be_loaded():
    frameworks = {"classic": "autogen"}
    for group in ("harness.checks", "harness.exporters", "harness.adapters"):
        for name in PROJECT["entry-points"][group]:
            if name in frameworks:
                pytest.importorskip(frameworks[name], reason=f"{frameworks[name]} is not installed")
            assert plugins.load(group, name)


def test_what_is_installed_has_the_entry_points_of_this_checkout():
    for group, points in PROJECT["entry-points"].items():
        ours = {
            point.name: point.value
            for point in metadata.entry_points(group=group)
            if point.dist and point.dist.name == "autogen-harness"
        }
        assert ours == points

"""The wheel: four packages, with their data, and never the tests."""

from __future__ import annotations

import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

wheels = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")

ROOT = Path(__file__).parents[2]
PACKAGES = {"harness", "scenarios", "exporters", "tui"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel as `pip wheel` does."""
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = wheels.WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_the_wheel_ships_the_four_packages_and_nothing_else(wheel):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES
    assert not [name for name in wheel.namelist() if "tests" in name or "__pycache__" in name]


def test_every_package_says_that_it_is_typed(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(wheel.namelist())


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    here = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix in {".py", ".yaml", ".jsonl", ".tcss", ".json", ".typed"}
    }
    ignored = {name for name in here if "/." in name or "__pycache__" in name}
    assert here - ignored <= set(wheel.namelist())
    assert [name for name in here if name.endswith(".scenario.yaml")]


def test_the_wheel_names_its_licence_its_readme_and_its_command(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    about = Parser().parsestr(wheel.read(name).decode())
    assert about["Name"] == "autogen-harness"
    assert about["License-Expression"] == "Apache-2.0"
    assert about["Requires-Python"] == ">=3.10"
    assert about["Description-Content-Type"] == "text/markdown"
    points = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert "harness = harness.cli:main" in points
    assert "harness.pytest_plugin" in points

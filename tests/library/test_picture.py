"""The README's screenshot is made by the app."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("autogen", reason="the classic extra is not installed")
pytest.importorskip("textual", reason="the tui extra is not installed")

from tests.library.picture import PICTURE, draw

pytestmark = pytest.mark.filterwarnings("default")
README = PICTURE.parents[1] / "README.md"


def words(svg: str) -> list[str]:
    """The words in a picture, times aside."""
    text = " ".join(re.findall(r">([^<>]+)</text>", svg)).replace("&#160;", " ")
    return [word for word in text.split() if not re.search(r"\d|━|─|╸|^m?s$", word)]


def test_the_picture_in_the_readme_is_what_the_app_draws_today() -> None:
    drawn = draw()
    assert "repeated-message" in words(drawn)
    assert words(PICTURE.read_text(encoding="utf-8")) == words(drawn)
    assert "url(http" not in drawn.replace('"', "")
    assert "(docs/tui.svg)" in README.read_text(encoding="utf-8")

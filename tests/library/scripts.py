"""What the scripted server says when the bundled scenarios are recorded, by scenario name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.server import Reply, Script, rules, tool_call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FIRST_TRY = """\
Ten numbers, each the sum of the two before it:

```python
a, b = 1, 1
numbers = []
for _ in range(10):
    numbers.append(a)
    a, b = b, a + b
print(*numbers)
```
"""

SECOND_TRY = """\
That starts with 1, not with 0. The pair has to begin one step earlier:

```python
a, b = 0, 1
numbers = []
for _ in range(10):
    numbers.append(a)
    a, b = b, a + b
print(*numbers)
```
"""

MEDIAN = """\
```python
def median(numbers):
    return sorted(numbers)[len(numbers) // 2]
```
"""

BETTER_MEDIAN = """\
For an even count the two in the middle are averaged now:

```python
def median(numbers):
    ordered = sorted(numbers)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2
```
"""

BEST_MEDIAN = """\
An empty list has no median, so it says so:

```python
def median(numbers):
    if not numbers:
        raise ValueError("the median of no numbers")
    ordered = sorted(numbers)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return (ordered[half - 1] + ordered[half]) / 2
```
"""

FACTS = """\
Tardigrades are about half a millimetre long and walk on eight legs.
Dried out, they stop their metabolism and wait for years.
Some came back to life after ten days in open space."""

DRAFT = (
    "Tardigrades are half a millimetre long and walk on eight legs. They can dry out, stop their metabolism "
    "and wait for years. Some came back to life after ten days in open space."
)

PARAGRAPH = (
    "Would you survive ten days in open space? Tardigrades did. Half a millimetre long, on eight legs, "
    "they dry out, stop their metabolism and wait, for years if they must, until a drop of water wakes them."
)

THANKS = "Thank you so much! It is always a pleasure to plan with you."
WELCOME = "You are very welcome! The pleasure is all mine."
PAGES = 118_000
"""Tokens of the twelve reports that the overspender reads before each answer."""

SCRIPTS: Mapping[str, Callable[[], Script]] = {
    "fibonacci": lambda: [
        FIRST_TRY,
        SECOND_TRY,
        "Ten numbers, starting with 0: 0 1 1 2 3 5 8 13 21 34. That is the task. TERMINATE",
    ],
    "code_review": lambda: rules(
        {
            "You are the coder": [MEDIAN, BETTER_MEDIAN, BEST_MEDIAN],
            "You are the reviewer": [
                "For an even count of numbers the median is the mean of the two in the middle.",
                "An empty list raises an IndexError that tells the caller nothing.",
                "Odd, even and empty lists are right, and the caller's list is not changed. Approved. TERMINATE",
            ],
            # Whoever is asked to pick a speaker, in the words of whichever AutoGen.
            "": ["coder", "reviewer", "coder", "reviewer", "coder", "reviewer"],
        }
    ),
    "currency": lambda: [
        tool_call("exchange_rate", base="POUND", quote="USD"),
        tool_call("exchange_rate", base="GBP", quote="USD"),
        tool_call("convert", amount=18.40, rate=1.5625),
        "The book costs 28.75 US dollars. TERMINATE",
    ],
    "newsletter": lambda: rules(
        {
            "You are the researcher": [FACTS],
            "You are the writer": [DRAFT, PARAGRAPH],
            "You are the critic": ["Open with the most surprising fact, as a question.", "APPROVED"],
        }
    ),
    "politeness": lambda: rules(
        {
            "You are Ada": [f"Tuesday at ten it is. {THANKS}", *[THANKS] * 4],
            "You are Ben": ["Tuesday at ten suits me well. See you then!", *[WELCOME] * 5],
        }
    ),
    "overspender": lambda: rules(
        {
            "You are the analyst": [
                Reply(text="June was the best month: 41,200 units.", usage=(PAGES, 24)),
                Reply(text="February was the weakest: 17,900 units.", usage=(PAGES + 90, 25)),
                Reply(text="The travel kettle grew most: from 310 to 2,750 a month.", usage=(PAGES + 180, 31)),
            ],
            "You are the director": [
                "And which month was the weakest?",
                "And which product grew most?",
                "That is all I wanted to know. TERMINATE",
            ],
        }
    ),
}

"""Which of a framework's own tests need no key and no network, and what they run on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One framework's tests. *folder* is where they run, *sign* a path that tells the checkout by; both within it."""

    name: str
    sign: str
    folder: str
    requirements: tuple[str, ...]
    arguments: tuple[str, ...]
    python_path: tuple[str, ...] = ()


SUITES = (
    Suite(
        name="autogen 0.2.35",
        sign="test/agentchat/test_conversable_agent.py",
        folder=".",
        # A later pytest refuses marks on fixtures, which these tests have.
        requirements=(
            "pyautogen==0.2.35",
            "openai>=1.66.2,<4",
            "ipykernel",
            "nbconvert",
            "nbformat",
            "pytest<8.4",
            "pytest-asyncio<0.24",
            "setuptools<81",
        ),
        arguments=(
            *("test/agentchat", "test/oai", "test/cache", "test/io", "test/coding", "test/test_logging.py"),
            *("test/test_function_utils.py", "test/test_graph_utils.py", "test/test_pydantic.py"),
            *("--ignore=test/agentchat/contrib", "--skip-openai", "--skip-docker", "--skip-redis"),
            *("-c", "/dev/null", "--rootdir=test"),
        ),
    ),
    Suite(
        name="agentchat and core 0.7.5",
        sign="python/packages/autogen-agentchat/tests",
        folder="python",
        requirements=(
            "autogen-agentchat==0.7.5",
            "autogen-ext[openai,ollama,anthropic]==0.7.5",
            "asyncio_atexit",
            "datamodel-code-generator",
            "mcp>=1.20,<2",
            "pydantic[email]",
            "pytest",
            "pytest-asyncio",
            "pytest-mock",
        ),
        arguments=(
            *("packages/autogen-agentchat/tests", "packages/autogen-core/tests"),
            *("-o", "asyncio_mode=auto", "--import-mode=importlib"),
        ),
        python_path=(
            "packages/autogen-test-utils/src",
            "packages/autogen-agentchat/tests",
            "packages/autogen-core/tests",
        ),
    ),
)


def suite_in(checkout: Path) -> Suite | None:
    """Tell which suite *checkout* holds; None if none that is known."""
    return next((suite for suite in SUITES if (checkout / suite.sign).exists()), None)

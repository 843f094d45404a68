"""What the house does to itself; ``nox -l`` lists it."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "typing", "wheel", "tests"]
nox.options.error_on_missing_interpreters = True

READING = [
    "tests/store",
    "tests/derive",
    "tests/test_journal.py",
    "tests/test_journal_survives.py",
    *(f"tests/cli/test_{what}.py" for what in ("store", "reading", "across_runs", "judging")),
]
# Who else traces these frameworks, or replays them: measured beside us, and never a dependency.
PEERS = ["openinference-instrumentation-ag2", "openinference-instrumentation-autogen-agentchat", "vcrpy"]
# Who else stops loops: measured on the same conversations.
GUARDS = ["agentloopguard-sdk", "agent-budget-guard-py"]
PACKAGES = {"harness", "scenarios", "exporters", "tui"}
GROUPS = nox.project.load_toml("pyproject.toml")


def group(name: str) -> list[str]:
    """Read the requirements of a dependency group."""
    return list(nox.project.dependency_groups(GROUPS, name))


@nox.session
def demo(session: nox.Session) -> None:
    """Install as a user would and replay the bundled scenarios."""
    session.install(".[demo]")
    session.run("harness", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests with the three AutoGens, the terminal app and the OTLP exporter."""
    session.install("-e", ".[classic,agentchat,ag2,tui,otlp]", *group("test"))
    # The tests start some hundred processes: where Python writes no bytecode, each would compile the packages anew.
    session.run_install("python", "-m", "compileall", "-q", *sorted(PACKAGES), "tests")
    session.run("python", "-m", "pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)


def on_framework(name: str, *requirements: str, files: str, most_minor: int | None = None) -> None:
    """Add the session that plays the same conversations on one framework alone, and runs its adapter's tests.

    *most_minor* is the newest Python 3 the framework takes: choose another with ``--force-python``.
    """

    @nox.session(name=name)
    def session(session: nox.Session) -> None:
        minor = int(str(session.run("python", "-c", "import sys; print(sys.version_info.minor)", silent=True)))
        if most_minor is not None and minor > most_minor:
            session.error(f"{name} needs Python 3.{most_minor} or older: nox -s {name} --force-python 3.{most_minor}")
        session.install("-e", ".[otlp]", *requirements, *group("test"))
        chosen = ["tests/conformance", *map(str, sorted(Path("tests/adapters").glob(files)))]
        session.run("python", "-m", "pytest", *(session.posargs or chosen))


on_framework("classic-0.2", "pyautogen==0.2.35", files="test_classic_*.py", most_minor=12)
on_framework("classic-0.9", "pyautogen==0.9", "openai>=1.66.2,<4", files="test_classic_*.py", most_minor=13)
on_framework(
    "classic-0.14", "autogen[a2a]==0.14.1", "a2a-sdk[http-server]", "openai>=2.44,<4", files="test_classic_*.py"
)
on_framework("agentchat", "autogen-agentchat==0.7.5", "autogen-ext[openai]==0.7.5", files="test_agentchat_*.py")
on_framework("ag2", "ag2[openai,a2a]==1.2.1", "a2a-sdk[http-server]", files="test_ag2_*.py")


@nox.session
def kill(session: nox.Session) -> None:
    """Kill 300 writers and ingesters, 30 in every phase, and give an account: ``nox -s kill -- --kills 1000``."""
    session.install("-e", ".", *group("test"))
    session.run("python", "-m", "tests.store.kill", *session.posargs)


def on_duckdb(line: str, requirement: str) -> None:
    """Add the session that tries journal, store and derivation on one line of DuckDB: both keep one file format."""

    @nox.session(name=f"duckdb-{line}")
    def session(session: nox.Session) -> None:
        session.install("-e", ".", requirement, *group("test"))
        session.run("python", "-m", "pytest", *(session.posargs or READING))


on_duckdb("1.5", "duckdb>=1.5.3,<2")
on_duckdb("2", "duckdb>=2,<3")


@nox.session
def upstream(session: nox.Session) -> None:
    """Run a framework's own keyless tests with tracing off and on, from the checkout ``HARNESS_UPSTREAM`` names."""
    checkout = os.environ.get("HARNESS_UPSTREAM")
    if not checkout:
        session.skip(
            "HARNESS_UPSTREAM names no checkout of microsoft/autogen (tags v0.2.35 and python-v0.7.5 are known)"
        )
    session.install("-e", ".")
    compare = ("python", "-m", "tests.upstream", checkout)
    session.install(*str(session.run(*compare, "--requirements", silent=True)).split("\n")[:-1])
    session.run(*compare, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, formatting, and who imports whom."""
    session.install("-e", ".", *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-logo")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the four packages and of this file, strictly."""
    session.install("-e", ".[tui,otlp]", *group("typing"))
    session.run("mypy", "noxfile.py")
    session.run("mypy")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, look inside, install it where nothing else is, and run it from elsewhere."""
    session.install(*group("build"))
    folder = Path(session.create_tmp())
    for old in folder.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), ".", silent=True)
    (built,) = folder.glob("*.whl")
    found = {name.partition("/")[0] for name in zipfile.ZipFile(built).namelist()}
    packages = {name for name in found if not name.endswith(".dist-info")}
    if packages != PACKAGES:
        session.error(f"the wheel ships {sorted(packages)}, not {sorted(PACKAGES)}")
    clean = (folder / "clean").resolve()
    session.run("python", "-m", "venv", "--clear", str(clean))
    session.run(str(clean / "bin/python"), "-m", "pip", "install", "--quiet", f"{built.resolve()}[demo]", external=True)
    with session.chdir(folder):
        session.run(str(clean / "bin/harness"), "--help", external=True, silent=True)
        session.run(str(clean / "bin/harness"), "demo", "--store", str(folder.resolve() / "store"), external=True)


@nox.session
def quickstart(session: nox.Session) -> None:
    """Follow the README's five steps into CI from the wheel, each command as it stands there."""
    session.install(".[classic]", *group("build"), *group("test"))
    folder = Path(session.create_tmp())
    for old in folder.glob("*.whl"):
        old.unlink()
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder), ".", silent=True)
    (built,) = folder.glob("*.whl")
    environment = {"HARNESS_TEST_WHEEL": str(built.resolve())}
    session.run("python", "-m", "pytest", "tests/house/test_first_project.py", *session.posargs, env=environment)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the README claims, each against a peer or floor in the same run: ``nox -s bench -- [names]``."""
    session.install("-e", ".[classic,agentchat,ag2,tui,otlp]", *PEERS, *GUARDS, *group("test"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)

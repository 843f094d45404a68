"""What of a container's options opens it to the machine is read off the frameworks' own executors."""

from __future__ import annotations

import importlib.util
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.adapters.capturing import Captured
from harness.adapters.containers import folder, unsafe
from harness.adapters.patching import Patches
from tests.audit import grid

pytest.importorskip("docker", reason="Docker's client is not installed")
# What the frameworks warn of while they are imported is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")
_OPEN = [
    ({"privileged": True}, "privileged"),
    ({"network_mode": "host"}, "the host's network"),
    ({"network": "host"}, "the host's network"),
    ({"pid_mode": "host"}, "the host's processes"),
    ({"ipc_mode": "host"}, "the host's shared memory"),
    ({"cap_add": ["CAP_SYS_ADMIN"]}, "the capability CAP_SYS_ADMIN"),
    ({"security_opt": ["seccomp=unconfined"]}, "the option seccomp=unconfined"),
    ({"devices": ["/dev/kmsg:/dev/kmsg:rwm"]}, "the device /dev/kmsg"),
    ({"volumes": ["/:/machine:ro"]}, "the root of this machine's files"),
    ({"volumes": {"/var/run/docker.sock": {"bind": "/sock"}}}, "Docker's own socket (/var/run/docker.sock)"),
    ({"volumes": {"/etc/": {"bind": "/etc"}}}, "the folder /etc of this machine"),
    ({"mounts": [{"Type": "bind", "Source": "/run", "Target": "/run"}]}, "Docker's own socket (/run)"),
]  # fmt: skip
_CLOSED: list[dict[str, Any]] = [
    {},
    {"privileged": False, "network_mode": "none", "cap_add": ["NET_BIND_SERVICE"], "cap_drop": ["ALL"]},
    {"volumes": ["data:/data"], "mounts": [{"Type": "volume", "Source": "/", "Target": "/x"}]},
    {"mem_limit": "1g", "security_opt": ["no-new-privileges"], "pid_mode": None},
]


@pytest.fixture
def classic() -> Iterator[Any]:
    """Give the classic executor's class as it is in an audit, where no container is started."""
    if "classic" not in grid.families():
        pytest.skip("the classic extra is not installed")
    from harness.adapters import classic_capture

    patches = Patches()
    classic_capture.attach(Captured(), patches)
    from autogen.coding import DockerCommandLineCodeExecutor

    yield DockerCommandLineCodeExecutor
    patches.undo()


def test_the_folder_of_a_classic_executor_is_what_it_is_bound_to(classic: Any, tmp_path: Path) -> None:
    assert unsafe(classic(work_dir=tmp_path)) == []
    assert unsafe(classic(work_dir=tmp_path, bind_dir="/")) == ["the root of this machine's files"]
    assert unsafe(classic(work_dir="/tmp/..")) == ["the root of this machine's files"]  # noqa: S108
    assert unsafe(classic(work_dir=str(Path.home()))) == [f"the folder {Path.home()} of this machine"]


def test_every_option_that_is_given_to_docker_is_looked_at(classic: Any, tmp_path: Path) -> None:
    if "container_create_kwargs" not in inspect.signature(classic.__init__).parameters:
        pytest.skip("this version hands no options on")
    for options, said in _OPEN:
        assert unsafe(classic(work_dir=tmp_path, container_create_kwargs=options)) == [said], options
    for options in _CLOSED:
        assert unsafe(classic(work_dir=tmp_path, container_create_kwargs=options)) == [], options


@pytest.mark.skipif("agentchat" not in grid.families(), reason="the agentchat extra is not installed")
def test_volumes_of_an_agentchat_executor_are_looked_at(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if importlib.util.find_spec("asyncio_atexit") is None:  # it would stop the container, and none is started
        monkeypatch.setitem(sys.modules, "asyncio_atexit", types.ModuleType("asyncio_atexit"))
    from autogen_ext.code_executors.docker import DockerCommandLineCodeExecutor

    def made(**more: Any) -> list[str]:
        return unsafe(DockerCommandLineCodeExecutor(work_dir=tmp_path, **more))

    assert made() == []
    assert made(extra_volumes={str(tmp_path): {"bind": "/data", "mode": "ro"}}) == []
    assert made(extra_volumes={"/var/run/docker.sock": {"bind": "/var/run/docker.sock", "mode": "rw"}}) == [
        "Docker's own socket (/var/run/docker.sock)"
    ]
    assert made(bind_dir="/") == ["the root of this machine's files"]


@pytest.mark.skipif("ag2" not in grid.families(), reason="the ag2 extra is not installed")
def test_network_and_folder_of_an_ag2_environment_are_looked_at(tmp_path: Path) -> None:
    from ag2.extensions.docker import DockerEnvironment
    from ag2.extensions.docker.sandbox import DockerSandbox

    for kind in (DockerEnvironment, DockerSandbox):
        assert unsafe(kind()) == []
        assert unsafe(kind(host_path=tmp_path)) == []
        assert unsafe(kind(network_mode="host", host_path="/")) == [
            "the host's network",
            "the root of this machine's files",
        ]


def test_a_folder_is_looked_at_where_it_really_is(tmp_path: Path) -> None:
    link = tmp_path / "work"
    link.symlink_to("/")
    assert folder(link) == "the root of this machine's files"
    assert folder(tmp_path) is None

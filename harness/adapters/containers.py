"""Read off an executor what its container is given of the machine that it runs on. Reads only; starts nothing.

Attributes are those of pyautogen 0.2 to 0.9 and autogen 0.14 (``coding/docker_commandline_code_executor.py``, whose
``container_create_kwargs`` go to Docker as they are), AgentChat 0.7 (``DockerCommandLineCodeExecutor``,
``DockerJupyterServer``) and AG2 1.x (``DockerEnvironment``, ``DockerSandbox``). Options are named as Docker's Python
client names them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

_HOST: Final = {
    "network_mode": "the host's network",
    "network": "the host's network",
    "pid_mode": "the host's processes",
    "ipc_mode": "the host's shared memory",
    "userns_mode": "the host's users",
}
"""What a container shares with its machine where an option says ``host``."""
_STRONG: Final = frozenset(
    {"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "NET_ADMIN", "DAC_READ_SEARCH"}
)
_SOCKETS: Final = frozenset({"/var", "/var/run", "/run", "/var/run/docker.sock", "/run/docker.sock"})
_SYSTEM: Final = frozenset({"/boot", "/dev", "/etc", "/home", "/proc", "/root", "/sys", "/usr"})


def unsafe(executor: Any) -> list[str]:
    """Say, in words, which options of an executor's container open its sandbox; none for one without a container."""
    options = dict(_mapping(executor, "_container_create_kwargs"))
    mode = getattr(executor, "_network_mode", None)
    if mode is not None:
        options.setdefault("network_mode", mode)
    said = ["privileged"] if options.get("privileged") else []
    said += [shared for name, shared in _HOST.items() if options.get(name) == "host"]
    said += [f"the capability {name}" for name in _named(options.get("cap_add")) if _bare(name) in _STRONG]
    said += [f"the option {each}" for each in _named(options.get("security_opt")) if "unconfined" in each]
    said += [f"the device {each.partition(':')[0]}" for each in _named(options.get("devices"))]
    said += [shared for path in _paths(executor, options) if (shared := _shared(path)) is not None]
    return list(dict.fromkeys(said))


def folder(path: str | Path) -> str | None:
    """Say, in words, what is wrong with binding the folder *path* into a container, if anything is."""
    return _shared(str(Path(path).expanduser().resolve()))


def _paths(executor: Any, options: Mapping[str, Any]) -> Iterator[str]:
    """Yield the paths of this machine that the container is given."""
    if "volumes" not in options:  # given there, they take the place of the folder
        bound = getattr(executor, "_bind_dir", None) or getattr(executor, "_work_dir", None)
        bound = bound or getattr(executor, "_host_path", None)
        if isinstance(bound, (str, Path)):
            yield str(Path(bound).expanduser().resolve())
    for volumes in (options.get("volumes"), getattr(executor, "_extra_volumes", None)):
        yield from (each.partition(":")[0] for each in _named(volumes))
    for mount in options.get("mounts") or ():
        if isinstance(mount, Mapping) and mount.get("Type", "bind") == "bind":
            yield str(mount.get("Source", ""))


def _shared(path: str) -> str | None:
    if not path.startswith("/"):
        return None  # a volume that Docker keeps
    path = str(PurePosixPath(path))
    if path in _SOCKETS or path.endswith("/docker.sock"):
        return f"Docker's own socket ({path})"
    if path == "/":
        return "the root of this machine's files"
    if path in _SYSTEM or path == str(Path.home()):
        return f"the folder {path} of this machine"
    return None


def _mapping(executor: Any, name: str) -> Mapping[str, Any]:
    found = getattr(executor, name, None)
    return found if isinstance(found, Mapping) else {}


def _named(found: Any) -> list[str]:
    """Give what is listed, or what a mapping has as keys, as texts."""
    if isinstance(found, Mapping) or (isinstance(found, Sequence) and not isinstance(found, str)):
        return [str(each) for each in found]
    return []


def _bare(capability: str) -> str:
    return capability.upper().removeprefix("CAP_")

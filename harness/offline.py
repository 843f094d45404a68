"""Keep a replay off the network: what it asks beyond this machine is refused, and told with who asked.

Models, tools, code and people are answered by the cassette, so a connection is something that was not recorded. Calls
that are made for real (``live``) may go out. Loopback is open, and so are the sockets of this machine's files. What no
socket of Python's is used for (a client in C, another program) is not seen here.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import semconv
from harness.errors import Exit, HarnessError
from harness.model import CALLS, Operation
from harness.scopes import Scope, current
from harness.text import one_line

if TYPE_CHECKING:
    from types import FrameType

HINT = (
    "Let what needs it be called for real (`replay: {tool: live}`), or switch it off in a replay; "
    "what was recorded is answered by the cassette."
)
"""What one can do about a refusal."""
_FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6})
_OPEN = "outside"
"""The note of a scope whose call is made for real."""


class NetworkRefusedError(HarnessError, ConnectionRefusedError):
    """A replayed program asked for something beyond this machine (exit 4)."""

    code = Exit.DIVERGED

    def __init__(self, message: str) -> None:
        """Say *message*."""
        super().__init__(message, hint=HINT)
        self.errno = errno.ECONNREFUSED


def let_out() -> None:
    """Let the call that is under way here reach the network: it is made for real."""
    scope = current()
    if scope is not None:
        scope.notes[_OPEN] = True


def is_out() -> bool:
    """Say whether what goes on here is part of a call that is made for real."""
    scope = current()
    while scope is not None:
        if scope.notes.get(_OPEN):
            return True
        scope = scope.parent
    return False


class Walls:
    """What keeps this process off the network while they are up; they may be put up more than once."""

    def __init__(self, refused: Callable[[str], None] | None = None) -> None:
        """*refused* is told of each refusal, in a sentence."""
        self.refused: list[str] = []
        self._told = refused
        self._up = 0
        self._before: list[tuple[Any, str, Any, Any]] = []

    @contextmanager
    def standing(self) -> Iterator[None]:
        """Have them up for the block."""
        self.up()
        try:
            yield
        finally:
            self.down()

    def up(self) -> None:
        """Refuse connections from now on."""
        self._up += 1
        if self._up > 1:
            return
        for name, place in (("connect", 0), ("connect_ex", 0), ("sendto", -1), ("sendmsg", 3)):
            self._put(socket.socket, name, self._sending(getattr(socket.socket, name), place))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            self._put(socket, name, self._looking_up(getattr(socket, name)))

    def down(self) -> None:
        """Undo one ``up``."""
        self._up = max(0, self._up - 1)
        if self._up:
            return
        for owner, name, original, ours in reversed(self._before):
            if vars(owner).get(name) is not ours:
                continue  # somebody else has replaced it since
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._before.clear()

    def _put(self, owner: Any, name: str, ours: Any) -> None:  # noqa: ANN401 - a class or a module
        ours.__name__ = name
        self._before.append((owner, name, vars(owner).get(name), ours))
        setattr(owner, name, ours)

    def _sending(self, original: Callable[..., Any], place: int) -> Callable[..., Any]:
        def refusing(sock: Any, *given: Any) -> Any:  # noqa: ANN401 - as the socket's own
            address = given[place] if len(given) > place else None
            # A name is looked up by the socket itself.
            if sock.family in _FAMILIES and isinstance(address, tuple) and address and not _near(address[0]):
                self._refuse(str(address[0]), address[1] if len(address) > 1 else None)
            return original(sock, *given)

        return refusing

    def _looking_up(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def refusing(host: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - as the function's own
            if not _near(host) and not _numeric(host):
                self._refuse(_text(host), given[0] if given else named.get("port"))
            return original(host, *given, **named)

        return refusing

    def _refuse(self, host: str, port: object) -> None:
        if is_out():
            return
        asked = one_line(f"{host}:{port}" if port not in {None, 0} else host, 100)
        scope = current()
        said = f"the network is closed in a replay, and {_who(scope)}{_where()} asked for {asked}"
        if said not in self.refused:
            self.refused.append(said)
            if self._told is not None:
                self._told(said)
        if scope is not None:
            noted = scope.notes.setdefault("end", {}).setdefault(semconv.HARNESS_REFUSED, [])
            if said not in noted:
                noted.append(said)
        raise NetworkRefusedError(said)


def _near(host: object) -> bool:
    """Say whether *host* is this machine, as far as that is known without asking anybody."""
    if host is None:
        return True
    name = _text(host).rstrip(".").lower().partition("%")[0]
    if name in {"", "localhost", "<broadcast>"} or name.endswith(".localhost") or name == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback or address.is_unspecified


def _numeric(host: object) -> bool:
    try:
        ipaddress.ip_address(_text(host).partition("%")[0])
    except ValueError:
        return False
    return True


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)


def _who(scope: Scope | None) -> str:
    """Name who is at it: a tool and its agent, an agent, or the program."""
    call = agent = None
    while scope is not None and agent is None:
        attributes = scope.record["attributes"]
        if scope.operation in CALLS and call is None:
            name = attributes.get(semconv.GEN_AI_TOOL_NAME) if scope.operation is Operation.TOOL else None
            call = f"the {_WORDS[scope.operation]}" + (f" {one_line(name, 60)!r}" if name else "")
        agent = attributes.get(semconv.GEN_AI_AGENT)
        scope = scope.parent
    named = f"{one_line(agent, 60)!r}" if agent else ""
    if call:
        return call + (f" of {named}" if named else "")
    return f"the agent {named}" if named else "the program"


_WORDS = {
    Operation.CHAT: "model call",
    Operation.TOOL: "tool",
    Operation.CODE: "code",
    Operation.HUMAN: "human input",
    Operation.SELECTION: "choice of a speaker",
}
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_ROOT = Path(__file__).parent.parent
_OURS = (f"{_ROOT / 'harness'}/", *(str(_ROOT / "scenarios" / name) for name in ("stage.py", "runner.py")))


def _where() -> str:
    """Name the innermost line of the program's own code on the way here, if there is any on this thread."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to know where it came from
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*_LIBRARIES, *_OURS, "<")):
            return f" ({Path(file).name}:{frame.f_lineno})"
        frame = frame.f_back
    return ""

"""Take a Python process along that a traced program has started. Python runs this before the program.

Whoever imports no framework pays for a look at a variable. This folder is on the path for this file alone, and leaves
it at once; a `sitecustomize` of the user's own runs as it would without this one. The standard library only: the
process may be another Python's, without the harness.
"""

import os
import sys

TYPE_CHECKING = False  # the one of typing takes ten times as long as this whole file
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

_HERE = os.path.dirname(os.path.abspath(__file__))
_TOLD = "a Python process that a replayed program started was kept from the network"


def _main() -> None:
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
    mode, _, rest = os.environ.get("HARNESS_CHILDREN", "").partition("|")
    modules, _, _ = rest.partition("|")
    if mode == "replay":
        _keep_offline()
    if mode:
        sys.meta_path.insert(0, _Attaching(frozenset(modules.split(","))))
    _chain()


class _Attaching:
    """Waits for the first import of a framework, and attaches the harness before it."""

    def __init__(self, modules: frozenset[str]) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> "ModuleSpec | None":  # noqa: ARG002
        if name not in self.modules or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        from importlib.util import find_spec

        _attach(find_spec("harness"))
        return find_spec(name)  # all the way again: the harness has put a finder of its own there


def _attach(harness: "ModuleSpec | None") -> None:
    origin = getattr(harness, "origin", None)
    ours = os.path.dirname(os.path.dirname(_HERE))
    if origin is None or os.path.realpath(os.path.dirname(origin)) != os.path.realpath(ours):
        return  # another Python's, or a package of the user's by that name: it is not recorded
    try:
        from harness import children

        children.attach()
    except Exception as error:  # noqa: BLE001 - a program is never kept from its work by its recording
        print(f"harness: process {os.getpid()} is not recorded: {error!a}", file=sys.stderr)


def _keep_offline() -> None:
    """Refuse connections: what a replayed program asks is answered from its cassette, or not at all."""
    told: list[str] = []

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event in _SENDING and isinstance(arguments[1], tuple):
            where = ":".join(str(part) for part in arguments[1][:2])
        elif event in _LOOKING_UP and not _known(arguments[0]):
            where = _text(arguments[0])
        else:
            return
        if not told:
            told.append(where)
            _tell(where)
        raise ConnectionRefusedError(f"harness: {_TOLD} ({where}); record again with `harness trace --record`")

    sys.addaudithook(refuse)


_SENDING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_LOOKING_UP = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})


def _known(host: object) -> bool:
    """Say whether nobody is asked for the address of *host*: it is one, or that of this machine."""
    name = _text(host or "")
    return name in {"", "localhost"} or name.replace(".", "").isdigit() or ":" in name or name == os.uname().nodename


def _text(host: object) -> str:
    return host.decode("ascii", "replace") if isinstance(host, (bytes, bytearray)) else str(host)


def _tell(where: str) -> None:
    """Say it on stderr, and to the program that replays."""
    script = ascii(os.path.basename((getattr(sys, "argv", None) or ["?"])[0]))[1:-1]
    print(f"harness: {_TOLD}: {script} asked {ascii(where)[1:-1]}", file=sys.stderr, flush=True)
    folder = os.environ.get("HARNESS_CHILDREN", "").partition("|")[2].partition("|")[2].partition("|")[0]
    try:
        with open(os.path.join(folder, "refused"), "a", encoding="utf-8") as file:
            file.write(f"{_TOLD} ({ascii(where)[1:-1]}): {script}\n")
    except OSError:
        pass  # the program that replays is over


def _chain() -> None:
    """Run the `sitecustomize` that Python would have run."""
    ourselves = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ModuleNotFoundError as error:
        if error.name != __name__:
            raise
        sys.modules[__name__] = ourselves


_main()

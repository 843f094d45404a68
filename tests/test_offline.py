"""A replay reaches nothing beyond this machine, and says who tried. 192.0.2.0/24 is reserved: nobody answers there."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import Exit, HarnessError
from harness.model import Operation
from harness.offline import NetworkRefusedError, Walls, is_out, let_out
from harness.recording import instrument, uninstrument
from harness.trace import Trace

NOWHERE = ("192.0.2.1", 80)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def walls(told: list[str]) -> Iterator[Walls]:
    walls = Walls(told.append)
    with walls.standing():
        yield walls


WAYS = {
    "connect": lambda: socket.create_connection(NOWHERE, 1),
    "connect_ex": lambda: socket.socket().connect_ex(NOWHERE),
    "a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", NOWHERE),
    "a message": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b"x"], [], 0, NOWHERE),
    "IPv6": lambda: socket.create_connection(("2001:db8::1", 80), 1),
    "asyncio": lambda: asyncio.run(opened()),
    "a name": lambda: socket.getaddrinfo("model.example", 443),
    "an old way to look up a name": lambda: socket.gethostbyname("model.example"),
}


async def opened() -> object:
    return await asyncio.open_connection(*NOWHERE)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_out_is_closed_and_told(walls: Walls, told: list[str], way: str) -> None:
    with pytest.raises(NetworkRefusedError) as caught:
        WAYS[way]()
    error = caught.value
    assert isinstance(error, HarnessError)
    assert isinstance(error, ConnectionRefusedError)
    assert error.code is Exit.DIVERGED
    assert "live" in error.hint
    assert str(error).startswith("the network is closed in a replay, and the program (test_offline.py:")
    assert str(error).endswith(("192.0.2.1:80", "2001:db8::1:80", "model.example:443", "model.example"))
    assert told == walls.refused == [str(error)]


def test_a_library_gets_an_error_as_from_a_network_that_is_down(walls: Walls) -> None:
    with pytest.raises(urllib.error.URLError, match="network is closed in a replay"):
        urllib.request.urlopen("http://192.0.2.1/", timeout=1)
    assert len(walls.refused) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_is_open(walls: Walls, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
        server.listen()
        with socket.create_connection(server.getsockname()[:2], 5) as client:
            assert client.getpeername()[1] == server.getsockname()[1]
    assert walls.refused == []


def test_sockets_that_are_files_are_open(walls: Walls, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(tmp_path / "s"))
        server.listen()
        client.connect(str(tmp_path / "s"))
    assert walls.refused == []


def test_what_was_put_up_comes_down_whole() -> None:
    names = ("connect", "connect_ex", "sendto", "sendmsg")
    before = [socket.getaddrinfo, socket.gethostbyname, *(getattr(socket.socket, name) for name in names)]
    walls = Walls()
    with walls.standing(), walls.standing():
        pass
    assert [socket.getaddrinfo, socket.gethostbyname, *(getattr(socket.socket, name) for name in names)] == before
    assert not set(names) & set(vars(socket.socket))


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Trace]:
    yield instrument(tmp_path, mode="replay").trace
    uninstrument()


def asks(address: tuple[str, int] = NOWHERE) -> str:
    with pytest.raises(NetworkRefusedError) as caught:
        socket.create_connection(address, 1)
    return str(caught.value)


def test_it_says_which_agent_and_which_of_its_tools_asked(trace: Trace) -> None:
    conversation = trace.open(Operation.CONVERSATION, "user → helper", {})
    turn = trace.open(Operation.TURN, "helper", {})
    assert "and the agent 'helper' (test_offline.py:" in asks()
    tool = trace.open(Operation.TOOL, "fetch", {"gen_ai.tool.name": "fetch"})
    assert "and the tool 'fetch' of 'helper' (test_offline.py:" in asks()
    seen: list[str] = []
    thread = threading.Thread(target=lambda: seen.append(asks()))
    thread.start()
    thread.join()
    assert "and the tool 'fetch' of 'helper'" in seen[0]
    for scope in (tool, turn, conversation):
        trace.close(scope)
    assert tool is not None
    assert [said[:44] for said in tool.record["attributes"]["harness.refused"]] == [
        "the network is closed in a replay, and the t"
    ]


def attempt(out: socket.socket) -> OSError | None:
    try:
        out.connect(NOWHERE)
    except OSError as error:
        return error
    return None


def test_a_call_that_is_made_for_real_may_go_out_and_nothing_after_it(trace: Trace) -> None:
    tool = trace.open(Operation.TOOL, "fetch", {})
    let_out()
    inner = trace.open(Operation.OTHER, "x", {})
    assert is_out()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:  # of a datagram's socket, this sends nothing
        error = attempt(out)
    assert error is None or not isinstance(error, NetworkRefusedError)  # there may be no network at all
    trace.close(inner)
    trace.close(tool)
    assert not is_out()
    asks()


def test_the_walls_of_a_replay_come_down_with_it(tmp_path: Path) -> None:
    for mode in ("live", "record"):
        instrument(tmp_path, mode=mode)
        assert "connect" not in vars(socket.socket)
        uninstrument()
    instrument(tmp_path, mode="replay")
    assert "connect" in vars(socket.socket)
    uninstrument()
    assert "connect" not in vars(socket.socket)

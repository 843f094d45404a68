"""While writers seal without end, an ingest comes to its end and a reader comes to its turn."""

from __future__ import annotations

import fcntl
import threading
import time
from contextlib import contextmanager

import pytest

from harness.store import files, open_store, taking, viewing
from tests.store import journals
from tests.store.journals import ended

A = "aaaaaaaaaaaa"
PATIENCE_S = 60.0


@pytest.fixture
def store(tmp_path):
    return open_store(tmp_path / "store")


def until(met):
    """Wait for what other threads bring about."""
    end = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < end
        threading.Event().wait(0.001)


def test_an_ingest_takes_what_was_sealed_when_it_began_and_ends(store, monkeypatch):
    real = taking._take_batch
    numbers = iter(range(1000))

    def seal():
        number = next(numbers)
        journals.write(store.path, A, number, [ended(f"span-{number}", seq=number)])

    def while_another_seals(*args):
        taken = real(*args)
        seal()
        return taken

    monkeypatch.setattr(taking, "_take_batch", while_another_seals)
    monkeypatch.setattr(taking, "BATCH_BYTES", 1)
    seal()
    seal()
    assert store.ingest().segments == 2
    assert len(files.names(store.path)) == 2
    assert len(store.run("r1").spans) == 4


def test_a_reader_that_waits_comes_before_the_next_batch(store, monkeypatch):
    journals.write(store.path, A, 0, [ended("first")])
    store.ingest()
    order = []

    def noting(name, real):
        def noted(*args, **kwargs):
            order.append(name)
            return real(*args, **kwargs)

        return noted

    begun = threading.Event()
    real_held = files.held

    @contextmanager
    def telling(path, name, **how):
        with real_held(path, name, **how) as mine:
            if mine and name == files.INGEST_LOCK:
                begun.set()
            yield mine

    monkeypatch.setattr(taking, "_PATIENCE_S", PATIENCE_S)
    monkeypatch.setattr(taking, "held", telling)
    monkeypatch.setattr(taking, "_take_batch", noting("ingest", taking._take_batch))
    monkeypatch.setattr(viewing, "attach", noting("reader", viewing.attach))
    for number in range(1, 4):
        begun.clear()
        journals.write(store.path, A, number, [ended(f"span-{number}", seq=number)])
        reader, taker = threading.Thread(target=store.runs), threading.Thread(target=store.ingest)
        with files.held(store.path, files.STORE_LOCK, exclusive=True) as mine:
            assert mine
            reader.start()
            until(lambda: somebody_waits(store.path))
            taker.start()
            assert begun.wait(PATIENCE_S)
        for thread in (reader, taker):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert order == ["reader", "ingest"] * 3


def somebody_waits(path):
    """Whoever waits for a turn tries again until it has it, so looking for it in between harms nobody."""
    if not (path / files.TURN_LOCK).exists():
        return False
    with (path / files.TURN_LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_an_ingest_goes_on_when_whoever_waits_never_comes_to_its_turn(store, monkeypatch):
    journals.write(store.path, A, 0, [ended("first")])
    monkeypatch.setattr(taking, "_PATIENCE_S", 0.05)
    with (store.path / files.TURN_LOCK).open("w") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_SH)
        assert store.ingest().segments == 1

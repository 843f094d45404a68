"""Wrap methods of classes, and take the wrappers off again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

Function = Callable[..., Any]


class Patches:
    """Wrappers put around functions of classes and modules; ``undo`` leaves nothing behind."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any, Any]] = []
        self._seen: set[tuple[int, str]] = set()
        self._whole: set[tuple[type, str]] = set()

    def wrap(self, owner: Any, name: str, make: Callable[[Function], Function]) -> None:
        """Replace *owner*'s own function *name* by ``make(original)``, once.

        Nothing happens where it has none, or an abstract one. The wrapper is a plain function with the original's name
        and attributes, so that copying, pickling and lookups by name go on as before.
        """
        original = vars(owner).get(name)
        function = getattr(original, "__func__", original)  # of a static or class method
        abstract = getattr(original, "__isabstractmethod__", False)
        if (id(owner), name) in self._seen or not callable(function) or abstract:
            return
        wrapper = functools.wraps(function)(make(function))
        self._put(owner, name, original, wrapper if function is original else type(original)(wrapper))

    def wrap_all(self, cls: type, name: str, make: Callable[[Function], Function]) -> None:
        """Wrap *name* in *cls* and in each of its bases that defines it. To ask for it again costs nothing."""
        if (cls, name) in self._whole:
            return
        self._whole.add((cls, name))
        for owner in cls.__mro__:
            if (
                name in vars(owner)
                and (id(owner), name) not in self._seen
                and not getattr(owner, "_is_protocol", False)
            ):
                self.wrap(owner, name, make)

    def each(self, base: Any, see: Callable[[type], object]) -> None:
        """Call *see* with *base* and every class derived from it, now or later."""
        for cls in _family(base):
            see(cls)
        original = vars(base).get("__init_subclass__")

        def __init_subclass__(cls: Any, /, **kwargs: Any) -> None:  # noqa: N807 - it is one
            if original is None:
                super(base, cls).__init_subclass__(**kwargs)
            else:
                original.__get__(None, cls)(**kwargs)
            see(cls)

        self._put(base, "__init_subclass__", original, classmethod(__init_subclass__))

    def watch(self, cls: type, name: str, see: Callable[[Any, Any], Any]) -> None:
        """Let reads of the instance attribute *name* of *cls* be ``see(instance, value)``; instances do not change."""
        self._put(cls, name, None, _Watched(name, see))

    def choose(
        self, cls: type, name: str, alone: Callable[[], object], pick: Callable[[Any, Function], Function]
    ) -> None:
        """Let lookups of *cls*'s own method *name* on an instance give ``pick(instance, original)``.

        Where ``alone()`` is true they give the original, and not even a frame is added to the call: a method that calls
        itself again and again reaches the depth it always did.
        """
        original = vars(cls).get(name)
        if (id(cls), name) not in self._seen and callable(original):
            self._put(cls, name, original, _Chosen(original, alone, pick))

    def _put(self, owner: Any, name: str, original: Any, replacement: Any) -> None:
        self._seen.add((id(owner), name))
        setattr(owner, name, replacement)
        self._done.append((owner, name, original, replacement))

    def undo(self) -> None:
        """Put every original back, unless somebody else has replaced ours since."""
        for owner, name, original, replacement in reversed(self._done):
            if vars(owner).get(name) is replacement:
                if original is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)
        self._done.clear()
        self._seen.clear()
        self._whole.clear()


def _family(base: Any) -> list[type]:
    found = {base: True}
    for cls in base.__subclasses__():
        found.update(dict.fromkeys(_family(cls), True))
    return list(found)


class _Chosen:
    """A method that decides at each lookup what is called."""

    def __init__(
        self, original: Function, alone: Callable[[], object], pick: Callable[[Any, Function], Function]
    ) -> None:
        self._original = original
        self._alone = alone
        self._pick = pick
        functools.update_wrapper(self, original)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        # A framework that asks of an agent whether it is one looks every method up, again and again.
        if instance is None:
            return self._original
        return MethodType(self._original, instance) if self._alone() else self._pick(instance, self._original)


class _Watched:
    """A data descriptor over a plain instance attribute: it sees reads and stores nothing itself."""

    def __init__(self, name: str, see: Callable[[Any, Any], Any]) -> None:
        self._name = name
        self._see = see

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            raise AttributeError(self._name)
        try:
            value = instance.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None
        return self._see(instance, value)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value

    def __delete__(self, instance: Any) -> None:
        try:
            del instance.__dict__[self._name]
        except KeyError:
            raise AttributeError(self._name) from None

"""Each account of the simulator with what answers for it: the platform, and its connected accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from syncjob.sandbox.listing import Lists
from syncjob.sandbox.shapes import Shape
from syncjob.sandbox.world import World
from syncjob.sandbox.writer import Writer


class Front(NamedTuple):
    """One account: its world, and who writes and lists what stands in it."""

    world: World
    writer: Writer
    lists: Lists


class Fronts:
    """All accounts, each made ready when it is first asked for."""

    def __init__(self, platform: World) -> None:
        self.platform = platform
        self._ready: dict[str, Front] = {}
        self._spoil: Callable[[Shape], Shape] | None = None
        self._mixed = False

    def of(self, account: str | None = None) -> Front:
        """The account of this id or name, the platform's own without one; KeyError where the platform may not look."""
        platform = self.platform
        world = platform if account in (None, "", platform.account) else platform.account_of(str(account))
        front = self._ready.get(world.account)
        if front is None:
            writer = Writer(world)
            front = self._ready[world.account] = Front(world, writer, Lists(world, writer))
            self._dress(front)
        return front

    def spoil(self, spoil: Callable[[Shape], Shape] | None) -> None:
        """Have every charge spoilt from now on, or none."""
        self._spoil = spoil
        self._dress_all()

    def mix(self, mixed: bool) -> None:
        """Have events show two API versions from now on, or one."""
        self._mixed = mixed
        self._dress_all()

    def _dress_all(self) -> None:
        for front in self._ready.values():
            self._dress(front)

    def _dress(self, front: Front) -> None:
        if (front.writer.spoil, front.writer.mixed) != (self._spoil, self._mixed):
            front.writer.spoil, front.writer.mixed = self._spoil, self._mixed
            front.writer.forget()

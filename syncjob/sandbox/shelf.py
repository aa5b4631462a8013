"""Lists that only grow, in the order of time, with the look-ups that a list request needs."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar


class Listed(Protocol):
    """Anything with an id and a time of creation (Unix seconds)."""

    @property
    def id(self) -> str:
        """Stripe's id."""

    @property
    def created(self) -> int:
        """When it came to be."""


T = TypeVar("T", bound=Listed)


class Shelf(Generic[T]):
    """All objects of one kind, oldest first; a change puts a new value in the same place."""

    def __init__(self, **indexes: Callable[[T], str | None]) -> None:
        self.rows: list[T] = []
        self.created = array("q")
        self.place: dict[str, int] = {}
        self.version: dict[int, int] = {}
        self.gone: set[int] = set()
        self._keys: Mapping[str, Callable[[T], str | None]] = indexes
        self.index: dict[str, dict[str, list[int]]] = {name: {} for name in indexes}

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, row: T) -> T:
        """Put a new object at the end; the clock never runs back, so the end is where it belongs."""
        place = len(self.rows)
        if place and row.created < self.created[-1]:
            raise ValueError(f"{row.id} is older than the row before it")
        if row.id in self.place:
            raise ValueError(f"{row.id} is there already")
        self.rows.append(row)
        self.created.append(row.created)
        self.place[row.id] = place
        for name, key_of in self._keys.items():
            key = key_of(row)
            if key is not None:
                index = self.index[name]
                if key in index:
                    index[key].append(place)
                else:
                    index[key] = [place]
        return row

    def replace(self, row: T) -> T:
        """Put the changed object where the old one was; fields that are indexed never change."""
        place = self.place[row.id]
        self.rows[place] = row
        self.version[place] = self.version.get(place, 0) + 1
        return row

    def remove(self, id: str) -> None:
        """Take an object out of every list; its place stays, so that the others keep theirs."""
        self.gone.add(self.place[id])

    def get(self, id: str) -> T:
        """The object with this id as it is now; KeyError if there is none."""
        return self.rows[self.place[id]]

    def places(self, name: str, key: str) -> Sequence[int]:
        """Where the objects with this key stand, oldest first."""
        return self.index[name].get(key, ())

    def span(self, since: int | None, until: int | None) -> tuple[int, int]:
        """The places of the objects created in [since, until], as a half-open range."""
        low = 0 if since is None else bisect_left(self.created, since)
        high = len(self.rows) if until is None else bisect_right(self.created, until)
        return low, max(low, high)

"""The crosswalk: one customer under the names that gateway accounts, books and CRMs have for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

Name: TypeAlias = tuple[str, str]  # a connector's name in syncjob.yaml, and what it calls the customer: ("stripe", "cus_1")

BY_PERSON = "a person"
BY_EMAIL = "e-mail"  # the rule that finds an address borne by exactly one customer on each side


@dataclass(frozen=True, slots=True)
class Link:
    """One name of a customer: who said that it is theirs, and since when it stands in the crosswalk (UTC)."""

    name: Name
    how: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """One customer; those names that were linked first stand in front. A single name: a person has set them apart."""

    number: int
    links: tuple[Link, ...]

    @property
    def names(self) -> tuple[Name, ...]:
        """All names, those that were linked first in front."""
        return tuple(link.name for link in self.links)

    def among(self, systems: Collection[str]) -> tuple[Name, ...]:
        """The names that these systems have for them."""
        return tuple(name for name in self.names if name[0] in systems)


@dataclass(frozen=True, slots=True)
class Linked:
    """What planning must know of a gateway's customer who is linked.

    `source` and `id` name the customer of a gateway whose contact all names share: the one that was linked first.
    `elsewhere` is what each target calls them, where somebody has linked that.
    """

    source: str
    id: str
    elsewhere: Mapping[str, str] = field(default_factory=dict)


def linked(customer: Customer, targets: Collection[str]) -> Linked | None:
    """A customer as planning sees them, or None where no gateway knows them; `targets` are the names of books and CRMs."""
    first = next((name for name in customer.names if name[0] not in targets), None)
    if first is None:
        return None
    return Linked(*first, dict(customer.among(targets)))


def spelled(name: Name) -> str:
    """A name as people type it: stripe:cus_1."""
    return ":".join(name)


def merged(names: Collection[Name], customers: Collection[Customer], targets: Collection[str]) -> dict[str, set[str]]:
    """Target -> what it would call the one customer that these would become; more than one is a contradiction."""
    found: dict[str, set[str]] = {}
    for system, id in {*names, *(name for one in customers for name in one.names)}:
        if system in targets:
            found.setdefault(system, set()).add(id)
    return found

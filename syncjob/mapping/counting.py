"""What a map's rules did that a reader of the summary must know: a default that stood in, a text cut, a word nobody listed.

Nothing is altered in silence: a rule that writes something else than it was shown notes it here, by field. The counts are
drained once a run; reading a value and counting it are one addition, so the maps stay as fast as if nobody counted.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol, runtime_checkable


class What(StrEnum):
    """What became of a value."""

    READ = "read"  # how many records or documents a block was about: what the others are compared with
    DEFAULTED = "defaulted"  # nothing was there, and the map's default stood in
    CUT = "cut"  # too long for its field, and shortened where the map allows it
    REPLACED = "replaced"  # a character that the target does not take became another one
    OTHERWISE = "otherwise"  # a word in no list, for which the map names what it becomes
    HELD = "held"  # refused: the record or document waits for a person
    # Of what a gateway showed, before any rule has read it (see drift.py):
    SEEN = "seen"  # how many versions of a record type were looked at
    PRESENT = "present"  # in how many of these a kept field was there
    NEW_VALUE = "new value"  # a word that the vendor's schema does not list for its field
    OTHER_VALUE = "other value"  # the same where the schema says that its list is open


class Counts:
    """The counts of one map since they were last drained, by field ("receipt.payee", "balance_transaction.kind")."""

    __slots__ = ("_found", "map")

    def __init__(self, map: str) -> None:
        """`map` is the map's name: gateways/stripe, accounting/beancount."""
        self.map = map
        self._found: dict[tuple[str, What], int] = {}

    def note(self, field: str, what: What, number: int = 1) -> None:
        """Count something that happened to a field."""
        key = (field, what)
        self._found[key] = self._found.get(key, 0) + number

    def drain(self) -> dict[tuple[str, What], int]:
        """What was counted since the last time, by (field, what)."""
        found, self._found = self._found, {}
        return found


@runtime_checkable
class Counting(Protocol):
    """A map that counts what its rules do."""

    @property
    def counts(self) -> Counts:
        """The counts since they were last drained."""

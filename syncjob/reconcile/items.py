"""Named reasons for a difference, and their order: what explains the whole gap comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from syncjob.money import Money


class Reason(StrEnum):
    """What is the matter with an object, in the words of a report."""

    HELD = "held"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    AMOUNT = "wrong amount"
    DATE = "wrong date"
    ACCOUNT = "wrong account"
    CUSTOMER = "wrong customer"
    CURRENCY = "wrong currency"
    DELETED = "deleted by hand"
    FOREIGN = "foreign entry"


@dataclass(frozen=True, slots=True)
class Item:
    """One named reason for a difference; `amount` is what it adds to the other side.

    `reason` is one of the closed list above ("" in pages of before there was one), `decided` what a person said about it.
    """

    name: str
    amount: Money
    why: str
    reason: str = ""
    cure: str = ""
    decided: str = ""


_PAIRED_MAX = 200  # items among which pairs are looked for


def ranked(items: Sequence[Item], gap: Money) -> tuple[Item, ...]:
    """The items in the order in which a person should look at them.

    First the one, else the two, that explain the whole gap to the last minor unit; then what nobody has decided yet, larger
    amounts before smaller ones, and by name.
    """
    rest = sorted(items, key=lambda one: (bool(one.decided), -abs(one.amount.minor), one.name))
    first: tuple[Item, ...] = ()
    if gap.minor and len(rest) > 1:
        whole = [one for one in rest if one.amount == gap]
        pairs = combinations(rest[:_PAIRED_MAX], 2)
        first = (
            tuple(whole[:1]) if whole else next((pair for pair in pairs if pair[0].amount + pair[1].amount == gap), ())
        )
    return (*first, *(one for one in rest if not any(one is chosen for chosen in first)))


def swapped(one: int, other: int) -> bool:
    """Whether two amounts differ by two neighbouring digits that changed places, as typed figures do: 1,243 for 1,234."""
    digits, others = str(abs(one)), str(abs(other))
    width = max(len(digits), len(others))
    digits, others = digits.zfill(width), others.zfill(width)
    off = [at for at in range(width) if digits[at] != others[at]]
    if len(off) != 2 or off[1] != off[0] + 1 or (one < 0) is not (other < 0):
        return False
    left, right = off
    return digits[left] == others[right] and digits[right] == others[left]

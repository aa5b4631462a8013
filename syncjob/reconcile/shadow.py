"""Shadow: what would have been sent to books beside what people booked there; each difference by document, with its kind."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeAlias

from syncjob.money import Money
from syncjob.ports import Standing

WITHIN = timedelta(days=10)  # how far apart the same thing may be dated
Line: TypeAlias = tuple[str, str, int]  # account, currency, minor units


class Kind(StrEnum):
    """How something stands that was derived, or that people booked."""

    ALIKE = "alike"
    TIMING = "timing"  # the same, on another day
    MAPPING = "mapping"  # the same amount in an account of it, and other accounts beside
    MISSING = "missing"  # nobody has booked it
    NOT_YET = "not yet"  # nobody has booked it, and there is still time
    DUPLICATE = "duplicate"  # people booked it a second time
    THEIRS = "only in the books"  # people booked it, and nothing at the gateway explains it


@dataclass(frozen=True, slots=True)
class Derived:
    """A document that would have been sent: its day, and what it would have posted."""

    key: str
    day: date
    postings: tuple[tuple[str, Money], ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """Its postings in one order."""
        return _lines(self.postings)


@dataclass(frozen=True, slots=True)
class Beside:
    """One document beside what people booked: ours, theirs, or both; `amount` is the larger side of it."""

    kind: Kind
    day: date
    key: str  # ours, else where theirs stands
    place: str  # where theirs stands, "" where nothing does
    amount: Money
    why: str


def beside(ours: Sequence[Derived], theirs: Sequence[Standing], through: date) -> list[Beside]:
    """Each derived document with what people booked of it, and what they booked beside, by day; all dated up to `through`.

    An entry of theirs is used once. The same postings on the same day come first, then the same on another, the nearest; then
    what shares an account with its amount. Which of several equal ones is taken does not matter: they are equal.
    """
    wanted = [one for one in ours if one.lines]
    found: list[Beside] = []
    pool = _Pool(theirs)
    left: list[Derived] = []
    for apart in (timedelta(0), WITHIN):
        for one in wanted if not apart else left.copy():
            stands = pool.take_whole(one, apart)
            if stands is None:
                if not apart:
                    left.append(one)
                continue
            if apart:
                left.remove(one)
            found.append(_met(one, stands))
    for one in left:
        stands = pool.take_part(one)
        found.append(_met(one, stands) if stands is not None else _alone(one, through))
    known = {one.lines: one for one in wanted}
    found += [_theirs(one, known.get(_lines(one.postings))) for one in pool.left if one.day <= through]
    return sorted(found, key=lambda one: (one.day, one.kind, one.key))


class _Pool:
    """What people booked, found by all of its lines or by one of them, the nearest day first; what is taken is gone."""

    def __init__(self, theirs: Iterable[Standing]) -> None:
        self._all = sorted(theirs, key=lambda one: (one.day, one.key))
        self._taken: set[str] = set()
        self._whole: dict[tuple[Line, ...], list[Standing]] = {}
        self._parts: dict[Line, list[Standing]] = {}
        for one in self._all:
            lines = _lines(one.postings)
            self._whole.setdefault(lines, []).append(one)
            for line in lines:
                self._parts.setdefault(line, []).append(one)

    def take_whole(self, one: Derived, apart: timedelta) -> Standing | None:
        """The nearest with the same postings, so many days apart at most."""
        return self._take(self._nearest(self._whole.get(one.lines, []), one.day, apart))

    def take_part(self, one: Derived) -> Standing | None:
        """The nearest that has one of its lines, sought by the largest first."""
        for line in sorted(one.lines, key=lambda line: (-abs(line[2]), line)):
            stands = self._take(self._nearest(self._parts.get(line, []), one.day, WITHIN))
            if stands is not None:
                return stands
        return None

    @property
    def left(self) -> list[Standing]:
        """What nothing has taken."""
        return [one for one in self._all if one.key not in self._taken]

    def _take(self, one: Standing | None) -> Standing | None:
        if one is not None:
            self._taken.add(one.key)
        return one

    def _nearest(self, candidates: Sequence[Standing], day: date, apart: timedelta) -> Standing | None:
        at = bisect_left(candidates, day - apart, key=lambda one: one.day)
        near: Standing | None = None
        for one in candidates[at:]:
            if one.day > day + apart:
                break
            if one.key not in self._taken and (near is None or abs(one.day - day) < abs(near.day - day)):
                near = one
        return near


def _lines(postings: Iterable[tuple[str, Money]]) -> tuple[Line, ...]:
    sums: dict[tuple[str, str], int] = {}
    for account, money in postings:
        sums[account, money.currency] = sums.get((account, money.currency), 0) + money.minor
    return tuple(sorted((account, currency, minor) for (account, currency), minor in sums.items() if minor))


def _met(one: Derived, stands: Standing) -> Beside:
    days = (stands.day - one.day).days
    when = f"{abs(days)} day{'s' * (abs(days) != 1)} {'later' if days > 0 else 'earlier'}"
    mine, other = _by_account(one.lines), _by_account(_lines(stands.postings))
    if mine == other:
        kind, why = (Kind.TIMING, f"booked {when}, on {stands.day}") if days else (Kind.ALIKE, "")
    else:
        parts = []
        for account, currency in sorted({*mine, *other}):
            ours, theirs = mine.get((account, currency), 0), other.get((account, currency), 0)
            if ours != theirs:
                parts.append(f"{account} would get {Money(ours, currency)} and has {Money(theirs, currency)}")
        kind, why = Kind.MAPPING, "; ".join(parts) + (f"; booked {when}" if days else "")
    return Beside(kind, one.day, one.key, stands.place, _worth(one.postings), why)


def _alone(one: Derived, through: date) -> Beside:
    if one.day + WITHIN > through:
        return Beside(Kind.NOT_YET, one.day, one.key, "", _worth(one.postings), "nobody has booked it yet")
    return Beside(Kind.MISSING, one.day, one.key, "", _worth(one.postings), "nobody has booked it")


def _theirs(one: Standing, like: Derived | None) -> Beside:
    words = " ".join(f'"{text}"' for text in (one.payee, one.narration) if text) or "an entry without words"
    if like is not None and abs(one.day - like.day) <= WITHIN:
        return Beside(Kind.DUPLICATE, one.day, like.key, one.place, _worth(one.postings), f"booked once more: {words}")
    why = f"{words}: nothing at the gateway explains it"
    return Beside(Kind.THEIRS, one.day, one.place, one.place, _worth(one.postings), why)


def _by_account(lines: Iterable[Line]) -> Mapping[tuple[str, str], int]:
    return {(account, currency): minor for account, currency, minor in lines}


def _worth(postings: Sequence[tuple[str, Money]]) -> Money:
    """The turnover of a document; where only one side of it is seen, that side."""
    currency = postings[0][1].currency
    amounts = [money.minor for _, money in postings if money.currency == currency]
    return Money(max(sum(m for m in amounts if m > 0), -sum(m for m in amounts if m < 0)), currency)

"""Which payments and invoices of one customer belong together where no number says so: sums that nothing else explains.

An explanation is one payment for one or several invoices, or several payments for one invoice, equal to the minor unit. It
counts only where none of its payments and none of its invoices stands in another explanation, so nothing is ever chosen
between two, and neither order nor the number of runs makes a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

from syncjob.model import Part
from syncjob.money import Money

BY_AMOUNT = "customer and amount"
BY_INVOICES = "customer and sum of invoices"
BY_PAYMENTS = "customer and sum of payments"
BY_CUSTOMER = (BY_AMOUNT, BY_INVOICES, BY_PAYMENTS)
AHEAD = timedelta(days=7)  # how long before its invoice somebody may have paid
HORIZON = timedelta(days=548)  # 18 months: how long after it
_SEARCHED_MAX = 12  # documents whose sums are all looked at: 4,095 of them
_TOLD_APART_MAX = 200  # documents of one customer beyond which nothing is unique for long


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment that names no invoice and stands as a customer's credit, whole: its key, whom the gateway says it is from."""

    movement: str
    customer: str
    amount: Money
    day: date
    never: frozenset[str] = frozenset()  # numbers that a person said it is not for


@dataclass(frozen=True, slots=True)
class Asked:
    """An invoice of the same customer and what it still asks for."""

    number: str
    open: Money
    issued: date


@dataclass(frozen=True, slots=True)
class Pairing:
    """What a payment is for by the only sum that explains it; `customer` is whom the gateway must say it is from."""

    movement: str
    customer: str
    parts: tuple[Part, ...]
    rule: str
    evidence: str


@dataclass(frozen=True, slots=True)
class _Explained:
    """Positions in the lists of payments and invoices, as bits."""

    paid: int
    asked: int


def pair(name: str, paid: Sequence[Paid], asked: Sequence[Asked]) -> list[Pairing]:
    """The pairings of one customer in one currency, in the order of the payments; `name` is what the books call them.

    With more than 12 payments or invoices only pairs of these are looked at, and only to see whether a single one is not the
    only explanation; beyond 200 nothing is paired.
    """
    if not paid or not asked or max(len(paid), len(asked)) > _TOLD_APART_MAX:
        return []
    found = [*_for_invoices(paid, asked), *_of_payments(paid, asked)]
    once = _Explained(0, 0)
    twice = _Explained(0, 0)
    for one in found:
        twice = _Explained(twice.paid | once.paid & one.paid, twice.asked | once.asked & one.asked)
        once = _Explained(once.paid | one.paid, once.asked | one.asked)
    alone = [one for one in found if not one.paid & twice.paid and not one.asked & twice.asked]
    small = len(paid) <= _SEARCHED_MAX and len(asked) <= _SEARCHED_MAX
    told: dict[int, Pairing] = {}
    for one in alone:
        payers, invoices = _positions(one.paid), _positions(one.asked)
        if not small and len(payers) + len(invoices) > 2:
            continue  # of so many, sums meet by chance
        for place in payers:
            told[place] = _told(name, paid[place], [asked[at] for at in invoices], len(payers))
    return [told[place] for place in sorted(told)]


def _told(name: str, paid: Paid, invoices: Sequence[Asked], payers: int) -> Pairing:
    numbers = " and ".join(one.number for one in invoices)
    if payers > 1:
        parts: tuple[Part, ...] = (Part(invoices[0].number, paid.amount),)
        why = f"{payers} payments of {name} bring exactly the {invoices[0].open} of {numbers}"
        return Pairing(paid.movement, paid.customer, parts, BY_PAYMENTS, why)
    parts = tuple(Part(one.number, one.open) for one in invoices)
    if len(invoices) > 1:
        why = f"{numbers} of {name} ask together for exactly {paid.amount}"
        return Pairing(paid.movement, paid.customer, parts, BY_INVOICES, why)
    return Pairing(paid.movement, paid.customer, parts, BY_AMOUNT, f"{numbers} alone of {name} asks for exactly {paid.amount}")


def _fits(paid: Paid, asked: Asked) -> bool:
    return asked.issued - AHEAD <= paid.day <= asked.issued + HORIZON and asked.number not in paid.never


def _for_invoices(paid: Sequence[Paid], asked: Sequence[Asked]) -> Iterator[_Explained]:
    """One payment for one or several invoices."""
    sums = _sums([one.open.minor for one in asked], {one.amount.minor for one in paid})
    for place, one in enumerate(paid):
        if one.amount.minor in sums:
            fitting = sum(1 << at for at, invoice in enumerate(asked) if _fits(one, invoice))
            yield from (_Explained(1 << place, bits) for bits in sums[one.amount.minor] if not bits & ~fitting)


def _of_payments(paid: Sequence[Paid], asked: Sequence[Asked]) -> Iterator[_Explained]:
    """Several payments for one invoice."""
    sums = _sums([one.amount.minor for one in paid], {one.open.minor for one in asked})
    for place, invoice in enumerate(asked):
        if invoice.open.minor in sums:
            fitting = sum(1 << at for at, one in enumerate(paid) if _fits(one, invoice))
            for bits in sums[invoice.open.minor]:
                if bits & (bits - 1) and not bits & ~fitting:
                    yield _Explained(bits, 1 << place)


def _sums(amounts: Sequence[int], wanted: set[int]) -> dict[int, list[int]]:
    """Wanted sum -> the sets of positions, as bits, that come to it."""
    found: dict[int, list[int]] = {}
    if len(amounts) <= _SEARCHED_MAX:
        every = [0]
        for at, amount in enumerate(amounts):
            for bits, before in enumerate(tuple(every)):
                every.append(before + amount)
                if every[-1] in wanted:
                    found.setdefault(every[-1], []).append(bits | 1 << at)
        return found
    for size in (1, 2):
        for places in combinations(range(len(amounts)), size):
            total = sum(amounts[at] for at in places)
            if total in wanted:
                found.setdefault(total, []).append(sum(1 << at for at in places))
    return found


def _positions(bits: int) -> list[int]:
    return [at for at in range(bits.bit_length()) if bits >> at & 1]

"""Payments whose purpose is known beforehand, each beside an adversarial twin that differs in one thing and must not match.

A case is a customer, their invoices, and payments with the truth about each: the shares of invoices that it is for ("" is the
customer's credit), or None where nobody could know, so that anything but credit is a false match.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeAlias

Truth: TypeAlias = tuple[tuple[str, int], ...] | None
DAY = date(2026, 10, 7)


@dataclass(slots=True)
class Bill:
    """An invoice of the books."""

    number: str
    minor: int
    currency: str = "EUR"
    issued: date = DAY - timedelta(days=3)
    theirs: bool = True  # else of another customer


@dataclass(slots=True)
class Payment:
    """A payment of the case's customer, and what it truly is for."""

    minor: int
    truth: Truth
    currency: str = "EUR"
    said: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Case:
    """One customer's invoices and payments; `kind` says what is tried."""

    kind: str
    bills: list[Bill]
    payments: list[Payment]


class Maker:
    """Numbers that never come twice, and amounts by chance, always the same for a seed."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - the same cases each time
        self._last = 1000

    def number(self, series: str = "INV-") -> str:
        """The next number of a series."""
        self._last += 1
        return f"{series}{self._last}"

    def minor(self) -> int:
        """An amount that is not a round one."""
        return self.dice.randrange(10_01, 900_99)

    def bill(self, minor: int | None = None, **more: Any) -> Bill:
        """An invoice of the customer."""
        return Bill(self.number(), minor or self.minor(), **more)


def names(maker: Maker) -> Case:
    """The payment names the number."""
    bill = maker.bill()
    return Case("names its number", [bill, maker.bill()], [_named(bill.minor, [bill.number], ((bill.number, bill.minor),))])


def spells(maker: Maker) -> Case:
    """The number is spelled as people spell."""
    bill = maker.bill()
    how: list[Callable[[str], str]] = [str.lower, lambda text: f" {text} ", lambda text: f"#{text}", lambda text: text.title()]
    spelled = maker.dice.choice(how)(bill.number)
    return Case("spells its number otherwise", [bill], [_named(bill.minor, [spelled], ((bill.number, bill.minor),))])


def twin_number(maker: Maker) -> Case:
    """A number that only resembles that of the invoice, whose amount it has."""
    bill = maker.bill()
    digits = bill.number.removeprefix("INV-")
    alike = [f"RE-{digits}", f"INV-0{digits}", f"INV-{digits}0", digits, f"INV-{digits[:-1]}", f"INV{digits}"]
    other = maker.dice.choice(alike)
    return Case("twin: a number that resembles it", [bill], [_named(bill.minor, [other], None)])


def part(maker: Maker) -> Case:
    """Two instalments that both name the invoice."""
    bill = maker.bill()
    first = maker.dice.randrange(1, bill.minor)
    shares = [first, bill.minor - first]
    return Case("instalments that name it", [bill], [_named(one, [bill.number], ((bill.number, one),)) for one in shares])


def over(maker: Maker) -> Case:
    """More than the invoice asks for."""
    bill, more = maker.bill(), maker.dice.randrange(1, 500)
    truth = ((bill.number, bill.minor), ("", more))
    return Case("over-paid by number", [bill], [_named(bill.minor + more, [bill.number], truth)])


def two_numbers(maker: Maker) -> Case:
    """One payment names two invoices and brings their sum."""
    bills = [maker.bill(), maker.bill()]
    truth = tuple((bill.number, bill.minor) for bill in bills)
    total = sum(bill.minor for bill in bills)
    return Case("names two invoices", bills, [_named(total, [bill.number for bill in bills], truth)])


def twin_two_numbers(maker: Maker) -> Case:
    """It names two and brings one cent less or more, or just one of them."""
    bills = [maker.bill(), maker.bill()]
    total = sum(bill.minor for bill in bills) + maker.dice.choice([-1, 1, -bills[0].minor])
    return Case("twin: two numbers, another sum", bills, [_named(total, [bill.number for bill in bills], None)])


def amount(maker: Maker) -> Case:
    """No number: the customer's only invoice of that amount."""
    bill = maker.bill()
    others = [maker.bill(bill.minor + maker.dice.choice([1, -1, 1000])) for _ in range(maker.dice.randrange(3))]
    return Case("customer and amount", [bill, *others], [Payment(bill.minor, ((bill.number, bill.minor),))])


def twin_amount(maker: Maker) -> Case:
    """Two invoices of that amount."""
    minor = maker.minor()
    return Case("twin: two invoices of that amount", [maker.bill(minor), maker.bill(minor)], [Payment(minor, None)])


def twin_payments(maker: Maker) -> Case:
    """Two payments of the amount of one invoice."""
    bill = maker.bill()
    return Case("twin: two payments of that amount", [bill], [Payment(bill.minor, None), Payment(bill.minor, None)])


def twin_customer(maker: Maker) -> Case:
    """The invoice is somebody else's."""
    bill = maker.bill(theirs=False)
    return Case("twin: another customer's invoice", [bill, maker.bill(1)], [Payment(bill.minor, None)])


def twin_currency(maker: Maker) -> Case:
    """The invoice is in another currency."""
    bill = maker.bill(currency="USD")
    return Case("twin: another currency", [bill, maker.bill(1)], [Payment(bill.minor, None)])


def twin_day(maker: Maker) -> Case:
    """The invoice is written weeks after the payment, or was two years before."""
    issued = DAY + timedelta(days=maker.dice.choice([20, 45, -700]))
    return Case("twin: another time", [maker.bill(4711, issued=issued), maker.bill(1)], [Payment(4711, None)])


def twin_cent(maker: Maker) -> Case:
    """A cent less or more."""
    bill = maker.bill()
    return Case("twin: a cent beside", [bill], [Payment(bill.minor + maker.dice.choice([-1, 1]), None)])


def twin_word(maker: Maker) -> Case:
    """What it is about is another invoice of theirs, whose number stands there without saying so."""
    bill, other = maker.bill(), maker.bill()
    other.number = maker.number("R")
    about = {"about": f"Second try ({other.number}), thank you"}
    return Case("twin: a word is another invoice", [bill, other], [Payment(bill.minor, None, said=about)])


def twin_unknown(maker: Maker) -> Case:
    """It names an invoice that the books do not list, and has the amount of another."""
    bill = maker.bill()
    return Case("twin: names an unlisted invoice", [bill], [_named(bill.minor, [maker.number()], None)])


def twin_gateway_number(maker: Maker) -> Case:
    """The gateway numbers its own invoices, by chance as the books do theirs."""
    mine, other = maker.bill(), maker.bill()
    return Case("twin: the gateway's own number", [mine, other], [Payment(77, None, said={"numbered": [other.number]})])


def twin_given_back(maker: Maker) -> Case:
    """Part of it was given back already."""
    bill = maker.bill()
    return Case("twin: given back in part", [bill], [Payment(bill.minor, None, said={"back": 500})])


def invoices(maker: Maker) -> Case:
    """One payment for the only invoices that sum to it."""
    bills = [maker.bill() for _ in range(maker.dice.randrange(2, 6))]
    meant = bills[: maker.dice.randrange(2, len(bills) + 1)]
    truth = tuple((bill.number, bill.minor) for bill in meant)
    return Case("one payment for several", bills, [Payment(sum(bill.minor for bill in meant), truth)])


def twin_invoices(maker: Maker) -> Case:
    """Two sets of invoices sum to it."""
    a, b, c = maker.minor(), maker.minor(), maker.minor()
    bills = [maker.bill(one) for one in (a, b + c, a + b, c)]
    return Case("twin: two sums explain it", bills, [Payment(a + b + c, None)])


def twin_one_or_two(maker: Maker) -> Case:
    """One invoice asks for it, and two others together."""
    a, b = maker.minor(), maker.minor()
    return Case("twin: one invoice, or two others", [maker.bill(a + b), maker.bill(a), maker.bill(b)], [Payment(a + b, None)])


def payments(maker: Maker) -> Case:
    """Several payments, none with a number, that bring exactly one invoice's amount."""
    shares = [maker.minor() for _ in range(maker.dice.randrange(2, 5))]
    bill = maker.bill(sum(shares))
    return Case("several payments for one", [bill], [Payment(one, ((bill.number, one),)) for one in shares])


def twin_payments_of_two(maker: Maker) -> Case:
    """Payments that may be for one invoice or for another."""
    a, b = maker.minor(), maker.minor()
    bills = [maker.bill(a + b), maker.bill(a + b)]
    return Case("twin: payments for one of two", bills, [Payment(a, None), Payment(b, None)])


def both(maker: Maker) -> Case:
    """Of two payments of one amount one names its invoice: the other is for the other invoice of that amount."""
    minor = maker.minor()
    bills = [maker.bill(minor), maker.bill(minor)]
    first = _named(minor, [bills[0].number], ((bills[0].number, minor),))
    return Case("what is left after the numbers", bills, [Payment(minor, ((bills[1].number, minor),)), first])


def _named(minor: int, numbers: list[str], truth: Truth) -> Payment:
    return Payment(minor, truth, said={"names": numbers})


KINDS = (
    *(names, spells, twin_number, part, over, two_numbers, twin_two_numbers, amount, twin_amount, twin_payments, twin_customer),
    *(twin_currency, twin_day, twin_cent, twin_word, twin_unknown, twin_gateway_number, twin_given_back, invoices),
    *(twin_invoices, twin_one_or_two, payments, twin_payments_of_two, both),
)


def cases(seed: int, of_each: int) -> Iterator[Case]:
    """So many cases of each kind, in a mixed order."""
    maker = Maker(seed)
    made = [kind(maker) for kind in KINDS for _ in range(of_each)]
    maker.dice.shuffle(made)
    yield from made

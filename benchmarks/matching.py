"""What matching costs: 100,000 payments against 100,000 invoices, by number and by the sums of each customer.

Nothing is read, stored or planned here; everything is measured in this process, in CPU seconds, 800 payments at a time, as
planning takes them: python benchmarks/matching.py [--payments N].
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from syncjob.matching import PLAIN, Books, match, normal
from syncjob.matching.pairing import Asked, Paid, pair
from syncjob.model import Invoice, Kind, Reference, Stream, Transaction
from syncjob.money import Money

CPU_SECONDS_MOST = 10  # for 100,000 payments
WHOLE = 100_000
BATCH = 800
_SHOP = Stream("shop", "acct_1Example", "test")
_NOON, _DAY = datetime(2026, 10, 6, 12, tzinfo=UTC), date(2026, 10, 6)
_OF_ONE = 12  # as many of one customer as are searched whole: 4,095 sums on each side


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU seconds, and how many payments found their invoices."""

    what: str
    payments: int
    matched: int
    cpu: float


def _invoice(number: int, minor: int, customer: str) -> Invoice:
    money = Money(minor, "EUR")
    return Invoice(
        target="books", id=f"{number}", number=f"INV-{number}", customer=customer, email="", total=money, open=money,
        issued=_DAY, due=None, as_of=_NOON,
    )  # fmt: skip


def _payment(number: int, minor: int, named: str) -> Transaction:
    money = Money(minor, "EUR")
    return Transaction(
        stream=_SHOP, id=f"txn_{number}", kind=Kind.PAYMENT, type="charge", subject=f"payment:{number}", bucket="payments",
        origin=f"ch_{number}", occurred=_NOON, effective=_NOON, gross=money, net=money,
        references=(Reference(named, "metadata.invoice_number"),),
    )  # fmt: skip


def by_number(count: int) -> Measured:
    """Each payment names its invoice; a batch knows only the invoices that it names."""
    dice = random.Random(1)  # noqa: S311 - the same amounts each time
    invoices = {f"INV-{number}": _invoice(number, dice.randrange(1, 99_999), "") for number in range(count)}
    payments = [_payment(number, invoices[f"INV-{number}"].total.minor, f"inv-{number}") for number in range(count)]
    matched = 0
    gc.collect()
    began = time.process_time()
    for start in range(0, count, BATCH):
        batch = payments[start : start + BATCH]
        books = Books([invoices[normal(number)] for number in PLAIN.numbers(batch)], {})
        for one in batch:
            matched += sum(1 for found in match([one], [], books) if found.parts[0].invoice)
    return Measured("by number", count, matched, time.process_time() - began)


def _customers(count: int, dice: random.Random) -> Iterator[tuple[list[Paid], list[Asked]]]:
    """Customers of one to three invoices that are paid one by one or together; every tenth has twelve of each."""
    left, number = count, 0
    while left > 0:
        number += 1
        size = min(_OF_ONE if number % 10 == 0 else dice.randrange(1, 4), left)
        asked = [Asked(f"INV-{number}-{at}", Money(dice.randrange(1, 99_999), "EUR"), _DAY) for at in range(size)]
        paid = [Paid(f"shop:txn_{number}-{at}", "cus", one.open, _DAY) for at, one in enumerate(asked)]
        yield paid, asked
        left -= size


def by_customer(count: int) -> Measured:
    """No payment names anything; the sums of each customer are looked at."""
    customers: Sequence[tuple[list[Paid], list[Asked]]] = list(_customers(count, random.Random(2)))  # noqa: S311
    gc.collect()
    began = time.process_time()
    matched = sum(len(pair("Example", paid, asked)) for paid, asked in customers)
    return Measured("by customer", sum(len(paid) for paid, _ in customers), matched, time.process_time() - began)


def main() -> int:
    """Measure both rungs, each over all payments, and say whether the slower one is within the limit; 1 where it is not."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--payments", type=int, default=WHOLE)
    words.add_argument("--json", type=Path, help="where to write the numbers as JSON")
    told = words.parse_args()
    measured = [by_number(told.payments), by_customer(told.payments)]
    for one in measured:
        print(f"{one.what:<12} {one.payments:>9,} payments  {one.matched:>9,} matched  {one.cpu:8.2f} s CPU")  # noqa: T201
    most = CPU_SECONDS_MOST * told.payments / WHOLE
    met = sum(one.cpu for one in measured) < most
    print(f"{'within' if met else 'MORE THAN'} the limit of {most:g} s for both")  # noqa: T201
    if told.json:
        told.json.write_text(json.dumps({"measured": [asdict(one) for one in measured], "met": met}, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

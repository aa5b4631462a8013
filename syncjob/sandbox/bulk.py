"""The big scenario: as many charges as wanted over 20 days, for benchmarks and for tests that kill a run half-way."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from syncjob.sandbox.actions import (
    Action,
    CloseDispute,
    GiveRefund,
    IssueSalesInvoice,
    NewCustomer,
    OpenDispute,
    Pay,
    PayOut,
)

DAY = 86_400
DAYS = 20
_CURRENCIES = ("eur",) * 8 + ("usd", "jpy")


def _charges(start: int, random: Random, count: int) -> Iterator[Action]:
    span = DAYS * DAY
    customers = 0
    for index in range(count):
        at = start + span * index // count
        if index % 5 == 0:
            customers += 1
            yield NewCustomer(at, f"k{customers}", f"Example Customer {customers}", f"customer{customers}@example.com")
            customer = customers
        else:
            customer = random.randrange(customers) + 1
        # random() and no randrange(): a hundred thousand calls of the slower one are felt.
        draw = random.random()
        currency = _CURRENCIES[index % 10]
        amount = 500 + int(draw * 20_000)
        fate = int(draw * 1_000_003) % 100
        label = f"b{index}" if fate < 6 else ""
        metadata = {"order_id": f"ORD-{index + 1}"}
        invoice = None
        if index % 10 in (1, 4, 7):
            invoice = metadata["invoice_number"] = f"INV-{index + 1}"
            yield IssueSalesInvoice(at, invoice, f"k{customer}", currency, amount)
        yield Pay(at, label, f"k{customer}", amount, currency, f"Order ORD-{index + 1}", metadata, invoice=invoice)
        if fate < 5:
            part = None if fate < 3 else amount // 2
            yield GiveRefund(at + 2 * DAY + index % 3_600, "", label, part)
        elif fate == 5:
            yield OpenDispute(at + 3 * DAY + index % 3_600, f"d{index}", label)
            yield CloseDispute(at + 6 * DAY + index % 3_600, f"d{index}", won=bool(index & 1))


def bulk(start: int, seed: int, count: int) -> list[Action]:
    """The timeline of `count` charges from `start` (Unix seconds), in the order of time."""
    actions = list(_charges(start, Random(seed), count))  # noqa: S311 - a story, no secret
    for week in range(8):
        at = start + (2 + 7 * week) * DAY + 4 * 3_600
        actions += [PayOut(at, "eur"), PayOut(at, "usd")]
    actions.sort(key=lambda action: action.at)
    return actions

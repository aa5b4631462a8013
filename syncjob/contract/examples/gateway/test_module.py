"""Acmepay: what only this vendor does. What every gateway promises is asked by: pytest --connector acmepay."""

# ruff: noqa: D103, S101 - a test asserts, and its name tells its story

from __future__ import annotations

from pathlib import Path

from syncjob.contract import cases
from syncjob.model import FactKind, Kind, Reading, Stream
from syncjob.money import Money

(ACMEPAY,) = cases.found(["gateways"], Path(__file__).parent.parent, "acmepay")


def read(home: Path, subject: str) -> Reading:
    """What the examples say about one subject."""
    case = cases.GatewayCase(ACMEPAY, home)
    raws = [one for feed in case.opened()[0].feeds for one in cases.records(case.walk(feed))]
    of_it = case.landed([one for one in raws if one.subject == subject])
    return case.map.read(Stream("shop", "acct_example", "test"), subject, of_it)


def test_a_payment_and_its_refund_are_one_story(tmp_path: Path) -> None:
    reading = read(tmp_path, "payment:pay_1")
    payment, refund = reading.transactions
    assert (payment.kind, payment.gross, payment.net) == (Kind.PAYMENT, Money(4825, "EUR"), Money(4730, "EUR"))
    assert [one.text for one in payment.references] == ["INV-1001"]
    assert (refund.kind, refund.gross, refund.parent) == (Kind.REFUND, Money(-1000, "EUR"), "pay_1")
    assert [person.email for person in reading.people] == ["bakery@example.com"]


def test_a_dispute_is_a_movement_and_a_task_with_its_due_time(tmp_path: Path) -> None:
    reading = read(tmp_path, "payment:pay_2")
    assert [one.kind for one in reading.transactions] == [Kind.PAYMENT, Kind.DISPUTE, Kind.DISPUTE_REVERSAL]
    (fact,) = reading.facts
    assert fact.kind is FactKind.DISPUTE_OPEN
    assert fact.due is not None

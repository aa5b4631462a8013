"""What planning hands to a target's map: exactly the names that a map may read in each kind of document, of their types."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from stories import (
    NOON,
    Diary,
    books,
    charge,
    dispute,
    dispute_reversal,
    fact,
    invoice,
    movement,
    payout,
    person,
    refund,
    rules,
)

from syncjob.mapping.happening import ACCOUNTS, KNOWN, NAMES, WORDS, checked
from syncjob.model import Address, DocumentKind, FactKind, Fee, Json, Kind, Role
from syncjob.money import Money
from syncjob.plan import Ledger, invoice_documents
from syncjob.plan.locking import Late
from syncjob.plan.units import Booking, Mode, summary, units
from syncjob.ports import Lock

ADDRESS = Address("1 Example Street", "", "12345", "Example City", "DE-BY", "DE")
CROSSWALK = {"books_customer", "crm_contact"}  # ids that the crosswalk knows


class Listening:
    """A target map that keeps what it was handed."""

    digest = "listening"

    def __init__(self) -> None:
        self.heard: list[tuple[DocumentKind, Mapping[str, object]]] = []

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """Nothing but what kind it is."""
        self.heard.append((kind, happening))
        return {"kind": kind.value}


def told() -> dict[DocumentKind, list[Mapping[str, object]]]:
    """All that was handed over in a long story: paid, part given back, disputed, won, paid out; and what failed before."""
    ears = Listening()
    house = rules(
        Ledger("books", ears, True, frozenset(DocumentKind)),
        Ledger("crm", ears, False, frozenset(DocumentKind)),
    )
    someone = person(phone="+49 30 1234", company="Example Ltd", address=ADDRESS)
    more: dict[str, Any] = {"customer": "cus_1", "description": "Order 17", "available": NOON + timedelta(days=2)}
    payment = charge(100_00, 3_20, names="INV-1", taxes=(Fee("tax", Money(19_00, "EUR")),), **more)
    failed = fact(FactKind.PAYMENT_FAILED, "pi_1", subject="payment:ch_1", reason="Declined.", due=NOON, amount=Money(5, "EUR"))
    late = fact(FactKind.INVOICE_OVERDUE, "in_1", subject="payment:ch_1", customer="cus_1", amount=Money(5, "EUR"))
    first = Diary(the_rules=house)
    first.tell(facts=[failed], people=[someone])
    first.tell(payment, facts=[failed, late], people=[someone])
    first.tell(payment, refund(10_00, **more), dispute(50_00, **more), people=[someone], mirror=books(invoice()))
    fee = movement(Kind.FEE, "", Money(-5, "EUR"), **more)
    Diary(the_rules=house).tell(
        payment, dispute(50_00), dispute_reversal(50_00), fee, people=[someone], mirror=books(invoice())
    )
    Diary("payout:po_1", house).tell(payout(), facts=[fact(FactKind.PAYOUT_PAID, "po_1", amount=Money(96_80, "EUR"))])
    moving = Ledger("books", ears, True, frozenset(DocumentKind), Booking(late=Late.NEXT_OPEN_DAY))
    Diary(the_rules=rules(moving, locks={"books": (Lock(NOON.date()),)})).tell(payment, people=[someone])
    invoice_documents("shop", invoice(), Money(5, "EUR"), house, {})
    for unit, entries in units(first.entries, Booking(Mode.PER_DAY)).items():
        summary("books", unit, 2, entries, ears, house.chart, NOON)
    found: dict[DocumentKind, list[Mapping[str, object]]] = {}
    for kind, happening in ears.heard:
        found.setdefault(kind, []).append(happening)
    return found


TOLD = told()


@pytest.mark.parametrize("kind", KNOWN, ids=str)
def test_planning_hands_over_what_a_map_may_read_and_nothing_else(kind: DocumentKind):
    names = {name for happening in TOLD[kind] for name, value in happening.items() if value is not None}
    assert names - {ACCOUNTS} <= KNOWN[kind]


def test_every_name_that_a_map_may_read_is_handed_over_somewhere():
    handed = {
        name for of_kind in TOLD.values() for happening in of_kind for name, value in happening.items() if value is not None
    }
    assert set(NAMES) - CROSSWALK - handed == set()
    assert {name for names in KNOWN.values() for name in names} <= set(NAMES)


@pytest.mark.parametrize("kind", TOLD, ids=str)
def test_each_value_is_of_the_type_and_among_the_words_of_its_name(kind: DocumentKind):
    for happening in TOLD[kind]:
        for name, value in happening.items():
            if name != ACCOUNTS and value is not None:
                checked(name)(value)
                assert name not in WORDS or value in (*WORDS[name], True, False)


def test_money_that_comes_in_and_money_that_goes_out():
    directions = {happening.get("kind"): happening.get("direction") for happening in TOLD[DocumentKind.JOURNAL]}
    assert directions == {"dispute": "out", "dispute_reversal": "in"}
    assert {happening["direction"] for happening in TOLD[DocumentKind.RECEIPT]} == {"in"}
    assert {happening["direction"] for happening in TOLD[DocumentKind.EXPENSE]} == {"out"}


def test_a_payment_in_the_crm_knows_what_is_disputed_and_of_which_day_it_is():
    payments = TOLD[DocumentKind.PAYMENT]
    assert [happening.get("disputed") for happening in payments] == [
        None,
        Money(0, "EUR"),
        Money(50_00, "EUR"),
        Money(0, "EUR"),
    ]
    assert {happening["date"] for happening in payments} == {date(2026, 10, 6)}
    assert payments[1]["tax"] == Money(19_00, "EUR")


def test_books_are_handed_their_accounts():
    accounts: Any = TOLD[DocumentKind.RECEIPT][0][ACCOUNTS]
    assert accounts(Role.FEES) == "fees"

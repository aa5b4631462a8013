"""What the books and the CRM are given: amounts beside their currency, texts that fit, and nothing that was only guessed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_mapping_words import target_map

from syncjob.errors import Misconfigured, RecordRefused
from syncjob.mapping import NAMES, load_target
from syncjob.model import DocumentKind, Json
from syncjob.money import Money

BOOKS, CRM = load_target("accounting", "beancount"), load_target("crm", "sqlite")
JOURNAL = DocumentKind.JOURNAL
LOOKUP = "the lookup of stage in mappings/accounting/example.yaml"
NOTHING = "says mappings/schemas/example.yaml, but nothing is there to fill it with"
BESIDE = "but the currency beside it is"
DISAGREE = ": planning and the map disagree"
DOLLARS = Money(5, "USD")

PAYMENT: dict[str, object] = {
    "source": "shop",
    "subject": "payment:pi_1Example",
    "ledger_id": "txn_1Example",
    "origin": "ch_1Example",
    "kind": "payment",
    "type": "charge",
    "date": date(2026, 11, 1),
    "occurred": datetime(2026, 11, 1, 8, 0, tzinfo=UTC),
    "description": "Order 17",
    "gross": Money(10_000, "EUR"),
    "fee": Money(320, "EUR"),
    "net": Money(9_680, "EUR"),
    "presented": Money(10_000, "EUR"),
    "settled": Money(10_000, "EUR"),
    "refunded": Money(0, "EUR"),
    "status": "paid",
    "customer_id": "cus_1Example",
    "customer_name": "Example Bakery",
    "customer_email": "bakery@example.com",
    "invoice": "INV-1001",
    "invoices": "INV-1001",
    "rule": "document number",
}


def test_a_receipt_in_the_books():
    assert BOOKS.body(DocumentKind.RECEIPT, PAYMENT) == {
        "payee": "Example Bakery",
        "narration": "Payment: Order 17",
        "links": ["ch_1Example", "INV-1001"],
        "meta": {
            "gateway": "shop",
            "ledger-id": "txn_1Example",
            "type": "charge",
            "customer": "cus_1Example",
            "invoices": "INV-1001",
            "matched-by": "document number",
        },
    }


def test_a_payout_in_the_books():
    happening = {"source": "shop", "ledger_id": "txn_2", "origin": "po_1", "payout": "po_1", "kind": "payout", "type": "payout"}
    assert BOOKS.body(DocumentKind.TRANSFER, happening) == {
        "payee": "shop",
        "narration": "Payout",
        "links": ["po_1"],
        "meta": {"gateway": "shop", "ledger-id": "txn_2", "type": "payout", "payout": "po_1"},
    }


def test_a_dispute_in_the_books():
    body = BOOKS.body(JOURNAL, {**PAYMENT, "kind": "dispute_reversal", "description": None})
    assert body["narration"] == "Dispute reversal"


def test_a_payment_in_the_crm():
    assert CRM.body(DocumentKind.PAYMENT, PAYMENT) == {
        "amount": "100.00",
        "currency": "EUR",
        "refunded": "0.00",
        "fee": "3.20",
        "net": "96.80",
        "status": "paid",
        "paid_at": "2026-11-01T08:00:00Z",
        "description": "Order 17",
        "invoice": "INV-1001",
        "type": "charge",
    }


def test_a_fee_in_another_currency_is_left_out_rather_than_shown_beside_the_wrong_one():
    yen = {"presented": Money(5_000, "JPY"), "refunded": Money(1_000, "JPY")}
    body = CRM.body(DocumentKind.PAYMENT, {**PAYMENT, **yen})
    assert [body[name] for name in ("amount", "refunded", "currency", "fee", "net")] == ["5000", "1000", "JPY", None, None]


def test_a_failed_payment_has_a_reason_and_no_fee():
    failed = {"origin": "ch_2", "status": "failed", "presented": Money(100, "EUR"), "reason": "Declined."}
    body = CRM.body(DocumentKind.PAYMENT, failed)
    assert (body["amount"], body["fee"], body["description"]) == ("1.00", None, "Declined.")


def test_a_contact_a_company_a_deal_a_task_and_an_event_in_the_crm():
    person = {"customer_name": "Example Bakery", "customer_email": "a@example.com", "customer_company": "Example Ltd"}
    assert CRM.body(DocumentKind.CONTACT, person) == {
        "name": "Example Bakery",
        "email": "a@example.com",
        "phone": None,
        "company": "Example Ltd",
        "country": None,
        "address": None,
        "postal_code": None,
        "city": None,
    }
    assert CRM.body(DocumentKind.COMPANY, person) == {"name": "Example Ltd"}
    deal = {"title": "INV-1 Example", "total": Money(500, "EUR"), "paid": Money(200, "EUR"), "state": "part paid"}
    assert CRM.body(DocumentKind.DEAL, deal) == {
        "name": "INV-1 Example",
        "amount": "5.00",
        "paid": "2.00",
        "currency": "EUR",
        "stage": "part paid",
    }
    due = datetime(2026, 11, 15, 23, 59, 59, tzinfo=UTC)
    task = {"title": "Answer the dispute", "due": due, "status": "open", "text": "fraudulent", "origin": "du_1"}
    assert CRM.body(DocumentKind.TASK, {**task, "presented": Money(100, "EUR")}) == {
        "title": "Answer the dispute",
        "due": "2026-11-15T23:59:59Z",
        "status": "open",
        "text": "fraudulent; 1.00 EUR; du_1",
    }
    event = {"title": "Subscription started", "occurred": due}
    assert CRM.body(DocumentKind.EVENT, event) == {"title": "Subscription started", "at": "2026-11-15T23:59:59Z", "text": None}


def test_a_kind_of_document_that_the_map_does_not_list_is_refused():
    with pytest.raises(RecordRefused, match=r"^documents of kind 'deal' are not listed in mappings/accounting/beancount"):
        BOOKS.body(DocumentKind.DEAL, {})


# ---------------------------------------------------------------- what fits


def made(home: Path, line: str, field: str = "", **happening: object) -> Json:
    return target_map(home, line, field).body(JOURNAL, {"gross": Money(5, "EUR"), **happening})[line.split(":")[0]]


@pytest.mark.parametrize(
    ("line", "happening", "wanted"),
    [
        ("payee: {from: description}", {"description": "two\nlines\tand\x00 more"}, "two lines and more"),
        ("payee: {from: description}", {"description": "half \ud800 a pair"}, "half ? a pair"),
        ("payee: {from: description}", {"description": " \n "}, None),
        ("payee: {from: description, cut: yes}", {"description": "exactly twenty signs"}, "exactly twenty signs"),
        ("payee: {from: description, cut: yes}", {"description": "more than twenty signs"}, "more than twenty si…"),
        ("payee: {from: description, default: none}", {}, "none"),
        ("payee: {from: [description, source]}", {"description": "", "source": "shop"}, "shop"),
        ("payee: {from: gross}", {}, "0.05 EUR"),
        ("payee: {from: date}", {"date": date(2026, 11, 1)}, "2026-11-01"),
        ("payee: {when: {kind: [fee]}, from: source}", {"kind": "payout", "source": "shop"}, None),
        ("payee: {when: {kind: [fee]}, from: source}", {"kind": "fee", "source": "shop"}, "shop"),
        ("payee: {join: [{from: kind}, {from: description}]}", {"kind": "fee"}, "fee"),
        ("payee: {join: [{from: kind}, {from: description}]}", {}, None),
        ("stage: {from: state, lookup: {paid: won}}", {"state": "paid"}, "won"),
        ("booked: {from: date}", {"date": date(2026, 11, 1)}, "2026-11-01"),
        ("paid_at: {from: occurred}", {"occurred": datetime(2026, 11, 1, 8, tzinfo=UTC)}, "2026-11-01T08:00:00Z"),
        ("amount: {from: open}", {"open": None}, None),
        ("links: [{from: origin}, {from: payout}]", {"origin": "ch_1"}, ["ch_1"]),
        ("meta: {a: {from: origin}, b: {from: payout}}", {"origin": "ch_1"}, {"a": "ch_1"}),
    ],
)
def test_a_value_is_made_to_fit_only_as_the_map_says(line: str, happening: dict[str, Any], wanted: Json, tmp_path: Path):
    assert made(tmp_path, line, **happening) == wanted


@pytest.mark.parametrize(
    ("line", "happening", "says"),
    [
        ("payee: {from: description}", {"description": "more than twenty signs"}, "payee has 22 characters, and 20 fit"),
        ("number: {from: origin}", {"origin": "x" * 41}, "number has 41 characters, and 40 fit"),
        ("email: {from: customer_email}", {"customer_email": "not an address"}, "email is not an e-mail address"),
        ("stage: {from: state}", {"state": "lost"}, "stage is 'lost', which is not one of open, won"),
        ("stage: {from: state, lookup: {paid: won}}", {"state": "lost"}, f"'lost' is not listed in {LOOKUP}"),
        ("amount: {from: open}", {"open": DOLLARS}, f"amount is 0.05 USD, {BESIDE} EUR"),
        ("amount: {from: open}", {"open": DOLLARS, "gross": None}, f"amount is 0.05 USD, {BESIDE} nothing"),
        ("narration: {from: description}", {}, f"narration must be filled, {NOTHING}"),
        ("booked: {from: date}", {"date": datetime(2026, 11, 1, tzinfo=UTC)}, f"date is of type datetime, not date{DISAGREE}"),
        ("amount: {from: open}", {"open": "0.05"}, f"open is of type str, not money{DISAGREE}"),
    ],
)
def test_what_does_not_fit_is_refused(line: str, happening: dict[str, Any], says: str, tmp_path: Path):
    with pytest.raises(RecordRefused) as refused:
        made(tmp_path, line, **happening)
    assert str(refused.value) == says


def test_an_amount_whose_currency_is_not_filled_is_refused_when_the_map_is_read(tmp_path: Path):
    schema = "extra: {type: money, currency: other}"
    with pytest.raises(Misconfigured, match=r"example\.yaml:21:14: 'extra' is an amount without a currency field"):
        target_map(tmp_path, "payee: {value: a}", schema)


@given(minor=st.integers(-(2**62), 2**62), currency=st.sampled_from(["EUR", "JPY", "KWD", "CLF"]))
def test_an_amount_arrives_as_exact_decimal_text_beside_its_currency(minor: int, currency: str):
    amount = Money(minor, currency)
    body = CRM.body(DocumentKind.PAYMENT, {"presented": amount, "fee": amount, "status": "paid"})
    assert isinstance(body["amount"], str)
    assert Money.of(body["amount"], str(body["currency"])) == amount
    assert body["fee"] == body["amount"]


@given(text=st.text())
def test_any_description_becomes_one_printable_line_that_fits(text: str):
    body = BOOKS.body(DocumentKind.RECEIPT, {**PAYMENT, "description": text})
    narration = body["narration"]
    assert isinstance(narration, str)
    assert len(narration) <= 500
    assert re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]", narration) is None


def test_every_name_that_planning_may_hand_over_has_a_type():
    assert set(PAYMENT) <= set(NAMES)
    assert {NAMES[name] for name in ("gross", "date", "occurred", "due", "type")} == {"money", "date", "instant", "text"}

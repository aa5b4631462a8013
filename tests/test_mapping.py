"""What Stripe's objects mean for the money: each movement, and what is held because it cannot be read for certain."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe_objects import (
    DAY,
    MORNING,
    SHOP,
    STRIPE,
    SUBJECT,
    at,
    charge,
    customer,
    dispute,
    euro,
    invoice_payment,
    landed,
    movement,
    payout,
    read,
    refund,
    subscription,
)

from syncjob.errors import Problem
from syncjob.model import Fee, Kind, Record, Reference, Refusal, Transaction
from syncjob.money import Money
from syncjob.shipped import folder as shipped

THE_MAP = "which mappings/gateways/stripe.yaml"
UNKNOWN = "which ISO 4217 does not list with its decimals; it is never guessed"
DOLLARS = {"type": "stripe_fee", "amount": 0, "currency": "usd"}
ASK = "compare the record with the gateway's own page, and ask its support"


def only(*bodies: dict[str, Any]) -> Transaction:
    reading = read(*bodies)
    assert reading.problems == ()
    (one,) = reading.transactions
    return one


def held(*bodies: dict[str, Any]) -> Refusal:
    reading = read(*bodies)
    assert reading.transactions == ()
    (one,) = reading.problems
    return one


PAYMENT = Transaction(
    stream=SHOP,
    id="txn_1Example",
    kind=Kind.PAYMENT,
    type="charge",
    subject=SUBJECT,
    bucket="payments",
    origin="ch_1Example",
    occurred=at(MORNING - 60),
    effective=at(MORNING),
    available=at(MORNING + 2 * DAY),
    gross=euro(10_000),
    fees=(Fee("stripe_fee", euro(320)),),
    net=euro(9_680),
    customer="cus_1Example",
    description="Order 17",
)
LINE = replace(
    PAYMENT, origin="", occurred=at(MORNING), fees=(), customer="", description="A line of the balance"
)  # a movement of which no other object knows


# ---------------------------------------------------------------- movements


def test_a_card_payment_is_read_whole():
    assert only(movement("charge", 10_000, fee=320, source="ch_1Example"), charge()) == PAYMENT


def test_a_payment_in_another_currency_shows_both_amounts_and_no_rate():
    one = only(
        movement("charge", 3_080, fee=120, source="ch_1Example", exchange_rate=0.00616), charge(amount=5_000, currency="jpy")
    )
    assert (one.gross, one.presented) == (euro(3_080), Money(5_000, "JPY"))
    assert one.rate_source == "stripe: amount and settled amount as stated"


def test_a_refund_belongs_to_its_charge_and_is_negative_in_both_currencies():
    line = movement("refund", -2_464, source="re_1Example")
    one = only(line, refund(amount=4_000, currency="jpy"), charge(amount=5_000, currency="jpy"))
    assert one == replace(
        PAYMENT,
        kind=Kind.REFUND,
        type="refund",
        origin="re_1Example",
        parent="ch_1Example",
        gross=euro(-2_464),
        fees=(),
        net=euro(-2_464),
        presented=Money(-4_000, "JPY"),
        rate_source="stripe: amount and settled amount as stated",
    )


def test_a_refund_that_comes_back_names_the_refund_it_reverses():
    out = movement("refund", -4_000, id="txn_1Out", source="re_1Example")
    back = movement("refund_failure", 4_000, id="txn_1Back", source="re_1Example", created=MORNING + DAY)
    _, one = read(out, back, refund(), charge()).transactions
    assert (one.kind, one.gross, one.reverses) == (Kind.REFUND_FAILURE, euro(4_000), "txn_1Out")
    assert one.occurred == at(MORNING + DAY)  # not when the refund was made


def test_a_direct_debit_that_fails_late_reverses_its_payment():
    paid = movement("payment", 10_000, id="txn_1Paid", source="ch_1Example", reporting_category="charge")
    lost = movement("payment_failure_refund", -10_000, source="ch_1Example", reporting_category="charge_failure")
    _, one = read(paid, lost, charge()).transactions
    assert (one.kind, one.type, one.reverses) == (Kind.PAYMENT_FAILURE, "payment_failure_refund", "txn_1Paid")


def test_a_dispute_takes_the_money_and_a_fee_and_a_won_one_brings_both_back():
    taken = movement("adjustment", -10_000, fee=1_500, id="txn_1Taken", source="du_1Example", reporting_category="dispute")
    back = movement("adjustment", 10_000, fee=-1_500, source="du_1Example", reporting_category="dispute_reversal")
    first, second = read(taken, back, dispute(), charge()).transactions
    assert (first.kind, first.net, first.parent, first.customer) == (
        Kind.DISPUTE,
        euro(-11_500),
        "ch_1Example",
        "cus_1Example",
    )
    assert (second.kind, second.net, second.fees) == (
        Kind.DISPUTE_REVERSAL,
        euro(11_500),
        (Fee("stripe_fee", euro(-1_500)),),
    )
    assert second.reverses == "txn_1Taken"


def test_a_payout_and_its_failure_belong_together():
    out = movement("payout", -50_000, id="txn_1Out", source="po_1Example")
    back = movement("payout_failure", 50_000, source="po_1Example", reporting_category="payout_reversal")
    first, second = read(out, back, payout()).transactions
    assert (first.kind, first.origin, first.description) == (Kind.PAYOUT, "po_1Example", "STRIPE PAYOUT")
    assert (second.kind, second.reverses) == (Kind.PAYOUT_FAILURE, "txn_1Out")


@pytest.mark.parametrize(
    ("type", "category", "amount", "kind"),
    [
        ("stripe_fee", "fee", -500, Kind.FEE),
        ("stripe_fx_fee", "fee", -12, Kind.FEE),
        ("tax_fee", "tax", -95, Kind.FEE),
        ("adjustment", "network_cost", -8, Kind.FEE),
        ("topup", "topup", 50_000, Kind.TOPUP),
        ("topup_reversal", "topup_reversal", -50_000, Kind.TOPUP),
        ("reserve_transaction", "risk_reserved_funds", -10_000, Kind.RESERVE),
        ("transfer", "transfer", -700, Kind.TRANSFER),
        ("adjustment", "other_adjustment", 3, Kind.ADJUSTMENT),
        ("refund", "partial_capture_reversal", -2_000, Kind.REFUND),
        ("payout_cancel", "payout_reversal", 50_000, Kind.PAYOUT_FAILURE),
    ],
)
def test_a_line_without_an_object_is_read_from_itself(type: str, category: str, amount: int, kind: Kind):
    one = only(movement(type, amount, reporting_category=category))
    assert one == replace(LINE, kind=kind, type=type, gross=euro(amount), net=euro(amount))


def test_where_the_category_is_absent_the_older_type_decides():
    assert only(movement("payout", -50_000, reporting_category=None)).kind is Kind.PAYOUT


def test_the_bucket_is_the_balance_that_moved_and_payments_where_nothing_is_said():
    assert only(movement("topup", 100, balance_type="issuing")).bucket == "issuing"
    assert only(movement("topup", 100, balance_type=None)).bucket == "payments"


def test_tax_on_a_fee_is_tax():
    details = [{"type": "stripe_fee", "amount": 300, "currency": "eur"}, {"type": "tax", "amount": 57, "currency": "eur"}]
    one = only(movement("charge", 10_000, fee=357, fee_details=details, source="ch_1Example"), charge())
    assert one.fees == (Fee("stripe_fee", euro(300)), Fee("tax", euro(57), euro(57)))


# ---------------------------------------------------------------- what is held


def test_a_kind_that_nobody_listed_is_held_with_its_price():
    why = f"type is 'climate_mystery', {THE_MAP} does not list"
    line = 1 + (shipped() / "gateways/stripe.yaml").read_text().splitlines().index("        charge: payment")
    lookup = f"the lookup in mappings/gateways/stripe.yaml:{line}"
    cure = f"add a line climate_mystery: ... to {lookup}, then run: syncjob held retry"
    problem = Problem("balance_transaction txn_1Example", "shop", why, cure)
    one = held(movement("climate_mystery", -777))
    assert one == Refusal("balance_transaction", "txn_1Example", problem, at(MORNING), euro(-777), "payments")
    assert str(one.problem) == f"shop: balance_transaction txn_1Example: {why}; {cure}"


def test_a_category_that_nobody_listed_is_held_even_if_the_type_is_known():
    why = "reporting_category is 'charge_mystery', which mappings/gateways/stripe.yaml does not list"
    assert held(movement("charge", -777, reporting_category="charge_mystery")).problem.why == why


def test_a_kind_that_is_known_and_not_booked_is_held_with_the_reason():
    why = "type is 'advance', which mappings/gateways/stripe.yaml refuses: money lent by Stripe needs a loan account"
    assert held(movement("advance", -777)).problem.why == why


@pytest.mark.parametrize(
    ("odd", "why", "net"),
    [
        ({"fee": 10}, "the fees named come to 0.00 EUR, but the fee is 0.10 EUR", -777),
        ({"net": -700}, "gross -7.77 EUR less the fees named, 0.00 EUR, is not net -7.00 EUR", -700),
        ({"net": None}, "net is missing", None),
        ({"amount": None}, "gross is missing", -777),
        ({"amount": True}, "amount: amount is True, not a whole number of EUR minor units", -777),
        ({"amount": "-777"}, "amount: amount is '-777', not a whole number of EUR minor units", -777),
        ({"created": None}, "occurred is missing", -777),
        ({"source": {"id": "ch_1"}}, "source is a group of fields, not text", -777),
        ({"fee_details": [{"type": "tax"}]}, f"fee_details: currency is None, {UNKNOWN}", -777),
        ({"fee_details": [{"amount": 0, "currency": "eur"}]}, "fee_details holds a fee without its type", -777),
        ({"fee_details": [DOLLARS]}, "a fee is 0.00 USD, but the movement is in EUR", -777),
        ({"balance_type": "crypto"}, f"balance_type is 'crypto', {THE_MAP} does not list", -777),
        ({"reporting_category": None, "type": None}, f"reporting_category and type is missing, {THE_MAP} looks up", -777),
    ],
)
def test_a_movement_that_does_not_close_is_held(odd: dict[str, Any], why: str, net: int | None):
    body = {**movement("stripe_fee", -777), **odd}
    one = held(body)
    assert one.problem.why == why
    assert one.net == (None if net is None else euro(net))
    assert one.problem.cure


def test_a_currency_without_known_decimals_is_held_without_a_price():
    one = held(movement("topup", 500, currency="xxx", fee_details=[]))
    assert (one.net, one.bucket, one.effective) == (None, "payments", at(MORNING))
    assert one.problem.why == f"amount: currency is 'xxx', {UNKNOWN}"


def test_a_payment_whose_charge_is_held_is_held_with_it_and_keeps_its_price():
    records = landed(movement("charge", 10_000, fee=320, source="ch_1Example"), charge())
    problem = Problem("charge ch_1Example", "", "a card number stands in its customer")
    records[1] = replace(records[1], body={}, personal={}, problem=problem)
    reading = STRIPE.read(SHOP, SUBJECT, records)
    assert [(one.type, one.problem.why, one.net) for one in reading.problems] == [
        ("charge", "a card number stands in its customer", None),
        ("balance_transaction", "its charge ch_1Example is held itself", euro(9_680)),
    ]
    assert (reading.transactions, reading.people) == ((), ())


def test_a_type_of_record_that_the_map_does_not_know_is_held_by_name():
    record = replace(landed(payout())[0], type="crystal", id="cry_1")
    (one,) = STRIPE.read(SHOP, SUBJECT, [record]).problems
    assert one.problem.why == "mappings/gateways/stripe.yaml knows no records of type 'crystal'"


def test_one_bad_record_leaves_the_others_readable():
    good, bad = movement("topup", 100, id="txn_1Good"), movement("climate_mystery", -777)
    reading = read(bad, good)
    assert ([one.id for one in reading.transactions], [one.id for one in reading.problems]) == (["txn_1Good"], ["txn_1Example"])


# ---------------------------------------------------------------- versions


def test_the_newest_version_counts_in_whatever_order_they_come():
    line = landed(movement("charge", 10_000, fee=320, source="ch_1Example"))
    old, new = landed(charge(description="Order 17"))[0], landed(charge(description="Order 18"), as_of=MORNING + 999)[0]
    for records in ([*line, old, new], [new, old, *line]):
        assert [one.description for one in STRIPE.read(SHOP, SUBJECT, records).transactions] == ["Order 18"]


# ---------------------------------------------------------------- document numbers


def references(*bodies: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.text, one.place) for one in only(movement("charge", 10_000, source="ch_1Example"), *bodies).references]


def test_a_number_in_the_metadata_comes_with_its_place():
    assert references(charge(metadata={"invoice_number": " INV-1001 "})) == [("INV-1001", "metadata.invoice_number")]
    assert references(charge(metadata={"invoice_id": "in_17", "invoice": "INV-2"})) == [("INV-2", "metadata.invoice")]


def test_the_invoice_of_the_gateway_is_found_through_its_payment():
    assert references(charge(), invoice_payment("INV-1008")) == [("INV-1008", "invoice_payment.invoice.number")]
    assert references(charge(), invoice_payment("INV-1008", status="canceled")) == []
    assert references(charge(payment_intent="pi_2"), invoice_payment("INV-1008")) == []


def test_a_payment_of_two_invoices_names_both():
    two = [invoice_payment("INV-1", id="inpay_1"), invoice_payment("INV-2", id="inpay_2")]
    assert [text for text, _ in references(charge(), *two)] == ["INV-1", "INV-2"]


def test_numbers_in_the_description_are_found_once_and_in_order():
    text = "Payment for inv-1013/A, INV-1004. Thanks (INV-1004); not REINV-9, INVOICE, INV-, nor INV-x"
    assert references(charge(description=text)) == [("INV-1013/A", "description"), ("INV-1004", "description")]


def test_one_number_in_two_places_is_named_by_the_stronger_one():
    body = charge(metadata={"invoice_number": "INV-1001"}, description="Payment for INV-1001")
    assert references(body) == [("INV-1001", "metadata.invoice_number")]


def test_a_refund_names_the_number_of_its_charge():
    one = only(movement("refund", -4_000, source="re_1Example"), refund(), charge(metadata={"invoice_number": "INV-1001"}))
    assert one.references == (Reference("INV-1001", "charge.metadata.invoice_number"),)


# ---------------------------------------------------------------- always


@given(
    amount=st.integers(-(10**12), 10**12),
    fees=st.lists(st.integers(-(10**6), 10**6), max_size=4),
    currency=st.sampled_from(["eur", "usd", "jpy", "kwd"]),
    off=st.integers(-2, 2),
)
def test_money_is_exact_to_the_minor_unit_or_held(amount: int, fees: list[int], currency: str, off: int):
    details = [{"type": "stripe_fee", "amount": fee, "currency": currency} for fee in fees]
    net = amount - sum(fees) + off
    body = movement("topup", amount, currency=currency) | {"fee": sum(fees), "fee_details": details, "net": net}
    reading = read(body)
    code = currency.upper()
    if off:
        assert [one.net for one in reading.problems] == [Money(net, code)]
    else:
        (one,) = reading.transactions
        assert (one.gross.minor, [fee.amount.minor for fee in one.fees], one.net.minor) == (amount, fees, net)
        assert {one.gross.currency, one.net.currency} == {code}


@given(hundreds=st.integers(-(10**9), 10**9), rest=st.integers(0, 99))
def test_kronur_come_in_hundredths_that_must_be_zero(hundreds: int, rest: int):
    reading = read(movement("topup", hundreds * 100 + rest, currency="isk"))
    assert [one.gross for one in reading.transactions] == ([] if rest else [Money(hundreds, "ISK")])
    assert bool(reading.problems) is bool(rest)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "amount", "data", "email"]), inner),
    max_leaves=6,
)


@given(data=st.data())
def test_whatever_a_record_holds_it_is_read_or_held_and_never_breaks_the_run(data: st.DataObject):
    line = movement("charge", 10_000, fee=320, source="ch_1Example")
    others = [charge(), dispute(), payout(), subscription(), customer(), invoice_payment("INV-1")]
    records: list[Record] = landed(line, *others)
    place = data.draw(st.integers(0, len(records) - 1))
    record = records[place]
    group = data.draw(st.sampled_from([name for name in ("body", "personal") if getattr(record, name)]))
    field = data.draw(st.sampled_from(sorted(getattr(record, group))))
    records[place] = replace(record, **{group: {**getattr(record, group), field: data.draw(JUNK)}})
    reading = STRIPE.read(SHOP, SUBJECT, records)
    named = {one.id for one in reading.transactions} | {one.id for one in reading.problems}
    assert "txn_1Example" in named or place == 0

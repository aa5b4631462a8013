"""Whatever a gateway sends, a map reads it or holds it; what was read is found again in books and CRM, to the minor unit."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crm_file import crm_in, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_books import books_in, transactions
from stories import books
from stripe_objects import (
    MORNING,
    SHOP,
    STRIPE,
    charge,
    customer,
    dispute,
    invoice_payment,
    movement,
    payout,
    refund,
    subscription,
)
from test_mapping_words import target_map

from syncjob import chart
from syncjob.cli.templates import accounts_csv
from syncjob.deliver import put
from syncjob.errors import RecordRefused
from syncjob.landing import land
from syncjob.mapping import NAMES, TargetMap, load_target, words
from syncjob.model import Address, Delivery, DocumentKind, Fact, Person, Raw, Reading, Record, Refusal, Remote, Transaction
from syncjob.moment import zone
from syncjob.money import Money
from syncjob.plan import Known, Ledger, Rules, plan
from syncjob.ports import Delivered
from syncjob.sandbox.currencies import EXPONENT, major
from syncjob.strictjson import Exact

BOOKS, CRM = load_target("accounting", "beancount"), load_target("crm", "sqlite")
MANY = settings(max_examples=300, deadline=None)
NOW = datetime.fromtimestamp(MORNING, UTC)

# ---------------------------------------------------------------- any record is read or held

TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", " ", "\0", "\u2028", "\ud800", "eur", "EUR", "usdx", "charge", "payment", "ch_1Example", "x" * 9_000]),
)
NUMBERS = st.one_of(st.integers(), st.sampled_from([0, -1, 2**63, -(2**63), 10**40, 253_402_300_800]))
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS, TEXTS.map(Exact))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6
)
OBJECTS = (
    lambda: movement("charge", 10_000, fee=320, source="ch_1Example"),
    lambda: movement("refund", -4_000, source="re_1Example", id="txn_2Example"),
    lambda: movement("dispute", -10_000, source="du_1Example", id="txn_3Example"),
    lambda: movement("payout", -50_000, source="po_1Example", id="txn_4Example"),
    charge,
    refund,
    dispute,
    payout,
    customer,
    subscription,
    lambda: invoice_payment("INV-1001"),
    lambda: {
        "id": "evt_1",
        "object": "event",
        "type": "invoice.overdue",
        "created": MORNING,
        "data": {"object": {"id": "in_1"}},
    },
)


def places(body: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in an object, inside lists and groups too."""
    below = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, inner in below:
        yield (*path, key)
        yield from places(inner, (*path, key))


def put_in(body: Any, path: tuple[str | int, ...], value: Any, *, gone: bool) -> None:
    for key in path[:-1]:
        body = body[key] if (isinstance(body, dict) and key in body) or (isinstance(body, list) and key < len(body)) else None
    if isinstance(body, dict) or (isinstance(body, list) and isinstance(path[-1], int) and path[-1] < len(body)):
        if gone:
            del body[path[-1]]
        else:
            body[path[-1]] = value


@st.composite
def damaged(draw: st.DrawFn) -> list[Record]:
    """Some of a payment's objects with values of any type in some places and nothing in others, landed or as stored."""
    made = draw(st.lists(st.sampled_from(OBJECTS), min_size=1, max_size=6))
    records = []
    for make in made:
        body = make()
        kind, id = body["object"], body["id"]
        for _ in range(draw(st.integers(0, 3))):
            path = draw(st.sampled_from(list(places(body)) or [("id",)]))
            if path[0] in body:
                put_in(body, path, draw(VALUES), gone=draw(st.booleans()))
        raw = Raw(kind, id, NOW, datetime.fromtimestamp(MORNING + draw(st.integers(0, 9)), UTC), "payment:pi_1Example", body)
        if draw(st.booleans()):
            records += land([raw], STRIPE.keep)
        else:
            records.append(Record(raw.type, raw.id, NOW, raw.as_of, raw.subject, body, body, draw(TEXTS), "digest"))
    return records


def assert_sound(reading: Reading, records: list[Record]) -> None:
    """Nothing but values of the model; every movement that was landed is told or held, none is both or neither."""
    assert all(type(one) is Transaction for one in reading.transactions)
    assert all(type(one) is Fact for one in reading.facts)
    assert all(type(one) is Person for one in reading.people)
    assert all(type(one) is Refusal and str(one.problem) for one in reading.problems)
    landed = {record.id for record in records if record.type == "balance_transaction"}
    held = {one.id for one in reading.problems if one.type == "balance_transaction"}
    assert len(landed) == len(reading.transactions) + len(held)
    for one in reading.transactions:
        assert one.net == one.gross - sum((fee.amount for fee in one.fees), Money(0, one.gross.currency))


@MANY
@given(damaged())
def test_any_record_is_read_or_held(records: list[Record]) -> None:
    assert_sound(STRIPE.read(SHOP, "payment:pi_1Example", records), records)


@MANY
@given(st.lists(st.tuples(st.sampled_from([*STRIPE.keep, "unheard"]), TEXTS, VALUES, VALUES), max_size=5))
def test_any_body_at_all_is_read_or_held(found: list[tuple[str, str, Any, Any]]) -> None:
    records = []
    for kind, id, value, other in found:
        kept = STRIPE.keep.get(kind)
        body: dict[str, Any] = {path[0]: value if len(path[0]) % 2 else other for path in (kept.fields if kept else ())}
        records.append(Record(kind, id, NOW, NOW, "payment:pi_1Example", body, {"name": other}, id, "digest"))
    assert_sound(STRIPE.read(SHOP, "payment:pi_1Example", records), records)


# ---------------------------------------------------------------- anything that happens is written or refused

AMOUNTS = st.builds(Money, st.integers(-(10**18), 10**18), st.sampled_from(["EUR", "JPY", "KWD", "USD"]))
INSTANTS = st.datetimes(timezones=st.just(UTC))
ANYTHING = st.one_of(st.none(), TEXTS, AMOUNTS, INSTANTS, st.dates(), NUMBERS, st.booleans(), st.lists(TEXTS, max_size=2))
ADDRESSES = st.builds(Address, *([st.one_of(TEXTS, st.sampled_from(["DE", "US-CA", "US"]))] * 6))
OF_TYPE: Mapping[str, st.SearchStrategy[Any]] = {
    "money": AMOUNTS,
    "date": st.dates(),
    "instant": INSTANTS,
    "flag": st.booleans(),
    "address": ADDRESSES,
    "country": st.sampled_from(["DE", "UK", "Nowhere", ""]),
    "subdivision": st.sampled_from(["US-CA", "California", "US-ZZ", ""]),
    "email": st.sampled_from(["bakery@example.com", "nobody", "@", ""]),
}
FITTING = st.fixed_dictionaries({}, optional={name: OF_TYPE.get(type, TEXTS) for name, type in NAMES.items()})
HAPPENINGS = FITTING | st.dictionaries(st.sampled_from(sorted(NAMES)), ANYTHING, max_size=12)


@MANY
@given(target=st.sampled_from([BOOKS, CRM]), kind=st.sampled_from(DocumentKind), happening=HAPPENINGS)
def test_anything_that_happens_is_written_or_refused(
    target: TargetMap, kind: DocumentKind, happening: dict[str, object]
) -> None:
    with suppress(RecordRefused):
        assert_texts(target.body(kind, happening))


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> list[TargetMap]:
    """A map for the example of each word that target maps know."""
    home = tmp_path_factory.mktemp("home")
    return [target_map(home, word.example) for word in words() if word.of in ("target", "spelling")]


@MANY
@given(number=st.integers(0, 99), happening=HAPPENINGS)
def test_whatever_words_a_map_uses_what_happens_is_written_or_refused(
    examples: list[TargetMap], number: int, happening: dict[str, object]
) -> None:
    with suppress(RecordRefused):
        assert_texts(examples[number % len(examples)].body(DocumentKind.JOURNAL, happening))


def assert_texts(value: object) -> None:
    """What a map makes of anything: texts on one line, in lists and groups; no number in binary, no object of ours."""
    if isinstance(value, dict):
        for inner in value.values():
            assert_texts(inner)
    elif isinstance(value, list):
        for inner in value:
            assert_texts(inner)
    else:
        assert value is None or type(value) in (str, bool), value
        assert not isinstance(value, str) or not {unicodedata.category(letter) for letter in value} & {
            "Cc",
            "Cs",
            "Zl",
            "Zp",
        }, value


# ---------------------------------------------------------------- read, written, read again

ZONES = ("Europe/Berlin", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kolkata", "UTC")
ODD_STEPS = {"isk": 100, "ugx": 100}  # Stripe writes these with two decimals that are always zero
FIRST, LAST = 1_735_689_600, 1_798_761_599  # the years 2025 and 2026, with all their nights of changed clocks


@st.composite
def payments(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Payments in many currencies, some with fees, some partly refunded."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        currency = draw(st.sampled_from(sorted(EXPONENT)))
        step = ODD_STEPS.get(currency, 1)
        amount = step * draw(st.integers(1, 10**10))
        made.append(
            {
                "number": number,
                "currency": currency,
                "amount": amount,
                "fee": step * draw(st.integers(0, amount // step)),
                "created": draw(st.integers(FIRST, LAST)),
                "refunded": step * draw(st.integers(0, amount // step)),
            }
        )
    return made


def objects(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A payment as Stripe shows it: the charge, its line of the balance, and those of a refund."""
    number, currency, fee = one["number"], one["currency"], one["fee"]
    details = [{"amount": fee, "currency": currency, "type": "stripe_fee"}] if fee else []
    shared = {"currency": currency, "created": one["created"]}
    paid = {"id": f"ch_{number}", "amount": one["amount"], "payment_intent": f"pi_{number}", "customer": None}
    line = {"id": f"txn_{number}", "source": f"ch_{number}", "fee": fee, "fee_details": details}
    made = [charge(**shared, **paid), movement("charge", one["amount"], **shared, **line)]
    if one["refunded"]:
        back = {"id": f"re_{number}", "charge": f"ch_{number}", "payment_intent": f"pi_{number}", "amount": one["refunded"]}
        made.append(refund(**shared, **back))
        made.append(movement("refund", -one["refunded"], **shared, id=f"txn_r{number}", source=f"re_{number}"))
    return made


def decimal(minor: int, currency: str) -> Decimal:
    """An amount by Stripe's own table, written down independently of ours."""
    return Decimal(major(abs(minor), currency)).copy_sign(minor)


def planned(made: list[dict[str, Any]], where: str) -> list[Delivery]:
    ledgers = (
        Ledger("books", BOOKS, True, frozenset(DocumentKind)),
        Ledger("crm", CRM, False, frozenset(DocumentKind)),
    )
    accounts = chart.read(accounts_csv("shop"))
    rules = Rules(zone(where), "EUR", datetime(2024, 1, 1, tzinfo=UTC), accounts, ledgers)
    people: dict[tuple[str, str], Delivery] = {}
    found: list[Delivery] = []
    for one in made:
        subject = f"payment:pi_{one['number']}"
        raws = [Raw(body["object"], body["id"], NOW, NOW, subject, body) for body in objects(one)]
        records = land(raws, STRIPE.keep)
        reading = STRIPE.read(SHOP, subject, records)
        assert reading.problems == ()
        decided = plan(Known(subject, "shop", tuple(records), reading, map=STRIPE.digest), rules, books(), people)
        assert decided.refusals == ()
        found += decided.deliveries
    return list({(one.target, one.key): one for one in found}.values())


def delivered(target: Any, deliveries: list[Delivery]) -> None:
    """Brought to a target, parents first."""
    linked: dict[str, Remote] = {}
    while deliveries:
        ready = [one for one in deliveries if all(key in linked for key in one.needs.values())]
        deliveries = [one for one in deliveries if one not in ready]
        for call in target.prepare([put(one, linked) for one in ready]):
            for outcome in target.send(call):
                assert isinstance(outcome, Delivered), outcome
                linked[outcome.key] = outcome.remote


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=payments(), where=st.sampled_from(ZONES))
def test_money_currency_and_date_are_found_again_in_books_and_crm(
    made: list[dict[str, Any]], where: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    deliveries = planned(made, where)
    delivered(books_in(home), [one for one in deliveries if one.target == "books"])
    delivered(crm_in(home), [one for one in deliveries if one.target == "crm"])
    assert in_books(home) == wanted_in_books(made, where)
    assert in_crm(home) == wanted_in_crm(made)


def in_books(home: Path) -> dict[str, tuple[date, dict[tuple[str, str], Decimal]]]:
    """By ledger id: the day, and what each account got, as Beancount's own parser reads the files."""
    return {
        entry.meta["ledger-id"]: (
            entry.date,
            {(posting.account, posting.units.currency): posting.units.number for posting in entry.postings},
        )
        for entry in transactions(home)
    }


def wanted_in_books(made: list[dict[str, Any]], where: str) -> dict[str, tuple[date, dict[tuple[str, str], Decimal]]]:
    wanted = {}
    for one in made:
        currency, code = one["currency"], one["currency"].upper()
        day = datetime.fromtimestamp(one["created"], ZoneInfo(where)).date()
        paid = {
            ("Assets:Shop:Balance", code): decimal(one["amount"] - one["fee"], currency),
            ("Expenses:Gateway:Fees", code): decimal(one["fee"], currency),
            ("Liabilities:Customers:Credit", code): decimal(-one["amount"], currency),
        }
        back = {
            ("Assets:Shop:Balance", code): decimal(-one["refunded"], currency),
            ("Liabilities:Customers:Credit", code): decimal(one["refunded"], currency),
        }
        wanted[f"txn_{one['number']}"] = (day, {account: number for account, number in paid.items() if number})
        if one["refunded"]:
            wanted[f"txn_r{one['number']}"] = (day, back)
    return wanted


def in_crm(home: Path) -> list[tuple[str, Decimal, Decimal, Decimal, str]]:
    found = rows(home, "SELECT paid_at, amount, fee, refunded, currency FROM readable_payments ORDER BY external_id")
    return sorted((at, Decimal(amount), Decimal(fee), Decimal(back), code) for at, amount, fee, back, code in found)


def wanted_in_crm(made: list[dict[str, Any]]) -> list[tuple[str, Decimal, Decimal, Decimal, str]]:
    return sorted(
        (
            datetime.fromtimestamp(one["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            *(decimal(one[name], one["currency"]) for name in ("amount", "fee", "refunded")),
            one["currency"].upper(),
        )
        for one in made
    )


def test_the_currencies_that_are_written_and_read_have_no_two_and_three_decimals_and_stripes_own() -> None:
    assert set(EXPONENT.values()) == {0, 2, 3}
    assert {"isk", "ugx", "mga", "jpy", "kwd", "eur"} <= EXPONENT.keys()

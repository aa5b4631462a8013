"""The nightly page: its golden files can be read by a bookkeeper, and it says by itself when it does not close."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncjob import moment
from syncjob.model import Role
from syncjob.money import Money
from syncjob.reconcile import Item
from syncjob.summary import Books, Credit, Held, Invoices, Page, Place, Row, amount, flow, from_json, render, to_json

GOLDEN = Path(__file__).parent / "fixtures" / "summary"
BERLIN = moment.zone("Europe/Berlin")
SINCE = datetime(2026, 11, 1, 23, 0, tzinfo=UTC)
UNTIL = datetime(2026, 11, 2, 23, 0, tzinfo=UTC)


def place(currency: str, opening: int, closing: int, source: str = "stripe-example", **moved: int) -> Place:
    names = {"payments": "Payments", "refunds": "Refunds", "disputes": "Disputes", "fees": "Fees", "payouts": "Payouts"}
    rows = tuple(
        Row(label, 2 if moved.get(name) else 0, Money(moved.get(name, 0), currency)) for name, label in names.items()
    )
    return Place(
        source=source,
        name="balance",
        currency=currency,
        since=SINCE,
        until=UNTIL,
        opening=Money(opening, currency),
        late=Money(0, currency),
        rows=rows,
        closing=Money(closing, currency),
        stated=Money(closing, currency),
        books=(Books("books", f"Assets:Stripe:{currency}", Money(closing, currency), Money(0, currency), Money(0, currency)),),
    )


def page(*places: Place, **more: object) -> Page:
    return Page(made_at=UNTIL, zone="Europe/Berlin", places=places, **more)  # type: ignore[arg-type]


def an_ordinary_night() -> Page:
    return page(
        place("EUR", 120_000, 158_765, payments=52_000, refunds=-3_600, fees=-1_635, payouts=-8_000),
        place("JPY", 0, 4_820, payments=5_000, fees=-180),
        place("KWD", 12_500, 17_085, payments=5_000, fees=-415),
        invoices=(Invoices("books", 13, 1, 2, (Money(52_000, "EUR"),), (Money(50_000, "EUR"), Money(0, "JPY"))),),
        credits=(Credit(Role.CUSTOMER_CREDIT, Money(9_950, "EUR")), Credit(Role.PAYOUTS_IN_TRANSIT, Money(8_000, "EUR"))),
    )


def a_negative_day() -> Page:
    return page(
        place("EUR", 1_500, -8_720, refunds=-2_500, disputes=-5_900, fees=-1_820),
        place("USD", 0, -1_500, disputes=0, fees=-1_500),
    )


def an_empty_day() -> Page:
    return page(place("EUR", 158_765, 158_765))


def a_day_with_held_records() -> Page:
    eur = place("EUR", 10_000, 14_500, payments=4_700, fees=-200)
    item = Item("climate_mystery txn_3", Money(-777, "EUR"), "type is 'climate_mystery', which the map does not list")
    books = replace(eur.books[0], stated=Money(12_000, "EUR"), later=Money(500, "EUR"), undelivered=Money(3_000, "EUR"))
    eur = replace(eur, stated=Money(13_723, "EUR"), items=(item,), books=(books,))
    held = (
        Held("stripe-example", "climate_mystery txn_3", item.why, "add it to the map", Money(-777, "EUR")),
        Held("stripe-example", "charge ch_9", "currency is 'xxx', which ISO 4217 does not list", "ask the vendor", None),
        Held("crm", "crm:shop:ch_4:payment", "the period is closed", "open it", Money(3_250, "KWD")),
    )
    jpy = replace(place("JPY", 0, 120), late=Money(120, "JPY"), stated=None, books=())
    return page(eur, jpy, held=held)


def a_page_that_does_not_close() -> Page:
    eur = place("EUR", 10_000, 14_501, payments=4_700, fees=-200)
    return page(replace(eur, stated=Money(14_400, "EUR")))


NIGHTS = (an_ordinary_night, a_negative_day, an_empty_day, a_day_with_held_records, a_page_that_does_not_close)


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.__name__)
def test_the_page_reads_as_its_golden_file(night, request):
    text = render(night(), BERLIN)
    golden = GOLDEN / f"{night.__name__}.txt"
    if request.config.getoption("--write-expected", default=False):
        golden.write_text(text)
    assert text == golden.read_text()
    assert max(len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.__name__)
def test_the_json_page_says_the_same_and_comes_back_whole(night):
    said = json.loads(json.dumps(to_json(night())))
    assert from_json(said) == night()
    assert said["agrees"] is (not night().complaints)


def test_a_page_whose_rows_do_not_close_says_so():
    eur = place("EUR", 100, 251, payments=150)
    why = "the rows lead to 2.50 EUR, but the balance is 2.51 EUR: 0.01 EUR is missing"
    assert page(eur).complaints == (f"stripe-example balance EUR: {why}",)
    assert "THIS PAGE DOES NOT CLOSE" in render(page(eur), BERLIN)


def test_what_the_books_lack_is_told_as_unexplained_to_the_cent():
    eur = place("EUR", 0, 100, payments=100)
    eur = replace(eur, books=(replace(eur.books[0], stated=Money(99, "EUR")),))
    assert page(eur).complaints == (
        "stripe-example balance EUR: books states 0.99 EUR in Assets:Stripe:EUR; no item explains -0.01 EUR",
    )


def test_a_gateway_that_states_no_balance_is_not_called_proven():
    text = render(page(replace(place("EUR", 0, 100, payments=100), stated=None)), BERLIN)
    assert "Balance not provable" in text
    assert "agree" not in text


def test_a_held_record_explains_the_gap_that_it_makes():
    eur = replace(place("EUR", 0, 100, payments=100), stated=Money(60, "EUR"))
    assert eur.unexplained == Money(-40, "EUR")
    assert replace(eur, items=(Item("charge ch_1", Money(-40, "EUR"), "held"),)).unexplained == Money(0, "EUR")


def test_gross_and_fees_stand_apart_and_lead_to_the_same_balance():
    sums = [
        ("payment", "EUR", Role.CLEARING, 2, 9_700),
        ("payment", "EUR", Role.FEES, 2, 250),
        ("payment", "EUR", Role.FEE_TAX, 1, 50),
        ("payment", "EUR", Role.UNAPPLIED, 2, -10_000),
        ("application", "EUR", Role.UNAPPLIED, 2, 10_000),
        ("dispute", "EUR", Role.CLEARING, 1, -6_500),
        ("dispute", "EUR", Role.DISPUTE_FEES, 1, 1_500),
        ("dispute", "EUR", Role.DISPUTED, 1, 5_000),
        ("fee", "EUR", Role.CLEARING, 1, -1_250),
        ("fee", "EUR", Role.FEES, 1, 1_250),
        ("payout", "EUR", Role.CLEARING, 1, -800),
        ("payment", "USD", Role.CLEARING, 1, 77),
        ("dispute_lost", "EUR", Role.DISPUTED, 1, -5_000),
    ]
    rows = {row.name: (row.count, row.amount.minor) for row in flow(sums, Role.CLEARING, "EUR")}
    assert rows == {
        "Payments": (2, 10_000),
        "Refunds": (0, 0),
        "Disputes": (1, -5_000),
        "Fees": (4, -3_050),
        "Payouts": (1, -800),
    }
    assert sum(minor for _, minor in rows.values()) == 9_700 - 6_500 - 1_250 - 800


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(123_456_789, "EUR"), "1,234,567.89"),
        (Money(-5, "EUR"), "-0.05"),
        (Money(123_456, "JPY"), "123,456"),
        (Money(1_234_567, "KWD"), "1,234.567"),
        (Money(2**63 - 1, "EUR"), "92,233,720,368,547,758.07"),
    ],
)
def test_amounts_are_written_exactly_with_the_decimals_of_their_currency(money, text):
    assert amount(money) == text


def test_more_currencies_than_fit_go_on_in_a_second_table():
    many = [place(code, 0, 10**9, payments=10**9) for code in ("EUR", "GBP", "ISK", "JPY", "KWD", "SEK", "USD")]
    text = render(page(*many), BERLIN)
    assert text.count("Opening balance") > 1
    assert max(len(line) for line in text.splitlines()) <= 80

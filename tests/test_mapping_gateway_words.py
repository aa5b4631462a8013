"""What the words of a gateway's map do with a record: decimals, local times, days, dates, versions, kinds and tables."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stripe_objects import DAY, MORNING, SHOP, SUBJECT, at, charge, landed, movement, payout, read

from syncjob.cli import main
from syncjob.errors import Misconfigured
from syncjob.mapping import GatewayMap, load_gateway
from syncjob.mapping.counting import What
from syncjob.mapping.explaining import explained
from syncjob.model import Kind, Transaction
from syncjob.moment import from_text, zone
from syncjob.money import Money, plain
from syncjob.posting import post
from syncjob.shipped import folder as shipped
from syncjob.strictjson import read as read_json

SHIPPED = (shipped() / "gateways/stripe.yaml").read_text(encoding="utf-8")
BERLIN = zone("Europe/Berlin")


def edited(home: Path, **rules: str) -> GatewayMap:
    """The shipped map, in which these rules of a movement say something else."""
    text = SHIPPED
    for field, rule in rules.items():
        whole = re.compile(rf"^    {field}:.*\n(?:      .*\n)*", re.MULTILINE)
        assert whole.search(text), field
        text = whole.sub(lambda _, line=f"    {field}: {rule}\n": line, text, count=1)  # type: ignore[misc]
    path = home / "mappings/gateways/stripe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return load_gateway("stripe", home)


def table(home: Path, name: str, text: str) -> None:
    path = home / "mappings/tables" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def of_payment(map: GatewayMap, metadata: dict[str, Any] | None = None, **more: Any) -> Transaction | str:
    """A card payment as the map reads it, or why it is held."""
    paid = charge(metadata=metadata or {}, **more.pop("charge", {}))
    line = {"source": "ch_1Example", "reporting_category": "charge", **more}
    reading = read(movement("charge", 10_000, fee=320, **line), paid, map=map)
    if reading.problems:
        (held,) = reading.problems
        return held.problem.why
    (one,) = reading.transactions
    return one


def payment(map: GatewayMap, metadata: dict[str, Any] | None = None, **more: Any) -> Transaction:
    one = of_payment(map, metadata, **more)
    assert isinstance(one, Transaction), one
    return one


# ---------------------------------------------------------------- amounts with a decimal point

TOTAL = "{from: origin.metadata.total, as: decimal, currency: origin.currency}"


@pytest.mark.parametrize(
    ("currency", "written", "minor"),
    [
        ("usd", "48.25", 4_825),
        ("usd", "48.2", 4_820),
        ("usd", "48", 4_800),
        ("usd", "-0.05", -5),
        ("usd", "90071992547409.93", 9_007_199_254_740_993),
        ("jpy", "5000", 5_000),
        ("jpy", "5000.00", 5_000),
        ("kwd", "1.234", 1_234),
    ],
)
def test_an_amount_with_a_decimal_point_is_read_to_the_last_digit(currency: str, written: str, minor: int, tmp_path: Path):
    one = payment(edited(tmp_path, presented=TOTAL), {"total": written}, charge={"currency": currency})
    assert one.presented is not None
    assert (abs(one.presented.minor), one.presented.currency) == (abs(minor), currency.upper())


@pytest.mark.parametrize(
    "written", ["48.255", "1e3", "NaN", "Infinity", "48,25", "1 000.00", "1,000.00", "0x10", "٤٨", "48.25 USD", "--1", "."]
)
def test_an_amount_that_is_not_exact_is_held_and_never_rounded(written: str, tmp_path: Path):
    why = of_payment(edited(tmp_path, presented=TOTAL), {"total": written}, charge={"currency": "usd"})
    assert isinstance(why, str)
    assert why.startswith("origin.metadata.total: ")


@given(minor=st.integers(1, 10**9), currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]))
def test_what_was_written_with_a_decimal_point_comes_back_as_it_was(  # of fewer digits than a card number has
    tmp_path_factory: pytest.TempPathFactory, minor: int, currency: str
):
    map = edited(tmp_path_factory.getbasetemp() / "decimals", presented=TOTAL)
    one = payment(map, {"total": plain(minor, currency)}, charge={"currency": currency.lower()})
    assert one.presented == Money(minor, currency)


def test_a_decimal_number_of_an_answer_is_read_exactly_and_not_as_a_float(tmp_path: Path):
    answer = read_json(b'{"total": 0.29}')
    assert isinstance(answer, dict)
    one = payment(edited(tmp_path, presented=TOTAL), answer, charge={"currency": "usd"})
    assert one.presented == Money(29, "USD")


# ---------------------------------------------------------------- local times and days


def paid_at(zone: str, *more: str) -> str:
    said = ", ".join(["from: origin.metadata.paid_at", "as: local_time", f"zone: {zone}", *more])
    return f"{{{said}}}"


@pytest.mark.parametrize(
    ("where", "shown", "instant"),
    [
        ("Europe/Berlin", "2026-11-01 09:30:00", "2026-11-01T08:30:00Z"),
        ("Europe/Berlin", "2026-07-01T09:30:00", "2026-07-01T07:30:00Z"),
        ("America/New_York", "2026-10-31 20:15:00", "2026-11-01T00:15:00Z"),
        ("Asia/Kolkata", "2026-11-01 00:00:00", "2026-10-31T18:30:00Z"),
        # The last instants before clocks go back, and the first after.
        ("Europe/Berlin", "2026-10-25 01:59:59", "2026-10-24T23:59:59Z"),
        ("Europe/Berlin", "2026-10-25 03:00:00", "2026-10-25T02:00:00Z"),
        # The hour that comes twice: its first pass.
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T00:30:00Z"),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T05:30:00Z"),
    ],
)
def test_a_local_time_is_that_of_the_zone_that_the_map_names(where: str, shown: str, instant: str, tmp_path: Path):
    one = payment(edited(tmp_path, effective=paid_at(where)), {"paid_at": shown})
    assert one.effective == from_text(instant)


@pytest.mark.parametrize(
    ("where", "shown", "instant"),
    [
        ("Europe/Berlin", "2026-10-25 02:30:00", "2026-10-25T01:30:00Z"),
        ("America/New_York", "2026-11-01 01:30:00", "2026-11-01T06:30:00Z"),
        ("Europe/Berlin", "2026-11-01 09:30:00", "2026-11-01T08:30:00Z"),
    ],
)
def test_where_the_map_says_later_the_second_pass_of_the_hour_is_meant(where: str, shown: str, instant: str, tmp_path: Path):
    one = payment(edited(tmp_path, effective=paid_at(where, "fold: later")), {"paid_at": shown})
    assert one.effective == from_text(instant)


@pytest.mark.parametrize(
    ("where", "shown", "why"),
    [
        ("Europe/Berlin", "2026-03-29 02:30:00", "skipped when clocks there were put forward"),
        ("America/New_York", "2026-03-08 02:00:00", "skipped when clocks there were put forward"),
        ("Europe/Berlin", "2026-11-01T09:30:00Z", "not a local time"),
        ("Europe/Berlin", "2026-11-01T09:30:00+01:00", "not a local time"),
        ("Europe/Berlin", "2026-02-30 09:30:00", "no calendar has"),
        ("Europe/Berlin", "01.11.2026 09:30", "not a local time"),
        ("Europe/Berlin", "9:30", "not a local time"),
    ],
)
def test_a_local_time_that_no_clock_showed_is_held(where: str, shown: str, why: str, tmp_path: Path):
    said = of_payment(edited(tmp_path, effective=paid_at(where)), {"paid_at": shown})
    assert isinstance(said, str)
    assert said.startswith("origin.metadata.paid_at: ")
    assert why in said


@pytest.mark.parametrize(
    ("where", "shown", "instant"),
    [
        ("Asia/Kolkata", "2026-01-31", "2026-01-30T18:30:00Z"),
        ("Europe/Berlin", "2028-02-29", "2028-02-28T23:00:00Z"),
        ("UTC", "2026-12-31", "2026-12-31T00:00:00Z"),
        ("America/Havana", "2026-03-08", "2026-03-08T05:00:00Z"),  # there this day begins at one o'clock
    ],
)
def test_a_day_is_where_it_begins_in_the_zone_that_the_map_names(where: str, shown: str, instant: str, tmp_path: Path):
    map = edited(tmp_path, effective=f"{{from: origin.metadata.paid_on, as: day, zone: {where}}}")
    one = payment(map, {"paid_on": shown})
    assert one.effective == from_text(instant)
    assert post(one, zone(where), "EUR").date == date.fromisoformat(shown)


@pytest.mark.parametrize(
    ("where", "shown"),
    [("UTC", "2026-02-29"), ("UTC", "2026-11-1"), ("UTC", "31/10/2026"), ("UTC", "20261031"), ("Pacific/Apia", "2011-12-30")],
)
def test_a_day_that_no_calendar_has_is_held(where: str, shown: str, tmp_path: Path):
    map = edited(tmp_path, effective=f"{{from: origin.metadata.paid_on, as: day, zone: {where}}}")
    said = of_payment(map, {"paid_on": shown})
    assert isinstance(said, str)
    assert said.startswith("origin.metadata.paid_on: ")


# ---------------------------------------------------------------- the business date

EVENING = 1_793_489_400  # 2026-10-31T23:30:00Z: in Berlin it is November already
CLOCKS_BACK = 1_792_886_400  # 2026-10-25T00:00:00Z: two o'clock in Berlin, for the first time


@pytest.mark.parametrize(
    ("rule", "day"),
    [
        ("effective", date(2026, 11, 1)),
        ("{of: effective, zone: UTC}", date(2026, 10, 31)),
        ("{of: effective, zone: America/New_York}", date(2026, 10, 31)),
        ("occurred", date(2026, 10, 31)),  # the charge was made two hours before
        ("available", date(2026, 11, 3)),
        ("{of: available, zone: America/New_York}", date(2026, 11, 2)),
        ("[{of: payout, zone: UTC}, effective]", date(2026, 11, 1)),  # a payment is no payout
        ("[payout, {of: available, zone: UTC}]", date(2026, 11, 2)),
    ],
)
def test_the_map_says_which_instant_in_which_zone_makes_the_date_in_the_books(rule: str, day: date, tmp_path: Path):
    more = {"created": EVENING, "available_on": EVENING + 2 * DAY, "charge": {"created": EVENING - 7_200}}
    entry = post(payment(edited(tmp_path, date=rule), **more), BERLIN, "EUR")
    assert entry.date == day
    assert entry.effective == at(EVENING)  # the instant at which the balance moved is not a matter of maps


@pytest.mark.parametrize(
    ("rule", "day"),
    [
        ("effective", date(2026, 11, 1)),
        ("[{of: payout, zone: UTC}, effective]", date(2026, 11, 3)),
        ("payout", date(2026, 11, 3)),
        ("[{of: payout, zone: America/New_York}, effective]", date(2026, 11, 2)),  # an arrival date stands for a day in UTC
    ],
)
def test_a_payout_may_be_dated_by_its_arrival(rule: str, day: date, tmp_path: Path):
    line = movement("payout", -50_000, source="po_1Example", reporting_category="payout")
    (one,) = read(line, payout(), map=edited(tmp_path, date=rule)).transactions
    assert post(one, BERLIN, "EUR").date == day


@pytest.mark.parametrize(("hours", "day"), [(-1, 24), *((hour, 25) for hour in range(25)), (25, 26)])
def test_the_day_on_which_clocks_go_back_has_twenty_five_hours(hours: int, day: int, tmp_path: Path):
    made = CLOCKS_BACK - 2 * 3_600 + hours * 3_600
    one = payment(edited(tmp_path, date="{of: effective, zone: Europe/Berlin}"), created=made)
    assert post(one, UTC, "EUR").date == date(2026, 10, day)


def test_a_movement_without_the_instant_that_makes_its_date_is_held_by_name(tmp_path: Path):
    map = edited(tmp_path, date="payout")
    said = of_payment(map)
    assert said == "paid_out is missing, which decides its date"


# ---------------------------------------------------------------- since when a rule counts

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def told_in(map: GatewayMap, when: datetime) -> Transaction:
    """A payment that was made then; a record of the gateway lies in time where its own clock put it."""
    seconds = int(when.timestamp())
    records = landed(
        movement("charge", 10_000, source="ch_1Example", created=seconds, available_on=seconds),
        charge(created=seconds, receipt_email="bakery@example.com"),
        map=map,
    )
    reading = map.read(SHOP, SUBJECT, [replace(record, occurred=when) for record in records])
    assert reading.problems == ()
    return reading.transactions[0]


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2026-01-01", NEW_YEAR),
        ("2026-01-01T00:00:00+01:00", NEW_YEAR - timedelta(hours=1)),
        ("2026-01-01T00:00:00-05:00", NEW_YEAR + timedelta(hours=5)),
    ],
)
def test_last_years_records_keep_last_years_rule(since: str, first: datetime, tmp_path: Path):
    map = edited(
        tmp_path,
        description=f"[{{valid_from: '{since}', value: new}}, {{value: old}}]",
        customer=f"[{{valid_from: '{since}', from: origin.customer, as: id}}, {{from: origin.receipt_email, as: guest}}]",
        kind=f"[{{valid_from: '{since}', value: payment}}, {{value: adjustment}}]",
    )
    before, after = told_in(map, first - timedelta(seconds=1)), told_in(map, first)
    assert (before.description, before.kind) == ("old", Kind.ADJUSTMENT)
    assert before.customer.startswith("guest-")
    assert (after.description, after.kind, after.customer) == ("new", Kind.PAYMENT, "cus_1Example")


# ---------------------------------------------------------------- kinds by several rules

KINDS = "[{when: {type: charge}, value: payment}, {when: {type: [charge, refund]}, value: refund}]"


def test_of_several_kinds_the_first_that_counts_decides_and_is_named(tmp_path: Path):
    map = edited(tmp_path, kind=KINDS)
    records = landed(movement("charge", 10_000, source="ch_1Example"), charge(), map=map)
    assert map.read(SHOP, SUBJECT, records).transactions[0].kind is Kind.PAYMENT
    block = next(one for one in explained(map, SHOP, SUBJECT, records) if one.what == "movement")
    kind = next(answer for answer in block.answers if answer.field == "kind")
    assert (kind.value, kind.how) == (Kind.PAYMENT, "a fixed text; rule 1 of 2")


def test_a_movement_for_which_no_kind_counts_is_held_and_says_where_to_add_a_rule(tmp_path: Path):
    map = edited(tmp_path, kind=KINDS)
    (held,) = read(movement("adjustment", 10_000), map=map).problems
    assert held.problem.why == "no rule of kind counts for it"
    line = next(number for number, text in enumerate(SHIPPED.splitlines(), 1) if text.startswith("    kind:"))
    wanted = f"add a rule without a condition to mappings/gateways/stripe.yaml:{line}, then run: syncjob held retry"
    assert held.problem.cure == wanted
    assert (held.net, held.bucket) == (Money(10_000, "EUR"), "payments")


# ---------------------------------------------------------------- look-ups in tables

PRODUCT = "{from: origin.metadata.product, lookup: products}"
COLUMN = "{from: origin.metadata.product, lookup: products.label}"


@pytest.mark.parametrize(
    ("file", "text", "rule"),
    [
        ("products.yaml", "bread: Bread and rolls\n", PRODUCT),
        ("products.csv", "product,label\nbread,Bread and rolls\n", PRODUCT),
        ("products.csv", "product;account;label\r\nbread;4000;Bread and rolls\r\n", COLUMN),
    ],
)
def test_a_word_is_looked_up_in_a_table(file: str, text: str, rule: str, tmp_path: Path):
    table(tmp_path, file, text)
    map = edited(tmp_path, description=rule)
    assert payment(map, {"product": "bread"}).description == "Bread and rolls"
    said = of_payment(map, {"product": "climate_mystery"})
    assert said == f"origin.metadata.product is 'climate_mystery', which mappings/tables/{file} does not list"


def test_a_word_that_a_table_does_not_list_says_which_line_to_add(tmp_path: Path):
    table(tmp_path, "products.yaml", "bread: Bread and rolls\n")
    map = edited(tmp_path, description=PRODUCT)
    bodies = (movement("charge", 10_000, source="ch_1Example"), charge(metadata={"product": "climate_mystery"}))
    (held,) = read(*bodies, map=map).problems
    wanted = "add a line climate_mystery: ... to mappings/tables/products.yaml, then run: syncjob held retry"
    assert held.problem.cure == wanted


def test_a_table_that_changed_is_another_map(tmp_path: Path):
    table(tmp_path, "products.yaml", "bread: Bread\n")
    before = edited(tmp_path, description=PRODUCT).digest
    assert edited(tmp_path, description=PRODUCT).digest == before
    table(tmp_path, "products.yaml", "bread: Rolls\n")
    assert edited(tmp_path, description=PRODUCT).digest != before


def test_a_table_that_is_not_there_is_refused_before_anything_is_read(tmp_path: Path):
    with pytest.raises(Misconfigured, match=r"stripe\.yaml:\d+:\d+: there is no table 'products'"):
        edited(tmp_path, description=PRODUCT)


def test_what_otherwise_and_default_decided_is_counted(tmp_path: Path):
    rule = "{from: origin.metadata.product, lookup: {bread: Bread}, otherwise: Something else, default: bread}"
    map = edited(tmp_path, description=rule)
    map.counts.drain()
    assert payment(map, {"product": "bread"}).description == "Bread"
    assert payment(map, {"product": "cake"}).description == "Something else"
    assert payment(map, {}).description == "Bread"
    counted = map.counts.drain()
    field = "balance_transaction.description"
    assert {what: number for (name, what), number in counted.items() if name == field} == {What.OTHERWISE: 1, What.DEFAULTED: 1}
    assert counted["balance_transaction", What.READ] == 3


def test_a_word_that_the_map_refuses_is_refused_even_where_otherwise_stands(tmp_path: Path):
    rule = "{from: type, lookup: {refund: refund}, refuse: {charge: not here}, otherwise: adjustment}"
    said = of_payment(edited(tmp_path, kind=rule))
    assert said == "type is 'charge', which mappings/gateways/stripe.yaml refuses: not here"


def test_the_morning_of_the_examples_is_the_one_that_the_dates_above_count_from():
    assert at(MORNING) == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert at(EVENING) == datetime(2026, 10, 31, 23, 30, tzinfo=UTC)
    assert at(CLOCKS_BACK) == datetime(2026, 10, 25, tzinfo=UTC)


# ---------------------------------------------------------------- what the documentation shows

PAGE = (Path(__file__).parent.parent / "docs/mapping.md").read_text(encoding="utf-8")


def shown(after: str) -> str:
    """The block of the page that follows these words."""
    return PAGE[PAGE.index(after) :].split("```")[1].partition("\n")[2]


def test_the_complaint_that_the_page_shows_is_the_real_one(tmp_path: Path):
    with pytest.raises(Misconfigured) as refused:
        edited(
            tmp_path,
            presented="{from: origin.amount, as: money, currency: origin.presentment_details.presentment_currency}",
        )
    assert shown("**What the vendor's fields hold**").replace("\n", " ").strip() == str(refused.value)


def test_the_rules_that_the_page_shows_are_right(tmp_path: Path):
    table(tmp_path, "fee_kinds.yaml", "fee: fee\ncharge: payment\n")
    rule = shown("**Dates.**").removeprefix("date: ").strip()
    kinds = [line.removeprefix("  - ") for line in shown("**Since when a rule counts.**").splitlines()[1:]]
    assert len(kinds) == 2
    said = [line.partition(": ")[2] for line in shown("so in the rule").splitlines()]
    times = [rule.replace("from: ", "from: origin.metadata.") for rule in said]
    map = edited(tmp_path, date=rule, kind=f"[{', '.join(kinds)}]", effective=times[0], available=times[1])
    one = payment(map, {"paid_at": "2026-11-01 09:30:00", "settled_on": "2026-11-03"})
    assert (one.kind, one.effective) == (Kind.PAYMENT, from_text("2026-11-01T08:30:00Z"))
    assert one.available == from_text("2026-11-02T23:00:00Z")


# ---------------------------------------------------------------- a planted constant currency


def test_a_constant_currency_is_refused_by_check_with_its_place_its_words_and_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    home = tmp_path / "home"
    assert main(["init", "--home", str(home), "--zone", "Europe/Berlin", "--currency", "EUR"]) == 0
    path = home / "mappings/gateways/stripe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    right = "gross: {from: amount, as: money, currency: currency}"
    planted = SHIPPED.replace(right, "gross: {from: amount, as: money, currency: USD}")
    assert planted != SHIPPED
    path.write_text(planted, encoding="utf-8")
    line = next(number for number, text in enumerate(planted.splitlines(), 1) if "currency: USD" in text)
    column = planted.splitlines()[line - 1].index("USD") + 1
    capsys.readouterr()
    assert main(["check", "--home", str(home)]) == 2
    said = " ".join("".join(capsys.readouterr()).split())  # a missing key does not hide what is wrong with the map
    assert f"mappings/gateways/stripe.yaml:{line}:{column}: a currency is read from a field, never written into a map" in said
    assert "write the path of the field that holds the amount's currency" in said

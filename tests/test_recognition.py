"""Revenue that is earned over time: a schedule by day or per period, to the last cent, as entries or as an export."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import customer_house
import pytest
from beancount import loader
from customer_house import House as Customers
from hypothesis import given
from hypothesis import strategies as st
from simulated import House
from test_demo import ask, served

from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK
from syncjob.model import Kind, Reading, Role, Service
from syncjob.moment import month_end
from syncjob.money import Money, Percent
from syncjob.plan.locking import Late
from syncjob.ports import Lock
from syncjob.posting.recognition import ALL_AT_ONCE, Share, Time, shares, split
from syncjob.posting.rules import Revenue, Sales, TaxRule, usual

DAY = timedelta(days=1)
OCTOBER = date(2026, 10, 31)
YEAR = Time(Revenue.BY_DAY, date(2026, 10, 6), date(2027, 10, 6))
TAX = 'tax:\n  - {name: everywhere, rate: "0"}\n'


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


# ---------------------------------------------------------------- one sale


def test_by_day_each_day_is_the_same_and_the_last_day_ends_it() -> None:
    total = Money(365_00, "EUR")
    assert YEAR.earned(total, date(2026, 10, 5)) == Money(0, "EUR")
    assert YEAR.earned(total, date(2026, 10, 6)) == Money(1_00, "EUR")
    assert YEAR.earned(total, OCTOBER) == Money(26_00, "EUR")
    assert YEAR.earned(total, date(2027, 10, 5)) == total
    assert YEAR.earned(total, date(2030, 1, 1)) == total


def test_per_period_each_month_counted_from_the_first_day_is_the_same() -> None:
    year = Time(Revenue.PER_PERIOD, date(2026, 10, 31), date(2027, 10, 31))
    total = Money(100_00, "EUR")
    earned = [year.earned(total, day) for day in (OCTOBER, date(2026, 11, 29), date(2026, 11, 30))]
    assert [one.minor for one in earned] == [8_33, 8_33, 16_67]  # a month from the 31st is the 30th
    assert year.earned(total, date(2027, 9, 30)) == total


def test_a_time_is_read_back_from_the_reference_that_names_it() -> None:
    assert str(YEAR) == "by_day 2026-10-06/2027-10-06"
    assert Time.of(str(YEAR)) == YEAR


def test_what_is_over_by_the_end_of_its_month_and_what_names_no_time_is_earned_at_once() -> None:
    year = Service(at("2026-10-06"), at("2027-10-06"), 120_00)
    setup = Service(at("2026-10-06"), at("2026-10-06"), 30_00)
    month = Service(at("2026-10-06"), at("2026-11-01"), 10_00)
    how = Revenue.BY_DAY
    assert shares((), date(2026, 10, 6), UTC, how) == ALL_AT_ONCE
    assert shares((year,), date(2026, 10, 6), UTC, Revenue.ON_PAYMENT) == ALL_AT_ONCE
    assert shares((year, setup, month), date(2026, 10, 6), UTC, how) == (
        Share(Role.DEFERRED_REVENUE, "by_day 2026-10-06/2027-10-06", 120_00),
        Share(Role.REVENUE, "", 40_00),
    )
    # The books' zone makes the days.
    night = Service(at("2026-10-05T23:00:00"), at("2027-10-05T23:00:00"), 1)
    assert shares((night,), date(2026, 10, 6), ZoneInfo("Europe/Berlin"), how)[0].time == "by_day 2026-10-06/2027-10-06"


weights = st.lists(st.integers(-50_00, 90_00), min_size=1, max_size=5).filter(lambda some: sum(some) > 0)
hows = st.sampled_from((Revenue.BY_DAY, Revenue.PER_PERIOD))


@given(minor=st.integers(-10**9, 10**9), some=weights)
def test_a_sale_is_split_to_the_last_cent(minor: int, some: list[int]) -> None:
    parts = [Share(Role.DEFERRED_REVENUE, f"{at}", weight) for at, weight in enumerate(some)]
    lines = split(Money(minor, "EUR"), parts)
    assert sum(line.amount.minor for line in lines) == minor
    assert [line.reference for line in lines] == [one.time for one in parts]


@given(minor=st.integers(0, 10**9), how=hows, days=st.integers(1, 1500), start=st.integers(0, 900))
def test_a_schedule_sums_to_its_total_and_never_goes_back(minor: int, how: Revenue, days: int, start: int) -> None:
    first = date(2026, 1, 1) + start * DAY
    time, total = Time(how, first, first + days * DAY), Money(minor, "EUR")
    month, before = month_end(first - DAY), 0
    assert time.earned(total, first - DAY).minor == 0
    while month < time.end + 40 * DAY:
        earned = time.earned(total, month).minor
        assert before <= earned <= minor
        month, before = month_end(month + DAY), earned
    assert before == minor


# ---------------------------------------------------------------- a whole world


def home_of(folder: Path, url: str, *lines: str) -> House:
    house = House(folder, url, [], whole=True)
    house.set("    sales: invoiced_in_books\n", "".join(f"    {line}\n" for line in ("sales: recorded_here", *lines)))
    (folder / "mappings").mkdir(exist_ok=True)
    rules = (Path(__file__).parent.parent / "mappings/posting.yaml").read_text(encoding="utf-8")
    (folder / "mappings/posting.yaml").write_text(rules + TAX, encoding="utf-8")
    return house


def exported(house: House, capsys: pytest.CaptureFixture[str], what: str) -> list[dict[str, str]]:
    capsys.readouterr()
    assert main(["export", what, "--home", str(house.folder)]) == EXIT_OK
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))


def minor(rows: list[dict[str, str]], role: str) -> int:
    wanted = [row for row in rows if row["role"] == role and row["currency"] == "EUR"]
    return sum(Money.of(row["amount"], "EUR").minor for row in wanted)


@pytest.mark.parametrize("how", ["by_day", "per_period"])
def test_subscriptions_are_deferred_and_each_month_that_ends_earns_its_share(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    end = "2026-10-25T06:00:00+00:00"
    with served("stripe", "--port", 0, "--scenario", "whole", "--seed", 1, "--clock", end) as url:
        plain, over_time = home_of(tmp_path / "plain", url), home_of(tmp_path / "time", url, f"revenue: {how}")
        for house in (plain, over_time):
            assert [leg for leg in house.run(nightly=True).legs if leg.unexplained.minor] == []
        before = exported(over_time, capsys, "entries")
        deferred = -minor(before, "deferred_revenue")
        assert deferred > 0
        assert -minor(before, "revenue") + deferred == -minor(exported(plain, capsys, "entries"), "revenue")
        assert not [row for row in before if row["kind"] == "recognition"]  # the month is not over
        ask(url, "advance", {"seconds": 90 * 86_400})
        for house in (plain, over_time):
            assert [leg for leg in house.run(nightly=True).legs if leg.unexplained.minor] == []
        rows = exported(over_time, capsys, "entries")
        known = exported(plain, capsys, "entries")
        # Whatever is not earned yet is deferred, and nothing else differs.
        sold = [sum(minor(some, role) for role in ("revenue", "returns", "deferred_revenue")) for some in (rows, known)]
        assert sold[0] == sold[1]
        earned = [row for row in rows if row["kind"] == "recognition" and row["role"] == "revenue"]
        assert {row["date"] for row in earned} >= {"2026-10-31", "2026-11-30"}
        again = over_time.run(nightly=True)
        assert {name: count for name, count in again.counts.items() if "delivered" in name and count} == {}
        schedule = exported(over_time, capsys, "schedule")
    assert loader.load_file(str(over_time.folder / "books/main.beancount"))[1] == []
    text = "".join(over_time.books().values())
    assert re.search(r'2026-10-31 \* "shop" "Recognition"', text)
    assert 'syncjob: "books:shop:recognition:2026-10:1:journal"' in text
    # The schedule tells each sale to its last cent, and what of it the entries have brought to revenue.
    for subject in {(row["subject"], row["first"], row["until"]) for row in schedule}:
        of_sale = [row for row in schedule if (row["subject"], row["first"], row["until"]) == subject]
        total = Money.of(of_sale[0]["total"], of_sale[0]["currency"])
        assert sum(Money.of(row["earned"], row["currency"]).minor for row in of_sale) == total.minor
        assert of_sale[-1]["so_far"] == of_sale[0]["total"]
    ended = [row for row in schedule if row["month"] <= "2026-12-31" and row["currency"] == "EUR"]
    assert sum(Money.of(row["earned"], "EUR").minor for row in ended) == sum(
        Money.of(row["amount"], "EUR").minor
        for row in rows
        if row["kind"] == "recognition" and row["role"] == "deferred_revenue" and row["currency"] == "EUR"
    )


def test_as_an_export_nothing_is_brought_to_revenue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = "2026-11-25T06:00:00+00:00"
    with served("stripe", "--port", 0, "--scenario", "whole", "--seed", 1, "--clock", end) as url:
        house = home_of(tmp_path / "home", url, "revenue: by_day", "deferred: export")
        house.run(nightly=True)
        rows = exported(house, capsys, "entries")
        assert minor(rows, "deferred_revenue") < 0
        assert not [row for row in rows if row["kind"] == "recognition"]
        assert exported(house, capsys, "schedule")


def test_revenue_over_time_without_sales_recorded_here_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--home", str(tmp_path)]) == EXIT_OK
    path = tmp_path / "syncjob.yaml"
    sales = "    sales: invoiced_in_books\n"
    path.write_text(path.read_text().replace(sales, f"{sales}    revenue: by_day\n"))
    capsys.readouterr()
    assert main(["check", "--home", str(tmp_path)]) == EXIT_CONFIGURATION
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"syncjob\.yaml:\d+:14: revenue is by_day, and no sale is recorded here; "
        r"write sales: recorded_here, or leave the line out",
        told,
    ), told


# ---------------------------------------------------------------- refunds, and what comes late


@pytest.fixture
def yearly(fresh_url: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Customers:
    """Payments of this gateway are for a year from the 6th of October on, with 19 percent of tax in them."""
    year = (Service(at("2026-10-06"), at("2027-10-06"), 1),)
    read = customer_house.People.read

    def for_a_year(self: customer_house.People, *what: Any) -> Reading:
        told = read(self, *what)
        sold = tuple(replace(one, services=year) if one.kind is Kind.PAYMENT else one for one in told.transactions)
        return replace(told, transactions=sold)

    tax = TaxRule("everywhere", (), "", Percent.of("19"), date.min, date.max)
    how = replace(usual(), rules=replace(usual().rules, taxes=(tax,)), revenue=Revenue.BY_DAY)
    monkeypatch.setattr(customer_house.People, "read", for_a_year)
    monkeypatch.setattr(customer_house, "usual", lambda: how)
    house = Customers(fresh_url(), tmp_path / "home", sales=Sales.RECORDED_HERE)
    house.stripe.pays("ch_1", "cus_A", 119_00)
    return house


def stands(house: Customers) -> dict[str, int]:
    """Role -> what stands there, in cents."""
    with house.store() as store:
        sums = store.balances("stripe", None)
    found: dict[str, int] = {}
    for (role, _, _), cents in sums.items():
        found[role.value] = found.get(role.value, 0) + cents
    return {role: cents for role, cents in found.items() if cents}


def parts(house: Customers) -> dict[str, tuple[date, int]]:
    """Key of each recognition -> its day, and what it brought to revenue."""
    with house.store() as store:
        every = [entry for story in store.stories(list(store.all_subjects())) for entry in story.entries]
    return {
        one.key.removeprefix("stripe:recognition:"): (
            one.date,
            -sum(line.amount.minor for line in one.lines if line.role is Role.REVENUE),
        )
        for one in every
        if one.kind == "recognition"
    }


def test_a_refund_that_comes_late_makes_a_further_part_and_in_the_end_all_is_earned(
    yearly: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    yearly.run(nightly=True)
    assert stands(yearly) == {"clearing": 119_00, "deferred_revenue": -100_00, "tax": -19_00}
    yearly.clock = at("2026-11-02T08:00:00")
    assert yearly.run(nightly=True).exit == EXIT_OK
    assert parts(yearly) == {"2026-10:1": (OCTOBER, 7_12)}  # 26 of 365 days
    yearly.clock = at("2026-11-09T09:00:00")  # a week later, when a night looks back that far
    yearly.stripe.pays("ch_1", "cus_A", 119_00, back=59_50)  # dated like its payment
    yearly.run(nightly=True)
    assert parts(yearly) == {"2026-10:1": (OCTOBER, 7_12), "2026-10:2": (OCTOBER, -3_56)}
    yearly.clock = at("2027-11-02T08:00:00")
    usual_now = replace(customer_house.usual(), revenue=Revenue.ON_PAYMENT)
    monkeypatch.setattr(customer_house, "usual", lambda: usual_now)  # what was deferred is earned to its end
    yearly.run(nightly=True)
    assert len(parts(yearly)) == 14
    left = {role: cents for role, cents in stands(yearly).items() if role not in ("clearing", "opening")}
    assert left == {"revenue": -50_00, "tax": -9_50}
    before = parts(yearly)
    yearly.run(nightly=True)
    assert parts(yearly) == before


def test_what_is_paid_late_is_earned_from_the_month_of_its_payment_on(yearly: Customers) -> None:
    """Its service has begun before; nothing is earned before there is a sale."""
    yearly.run(nightly=True)
    yearly.clock = at("2026-11-03T08:00:00")
    yearly.stripe.pays("ch_2", "cus_A", 119_00)
    yearly.run(nightly=True)
    assert parts(yearly) == {"2026-10:1": (OCTOBER, 7_12)}
    yearly.clock = at("2026-12-01T08:00:00")
    yearly.run(nightly=True)
    assert parts(yearly)["2026-11:1"] == (date(2026, 11, 30), 8_22 + 15_34)  # 30 days of the first, 56 of the second


def test_in_a_closed_month_it_is_posted_on_the_first_open_day_and_once(yearly: Customers) -> None:
    yearly.late = Late.NEXT_OPEN_DAY
    yearly.run(nightly=True)
    yearly.books.closed = [Lock(date(2026, 11, 30))]
    yearly.clock = at("2026-12-02T08:00:00")
    for _ in range(3):
        yearly.run(nightly=True)
    opened = date(2026, 12, 1)
    assert parts(yearly) == {"2026-10:1": (opened, 7_12), "2026-11:1": (opened, 8_22)}


def test_a_sale_of_which_the_tax_is_not_known_waits_and_defers_nothing(
    yearly: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    untaxed = replace(customer_house.usual(), rules=usual().rules)
    monkeypatch.setattr(customer_house, "usual", lambda: untaxed)
    yearly.run(nightly=True)
    assert stands(yearly) == {"clearing": 119_00, "customer_credit": -119_00}

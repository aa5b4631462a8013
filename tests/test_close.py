"""A month's close pack: what a controller reads at month end, from a simulated month and from entries made by hand.

The packs of the simulated months stand in tests/fixtures/close; `pytest tests/test_close.py --write-expected` writes them anew.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import random
import re
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from simulated import House
from test_demo import ask, served
from test_golden_journals import at_the_gateway

from syncjob import config, jobs
from syncjob.cli import main
from syncjob.cli.setup import write_home
from syncjob.cli.standing import feeds_of
from syncjob.errors import Problem
from syncjob.jobs import nights
from syncjob.jobs.assembly import assemble
from syncjob.jobs.closing import gather
from syncjob.model import Entry, Line, Refusal, Role, Stream
from syncjob.moment import business_date
from syncjob.money import Money
from syncjob.ports import Feed
from syncjob.reconcile import Leg
from syncjob.store import Plan, Progress, Store, Subject
from syncjob.summary.closefiles import files
from syncjob.summary.closing import BankLine, Pack

WHY = Problem("a record", "shop", "its type is not listed", "add a line")
GOLDEN = Path(__file__).parent / "fixtures/close"
OCTOBER = date(2026, 10, 1)
MONTH_END = datetime(2026, 10, 31, 23, tzinfo=UTC)  # midnight in Berlin
NIGHTS = tuple(datetime(2026, month, day, 6, tzinfo=UTC) for month, day in ((10, 30), (10, 31), (11, 1)))


def packed(home: Path, first: date = OCTOBER, **more: Any) -> Pack:
    settings = config.read(home)
    with closing(Store.open(settings.state)) as store:
        return gather(
            settings, store, {one.name: feeds_of(settings, one.name) for one in settings.of("gateways")}, first, **more
        )


def at_night(house: House, now: datetime) -> None:
    """One nightly run whose every clock shows `now`."""
    settings = config.read(house.folder)
    with closing(Store.open(settings.state, create=True)) as store:
        job = assemble(settings, store, {**os.environ, "KEY": "sk_test_sandbox"})
        jobs.run(replace(job, now=lambda: now, sleep=lambda _: None), nightly=True)


def lived(folder: Path, scenario: str, seed: int = 1, state: str = "", nights: tuple[datetime, ...] = NIGHTS) -> House:
    """A home after some nights around the end of a simulated October."""
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", nights[0].isoformat()) as url:
        house = House(folder, url, ask(url, "invoices"), whole=scenario == "whole")
        if state:
            path = folder / "syncjob.yaml"
            path.write_text(path.read_text().replace("state: state/syncjob.sqlite", f"state: {state}"))
        clock = nights[0]
        for night in nights:
            ask(url, "advance", {"seconds": int((night - clock).total_seconds())})
            clock = night
            at_night(house, night)
    return house


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a pack; the line of a field map that a cure names may be another tomorrow."""
    return {path.name: re.sub(rb"(?<=stripe\.yaml):[0-9]+", b":81", path.read_bytes()) for path in sorted(folder.iterdir())}


def sheet(texts: Mapping[str, str], name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(texts[name], newline="")))


# ---------------------------------------------------------------- simulated months


@pytest.mark.parametrize("scenario", ["tidy", "busy"])
def test_the_pack_of_a_simulated_october_reads_as_its_golden_files(
    scenario: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    house = lived(tmp_path / "home", scenario)
    code = main(["close", "2026-10", "--home", str(house.folder), "--out", str(tmp_path / "pack")])
    found = contents(tmp_path / "pack")
    if request.config.getoption("--write-expected", default=False):
        (GOLDEN / scenario).mkdir(parents=True, exist_ok=True)
        for name, text in found.items():
            (GOLDEN / scenario / name).write_bytes(text)
    assert found == contents(GOLDEN / scenario)
    assert code == {"tidy": 0, "busy": 3}[scenario]


def test_the_page_about_it_shows_a_pack_as_it_is() -> None:
    shown = (GOLDEN.parents[2] / "docs/close.md").read_text(encoding="utf-8").split("```")[3].strip("\n")
    assert shown in (GOLDEN / "tidy/README.txt").read_text(encoding="utf-8")


def test_made_again_and_from_postgresql_it_is_the_same_to_the_byte(tmp_path: Path, fresh_url: Callable[[], str]) -> None:
    house = lived(tmp_path / "home", "busy", state=fresh_url())
    first = files(packed(house.folder))
    assert files(packed(house.folder)) == first
    assert main(["close", "2026-10", "--home", str(house.folder), "--out", str(tmp_path / "pack")]) == 3
    assert {path.name: path.read_bytes().decode() for path in (tmp_path / "pack").iterdir()} == first
    assert contents(tmp_path / "pack") == contents(GOLDEN / "busy")


def test_a_later_night_with_nothing_new_about_october_changes_nothing(tmp_path: Path) -> None:
    later = (*NIGHTS, datetime(2026, 11, 2, 6, tzinfo=UTC))
    one, two = (files(packed(lived(tmp_path / str(len(n)), "tidy", nights=n).folder)) for n in (NIGHTS, later))
    changed = [name for name in one if name not in ("README.txt",) and one[name] != two[name]]
    assert changed == []  # README.txt names the gateways' clocks


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("scenario", ["tidy", "busy", "whole"])
def test_the_pack_holds_at_month_end_what_the_gateway_itself_held_then(scenario: str, seed: int, tmp_path: Path) -> None:
    """The statement is of two days later: what moved since then is taken off again, to the cent."""
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", MONTH_END.isoformat()) as url:
        then, _ = at_the_gateway(ask(url, "books")["balances"])
        ask(url, "advance", {"seconds": 2 * 86_400})
        house = House(tmp_path / "home", url, ask(url, "invoices"), whole=scenario == "whole")
        at_night(house, MONTH_END + timedelta(days=2))
    pack = packed(house.folder)
    held = {tie.currency: tie.theirs for tie in pack.ties if tie.place == "payments" and tie.theirs and tie.theirs.minor}
    assert held == then
    assert [tie for tie in pack.ties if tie.unexplained.minor] == []
    words = ("held", "not covered", "cut-over", "is not what it pays out")
    assert [one for one in pack.complaints if not any(word in one for word in words)] == []
    _sums_are_the_stores(house.folder, pack)


def _sums_are_the_stores(home: Path, pack: Pack) -> None:
    """Every figure at month end is what the store itself sums up."""
    with closing(Store.open(config.read(home).state)) as store:
        sums: dict[tuple[Role, str], int] = defaultdict(int)
        for (role, _, currency), minor in store.balances("shop", MONTH_END - timedelta(microseconds=1)).items():
            sums[role, currency] += minor
    for roll in pack.rolls:
        role = Role.CLEARING if roll.name == "balance" else Role.RESERVE
        assert roll.total == roll.closing
        assert roll.moved.minor == sums[role, roll.currency]
    texts = files(pack)
    by_role: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in sheet(texts, "open-items.csv"):
        by_role[row["role"], row["currency"]].append(row["amount"])
    for row in sheet(texts, "ageing.csv"):
        parts = [Money.of(text, row["currency"]).minor for text in by_role[row["role"], row["currency"]]]
        assert sum(parts) == Money.of(row["total"], row["currency"]).minor
    trial: dict[str, int] = defaultdict(int)
    for row in sheet(texts, "trial-balance.csv"):
        trial[row["currency"]] += Money.of(row["closing"], row["currency"]).minor
    assert set(trial.values()) == {0}


def test_a_month_that_is_not_over_says_so_and_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house = lived(tmp_path / "home", "tidy", nights=NIGHTS[:1])
    assert main(["close", "2026-10", "--home", str(house.folder), "--out", str(tmp_path / "pack")]) == 3
    assert "not complete: the month is not over by the gateways' clocks" in capsys.readouterr().out
    assert "NOT COMPLETE:\n  * the month is not over" in (tmp_path / "pack/README.txt").read_text()


def test_a_month_before_the_cut_over_is_not_called_complete(tmp_path: Path) -> None:
    house = lived(tmp_path / "home", "tidy", nights=NIGHTS[2:])
    assert packed(house.folder, date(2026, 9, 1)).complaints == ("shop: its entries begin on 2026-10-06, after this month",)


def test_a_month_whose_night_is_missing_names_the_day(tmp_path: Path) -> None:
    house = lived(tmp_path / "home", "tidy", nights=(NIGHTS[0], NIGHTS[2]))
    assert packed(house.folder).complaints == ("no whole night has proven 2026-10-30",)


# ---------------------------------------------------------------- entries made by hand


@pytest.fixture
def desk(tmp_path: Path, fresh_url: Callable[[], str]) -> Iterator[tuple[config.Config, Store]]:
    """A home without a gateway that answers: its sub-ledger is written by the test."""
    write_home(
        tmp_path / "home", zone="Europe/Berlin", currency="EUR", start="2026-01-01T00:00:00+01:00", gateway="shop", key="env:K"
    )
    settings = replace(config.read(tmp_path / "home"), state=fresh_url())
    with closing(Store.open(settings.state, create=True)) as store:
        yield settings, store


def entry(number: int, kind: str, subject: str, on: date, at: datetime, *lines: tuple[Role, int]) -> Entry:
    told = tuple(Line(role, Money(minor, "EUR"), bucket="payments" if role is Role.CLEARING else "") for role, minor in lines)
    return Entry(
        key=f"shop:txn_{number}Example", source="shop", subject=subject, origin=f"txn_{number}Example",
        kind=kind, effective=at, date=on, lines=told,
    )  # fmt: skip


def save(store: Store, *entries: Entry) -> None:
    for one in entries:
        store.save(Plan((Subject("shop", one.subject, 0),), (one,)), MONTH_END)


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def test_a_payment_of_the_last_minutes_that_is_dated_in_november_stands_on_the_cut_off_list(
    desk: tuple[config.Config, Store],
) -> None:
    settings, store = desk
    late, early = date(2026, 11, 1), date(2026, 10, 31)
    save(
        store,
        entry(1, "payment", "payment:1", early, noon(early), (Role.CLEARING, 1_000), (Role.UNAPPLIED, -1_000)),
        entry(2, "payment", "payment:2", late, MONTH_END - timedelta(minutes=5), (Role.CLEARING, 70), (Role.UNAPPLIED, -70)),
        entry(3, "refund", "payment:1", early, MONTH_END, (Role.CLEARING, -5), (Role.UNAPPLIED, 5)),
    )
    pack = gather(settings, store, {"shop": ()}, OCTOBER)
    assert [(one.what, one.key, str(one.amount)) for one in pack.crossed] == [
        ("dated before, moved after", "shop:txn_3Example", "-0.05 EUR"),
        ("moved before, dated after", "shop:txn_2Example", "0.70 EUR"),
    ]
    (roll,) = pack.rolls
    assert (str(roll.closing), str(roll.crossing), str(roll.moved)) == ("9.95 EUR", "-0.75 EUR", "10.70 EUR")
    november = gather(settings, store, {"shop": ()}, date(2026, 11, 1))
    assert [one.key for one in november.crossed] == ["shop:txn_3Example", "shop:txn_2Example"]  # the same, at its beginning
    assert november.rolls[0].opening == roll.closing


def test_a_payout_under_way_at_month_end_is_named_with_its_later_arrival(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    sent, paid = date(2026, 10, 30), date(2026, 11, 2)
    save(
        store,
        entry(1, "payout", "payout:po_1Example", sent, noon(sent), (Role.CLEARING, -900), (Role.PAYOUTS_IN_TRANSIT, 900)),
        entry(2, "payout_paid", "payout:po_1Example", paid, noon(paid), (Role.BANK, 900), (Role.PAYOUTS_IN_TRANSIT, -900)),
    )
    bank = {("shop", "po_1Example"): BankLine(paid, Money(900, "EUR"), "STRIPE EXAMPLE")}
    pack = gather(settings, store, {"shop": ()}, OCTOBER, bank)
    (payout,) = pack.payouts
    assert (payout.id, payout.state, str(payout.after), str(payout.later)) == (
        "po_1Example", "in transit, arrived after the month", "9.00 EUR", "-9.00 EUR",
    )  # fmt: skip
    assert [(one.role, one.days, str(one.amount)) for one in pack.aged] == [(Role.PAYOUTS_IN_TRANSIT, 1, "9.00 EUR")]
    assert sheet(files(pack), "payouts.csv")[0]["bank_text"] == "STRIPE EXAMPLE"
    assert gather(settings, store, {"shop": ()}, date(2026, 12, 1)).payouts == ()  # long settled


def night(store: Store, on: date, kind: str = "nightly", stated: Mapping[str, int] | None = None) -> None:
    """A nightly run that the state remembers, with what the gateway stated in its payments bucket by currency."""
    number = store.start_run(kind, noon(on))
    legs = [
        Leg("gateway", "shop", "payments", currency, noon(on), Money(minor, currency), Money(0, currency))
        for currency, minor in (stated or {}).items()
    ]
    nights.note(store, number, on, legs)
    store.end_run(number, noon(on), 0, {})


def test_what_is_held_in_november_is_no_reason_for_a_gap_in_october(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    spring, autumn = date(2026, 10, 20), date(2026, 11, 2)
    save(store, entry(1, "payment", "payment:1", spring, noon(spring), (Role.CLEARING, 1_000), (Role.UNAPPLIED, -1_000)))
    held = [
        (
            Subject("shop", f"payment:{number}", 0),
            Refusal("charge", f"ch_{number}Example", WHY, noon(on), Money(minor, "EUR"), "payments"),
        )
        for number, on, minor in ((2, spring, 50), (3, autumn, 7))
    ]
    store.save(Plan(tuple(subject for subject, _ in held), refusals=tuple(held)), noon(autumn))
    night(store, autumn, stated={"EUR": 1_057})
    (tie,) = gather(settings, store, {"shop": ()}, OCTOBER).ties
    assert (str(tie.since), str(tie.theirs), str(tie.unexplained)) == ("0.07 EUR", "10.50 EUR", "0.00 EUR")
    assert [(item.name, str(item.amount)) for item in tie.items] == [("charge ch_2Example", "0.50 EUR")]


def test_a_currency_that_is_paid_out_whole_is_stated_as_nothing(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    day = date(2026, 10, 20)
    save(
        store,
        entry(1, "payment", "payment:1", day, noon(day), (Role.CLEARING, 1_000), (Role.UNAPPLIED, -1_000)),
        entry(2, "payout", "payout:1", date(2026, 11, 1), MONTH_END, (Role.CLEARING, -1_000), (Role.PAYOUTS_IN_TRANSIT, 1_000)),
    )
    night(store, date(2026, 11, 2), stated={"USD": 5})
    ties = {tie.currency: tie for tie in gather(settings, store, {"shop": ()}, OCTOBER).ties}
    assert (str(ties["EUR"].stated), str(ties["EUR"].theirs), str(ties["EUR"].ours)) == ("0.00 EUR", "10.00 EUR", "10.00 EUR")
    assert str(ties["USD"].unexplained) == "0.05 USD"  # money that we know nothing of


def test_the_first_statement_after_the_month_counts_and_no_later_one(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    for on, minor in ((date(2026, 10, 31), 1), (date(2026, 11, 1), 2), (date(2026, 11, 2), 3)):
        night(store, on, stated={"EUR": minor})
    (tie,) = gather(settings, store, {"shop": ()}, OCTOBER).ties
    assert str(tie.stated) == "0.02 EUR"


def test_a_night_without_all_gateways_and_books_proves_no_day(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    feed = Feed("movements", posts=True)
    stream = Stream("shop", "acct_example", "test")
    store.land(stream, feed.name, [], Progress(seen_at=noon(date(2026, 11, 2))), noon(date(2026, 11, 2)))
    night(store, date(2026, 10, 29))
    night(store, date(2026, 10, 30))
    night(store, date(2026, 10, 31), "partial nightly")
    night(store, date(2026, 11, 1))
    pack = gather(settings, store, {"shop": (feed,)}, OCTOBER)
    assert pack.is_over
    assert pack.missing_nights == (date(2026, 10, 30),)
    assert [one.day.day for one in pack.nights] == [29, 30, 31, 1]


def test_what_customers_are_owed_is_aged_in_four_classes(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    last = date(2026, 10, 31)
    for number, days in enumerate((0, 30, 31, 60, 61, 90, 91, 400), 1):
        day = last - timedelta(days=days)
        save(store, entry(number, "payment", f"payment:{number}", day, noon(day), (Role.CLEARING, 1), (Role.UNAPPLIED, -1)))
    (row,) = sheet(files(gather(settings, store, {"shop": ()}, OCTOBER)), "ageing.csv")
    ages = [row[name] for name in ("days_0_to_30", "days_31_to_60", "days_61_to_90", "days_older", "total")]
    assert ages == ["0.02", "0.02", "0.02", "0.02", "0.08"]


def test_an_entry_that_no_books_have_is_listed_line_by_line(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    day = date(2026, 10, 5)
    save(store, entry(1, "payment", "payment:1", day, noon(day), (Role.CLEARING, 500), (Role.UNAPPLIED, -500)))
    pack = gather(settings, store, {"shop": ()}, OCTOBER)
    rows = [(one.what, one.target, one.role, str(one.amount), one.status) for one in pack.waiting if one.key]
    assert rows == [
        ("not in the books", "books", "clearing", "5.00 EUR", "no document"),
        ("not in the books", "books", "unapplied", "-5.00 EUR", "no document"),
    ]
    assert "1 entry is not in the books of books; see: syncjob status" in pack.complaints


def test_whatever_is_posted_every_sheet_closes_and_one_month_begins_where_the_last_ended(
    desk: tuple[config.Config, Store],
) -> None:
    settings, store = desk
    dice = random.Random(5)  # noqa: S311 - the same months each time
    kinds = (
        ("payment", Role.UNAPPLIED), ("refund", Role.UNAPPLIED), ("payout", Role.PAYOUTS_IN_TRANSIT), ("reserve", Role.RESERVE),
        ("payout_failure", Role.PAYOUTS_IN_TRANSIT), ("fee", Role.FEES), ("adjustment", Role.SUSPENSE),
    )  # fmt: skip
    entries = []
    for number in range(300):
        kind, against = dice.choice(kinds)
        at = datetime(2026, 8, 20, tzinfo=UTC) + timedelta(minutes=dice.randrange(120 * 1440))
        on = business_date(at, settings.zone) + timedelta(days=dice.choice((0, 0, 0, 0, 1, 2, -1)))
        minor, fee = dice.randrange(-9_999, 9_999) or 1, dice.choice((0, 25))
        lines = [(Role.CLEARING, minor - fee), (against, -minor), *([(Role.FEES, fee)] if fee else [])]
        entries.append(entry(number, kind, f"{kind}:{dice.randrange(80)}", on, at, *lines))
    save(store, *entries)
    ends: dict[tuple[str, str, str], Money] = {}
    boundaries: set[date] = set()
    for first in (date(2026, 9, 1), OCTOBER, date(2026, 11, 1), date(2026, 12, 1)):
        pack = gather(settings, store, {"shop": ()}, first)
        wrong = ("lead", "holds", "crosses", "trial balance", "do not sum")
        assert [one for one in pack.complaints if any(word in one for word in wrong)] == []
        for roll in pack.rolls:
            role = Role.CLEARING if roll.name == "balance" else Role.RESERVE
            expected = sum(m.amount.minor for e in entries if e.date <= pack.last for m in e.lines if m.role is role)
            assert roll.closing.minor == expected
            assert ends.get((roll.source, roll.name, roll.currency), roll.opening) == roll.opening
            ends[roll.source, roll.name, roll.currency] = roll.closing
        boundaries |= {one.boundary for one in pack.crossed}
    assert len(boundaries) == 4  # the dice made some for each end of a month


def test_a_figure_that_does_not_close_is_a_complaint(desk: tuple[config.Config, Store]) -> None:
    settings, store = desk
    day = date(2026, 10, 5)
    save(
        store,
        entry(1, "payment", "payment:1", day, noon(day), (Role.CLEARING, 500), (Role.UNAPPLIED, -500)),
        entry(2, "payout", "payout:1", day, noon(day), (Role.CLEARING, -400), (Role.PAYOUTS_IN_TRANSIT, 400)),
    )
    pack = gather(settings, store, {"shop": ()}, OCTOBER)
    cent = Money(1, "EUR")
    said = [
        replace(pack, rolls=(replace(pack.rolls[0], opening=cent),)),
        replace(pack, rolls=(replace(pack.rolls[0], crossing=cent),)),
        replace(pack, payouts=(replace(pack.payouts[0], sent=cent),)),
        replace(pack, payouts=()),
        replace(pack, aged=pack.aged[1:]),
        replace(pack, trial=pack.trial[1:]),
        replace(pack, trial=(replace(pack.trial[0], debit=cent), *pack.trial[1:])),
    ]
    for one in said:
        assert len(set(one.complaints) - set(pack.complaints)) >= 1


# ---------------------------------------------------------------- where it goes


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A home with a state and nothing in it."""
    home = tmp_path / "home"
    write_home(home, zone="Europe/Berlin", currency="EUR", start="2026-01-01T00:00:00+01:00", gateway="shop", key="env:K")
    Store.open(config.read(home).state, create=True).close()
    return home


def test_a_folder_that_is_there_stays_as_it_is(bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "pack"
    out.mkdir()
    assert main(["close", "2026-10", "--home", str(bare), "--out", str(out)]) == 2
    assert f"{out} is there already; take it away, or name another place with --out" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("form", [[], ["--zip"]])
@pytest.mark.parametrize(("wrong", "code", "words"), [(errno.ENOSPC, 5, "make room there"), (errno.EACCES, 2, "another --out")])
def test_on_a_full_disk_there_is_no_pack_and_no_half_of_one(
    wrong: int, code: int, words: str, form: list[str], bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def full(_: int) -> None:
        raise OSError(wrong, os.strerror(wrong))

    monkeypatch.setattr(os, "fsync", full)
    before = sorted(tmp_path.iterdir())
    assert main(["close", "2026-10", "--home", str(bare), "--out", str(tmp_path / "pack"), *form]) == code
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_as_a_zip_file_it_holds_the_same_and_is_the_same_each_time(bare: Path, tmp_path: Path) -> None:
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert main(["close", "2026-10", "--home", str(bare), "--out", str(tmp_path / name / "pack"), "--zip"]) == 3
        made.append((tmp_path / name / "pack.zip").read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "one/pack.zip") as pack:
        texts = {name: pack.read(name).decode() for name in pack.namelist()}
    assert texts == {f"pack/{name}": text for name, text in files(packed(bare)).items()}


@pytest.mark.parametrize("month", ["2026-13", "2026-1", "October", "2026-10-01", "0001-01"])
def test_a_month_is_written_as_year_and_month(month: str, bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["close", month, "--home", str(bare)]) == 2
    assert "write year and month such as 2026-10" in capsys.readouterr().err


def test_a_home_before_its_first_run_has_nothing_to_close(
    bare: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["close", "2026-10", "--home", str(bare), "--out", str(tmp_path / "pack")]) == 3
    assert "not over by the gateways' clocks" in capsys.readouterr().out
    assert sheet({"a": (tmp_path / "pack/roll-forward.csv").read_text()}, "a") == []

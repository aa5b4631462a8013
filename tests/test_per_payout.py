"""One document per payout: each month's part of what it pays out, what waits for one cut at the month's end, and no other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import responses
from beancount import loader
from beancount.core import data, realization
from simulated import START, House
from stripe_vendor import answers, opened
from test_demo import ask, served
from test_modes import MODES, SCENARIOS, balances, documents, house

from syncjob import config
from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_HELD
from syncjob.jobs import Report, undoing
from syncjob.jobs.undoing import Wish
from syncjob.model import Entry, Line, Role
from syncjob.money import Money
from syncjob.plan.units import AWAITING, Booking, Mode, Paid, Unit, named, payout_units

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
LATER = 12 * 86_400  # seconds: by then it is known of each payout of October what is in it


@contextmanager
def world(scenario: str, seed: int = 1) -> Iterator[str]:
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", seed, "--clock", END.isoformat()) as url:
        yield url


def through(home: House, day: date) -> dict[str, str]:
    """Account -> what stands there at the end of a day, by Beancount's own reader."""
    entries, errors, _ = loader.load_file(str(home.folder / "books/main.beancount"))
    assert errors == []
    root = realization.realize([one for one in entries if isinstance(one, data.Transaction) and one.date <= day])
    return {one.account: str(one.balance) for one in realization.iter_children(root) if not one.balance.is_empty()}


def off(report: Report) -> list[object]:
    return [leg for leg in report.legs if leg.unexplained.minor]


# ---------------------------------------------------------------- whole worlds


@pytest.mark.parametrize("seed", range(1, 8))
def test_at_the_months_end_the_books_are_those_of_single_documents(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = SCENARIOS[seed % 3]
    with world(scenario, seed) as url:
        homes = [house(tmp_path / mode, url, scenario, f"mode: {mode}") for mode in ("per_transaction", "per_payout")]
        for home in homes:
            assert off(home.run(nightly=True)) == []
        ask(url, "advance", {"seconds": LATER})
        for home in homes:
            assert off(home.run(nightly=True)) == []
            assert off(home.run(nightly=True)) == []
    one, other = homes
    assert through(one, date(2026, 10, 31)) == through(other, date(2026, 10, 31))
    rows = documents(other, capsys)
    waiting = {row["entry"] for row in rows if not row["documents"]}
    assert all(row["documents"].count(",") == 0 for row in rows)
    assert all(row["date"] >= "2026-11-01" for row in rows if row["entry"] in waiting)
    summed = {row["documents"] for row in rows if ":summary:" in row["documents"]}
    assert any(f":{AWAITING}:2026-10:summary:" in name for name in summed) or scenario == "tidy"
    for row in rows:
        month = re.search(r":(\d{4}-\d\d):summary:\d+$", row["documents"])
        assert month is None or row["date"].startswith(month[1]), row


def test_what_a_payout_takes_stands_in_its_own_documents_or_was_cut_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world("tidy") as url:
        home = house(tmp_path / "home", url, "tidy", "mode: per_payout")
        home.run(nightly=True)
        ask(url, "advance", {"seconds": LATER})
        home.run(nightly=True)
    with home.job() as job:
        sent = {one.id: one for one in job.store.payouts("shop", START)}
        rows = [row for row in documents(home, capsys) if row["role"] == "clearing"]
        out = job.store.paid_out("shop", [row["transaction"].partition(":")[2] for row in rows])
    assert len(sent) >= 8
    of_payout: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        payout = out.get(row["transaction"].partition(":")[2])
        if payout is not None:
            of_payout[payout].append(row)
    cut = 0
    for payout, mine in of_payout.items():
        amount = sent[payout].amount
        assert sum(Money.of(row["amount"], row["currency"]).minor for row in mine) == amount.minor
        for row in mine:
            waited = f":{AWAITING}:{row['date'][:7]}:summary:" in row["documents"]
            assert waited or f":{payout}:{row['date'][:7]}:summary:1" in row["documents"]
            cut += waited
            assert not waited or sent[payout].sent > date(2026, 10, 31)
    assert cut >= 2  # what two payouts of November took of October
    text = "".join(home.books().values())
    assert re.search(r'"Settlement po_\w+, 2026-10: .*"', text)
    assert re.search(r'"Awaiting a payout at the end of 2026-10: .*"', text)
    assert 'payout: "po_' in text


def test_what_is_undone_and_sent_again_is_the_same_settlement(tmp_path: Path) -> None:
    with world("tidy") as url:
        home = house(tmp_path / "home", url, "tidy", "mode: per_payout")
        home.run(nightly=True)
        before = balances(home)
        with home.job() as job:
            books = [one for one in job.sinks if one.ledger.books]
            run = job.store.runs(1)[0].id
            assert undoing.undo(job, books, Wish(run), undoing.planned(job, books, Wish(run)), "somebody").left == ()
        assert balances(home) == {}
        with home.job() as job:
            undoing.redo(job, job.sinks, Wish(run), "somebody")
        assert off(home.run(nightly=True)) == []
    assert balances(home) == before


@pytest.mark.parametrize("mode", MODES)
def test_switched_to_payouts_at_an_instant_no_entry_is_in_both_or_neither(
    mode: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world("busy", 2) as url:
        home = house(tmp_path / "home", url, "busy", f"mode: {mode}")
        home.run(nightly=True)
        before = {row["entry"]: row["documents"] for row in documents(home, capsys) if row["documents"]}
        home.set(f"    mode: {mode}\n", '    mode: per_payout\n    mode_since: "2026-10-20T12:00:00+00:00"\n')
        ask(url, "advance", {"seconds": LATER})
        assert off(home.run(nightly=True)) == []
        after = {row["entry"]: row["documents"] for row in documents(home, capsys)}
        assert {entry: after[entry] for entry in before} == before
        assert not [entry for entry, name in after.items() if "," in name]
        home.set("mode: per_payout", "mode: per_day")
        assert off(home.run(nightly=True)) == []
        last = {row["entry"]: (row["documents"], row["date"]) for row in documents(home, capsys)}
        assert not [entry for entry, (name, day) in last.items() if not name and day < "2026-11-14"]


# ---------------------------------------------------------------- payouts that nobody itemises


def test_a_payout_that_was_started_by_hand_is_named_and_waits_for_its_month(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world("tidy") as url:
        home = house(tmp_path / "home", url, "tidy", "mode: per_payout")
        home.run(nightly=True)
        ask(url, "advance", {"seconds": 60})
        ask(url, "act", {"action": "payout", "amount": 2_000, "currency": "eur", "automatic": False})
        ask(url, "advance", {"seconds": 3 * 86_400})
        report = home.run(nightly=True)
        assert report.exit == EXIT_HELD
        (said,) = [one for one in report.problems if one.what == "payout"]
        assert re.fullmatch(
            r"po_\w+ was started by hand, so shop does not say what is in it, and books is kept per payout", said.why
        )
        assert said.cure == "write mode: per_day in syncjob.yaml; else what it paid out waits for the end of its month"
        assert off(report) == []
        ask(url, "advance", {"seconds": 40 * 86_400})
        report = home.run(nightly=True)
        assert not [one for one in report.problems if one.what == "payout"]
        assert off(report) == []
        rows = documents(home, capsys)
        assert not [row for row in rows if not row["documents"] and row["date"] < "2026-12-01"]
        assert [row for row in rows if f":{AWAITING}:2026-11:summary:" in row["documents"]]


def test_a_gateway_that_says_nothing_of_its_payouts_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["init", "--home", str(tmp_path), "--mode", "per_payout"]) == 0
    monkeypatch.setenv("STRIPE_KEY", "sk_test_x")
    capsys.readouterr()
    assert main(["check", "--home", str(tmp_path)]) == 0
    monkeypatch.setattr(config, "itemises", lambda _: False)
    assert main(["check", "--home", str(tmp_path)]) == EXIT_CONFIGURATION
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"syncjob\.yaml:\d+:11: mode is per_payout, but stripe does not say what a payout of stripe pays out; "
        r"write mode: per_day",
        told,
    ), told


@pytest.mark.parametrize(("interval", "told"), [("manual", True), ("daily", False), (None, None)])
def test_stripe_says_whether_payouts_begin_by_hand(interval: str | None, told: bool | None) -> None:
    schedule = {"interval": interval} if interval else {}
    with responses.RequestsMock() as vendor:
        body = {"object": "account", "id": "acct_1", "settings": {"payouts": {"schedule": schedule}}}
        answers(vendor, "/v1/account", body)
        assert opened("rk_" + "live_Example").pays_out_by_hand() is told


def test_check_live_refuses_payouts_by_hand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncjob.gateways.stripe import Stripe

    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with world("tidy") as url:
        home = house(tmp_path / "home", url, "tidy", "mode: per_payout")
        assert main(["check", "--live", "--home", str(home.folder)]) == 0
        monkeypatch.setattr(Stripe, "pays_out_by_hand", lambda _: True)
        capsys.readouterr()
        assert main(["check", "--live", "--home", str(home.folder)]) == EXIT_CONFIGURATION
        said = " ".join(capsys.readouterr().out.split())
    assert "books: shop: its payouts are started by hand, so nobody says what is in them, and mode is per_payout" in said
    assert "write mode: per_day, or let the gateway pay out by a schedule" in said


# ---------------------------------------------------------------- which unit, and on which day


def _entry(id: str, day: date, kind: str = "payment") -> Entry:
    from dataclasses import replace

    from stories import entry

    lines = (Line(Role.CLEARING, Money(100, "EUR"), "payments"), Line(Role.CUSTOMER_CREDIT, Money(-100, "EUR")))
    return replace(entry(f"shop:{id}"), kind=kind, date=day, lines=lines)


OCTOBER, NOVEMBER = date(2026, 10, 31), date(2026, 11, 30)


def _units(paid: Paid, through: date) -> dict[str, tuple[date, list[str]]]:
    entries = [_entry(f"txn_{day}", date(2026, 10, day)) for day in (5, 20, 30)] + [_entry("txn_n", date(2026, 11, 2))]
    found = payout_units(entries, Booking(Mode.PER_PAYOUT), paid, through)
    return {f"{unit.payout}:{unit.day:%m}": (unit.day, [one.key for one in group]) for unit, group in found.items()}


def test_a_payout_is_split_at_the_months_end_and_what_waits_is_cut_there() -> None:
    sent = {"po_1": date(2026, 10, 8), "po_2": date(2026, 11, 5)}
    out = {"shop:txn_5": "po_1", "shop:txn_20": "po_2", "shop:txn_n": "po_2"}
    assert _units(Paid(sent, out), date(2026, 10, 7)) == {}
    assert _units(Paid(sent, out), date(2026, 10, 8)) == {"po_1:10": (date(2026, 10, 8), ["shop:txn_5"])}
    assert _units(Paid(sent, out), OCTOBER) == {
        "po_1:10": (date(2026, 10, 8), ["shop:txn_5"]),
        "po_2:10": (OCTOBER, ["shop:txn_20"]),
        "awaiting:10": (OCTOBER, ["shop:txn_30"]),
    }
    assert _units(Paid(sent, out), date(2026, 11, 5))["po_2:11"] == (date(2026, 11, 5), ["shop:txn_n"])


def test_the_cut_waits_until_it_is_known_what_is_in_the_months_payouts_but_not_for_ever() -> None:
    unknown = Paid({"po_9": date(2026, 10, 29)}, {}, date(2026, 10, 29))
    assert _units(unknown, date(2026, 11, 9)) == {}
    assert list(_units(unknown, date(2026, 11, 10))) == ["awaiting:10"]
    november = Paid({"po_9": date(2026, 11, 3)}, {}, date(2026, 11, 3))
    assert list(_units(november, date(2026, 11, 5))) == ["awaiting:10"]


def test_what_comes_late_is_a_further_part_of_its_own_month() -> None:
    late = _entry("txn_late", date(2026, 11, 12))
    found = payout_units(
        [late], Booking(Mode.PER_PAYOUT), Paid({"po_1": date(2026, 10, 8)}, {"shop:txn_late": "po_1"}), date(2026, 11, 12)
    )
    assert list(found) == [Unit("shop", "EUR", date(2026, 11, 12), "po_1")]


UNITS = [Unit("shop", "EUR", OCTOBER, "po_1"), Unit("shop", "EUR", OCTOBER), Unit("b-2", "JPY", NOVEMBER, AWAITING)]


@pytest.mark.parametrize("unit", UNITS)
def test_a_key_names_its_unit(unit: Unit) -> None:
    assert named(unit.key("books", 3), unit.source, unit.day) == (unit, 3)


def test_a_settlement_that_the_books_refused_follows_the_corrected_account_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world("tidy") as url:
        home = house(tmp_path / "home", url, "tidy", "mode: per_payout", "closed_through: 2026-11-02")
        home.run(nightly=True)
        assert [row for row in documents(home, capsys) if ":summary:" in row["documents"]]
        codes = home.folder / "accounts.csv"
        text = codes.read_text(encoding="utf-8")
        codes.write_text(text.replace("Expenses:Gateway:Fees\n", "Expenses:Gateway:Charges\n"), encoding="utf-8")
        home.set("    closed_through: 2026-11-02\n", "")
        assert off(home.run(nightly=True)) == []
    assert any(account.endswith("Gateway:Charges") for account in balances(home))
    assert "Expenses:Gateway:Fees" not in balances(home)

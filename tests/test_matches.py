"""What a person says a payment is for is carried out, written down, and stands until it is taken back."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import House
from stories import NOON, books, charge, eur, invoice, refund, shares
from test_demo import ask, served

from syncjob import config
from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK
from syncjob.matching import Decision, Ladder, match
from syncjob.money import Money
from syncjob.store import Store

END = datetime(2026, 11, 3, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home after its first night over a tidy month, beside the simulator that it read; each story works on a copy."""
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 3, "--clock", END.isoformat()) as url:
        folder = tmp_path_factory.mktemp("matches") / "home"
        assert House(folder, url, ask(url, "invoices"), whole=False).run(nightly=True).exit == EXIT_OK
        yield folder


@pytest.fixture
def house(month: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    return House.copied(month, tmp_path / "home")


def said(house: House, capsys: pytest.CaptureFixture[str], *words: str, code: int = EXIT_OK) -> str:
    capsys.readouterr()
    assert main([*words, "--home", str(house.folder)]) == code
    both = capsys.readouterr()
    return both.out + both.err


def listed(house: House, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said(house, capsys, "matches", "list", "--json"))
    return found


def states(house: House) -> dict[str, dict[str, str]]:
    with (house.folder / "books/invoice-states.csv").open(encoding="utf-8", newline="") as file:
        return {row["number"]: row for row in csv.DictReader(file)}


def waiting(house: House, capsys: pytest.CaptureFixture[str], currency: str = "EUR") -> dict[str, Any]:
    return next(one for one in listed(house, capsys) if one["left"]["currency"] == currency)


def open_invoice(house: House) -> dict[str, str]:
    return next(row for row in states(house).values() if row["state"] == "open" and row["currency"] == "EUR")


# ---------------------------------------------------------------- a home


def test_the_list_is_the_customers_credit_to_the_cent_and_says_how_old_it_is(house: House, capsys: pytest.CaptureFixture[str]):
    rows = listed(house, capsys)
    text = said(house, capsys, "matches", "list")
    assert max(map(len, text.splitlines())) <= 80
    assert [row["date"] for row in rows] == sorted(row["date"] for row in rows)
    assert all(row["origin"] in text and row["why"] == "no number named" for row in rows)
    sums: dict[str, int] = {}
    for row in rows:
        left = Money.of(row["left"]["amount"], row["left"]["currency"])
        sums[left.currency] = sums.get(left.currency, 0) + left.minor
    with closing(Store.open(config.read(house.folder).state)) as store:
        credit = {
            currency: -minor
            for (role, _, currency), minor in store.balances("shop", None).items()
            if role.value == "customer_credit" and minor
        }
    assert sums == credit


def test_an_accepted_payment_reaches_the_books_as_an_application_and_the_receipt_stays(
    house: House, capsys: pytest.CaptureFixture[str]
):
    one, invoice = waiting(house, capsys), open_invoice(house)
    before = house.books()
    told = said(house, capsys, "matches", "accept", one["origin"], invoice["number"])
    share = min(Money.of(one["left"]["amount"], "EUR"), Money.of(invoice["open"], "EUR"), key=lambda money: money.minor)
    assert told.startswith(f"{share} of {one['payment']} is for {invoice['number']}.")
    report = house.run(nightly=True)
    assert (report.exit, report.problems) == (EXIT_OK, ())
    assert [leg for leg in report.legs if leg.unexplained.minor] == []
    after = states(house)[invoice["number"]]
    assert Money.of(after["paid"], "EUR") == Money.of(invoice["paid"], "EUR") + share
    assert one["payment"] not in [row["payment"] for row in listed(house, capsys) if row["left"] == one["left"]]
    new = {name: text for name, text in house.books().items() if text != before.get(name)}
    added = "".join(line for text in new.values() for line in text.splitlines(keepends=True))
    assert 'matched-by: "decided by a person"' in added
    receipt = next(block for block in re.split(r"\n\n", before["2026-10.beancount"]) if f"{one['payment']}:receipt" in block)
    postings = [line for line in receipt.splitlines() if re.match(r"  [A-Z]", line)]
    assert all(line in house.books()["2026-10.beancount"] for line in postings)
    shown = said(house, capsys, "show", one["origin"])
    assert "decided by a person" in " ".join(shown.split())
    assert house.run(nightly=True).counts.get("books: delivered", 0) == 0  # decided once, done once


def test_a_decision_is_in_the_audit_log_with_who_took_it(house: House, capsys: pytest.CaptureFixture[str]):
    one, invoice = waiting(house, capsys), open_invoice(house)
    said(house, capsys, "matches", "accept", one["origin"], f"{invoice['number']}=1.00")
    with closing(Store.open(config.read(house.folder).state)) as store:
        line = list(store.audit_log())[-1]
    assert line.what == "matches accept"
    assert line.detail == {"payment": f"shop:{one['payment']}", "parts": [[invoice["number"], 100]]}


def test_what_was_decided_can_be_taken_back_and_the_invoice_is_open_again(house: House, capsys: pytest.CaptureFixture[str]):
    one, invoice = waiting(house, capsys), open_invoice(house)
    said(house, capsys, "matches", "accept", one["origin"], invoice["number"])
    house.run(nightly=True)
    assert states(house)[invoice["number"]]["paid"] != invoice["paid"]
    assert "The rules decide again" in said(house, capsys, "matches", "forget", one["origin"])
    report = house.run(nightly=True)
    assert [leg for leg in report.legs if leg.unexplained.minor] == []
    assert states(house)[invoice["number"]] == invoice
    assert waiting(house, capsys)["left"] == one["left"]
    assert "nothing to do" in said(house, capsys, "matches", "forget", one["origin"])


def test_a_payment_that_names_an_invoice_can_be_set_apart(house: House, capsys: pytest.CaptureFixture[str]):
    text = house.books()["2026-10.beancount"]
    found = re.search(r'"Payment: [^"]*"[^\n]*\^(ch_\w+) \^(INV-\d+)', text)
    assert found is not None
    charge, number = found.groups()
    paid = states(house)[number]["paid"]
    assert "is for no invoice" in said(house, capsys, "matches", "unmatch", charge)
    report = house.run(nightly=True)
    assert [leg for leg in report.legs if leg.unexplained.minor] == []
    assert states(house)[number]["paid"] != paid
    assert charge in [row["origin"] for row in listed(house, capsys)]


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ("INV-9999", "'INV-9999' names no single invoice"),
        ("{open}=0.00", "does not fit"),
        ("{open}=-1.00", "does not fit"),
        ("{open}=999999.00", "does not fit"),
        ("{open}=1.001", "says no amount"),
        ("{open}=one", "says no amount"),
        ("{open}=1,00", "says no amount"),
        ("{yen}", "is in JPY, and the payment in EUR"),
        ("{paid}", "asks for 0.00 EUR"),
        ("{open}=1.00 {open}=1.00", "stands twice"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    wish: str, why: str, house: House, capsys: pytest.CaptureFixture[str]
):
    one = waiting(house, capsys)
    every = states(house).values()
    names = {
        "open": open_invoice(house)["number"],
        "yen": next(row["number"] for row in every if row["currency"] == "JPY"),
        "paid": next(row["number"] for row in every if row["state"] == "paid" and row["currency"] == "EUR"),
    }
    words = wish.format(**names).split()
    told = said(house, capsys, "matches", "accept", one["origin"], *words, code=EXIT_CONFIGURATION)
    assert why in told
    with closing(Store.open(config.read(house.folder).state)) as store:
        assert store.get_fact("matches decided") is None


@pytest.mark.parametrize("id", ["ch_nobody", "INV-9999", ""])
def test_an_id_that_names_no_payment_is_refused(id: str, house: House, capsys: pytest.CaptureFixture[str]):
    told = said(house, capsys, "matches", "unmatch", id, code=EXIT_CONFIGURATION)
    assert "names" in told


def test_rejecting_an_invoice_is_said_carried_out_and_taken_back(house: House, capsys: pytest.CaptureFixture[str]):
    paid = next(one for one in states(house).values() if one["state"] == "paid" and one["currency"] == "EUR")
    number = paid["number"]
    with closing(Store.open(config.read(house.folder).state)) as store:
        stories = store.stories(list(store.all_subjects()))
    one = next(a for s in stories for a in s.applications if [part.invoice for part in a.parts] == [number])
    id = one.movement.partition(":")[2]
    told = said(house, capsys, "matches", "reject", id, number)
    assert told.startswith(f"{id} is not for {number}. The next run brings it to the books: syncjob run")
    house.run()
    assert states(house)[number]["state"] == "open"
    said(house, capsys, "matches", "forget", id)
    house.run()
    assert states(house)[number]["state"] == "paid"


# ---------------------------------------------------------------- values

BY = {"by": "somebody", "at": NOON}


def test_a_decision_comes_before_what_the_payment_names() -> None:
    wish = {"shop:txn_ch_1": Decision((("INV-2", 60_00),), **BY)}
    (told,) = match([charge(names="INV-1")], [], books(invoice("INV-1"), invoice("INV-2")), Ladder(decisions=wish))
    assert shares(told) == [("INV-2", 60_00), ("", 40_00)]
    assert told.rule == "decided by a person"
    assert told.evidence.startswith("somebody on 20")


def test_nothing_is_taken_that_the_invoice_does_not_ask_for_any_more() -> None:
    wish = {"shop:txn_ch_1": Decision((("INV-1", 60_00), ("INV-2", 40_00)), **BY)}
    mirror = books(invoice("INV-1", open=10_00), invoice("INV-2", total=40_00))
    (told,) = match([charge(100_00)], [], mirror, Ladder(decisions=wish))
    assert shares(told) == [("INV-1", 10_00), ("INV-2", 40_00), ("", 50_00)]


def test_an_invoice_in_another_currency_gets_nothing_whatever_was_decided() -> None:
    wish = {"shop:txn_ch_1": Decision((("INV-1", 60_00),), **BY)}
    (told,) = match([charge(100_00)], [], books(invoice("INV-1", currency="USD")), Ladder(decisions=wish))
    assert shares(told) == [("", 100_00)]


def test_a_refund_gives_back_what_the_person_said_the_payment_was_for() -> None:
    wish = {"shop:txn_ch_1": Decision((("INV-2", 100_00),), **BY)}
    new = match([charge(100_00), refund(30_00)], [], books(invoice("INV-2")), Ladder(decisions=wish))
    assert [shares(one) for one in new] == [[("INV-2", 100_00)], [("INV-2", -30_00)]]


def test_a_decision_that_was_carried_out_decides_nothing_anew() -> None:
    wish = {"shop:txn_ch_1": Decision((("INV-2", 60_00),), **BY)}
    first = match([charge()], [], books(invoice("INV-2")), Ladder(decisions=wish))
    applied = {"INV-2": [("shop:txn_ch_1", eur(60_00))]}
    assert match([charge()], first, books(invoice("INV-2"), **applied), Ladder(decisions=wish)) == []


@given(
    parts=st.lists(st.tuples(st.sampled_from(["INV-1", "INV-2", "INV-3", "INV-9"]), st.integers(-100, 20_000)), max_size=4),
    open=st.tuples(*[st.integers(0, 15_000)] * 3),
    amount=st.integers(1, 20_000),
)
def test_whatever_was_decided_every_cent_is_somewhere_and_no_invoice_gets_more_than_it_asks_for(
    parts: list[tuple[str, int]], open: tuple[int, int, int], amount: int
) -> None:
    mirror = books(*(invoice(f"INV-{number}", total=20_000, open=left) for number, left in enumerate(open, 1)))
    (told,) = match([charge(amount)], [], mirror, Ladder(decisions={"shop:txn_ch_1": Decision(tuple(parts), **BY)}))
    assert sum(part.amount.minor for part in told.parts) == amount
    for number, left in enumerate(open, 1):
        assert 0 <= sum(part.amount.minor for part in told.parts if part.invoice == f"INV-{number}") <= left

"""The bank's statements: read whatever way a bank writes them, each line once, and each payout is its own line or none."""

from __future__ import annotations

import csv
import io
import json
import random
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import House
from stories import NOON, eur
from test_demo import ask, served

from syncjob import config
from syncjob.bankfile import Days, Decimals, Layout, Line, read
from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK, Misconfigured
from syncjob.reconcile import Payout, banked
from syncjob.store import Store

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
PLAIN = Layout({"date": "Date", "amount": "Amount", "currency": "Currency", "text": "Text"})
GERMAN = Layout(
    {"date": "Buchungstag", "amount": "Betrag", "text": "Verwendungszweck"}, "EUR", Days.DMY, Decimals.COMMA, ";", "cp1252"
)
SENT = date(2026, 10, 15)


def payout(id: str = "po_1", minor: int = 100_00, sent: date = SENT, currency: str = "EUR") -> Payout:
    amount = eur(minor)
    return Payout("shop", id, sent, NOON, amount if currency == "EUR" else type(amount)(minor, currency))


def line(minor: int = 100_00, day: date = SENT + timedelta(days=2), text: str = "STRIPE", nth: int = 1) -> tuple[str, Line]:
    return "current", Line(day, "EUR", minor, text, nth)


# ---------------------------------------------------------------- files


def test_a_statement_as_a_german_bank_writes_it() -> None:
    text = 'Buchungstag;Betrag;Verwendungszweck\n24.10.26;"1.340,21";Auszahlung  Händler\n\n25.10.2026;-12,5;Gebühr\n'
    assert read(text.encode("cp1252"), GERMAN, "umsatz.csv") == [
        Line(date(2026, 10, 24), "EUR", 1_340_21, "Auszahlung Händler"), Line(date(2026, 10, 25), "EUR", -12_50, "Gebühr"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("written", "decimals", "minor"),
    [
        ("1,340.21", Decimals.POINT, 1_340_21), ("+7", Decimals.POINT, 7_00), ("7.5-", Decimals.POINT, -7_50),
        ("1'340.21", Decimals.POINT, 1_340_21), ("\u22127.50", Decimals.POINT, -7_50), ("1 340,21", Decimals.COMMA, 1_340_21),
        ("-1.340.000,2", Decimals.COMMA, -1_340_000_20), ("0", Decimals.POINT, 0),
    ],
)  # fmt: skip
def test_amounts_as_banks_write_them(written: str, decimals: Decimals, minor: int) -> None:
    layout = Layout(PLAIN.columns, decimals=decimals)
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["Date", "Amount", "Currency", "Text"], ["2026-10-24", written, "EUR", "x"]])
    (one,) = read(out.getvalue().encode(), layout, "x.csv")
    assert one.minor == minor


@pytest.mark.parametrize("written", ["1.340,21", "12,34", "1,3402.1", "1.2.3", "", "abc", "1,340,21", "--1", "1e5", "1.234"])
def test_an_amount_that_may_mean_something_else_is_refused_and_no_line_is_kept(written: str) -> None:
    data = f'Date,Amount,Currency,Text\n2026-10-23,1.00,EUR,a\n2026-10-24,"{written}",EUR,b\n'.encode()
    with pytest.raises(Misconfigured, match=r"^x\.csv:3: .*correct the layout under bank:, or the line"):
        read(data, PLAIN, "x.csv")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "there is no line in it"),
        (b"Day,Amount,Currency,Text\n", "no column for date: Date; its columns are Day, Amount, Currency, Text"),
        (b"Date,Amount,Currency,Text\n2026-10-24,1.00\n", "x.csv:2: 2 cells under 4 columns"),
        (b"Date,Amount,Currency,Text\n24.10.2026,1.00,EUR,a\n", "date is '24.10.2026', which is no day written ymd"),
        (b"Date,Amount,Currency,Text\n2026-02-30,1.00,EUR,a\n", "date is '2026-02-30'"),
        (b"Date,Amount,Currency,Text\n2026-10-24,1.00,EURO,a\n", "EURO"),
        (b"Date,Amount,Currency,Text\n2026-10-24,1.00,EUR,\xe4\n", "byte 46 is not utf-8"),
        (b'Date,Amount,Currency,Text\n2026-10-24,1.00,EUR,"a\n', "save the file as the bank gave it"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(data: bytes, why: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        read(data, PLAIN, "x.csv")
    assert why in str(refused.value)


# ---------------------------------------------------------------- which line is which payout


def test_the_only_line_of_its_amount_in_time_is_the_payout() -> None:
    found = banked([payout()], [line(), line(99_99)])
    assert found.lines == {payout().key: line()}


@pytest.mark.parametrize(("days", "fits"), [(-1, False), (0, True), (10, True), (11, False)])
def test_a_line_comes_within_ten_days(days: int, fits: bool) -> None:
    assert bool(banked([payout()], [line(day=SENT + timedelta(days=days))]).lines) is fits


def test_of_two_lines_or_two_payouts_none_is_chosen_unless_one_names_it() -> None:
    assert banked([payout()], [line(), line(nth=2)]).lines == {}
    two = [payout("po_1"), payout("po_2")]
    found = banked(two, [line(), line(text="STRIPE 2")])
    assert (found.lines, sorted(found.contested)) == ({}, [one.key for one in two])
    named = banked(two, [line(text="payout po_2 of STRIPE"), line()])
    assert {at[1]: told[1].text for at, told in named.lines.items()} == {"po_1": "STRIPE", "po_2": "payout po_2 of STRIPE"}


def test_an_id_counts_as_a_whole_word_and_a_line_that_names_one_payout_is_no_other() -> None:
    longer = payout("po_12")
    one = line(text="po_12, thank you")
    assert banked([payout("po_1"), longer], [one]).lines == {longer.key: one}
    both = banked([payout("po_1"), longer], [line(text="po_1 and po_12")])
    assert both.lines == {}


def test_payouts_of_two_gateway_accounts_are_rivals_for_one_line() -> None:
    two = [payout(), Payout("other", "po_1", SENT, NOON, eur(100_00))]
    assert banked(two, [line()]).lines == {}


some = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 14)), max_size=7)


@given(sent=some, seen=some, dice=st.randoms(use_true_random=False))
def test_no_line_is_two_payouts_and_the_order_makes_no_difference(
    sent: list[tuple[int, int]], seen: list[tuple[int, int]], dice: random.Random
) -> None:
    payouts = [payout(f"po_{n}", minor, SENT + timedelta(days=day)) for n, (minor, day) in enumerate(sent)]
    lines = [line(minor, SENT + timedelta(days=day), f"line {n}") for n, (minor, day) in enumerate(seen)]
    found = banked(payouts, lines)
    assert len(set(found.lines.values())) == len(found.lines)
    for at, (_, told) in found.lines.items():
        one = next(p for p in payouts if p.key == at)
        rivals = [p for p in payouts if p.amount.minor == told.minor and p.sent <= told.day <= p.sent + timedelta(days=10)]
        others = [x for _, x in lines if x.minor == told.minor and one.sent <= x.day <= one.sent + timedelta(days=10)]
        assert (rivals, others) == ([one], [told])
    dice.shuffle(payouts)
    dice.shuffle(lines)
    assert banked(payouts, lines).lines == found.lines


# ---------------------------------------------------------------- a home

LAYOUT = """
bank:
  current:
    columns: {date: Buchungstag, amount: Betrag, currency: Waehrung, text: Verwendungszweck}
    days: dmy
    decimals: comma
    separator: ";"
"""


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bank") / "home"
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 1, "--clock", END.isoformat()) as url:
        house = House(folder, url, ask(url, "invoices"), whole=False)
        path = folder / "syncjob.yaml"
        path.write_text(path.read_text(encoding="utf-8") + LAYOUT, encoding="utf-8")
        house.run(nightly=True)
    return folder


@pytest.fixture
def house(month: Path, tmp_path: Path) -> House:
    return House.copied(month, tmp_path / "home")


def statement(house: House, path: Path, leave_out: int = 0) -> list[Payout]:
    """A statement on which all payouts but the last ones arrive after two days, between lines of other business."""
    with closing(Store.open(config.read(house.folder).state)) as store:
        sent = store.payouts("shop", datetime(1970, 1, 1, tzinfo=UTC))
    rows = [["Buchungstag", "Betrag", "Waehrung", "Verwendungszweck"], ["01.10.2026", "-900,00", "EUR", "Miete"]]
    for one in sent[: len(sent) - leave_out]:
        day = one.sent + timedelta(days=2)
        whole, _, cents = str(one.amount).split()[0].partition(".")
        amount = f"{int(whole):,}".replace(",", ".") + f",{cents}"
        rows.append([f"{day:%d.%m.%Y}", amount, one.amount.currency, "STRIPE PAYMENTS"])
    rows.append(["20.11.2026", "-5,00", "EUR", "Entgelt"])
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    return sent


def said(house: House, capsys: pytest.CaptureFixture[str], *words: str, code: int = EXIT_OK) -> str:
    capsys.readouterr()
    assert main([*words, "--home", str(house.folder)]) == code
    both = capsys.readouterr()
    return both.out + both.err


def test_each_payout_is_found_on_the_statement_and_reading_it_again_reads_nothing(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = statement(house, tmp_path / "oct.csv", leave_out=1)
    told = said(house, capsys, "bank", "import", str(tmp_path / "oct.csv"))
    assert told == "7 lines of current, 7 of them new. syncjob payouts list says which payouts they are.\n"
    assert "7 lines of current, 0 of them new" in said(house, capsys, "bank", "import", str(tmp_path / "oct.csv"))
    lines = said(house, capsys, "payouts", "list").splitlines()
    assert lines.count("    on the bank's statement of current, 2026-10-10") == 2
    assert sum("on the bank's statement of current" in one for one in lines) == 5
    assert "NOT on the bank's statement, whose lines are known through 2026-11-20" in lines[-1]
    assert said(house, capsys, "bank", "list").splitlines()[-1] == "5 of 7 lines are payouts."
    statement(house, tmp_path / "all.csv")
    assert "8 lines of current, 1 of them new" in said(house, capsys, "bank", "import", str(tmp_path / "all.csv"))
    rows = json.loads(said(house, capsys, "payouts", "list", "--json"))
    assert [row["payout"] for row in rows if row["bank"]] == [one.id for one in sent]
    assert "on the bank's statement of current" in said(house, capsys, "payouts", "show", sent[0].id)


def test_the_close_pack_has_the_banks_lines(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    statement(house, tmp_path / "oct.csv")
    said(house, capsys, "bank", "import", str(tmp_path / "oct.csv"))
    capsys.readouterr()
    main(["close", "2026-10", "--zip", "--out", str(tmp_path / "pack"), "--home", str(house.folder)])
    with zipfile.ZipFile(tmp_path / "pack.zip") as pack:
        rows = list(csv.DictReader(io.StringIO(pack.read("pack/payouts.csv").decode(), newline="")))
    assert rows
    assert all(row["bank_amount"] == row["sent"] and row["bank_text"] == "STRIPE PAYMENTS" for row in rows)


def test_a_file_with_a_wrong_line_leaves_nothing_behind(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    statement(house, path := tmp_path / "oct.csv")
    path.write_text(path.read_text(encoding="utf-8").replace("-5,00", "-5.00"), encoding="utf-8")
    told = said(house, capsys, "bank", "import", str(path), code=EXIT_CONFIGURATION)
    assert "oct.csv:9: amount is '-5.00', which is no amount with a decimal comma" in told
    assert said(house, capsys, "bank", "list") == "0 of 0 lines are payouts.\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["missing.csv"], "missing.csv cannot be read: No such file or directory"),
        (["oct.csv", "--account", "savings"], "'savings' is none of the bank accounts in syncjob.yaml; give --account with"),
    ],
)
def test_what_is_not_there_is_named(
    words: list[str], why: str, house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    statement(house, tmp_path / "oct.csv")
    assert why in said(house, capsys, "bank", "import", *words, code=EXIT_CONFIGURATION)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("days: dmy", "days: dym", "'dym' is not one of the words allowed here; did you mean 'ymd'?"),
        (", currency: Waehrung", "", "no currency is said; name its column under columns:, or write currency: such as EUR"),
        ("days: dmy", "currency: EUR", "its currency is said twice"),
        ('separator: ";"', 'separator: ";;"', "separator is ';;'; write one character"),
        ("date: Buchungstag, ", "", "'date' is missing"),
        ("current:", "Current Account:", "name is 'Current Account'"),
    ],
)
def test_a_wrong_layout_is_refused_at_its_place(
    old: str, new: str, why: str, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.set(old, new)
    told = said(house, capsys, "check", code=EXIT_CONFIGURATION)
    assert "syncjob.yaml:" in told
    assert why in told


def test_without_a_layout_the_way_to_one_is_named(house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    house.set(LAYOUT, "")
    told = said(house, capsys, "bank", "import", str(tmp_path / "x.csv"), code=EXIT_CONFIGURATION)
    assert "no bank account is named; add a block bank: as docs/payouts.md shows" in told


def test_lines_that_are_alike_are_as_many_as_the_fullest_statement_has(fresh_url: Callable[[], str]) -> None:
    one, two = (Line(SENT, "EUR", 5_00, "COFFEE", nth) for nth in (1, 2))
    with closing(Store.open(fresh_url(), create=True)) as store:
        assert [store.land_bank("current", lines, NOON) for lines in ([one], [one, two], [one], [])] == [1, 1, 0, 0]
        assert store.land_bank("savings", [one], NOON) == 1
        assert store.bank_lines() == [("current", one), ("current", two), ("savings", one)]



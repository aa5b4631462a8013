"""The journal of the sub-ledger for Beancount and hledger: what they read is what was posted, to the last minor unit."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core import data
from hypothesis import given
from hypothesis import strategies as st

from syncjob.accounting.beancount.block import is_account
from syncjob.cli import journals, main
from syncjob.model import Role
from syncjob.money import plain

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo's home after its night, once; nobody may change it."""
    home = tmp_path_factory.mktemp("journal") / "demo"
    command = [sys.executable, "-m", "syncjob", "demo", "--home", str(home), "--scenario", "busy"]
    assert subprocess.run(command, capture_output=True, cwd=ROOT, timeout=60, check=False).returncode == 3
    return home


def exported(home: Path, out: Path, *more: str) -> str:
    assert main(["export", *more, "--home", str(home), "--out", str(out)]) == 0
    return out.read_text(encoding="utf-8")


def sums_of_entries(home: Path, out: Path) -> dict[tuple[str, str], Decimal]:
    """What each account holds by `export entries`: (code, currency) -> amount."""
    import csv

    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in csv.DictReader(io.StringIO(exported(home, out, "entries"), newline="")):
        found[row["account"], row["currency"]] += Decimal(row["amount"])
    return {key: amount for key, amount in found.items() if amount}


def read_by_hledgers_rules(text: str) -> tuple[dict[str, str], list[dict[tuple[str, str], Decimal]]]:
    """Account -> type, and the postings of each transaction, read as hledger's manual says; anything else fails."""
    accounts: dict[str, str] = {}
    commodities: dict[str, int] = {}
    transactions: list[dict[tuple[str, str], Decimal]] = []
    assert text.splitlines()[1] == "decimal-mark ."
    for line in text.splitlines()[2:]:
        if not line or re.fullmatch(r"    ; [a-z0-9]+:.*", line):
            continue
        if commodity := re.fullmatch(r"commodity 1000\.(0*) ([A-Z]{3})", line):
            commodities[commodity[2]] = len(commodity[1])
        elif account := re.fullmatch(r"account (\S(?:.*?\S)?)  ; type:([ALERX])(?:, code:.*)?", line):
            assert "  " not in account[1]
            accounts[account[1]] = account[2]
        elif re.fullmatch(r"\d{4}-\d\d-\d\d \* [^;]+", line):
            transactions.append(defaultdict(Decimal))
        else:
            posting = re.fullmatch(r"    (\S+(?: \S+)*) {2,}(-?\d+(?:\.\d+)?) ([A-Z]{3})", line)
            assert posting is not None, line
            assert posting[1] in accounts, line
            assert len(posting[2].partition(".")[2]) == commodities[posting[3]], line
            transactions[-1][posting[1], posting[3]] += Decimal(posting[2])
    return accounts, transactions


# ---------------------------------------------------------------- a whole home


def test_beancount_reads_the_journal_without_a_complaint_and_finds_every_amount(busy: Path, tmp_path: Path):
    text = exported(busy, tmp_path / "journal.beancount", "journal")
    entries, errors, _ = loader.load_string(text)
    assert errors == []
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in entries:
        for posting in one.postings if isinstance(one, data.Transaction) else ():
            held[posting.account, posting.units.currency] += posting.units.number
    assert {key: amount for key, amount in held.items() if amount} == sums_of_entries(busy, tmp_path / "entries.csv")
    assert len({currency for _, currency in held}) > 2
    by_currency: dict[str, Decimal] = defaultdict(Decimal)
    for (_, currency), amount in held.items():
        by_currency[currency] += amount
    assert set(by_currency.values()) == {Decimal(0)}  # the trial balance


def test_bean_check_passes(busy: Path, tmp_path: Path):
    exported(busy, tmp_path / "journal.beancount", "journal")
    tool = Path(sys.executable).parent / "bean-check"
    done = subprocess.run([tool, tmp_path / "journal.beancount"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_hledger_finds_the_same_amounts(busy: Path, tmp_path: Path):
    text = exported(busy, tmp_path / "journal", "journal", "--format", "hledger")
    accounts, transactions = read_by_hledgers_rules(text)
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for one in transactions:
        for currency in {currency for _, currency in one}:
            assert sum(amount for (_, other), amount in one.items() if other == currency) == 0
        for key, amount in one.items():
            held[key] += amount
    assert {key: amount for key, amount in held.items() if amount} == sums_of_entries(busy, tmp_path / "entries.csv")
    roots = {"Assets": "A", "Liabilities": "L", "Equity": "E", "Income": "R", "Expenses": "X"}
    assert accounts == {name: roots[name.partition(":")[0]] for name in accounts}


@pytest.mark.skipif(shutil.which("hledger") is None, reason="hledger is not installed here; its rules are read above")
def test_hledger_itself_checks_it(busy: Path, tmp_path: Path):
    exported(busy, tmp_path / "journal", "journal", "--format", "hledger")
    subprocess.run(["hledger", "-f", tmp_path / "journal", "check", "--strict", "ordereddates"], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["beancount", "hledger"])
def test_the_same_state_gives_the_same_bytes(kind: str, busy: Path, tmp_path: Path):
    first = exported(busy, tmp_path / "first", "journal", "--format", kind)
    assert exported(busy, tmp_path / "second", "journal", "--format", kind) == first
    assert "journal" in first.splitlines()[0]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_as_rows_it_is_the_export_of_entries_day_by_day(kind: str, busy: Path, tmp_path: Path):
    entries = exported(busy, tmp_path / "entries", "entries", "--format", kind)
    assert sorted(exported(busy, tmp_path / "journal", "journal", "--format", kind).splitlines()) == sorted(
        entries.splitlines()
    )


def test_its_order_is_that_of_date_instant_and_key(busy: Path, tmp_path: Path):
    text = exported(busy, tmp_path / "journal", "journal", "--format", "jsonl")
    places = [(one["date"], one["effective"], one["entry"]) for one in map(json.loads, text.splitlines())]
    assert len({date for date, _, _ in places}) > 20
    assert places == sorted(places)


def test_days_and_sources_are_chosen_as_for_entries(busy: Path, tmp_path: Path):
    text = exported(busy, tmp_path / "some", "journal", "--from", "2026-10-10", "--to", "2026-10-20")
    days = re.findall(r"^(\d{4}-\d\d-\d\d) \*", text, re.MULTILINE)
    assert days
    assert {"2026-10-10" <= day <= "2026-10-20" for day in days} == {True}


# ---------------------------------------------------------------- one entry


def entry(*lines: tuple[Role, str | None, int, str], **more: Any) -> dict[str, Any]:
    told = [
        {"role": role.value, "account": code, "amount": plain(minor, currency), "currency": currency}
        for role, code, minor, currency in lines
    ]
    about = {"entry": "shop:txn_1Example", "source": "shop", "subject": "payment:pi_1Example", "kind": "payment"}
    about |= {"date": "2026-10-06", "effective": "2026-10-06T09:15:00Z", "origin": "txn_1Example"}
    return {**about, "documents": ["books:shop:txn_1Example:receipt"], "lines": told, **more}


PAYMENT = entry(
    (Role.CLEARING, "Assets:Shop:Balance", 9_680, "EUR"),
    (Role.FEES, "Expenses:Gateway:Fees", 320, "EUR"),
    (Role.UNAPPLIED, "Liabilities:Unapplied", -10_000, "EUR"),
)


def written(*entries: dict[str, Any], hledger: bool = False) -> str:
    out = io.StringIO()
    write = journals.hledger if hledger else journals.beancount
    write(entries, journals.Accounts(is_account), out)
    return out.getvalue()


def test_an_entry_reads_as_the_documentation_shows():
    shown = (ROOT / "docs/export.md").read_text(encoding="utf-8").partition("## journal")[2].split("```")[1].strip("\n")
    assert shown in written(PAYMENT)


def test_numbers_of_other_books_stand_under_the_root_of_their_type():
    text = written(
        entry((Role.CLEARING, "1200", 500, "JPY"), (Role.FEES, "4970", 0, "JPY"), (Role.UNAPPLIED, None, -500, "JPY"))
    )
    assert '1970-01-01 open Assets:1200\n  code: "1200"\n' in text
    assert "1970-01-01 open Expenses:4970" in text
    assert "1970-01-01 open Liabilities:Unassigned-unapplied\n" in text
    _, errors, _ = loader.load_string(text)
    assert errors == []


def test_two_codes_never_come_to_one_account():
    lines = [(Role.CLEARING, "12 00", 1, "EUR"), (Role.BANK, "12-00", 2, "EUR"), (Role.RESERVE, "12/00", -3, "EUR")]
    text = written(entry(*lines))
    assert re.findall(r"open (\S+)\n  code: \"(.+)\"", text) == [
        ("Assets:12-00", "12 00"),
        ("Assets:12-00-2", "12-00"),
        ("Assets:12-00-3", "12/00"),
    ]


def test_an_account_is_opened_once_and_before_its_first_use():
    text = written(PAYMENT, PAYMENT)
    assert text.count("open Assets:Shop:Balance\n") == 1
    assert text.index("open Assets:Shop:Balance") < text.index("Assets:Shop:Balance   ")


CODES = st.none() | st.sampled_from(["Assets:Shop:Balance", "Assets:Übrige"]) | st.text(max_size=12)


@given(
    lines=st.lists(st.tuples(st.sampled_from(Role), CODES, st.integers(-(10**12), 10**12)), min_size=1, max_size=4),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    origin=st.text(max_size=20),
    subject=st.text(max_size=20),
)
def test_whatever_codes_and_texts_there_are_both_read_it_and_every_amount_is_there(
    lines: list[tuple[Role, str | None, int]], currency: str, origin: str, subject: str
):
    minors = [minor for _, _, minor in lines]
    whole = [(role, code, minor, currency) for role, code, minor in lines] + [(Role.OPENING, None, -sum(minors), currency)]
    one = entry(*whole, origin=origin, subject=subject)
    entries, errors, _ = loader.load_string(written(one))
    assert errors == []
    (moved,) = [one for one in entries if isinstance(one, data.Transaction)]
    assert [plain(minor, currency) for _, _, minor, _ in whole] == [str(one.units.number) for one in moved.postings]
    _, (booked,) = read_by_hledgers_rules(written(one, hledger=True))
    by_account: dict[str, Decimal] = defaultdict(Decimal)
    for posting in moved.postings:
        by_account[posting.account] += posting.units.number
    assert {name: amount for (name, _), amount in booked.items()} == by_account

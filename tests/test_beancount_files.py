"""The plain-text books beside their transactions: edits by hand, refusals, invoices, balances and closing."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from plain_books import CLEARING, RECEIVABLE, books_in, deliver, files, load, misfortune, receipt, refusal, remote, transactions

from syncjob.accounting.beancount.block import is_account
from syncjob.errors import ConnectorDown, Misconfigured
from syncjob.model import Action, canonical
from syncjob.money import Money
from syncjob.ports import (
    Assertion,
    CannotTell,
    Closing,
    Delivered,
    InvoiceState,
    Present,
    Refused,
)

# ---------------------------------------------------------------- files that a person edited


def month_file(home: Path) -> Path:
    return home / "books" / "2026-11.beancount"


def test_what_a_person_wrote_between_our_transactions_stays_where_it_was(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"), receipt("ch_3"))
    mine = (
        "; a remark about ch_1\n"
        '2026-11-03 * "Mine" "Coffee"\n'
        f"  {CLEARING}     -3.00 EUR\n"
        f"  {RECEIVABLE}   3.00 EUR ; syncjob: is not a key here\n\n"
    )
    path = month_file(tmp_path)
    head, tail = path.read_text().split('2026-11-03 * "Example Bakery" "Payment ch_3"')
    path.write_text(f'{head}{mine}2026-11-03 * "Example Bakery" "Payment ch_3"{tail}')
    deliver(books, receipt("ch_2"), receipt("ch_1", amount="1.00", action=Action.UPDATE, revision=2))
    once = path.read_text()
    assert mine in once
    assert once.index("Payment ch_1") < once.index(mine) < once.index("Payment ch_2") < once.index("Payment ch_3")
    deliver(books, receipt("ch_2"))
    assert path.read_text() == once
    assert len(transactions(tmp_path)) == 4
    assert [balance.amount.minor for balance in books.balances([CLEARING], date(2026, 11, 30))] == [100 - 300 + 4825 + 4825]


def test_a_changed_amount_is_not_overwritten_silently(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    held = remote(books, receipt("ch_1"))
    month_file(tmp_path).write_text(month_file(tmp_path).read_text().replace("48.25", "40.00"))
    edited = files(tmp_path)
    change = receipt("ch_1", amount="50.00", action=Action.UPDATE, revision=2, expected=held)
    for put in (change, receipt("ch_1", action=Action.VOID, revision=2, expected=held)):
        sentence = refusal(books, put)
        assert sentence.startswith("2026-11.beancount:3: ")
        assert "edited by hand" in sentence
        assert "undo the edit" in sentence
    assert files(tmp_path) == edited
    month_file(tmp_path).write_text(month_file(tmp_path).read_text().replace("40.00", "48.25"))
    remote(books, change)


def test_new_spacing_is_no_edit(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    held = remote(books, receipt("ch_1"))
    month_file(tmp_path).write_text(month_file(tmp_path).read_text().replace("  Assets", "      Assets").replace("\n", "\r\n"))
    spaced = files(tmp_path)
    assert remote(books, receipt("ch_1")) == held
    assert files(tmp_path) == spaced
    remote(books, receipt("ch_1", amount="50.00", action=Action.UPDATE, revision=2, expected=held))
    assert [str(one.postings[0].units) for one in transactions(tmp_path)] == ["50.00 EUR"]


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        (lambda text: text + "<<<<<<< ours\n", 9),
        (lambda text: text.replace('2026-11-03 * "Example Bakery" "Payment ch_1" ^ch_1 ^ch_1-receipt\n', ""), 3),
        (lambda text: text.replace('receipt"', "receipt"), 4),
        (lambda text: text.replace("2026-11-03", "2026/11/3"), 3),
        (lambda text: text.replace("  invoice", '  syncjob: "books:shop:ch_2:receipt"\n  invoice'), 5),
        (lambda text: text + "  Assets:Stripe  5.00 EUR\n", 9),
    ],
)
def test_a_broken_file_is_refused_with_its_line_and_left_as_it_is(
    tmp_path: Path, edit: Callable[[str], str], line: int
) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    broken = edit(month_file(tmp_path).read_text())
    month_file(tmp_path).write_text(broken)
    sentence = refusal(books, receipt("ch_2"))
    assert f"2026-11.beancount:{line}" in sentence
    assert "syncjob" in sentence
    assert month_file(tmp_path).read_text() == broken
    assert isinstance(books.find([receipt("ch_2")])[0], CannotTell)
    assert f"2026-11.beancount:{line}" in str(books.check()[0])
    with pytest.raises(ConnectorDown, match=r"2026-11\.beancount"):
        books.balances([CLEARING], date(2026, 11, 30))


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    month_file(tmp_path).write_bytes(month_file(tmp_path).read_bytes() + "; Bäcker\n".encode("latin-1"))
    assert "not UTF-8" in refusal(books, receipt("ch_2"))


def test_a_copied_transaction_is_reported(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    put = receipt("ch_1")
    deliver(books, put)
    text = month_file(tmp_path).read_text()
    month_file(tmp_path).write_text(text + text.split("\n", 2)[2])
    (problem,) = books.check()
    assert "stands there twice" in str(problem)
    (found,) = books.find([put])
    assert isinstance(found, Present)
    assert len(found.remotes) == 2


def test_an_amount_that_cannot_be_summed_stops_the_balance(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    month_file(tmp_path).write_text(month_file(tmp_path).read_text().replace(" 48.25 EUR", ""))
    with pytest.raises(ConnectorDown, match=r"2026-11\.beancount:6: 'Assets:Stripe'"):
        books.balances([CLEARING], date(2026, 11, 30))


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("body", "why", "cure"),
    [
        ({"date": "2026-02-30"}, "date is '2026-02-30'", "map"),
        ({"date": "20261103"}, "date is '20261103'", "map"),
        ({"colour": "red"}, "['colour']", "map"),
        ({"narration": 5}, "narration is 5", "map"),
        ({"links": "ch_1"}, "links is 'ch_1'", "map"),
        ({"meta": {"Invoice": "R-17"}}, "meta name is 'Invoice'", "a-z"),
        ({"meta": {"lineno": "1"}}, "meta name is 'lineno'", "a-z"),
        ({"meta": {"syncjob": "1"}}, "meta name is 'syncjob'", "a-z"),
        ({"meta": {"list": []}}, "meta list is []", "map"),
        ({"postings": None}, "postings is None", "map"),
        ({"postings": [{"account": CLEARING, "amount": "1.00"}]}, "not account, amount and currency", "map"),
        ({"postings": [{"account": "4000", "amount": "1.00", "currency": "EUR"}]}, "account is '4000'", "accounts.csv"),
        ({"postings": [{"account": CLEARING, "amount": 1, "currency": "EUR"}]}, "amount is 1", "map"),
        ({"postings": [{"account": CLEARING, "amount": "1.005", "currency": "EUR"}]}, "more decimals than EUR", ""),
        ({"postings": [{"account": CLEARING, "amount": "1.00", "currency": "XXX"}]}, "currency is 'XXX'", ""),
        ({"postings": [{"account": CLEARING, "amount": "1.00", "currency": "EUR"}]}, "1.00 EUR is left over", "map"),
    ],
)
def test_what_cannot_stand_in_the_books_is_refused_alone(tmp_path: Path, body: Mapping[str, Any], why: str, cure: str) -> None:
    books = books_in(tmp_path)
    outcomes = deliver(books, receipt("ch_1", **body), receipt("ch_2"))
    bad, good = outcomes["books:shop:ch_1:receipt"], outcomes["books:shop:ch_2:receipt"]
    assert isinstance(good, Delivered)
    assert isinstance(bad, Refused)
    assert why in bad.problem.why
    assert cure in bad.problem.cure
    assert len(transactions(tmp_path)) == 1


@pytest.mark.parametrize(
    ("code", "good"),
    [
        ("Assets:Stripe:EUR", True),
        ("Assets:1200-Bank", True),
        ("Assets:Übergang", True),
        ("Expenses:Gebühren:Großkunden", True),
        ("Assets", False),
        ("Assets:", False),
        ("Assets:stripe", False),
        ("Assets:-Stripe", False),
        ("Assets:Stri pe", False),
        ("Assets:Str_ipe", False),
        ("Assets:Stripe\n", False),
        ("Cash:Stripe", False),
        ("Assets:½", False),
    ],
)
def test_an_account_is_what_beancount_takes_for_one(tmp_path: Path, code: str, good: bool) -> None:
    assert is_account(code) is good
    (tmp_path / "one.beancount").write_text(f"2026-11-03 open {code}\n")
    _, errors, _ = loader.load_file(str(tmp_path / "one.beancount"))
    if "\n" not in code:
        assert (errors == []) is good


def test_nothing_is_written_into_a_closed_period(tmp_path: Path) -> None:
    held = remote(books_in(tmp_path), receipt("ch_1"))
    closed = books_in(tmp_path, closed_through="2026-11-30")
    (lock,) = closed.locks()
    assert (lock.through, lock.hard) == (date(2026, 11, 30), True)
    before = files(tmp_path)
    for put in (
        receipt("ch_2"),
        receipt("ch_1", amount="1.00", action=Action.UPDATE, revision=2, expected=held),
        receipt("ch_1", "2026-12-01", action=Action.UPDATE, revision=2, expected=held),
        receipt("ch_1", action=Action.VOID, revision=2, expected=held),
    ):
        sentence = refusal(closed, put)
        assert "closed through 2026-11-30" in sentence
        assert "closed_through" in sentence
    assert {name: files(tmp_path)[name] for name in ("2026-11.beancount", "main.beancount")} == {
        name: before[name] for name in ("2026-11.beancount", "main.beancount")
    }
    assert not (tmp_path / "books" / "2026-12.beancount").exists()
    remote(closed, receipt("ch_1"))  # what stands there already is delivered, also after the period was closed
    remote(closed, receipt("ch_3", "2026-12-01"))


@pytest.mark.parametrize(
    "setting",
    [{"closed_through": "soon"}, {"open_accounts": "maybe"}, {"currency": "EURO"}],
    ids=lambda setting: next(iter(setting)),
)
def test_a_setting_that_cannot_be_is_refused_before_anything(tmp_path: Path, setting: dict[str, str]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(Misconfigured, match=f"{name} is '{value}'"):
        books_in(tmp_path, **setting)


# ---------------------------------------------------------------- reading: invoices, balances


def invoices(home: Path, *lines: str, header: str = "number,customer,email,currency,total,issued,due,open") -> None:
    (home / "books").mkdir(exist_ok=True)
    path = home / "books" / "invoices.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    os.utime(path, ns=(0, 1_790_000_000_000_000_000))


def test_invoices_come_from_a_csv_file_once_per_change(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    assert list(books.mirror(None)) == []
    invoices(
        tmp_path,
        'R-17,"Example Bakery, Ltd",bakery@example.com,EUR,48.25,2026-11-01,2026-11-15,8.25',
        "",
        "R-18,,,JPY,500,2026-11-02,,",
    )
    (page,) = books.mirror(None)
    one, two = page.invoices
    assert (one.target, one.id, one.number, one.customer) == ("books", "R-17", "R-17", "Example Bakery, Ltd")
    assert (one.total, one.open, one.due) == (Money(4825, "EUR"), Money(825, "EUR"), date(2026, 11, 15))
    assert (two.total, two.open, two.due, two.issued) == (Money(500, "JPY"), Money(500, "JPY"), None, date(2026, 11, 2))
    assert one.as_of == datetime.fromtimestamp(1_790_000_000, UTC)
    assert list(books.mirror(page.cursor)) == []
    invoices(tmp_path, "R-19,,,EUR,1.00,2026-11-02,,")
    assert [invoice.number for page in books.mirror(page.cursor) for invoice in page.invoices] == ["R-19"]


def test_a_file_saved_by_a_spreadsheet_and_without_open_is_read(tmp_path: Path) -> None:
    invoices(tmp_path, "R-17,,,EUR,48.25,2026-11-01,", header="\ufeffnumber,customer,email,currency,total,issued,due")
    ((invoice,),) = (page.invoices for page in books_in(tmp_path).mirror(None))
    assert invoice.open == Money(4825, "EUR")


def test_a_long_list_comes_in_pages_and_its_cursor_with_the_last(tmp_path: Path) -> None:
    invoices(tmp_path, *(f"R-{n},,,EUR,1.00,2026-11-02,," for n in range(1200)))
    pages = list(books_in(tmp_path).mirror("before"))
    assert [len(page.invoices) for page in pages] == [500, 500, 200]
    assert [page.cursor for page in pages[:2]] == ["before", "before"]
    assert list(books_in(tmp_path).mirror(pages[-1].cursor)) == []


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("R-17,,,EUR,48.255,2026-11-01,,", "invoices.csv:3: total is '48.255' 'EUR': .*; write a plain decimal"),
        ("R-17,,,EUR,48.25,01.11.2026,,", "invoices.csv:3: issued is '01.11.2026'; write a day such as"),
        ("R-17,,,EUR,48.25,2026-11-01,soon,", "invoices.csv:3: due is 'soon'; write a day"),
        ("R-17,,,EUR,48.25,2026-11-01,,50.00", "invoices.csv:3: open is 50.00 EUR and total 48.25 EUR; write"),
        ("R-16,,,EUR,48.25,2026-11-01,,", "invoices.csv:3: number is 'R-16', as on line 2; give each"),
        (",,,EUR,48.25,2026-11-01,,", "invoices.csv:3: number is empty; give"),
        ("R-17,,,EUR,48,25,2026-11-01,,", "invoices.csv:3: 9 cells under 8 columns; quote"),
        ('R-17,"x"y,,EUR,48.25,2026-11-01,,', "invoices.csv:3: .*; save the file as comma-separated"),
    ],
)
def test_a_bad_line_names_its_place_and_its_cure(tmp_path: Path, line: str, sentence: str) -> None:
    invoices(tmp_path, "R-16,,,EUR,1.00,2026-11-01,,", line)
    books = books_in(tmp_path)
    with pytest.raises(Misconfigured, match=sentence):
        list(books.mirror(None))
    assert "invoices.csv" in str(books.check()[0])


def test_a_misspelt_column_is_refused(tmp_path: Path) -> None:
    invoices(tmp_path, header="number,customer,email,currency,total,issued,due,opne")
    with pytest.raises(Misconfigured, match=r"invoices\.csv:1: the columns are .*opne.*; write number,customer"):
        list(books_in(tmp_path).mirror(None))


def test_balances_sum_our_postings_to_the_end_of_a_day(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(
        books, receipt("ch_1", "2026-10-31"), receipt("ch_2"), receipt("ch_3", "2026-11-04"), receipt("ch_4", currency="USD")
    )
    balances = books.balances([CLEARING, "Assets:Bank"], date(2026, 11, 3))
    assert [(balance.place, balance.amount) for balance in balances] == [
        (CLEARING, Money(9650, "EUR")),
        (CLEARING, Money(4825, "USD")),
    ]
    assert balances[0].as_of == datetime(2026, 11, 4, tzinfo=UTC)


# ---------------------------------------------------------------- closing a run


def test_the_balance_of_a_day_holds_at_its_end_and_to_the_cent(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    assert isinstance(books, Closing)
    deliver(books, receipt("ch_1"), receipt("ch_2", "2026-11-04"))
    books.close([Assertion(date(2026, 11, 3), CLEARING, Money(4825, "EUR"))], [])
    load(tmp_path)
    books.close([Assertion(date(2026, 11, 3), CLEARING, Money(4824, "EUR"))], [])
    _, errors, _ = loader.load_file(str(tmp_path / "books" / "main.beancount"))
    assert len(errors) == 1
    assert "48.24 EUR" in errors[0].message


def test_a_balance_that_moved_says_what_it_was(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    wanted = [
        Assertion(date(2026, 11, 30), CLEARING, Money(4825, "EUR")),
        Assertion(date(2026, 11, 30), CLEARING, Money(0, "JPY")),
        Assertion(date(2026, 10, 31), CLEARING, Money(0, "EUR")),
    ]
    books.close(wanted, [])
    once = files(tmp_path)
    books.close(wanted, [])
    assert files(tmp_path) == once
    for minor in (5000, 6000):
        books.close([Assertion(date(2026, 11, 30), CLEARING, Money(minor, "EUR"))], [])
    lines = (tmp_path / "books" / "balances.beancount").read_text().splitlines()
    assert [" ".join(line.split()) for line in lines[2:]] == [
        "2026-12-01 balance Assets:Stripe 60.00 ~ 0 EUR",
        "; was 48.25 EUR",
        "; was 50.00 EUR",
    ]


def test_an_account_that_was_never_used_can_be_asserted(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1", "2026-11-05"))
    books.close(
        [
            Assertion(date(2026, 11, 1), "Assets:Reserve", Money(0, "EUR")),
            Assertion(date(2026, 11, 1), CLEARING, Money(0, "EUR")),
        ],
        [],
    )
    assert "Assets:Reserve" in {account for entry in load(tmp_path) if (account := getattr(entry, "account", None))}


def test_each_invoice_shows_what_it_still_asks_for(tmp_path: Path) -> None:
    total = Money(4825, "EUR")
    books_in(tmp_path).close(
        [],
        [
            InvoiceState("R-17", "Example Bakery, Ltd", total, Money(1000, "EUR"), "part paid"),
            InvoiceState("R-18", '=HYPERLINK("x")', total, total, "paid"),
        ],
    )
    assert (tmp_path / "books" / "invoice-states.csv").read_text().splitlines() == [
        "number,customer,currency,total,paid,open,state",
        'R-17,"Example Bakery, Ltd",EUR,48.25,10.00,38.25,part paid',
        'R-18,"\'=HYPERLINK(""x"")",EUR,48.25,48.25,0.00,paid',
    ]


def test_closing_on_a_full_disk_is_the_connectors_end_for_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    misfortune(monkeypatch, 1, lambda: OSError(errno.ENOSPC, "No space left on device"), after=False)
    with pytest.raises(ConnectorDown, match="No space left"):
        books_in(tmp_path).close([], [])


def test_the_request_is_canonical_json_and_the_same_every_time(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    batch = [receipt("ch_2"), receipt("ch_1"), receipt("ch_3", "2026-10-01")]
    calls = books.prepare(batch)
    assert calls == books.prepare(list(reversed(batch)))
    assert [call.request for call in calls] == [canonical(json.loads(call.request)).encode() for call in calls]
    assert [[member.key.split(":")[2] for member in call.members] for call in calls] == [["ch_3"], ["ch_1", "ch_2"]]
    assert not (tmp_path / "books").exists()


def test_the_books_are_the_same_books_wherever_their_home_moves(tmp_path: Path) -> None:
    assert books_in(tmp_path).identity() == books_in(tmp_path / "elsewhere").identity()
    assert books_in(tmp_path).check() == []

"""mapping preview from the command line, over a real home: plain-text books with a closed month, and a CRM file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from simulated import START, House
from test_demo import served, syncjob

from syncjob import config
from syncjob.cli import main, previewing
from syncjob.errors import Problem
from syncjob.jobs.preview import Totals, span
from syncjob.model import DocumentKind
from syncjob.money import Money
from syncjob.plan.preview import Change, Held, Moved, Otherwise
from syncjob.store import Store

OLD, NEW = "Expenses:Gateway:Fees", "Expenses:PaymentFees"
CLEARING, MOVED = "Assets:Shop:Balance", "Assets:Gateway:Clearing"
CLOSED = "2026-10-31"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A home after its first night; October is closed now."""
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with served("stripe", "--port", 0, "--scenario", "tidy") as url:
        made = House(tmp_path / "home", url, [], whole=False, start=START)
        assert made.run(nightly=True).exit == 0
        edit(made, "syncjob.yaml", "    connector: beancount\n", f'    connector: beancount\n    closed_through: "{CLOSED}"\n')
        yield made


def edit(home: House, name: str, old: str, new: str) -> None:
    path = home.folder / name
    text = path.read_text()
    assert text.count(old) == 1, (old, text.count(old))
    path.write_text(text.replace(old, new))


def documents_with(home: House, account: str) -> dict[str, list[str]]:
    """Month -> the keys of the documents of the books with a posting to an account, counted in their text."""
    found: dict[str, list[str]] = {}
    for path in sorted((home.folder / "books").glob("20*.beancount")):
        for block in re.split(r"\n(?=\d{4}-)", path.read_text()):
            key = re.search(r'"(books:[^"]+)"', block)
            if key is not None and re.search(rf"^\s+{account}\s", block, re.MULTILINE):
                found.setdefault(path.stem, []).append(key[1])
    return found


def preview(home: House, *more: str, since: str = "2026-10-06") -> Any:
    done = syncjob("mapping", "preview", "--since", since, "--json", *more, "--home", home.folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def everything(home: House) -> dict[str, bytes]:
    files = (path for path in sorted(home.folder.rglob("*")) if path.is_file() and "state" not in path.parts)
    return {str(path): path.read_bytes() for path in files}


def state(home: House) -> list[str]:
    store = Store.open(config.read(home.folder).state, create=False)
    try:
        return list(store._database.connection.connection.driver_connection.iterdump())  # type: ignore[union-attr]
    finally:
        store.close()


def exported(home: House) -> set[str]:
    """The accounts that the export of entries names for what the gateway holds."""
    done = syncjob("export", "entries", "--format", "jsonl", "--home", home.folder)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["account"] for row in rows for line in row["lines"] if line["role"] == "clearing"}


def ties(home: House) -> None:
    """A night that ties on both legs, and books that Beancount accepts, every asserted balance included."""
    night = home.run(nightly=True)
    assert night.exit == 0, night.problems
    assert [leg for leg in night.legs if not leg.ties] == []
    _, errors, _ = loader.load_file(str(home.folder / "books" / "main.beancount"))
    assert errors == []


def test_a_changed_code_is_listed_as_counted_in_the_books_and_corrected_where_they_are_open(home: House) -> None:
    counted = documents_with(home, OLD)
    assert {month: len(keys) for month, keys in counted.items()} == {"2026-10": 38, "2026-11": 5}
    edit(home, "accounts.csv", f"fees,,,{OLD}", f"fees,,,{NEW}")
    files, rows = everything(home), state(home)
    said = preview(home)
    assert (everything(home), state(home)) == (files, rows)
    listed: dict[str, list[str]] = {}
    for one in said["differences"]:
        listed.setdefault(one["date"][:7], []).append(one["key"])
        assert one["stays"] is (one["date"] <= CLOSED)
    assert {month: sorted(keys) for month, keys in listed.items()} == {m: sorted(keys) for m, keys in counted.items()}
    assert said["counts"] == {"closed": 38, "delivered": 5}
    moved = {(row["account"], row["currency"], row["month"]): row["difference"] for row in said["accounts"]}
    assert moved[OLD, "EUR", "2026-11"] == f"-{moved[NEW, 'EUR', '2026-11']}"
    refused = syncjob("run", "--home", home.folder)
    assert refused.returncode == 2
    assert "syncjob mapping preview --since" in refused.stderr
    done = syncjob("mapping", "preview", "--since", "2026-10-06", "--apply", "correct", "--yes", "--home", home.folder)
    assert done.returncode == 0, done.stderr
    assert "5 documents will be sent as corrected by the next run. 38 documents in closed" in done.stdout
    ties(home)
    assert documents_with(home, NEW) == {"2026-11": counted["2026-11"]}
    assert documents_with(home, OLD) == {"2026-10": counted["2026-10"]}


def test_a_clearing_account_that_changes_from_now_on_ties_and_so_does_the_page(home: House) -> None:
    before = documents_with(home, CLEARING)
    edit(home, "accounts.csv", CLEARING, MOVED)
    done = syncjob("mapping", "preview", "--since", "2026-10-06", "--apply", "from-now", "--yes", "--home", home.folder)
    assert done.returncode == 0, done.stderr
    assert "what was delivered stays as it is" in " ".join(done.stdout.split())
    ties(home)
    assert documents_with(home, CLEARING) == before
    assert exported(home) == {CLEARING}
    done = syncjob("mapping", "preview", "--since", "2026-11-01", "--apply", "correct", "--yes", "--home", home.folder)
    assert done.returncode == 0, done.stderr
    ran = syncjob("run", "--nightly", "--home", home.folder)
    assert ran.returncode == 0, ran.stderr
    page = syncjob("summary", "--home", home.folder).stdout
    assert "Books state" in page
    assert "Gateway, sub-ledger and books agree to the last cent in every currency." in page
    ties(home)
    assert documents_with(home, MOVED) == {"2026-11": before["2026-11"]}
    assert documents_with(home, CLEARING) == {"2026-10": before["2026-10"]}
    assert exported(home) == {CLEARING, MOVED}
    with (home.folder / "books" / "balances.beancount").open() as file:
        days = {(line.split()[0], line.split()[2]) for line in file if " balance " in line}
    assert ("2026-11-01", CLEARING) in days
    assert ("2026-11-01", MOVED) not in days


def test_without_a_terminal_and_without_yes_nothing_is_applied(home: House) -> None:
    edit(home, "accounts.csv", f"fees,,,{OLD}", f"fees,,,{NEW}")
    rows = state(home)
    done = syncjob("mapping", "preview", "--since", "2026-10-06", "--apply", "correct", "--home", home.folder)
    assert done.returncode == 2
    assert "nothing was done yet" in done.stderr
    assert state(home) == rows


class Terminal:
    """Somebody sits there."""

    def isatty(self) -> bool:
        """Yes."""
        return True


def test_on_a_terminal_it_is_asked_for_and_a_no_leaves_everything(
    home: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(home, "accounts.csv", f"fees,,,{OLD}", f"fees,,,{NEW}")
    rows = state(home)
    monkeypatch.setattr("sys.stdin", Terminal())
    asked: list[str] = []
    answers = [False, True]
    monkeypatch.setattr("click.confirm", lambda words, **_: asked.append(words) or answers.pop(0))
    command = ["mapping", "preview", "--since", "2026-10-06", "--apply", "from-now", "--home", str(home.folder)]
    assert main(command) == 0
    assert state(home) == rows
    assert "Nothing was done." in capsys.readouterr().err
    assert main(command) == 0
    assert state(home) != rows
    said = capsys.readouterr().out
    assert "Two ways to apply it" not in said
    assert "The edited maps and codes count for everything from now on" in said
    assert asked == ["Apply this (from-now)?"] * 2


def test_the_page_fits_80_columns_and_names_the_first_of_many(home: House) -> None:
    edit(home, "accounts.csv", f"fees,,,{OLD}", f"fees,,,{NEW}")
    done = syncjob("mapping", "preview", "--since", "2026-10-06", "--home", home.folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "  and 23 more; --json has them all" in lines
    sums = "Since 2026-10-06: 5 delivered documents would be corrected, 38 delivered documents in closed periods would stay."
    assert sums in " ".join(done.stdout.split())
    assert lines[-2].startswith("  --apply from-now ")
    assert lines[-1].startswith("  --apply correct ")
    assert "stays: move it by a journal entry" in done.stdout
    nothing = syncjob("mapping", "preview", "--since", "2027-01-01", "--home", home.folder)
    assert nothing.stdout == "Since 2027-01-01 nothing would change: what stands is what the maps and codes make.\n"


EVERY_KIND = """\
What accounts hold from documents of these days
  month                            now                then          difference
  books: Income:Sales JPY
  2026-11                            0               -4500               -4500

Documents that would change
  crm:shop:cus_1:contact
    contact, not sent yet
      name: "Example" -> "Example Bakery"
      meta.type: nothing -> "company"
  books:shop:txn_2:receipt
    2026-10-31, receipt, new, in a closed period
    the books refuse it until the period is opened
      Income:Sales: 0 JPY -> -4500 JPY

Held records
  charge ch_3 of shop
    would be held (what was posted of it stays): type is 'cake', which is not
      listed; add a line `cake: ...` to mappings/tables/products.yaml
  charge ch_4 of shop
    held so far, would be read: type is 'bread', which is not listed

Posted money that the maps read otherwise now; it stays
  shop:txn_5, posted on 2026-11-03
    kind: posted payment, the map says refund
    stays: undo it by a journal entry in the books

Since 2026-10-06 through 2026-11-30: 1 document not sent yet would be changed, 1
  new document would be made, 1 held record would be read, 1 record would be
  held, 1 posted movement read otherwise.
Nothing was written. Two ways to apply it:
  --apply from-now   it counts from now on; what was delivered stays as it is
  --apply correct    delivered documents in open periods are corrected, too"""


def test_a_page_with_a_difference_of_every_kind() -> None:
    def held(id: str, word: str, *, freed: bool) -> Held:
        cure = f"add a line `{word}: ...` to mappings/tables/products.yaml"
        problem = Problem(id, "shop", f"type is '{word}', which is not listed", cure)
        return Held("shop", f"payment:{id}", "charge", id, problem, freed=freed, posted=not freed)

    sale = Moved("Income:Sales", Money(0, "JPY"), Money(-4500, "JPY"))
    texts = (("name", "Example", "Example Bakery"), ("meta.type", None, "company"))
    day = date(2026, 10, 31)
    found = [
        Change("crm", "crm:shop:cus_1:contact", DocumentKind.CONTACT, "customer:cus_1", None, "unsent", False, texts, ()),
        Change("books", "books:shop:txn_2:receipt", DocumentKind.RECEIPT, "payment:ch_2", day, "new", True, (), (sale,)),
        held("ch_3", "cake", freed=False),
        held("ch_4", "bread", freed=True),
        Otherwise("shop", "shop:txn_5", "payment:ch_5", date(2026, 11, 3), (("kind", "payment", "refund"),)),
    ]
    totals = Totals(then={("books", "Income:Sales", "JPY", "2026-11", False): -4500})
    for one in found:
        totals.count(one)
    wish = span(date(2026, 10, 6), date(2026, 11, 30))
    page = "\n".join(previewing._page(wish, previewing._Shown(found), totals, applies=False))
    assert page == EVERY_KIND


def test_an_edited_map_shows_its_texts_and_leaves_what_was_delivered_until_somebody_decides(home: House) -> None:
    copied = syncjob("mapping", "edit", "accounting/beancount", "--home", home.folder)
    assert copied.returncode == 0, copied.stderr
    name = "mappings/accounting/beancount.yaml"
    edit(home, name, "payee: {from: [customer_name, customer_email, source], cut: yes}", "payee: {from: source}")
    counted = sorted(documents_with(home, CLEARING)["2026-11"])
    said = {one["key"]: one for one in preview(home, since="2026-11-01")["differences"]}
    assert set(said) <= set(counted)
    assert said
    for one in said.values():
        assert one["kind"] in ("receipt", "refund", "application")
        assert [(field["field"], field["after"]) for field in one["fields"]] == [("payee", "shop")]
        assert one["postings"] == []
    books = home.books()
    assert home.run().exit == 0
    assert home.books() == books


def test_a_day_that_is_none_is_refused(home: House) -> None:
    done = syncjob("mapping", "preview", "--since", "yesterday", "--home", home.folder)
    assert done.returncode == 2
    assert "--since 'yesterday' is not a day; write it as 2026-10-06" in done.stderr

"""What a person changes in the books is named, document by document, and is never anybody's unexplained difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import House
from test_demo import ask, served

from syncjob import config
from syncjob.cli import main
from syncjob.errors import EXIT_HELD, EXIT_OK, EXIT_TRANSIENT
from syncjob.jobs import Report
from syncjob.model import Role
from syncjob.money import Money
from syncjob.ports import Standing
from syncjob.reconcile import Edit, books_legs, edited
from syncjob.store import Store

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
MONTH = "2026-10.beancount"
BALANCE = "Assets:Shop:Balance"


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A home after its first night over a tidy month, and the simulator that it read; each story works on a copy."""
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 3, "--clock", END.isoformat()) as url:
        folder = tmp_path_factory.mktemp("hand") / "home"
        assert House(folder, url, ask(url, "invoices"), whole=False).run(nightly=True).exit == EXIT_OK
        yield folder, url


@pytest.fixture
def house(month: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    folder, _ = month
    return House.copied(folder, tmp_path / "home")


def directives(text: str) -> list[str]:
    return re.split(r"\n(?=\d{4}-\d\d-\d\d )", text)


def receipt(house: House) -> str:
    """The first receipt that has a fee, as it stands."""
    text = (house.folder / "books" / MONTH).read_text(encoding="utf-8")
    return next(one for one in directives(text) if ':receipt"' in one and "Expenses:Gateway:Fees" in one and "EUR" in one)


def key_of(directive: str) -> str:
    found = re.search(r'syncjob: "(.+)"', directive)
    assert found is not None
    return found[1]


def by_hand(house: House, old: str, new: str) -> None:
    path = house.folder / "books" / MONTH
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def moved(directive: str, minor: int) -> str:
    """The same with another amount in the balance and in the fees, so that it still balances."""
    balance = re.search(rf"{BALANCE} +(\d+)\.(\d\d) EUR", directive)
    fees = re.search(r"Expenses:Gateway:Fees +(\d+)\.(\d\d) EUR", directive)
    assert balance is not None
    assert fees is not None
    for found, by in ((balance, minor), (fees, -minor)):
        cents = int(found[1] + found[2]) + by
        directive = directive.replace(found[0], found[0].replace(f"{found[1]}.{found[2]}", f"{cents // 100}.{cents % 100:02d}"))
    return directive


def on(directive: str, day: str) -> str:
    return day + directive[10:]


EDITS: dict[str, tuple[Callable[[str], str], str]] = {
    "an amount": (lambda one: moved(one, -100), "was edited by hand: Assets:Shop:Balance had "),
    "two swapped digits": (lambda one: moved(one, 90), "was edited by hand: Assets:Shop:Balance had "),
    "an account": (
        lambda one: one.replace("Expenses:Gateway:Fees ", "Expenses:Gateway:Other "),
        "was edited by hand: Expenses:Gateway:Fees had ",
    ),
    "the balance's account": (
        lambda one: one.replace(BALANCE, "Assets:Shop:Reserve"),
        "was edited by hand: Assets:Shop:Balance had ",
    ),
    "a currency": (lambda one: one.replace("EUR", "USD"), "was edited by hand: Assets:Shop:Balance had "),
    "a day": (lambda one: on(one, "2026-10-30"), "was edited by hand: its day 2026-10-0"),
    "a day of another month": (lambda one: on(one, "2026-12-24"), "was edited by hand: its day 2026-10-0"),
    "a deletion": (lambda _: "", "was deleted by hand"),
    "a copy": (lambda one: f"{one}\n{one}", "stands there 2 times: 2026-10.beancount:"),
}


@pytest.mark.parametrize("what", EDITS)
def test_the_night_names_exactly_the_document_that_was_changed(what: str, house: House, capsys: pytest.CaptureFixture[str]):
    edit, why = EDITS[what]
    before = receipt(house)
    by_hand(house, before, edit(before))
    report = house.run(nightly=True)
    assert [(one.what, one.where) for one in report.problems] == [(key_of(before), "books")]
    assert report.problems[0].why.startswith(why)
    assert report.exit == EXIT_HELD
    assert [leg for leg in report.legs if leg.unexplained.minor] == []
    off = {leg.place: leg for leg in report.legs if leg.name == "books" and leg.difference.minor}
    assert {item.name for leg in off.values() for item in leg.items} <= {key_of(before)}
    assert bool(off) is (what not in ("an account", "a day"))
    assert main(["run", "--nightly", "--home", str(house.folder)]) == EXIT_HELD
    capsys.readouterr()
    assert main(["summary", "--home", str(house.folder)]) == 0
    page = capsys.readouterr().out
    assert ("differ only by named items" in page) is bool(off)
    assert ("by hand in books:" in page.replace("Changed by hand in books: 1.", "")) is bool(off)
    told = " ".join(page.split())
    assert f"Changed by hand in books: 1. - {key_of(before)} {report.problems[0].why}" in told
    assert "DOES NOT CLOSE" not in page
    assert max(map(len, page.splitlines())) <= 80


def test_a_text_that_a_person_improves_is_nobodys_difference(house: House):
    before = receipt(house)
    by_hand(house, before, before.replace('"Payment: ', '"Payment, see the letter of 3 May: '))
    report = house.run(nightly=True)
    assert (report.problems, report.exit) == ((), EXIT_OK)


def test_what_another_program_only_formats_is_not_changed(house: House):
    before = receipt(house)
    by_hand(house, before, re.sub(r"  +(-?\d)", r"   \1", before))
    assert house.run(nightly=True).problems == ()


def test_a_day_that_no_calendar_has_is_refused_with_its_line(house: House):
    before = receipt(house)
    by_hand(house, before, on(before, "2026-10-32"))
    report = house.run(nightly=True)
    assert report.exit == EXIT_TRANSIENT
    sentence = re.compile(r"books: 2026-10\.beancount:\d+: 2026-10-32 is no day; undo .*")
    assert any(sentence.fullmatch(one.why) for one in report.problems)


def test_two_edits_are_two_documents_and_their_sum_is_the_difference(house: House):
    text = (house.folder / "books" / MONTH).read_text(encoding="utf-8")
    first, second = [one for one in directives(text) if ':receipt"' in one and re.search(rf"{BALANCE} +\d+\.\d\d EUR", one)][:2]
    by_hand(house, first, moved(first, -100))
    by_hand(house, second, "")
    report = house.run(nightly=True)
    assert {one.what for one in report.problems} == {key_of(first), key_of(second)}
    (leg,) = [leg for leg in report.legs if leg.place == BALANCE and leg.currency == "EUR"]
    gone = re.search(rf"{BALANCE} +(\d+\.\d\d) EUR", second)
    assert gone is not None
    assert leg.difference == Money(-100, "EUR") - Money.of(gone[1], "EUR")
    assert sorted(item.name for item in leg.items) == sorted([key_of(first), key_of(second)])
    assert not leg.unexplained.minor


def test_what_was_put_back_is_no_difference_any_more(house: House):
    before = receipt(house)
    by_hand(house, before, moved(before, -100))
    assert house.run(nightly=True).exit == EXIT_HELD
    by_hand(house, moved(before, -100), before)
    report = house.run(nightly=True)
    assert (report.problems, report.exit) == ((), EXIT_OK)


def test_nothing_that_a_person_changed_is_overwritten_when_the_document_changes(house: House, month: tuple[Path, str]):
    before = receipt(house)
    by_hand(house, before, moved(before, -100))
    path = house.folder / "mappings/accounting/beancount.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    shipped = Path(__file__).parent.parent / "mappings/accounting/beancount.yaml"
    path.write_text(shipped.read_text(encoding="utf-8").replace("{from: kind, as: words}", "{from: type}", 1), encoding="utf-8")
    preview = ["mapping", "preview", "--since", "2026-10-01", "--apply", "correct", "--yes"]
    assert main([*preview, "--home", str(house.folder)]) in (EXIT_OK, EXIT_HELD)
    report: Report = house.run(nightly=True)
    text = (house.folder / "books" / MONTH).read_text(encoding="utf-8")
    assert moved(before, -100) in text
    assert "Payment: " not in text.replace(moved(before, -100), "")  # all others follow the map
    with closing(Store.open(config.read(house.folder).state)) as store:
        (held,) = store.held()
    assert (held.key, held.problem.why if held.problem else "") == (key_of(before), "the directive was edited by hand")
    assert [one.what for one in report.problems].count(key_of(before)) >= 1
    assert [leg for leg in report.legs if leg.unexplained.minor] == []


# ---------------------------------------------------------------- values

DAY = date(2026, 10, 7)
PLACES = [("Assets:A", "EUR"), ("Assets:A", "USD"), ("Assets:B", "EUR")]
POSTINGS = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(-5_000, 5_000)), max_size=4).map(
    lambda lines: tuple((account, Money(minor, currency)) for (account, currency), minor in lines)
)
DAYS = st.sampled_from([date(2026, 10, 6), DAY, date(2026, 10, 8)])


def sums(postings: object) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for account, amount in postings:  # type: ignore[attr-defined]
        found[account, amount.currency] = found.get((account, amount.currency), 0) + amount.minor
    return found


@given(written=POSTINGS, copies=st.lists(st.tuples(DAYS, POSTINGS), max_size=3), through=DAYS)
def test_an_edit_explains_exactly_what_it_adds_to_each_account(
    written: tuple[tuple[str, Money], ...], copies: list[tuple[date, tuple[tuple[str, Money], ...]]], through: date
):
    now = [Standing("books:a", day, postings, "v", "2026-10.beancount:1") for day, postings in copies]
    edit = edited("books:a", DAY, written, now)
    for place in PLACES:
        theirs = sum(sums(postings).get(place, 0) for day, postings in copies if day <= through)
        ours = sums(written).get(place, 0) if through >= DAY else 0
        assert (edit.adds(*place, through) if edit is not None else 0) == theirs - ours
    if edit is None:
        assert len(copies) == 1


def test_a_document_that_stands_as_it_was_written_is_no_edit():
    lines = (("Assets:A", Money(100, "EUR")), ("Income:B", Money(-100, "EUR")))
    again = Standing("books:a", DAY, (*reversed(lines), ("Assets:C", Money(0, "EUR"))), "v", "")
    assert edited("books:a", DAY, lines, [again]) is None


def test_an_edit_is_an_item_of_the_accounts_that_it_touches_and_of_no_other():
    edit = Edit("books:a", DAY, {("Assets:A", "EUR"): 100}, ((DAY, {("Assets:A", "EUR"): 90, ("Assets:B", "EUR"): 10}),))
    legs = books_legs([], {("Assets:A", "EUR"): 100, ("Assets:C", "EUR"): 5}, {}, DAY, "books", [edit])
    assert {leg.place: [str(item.amount) for item in leg.items] for leg in legs} == {"Assets:A": ["-0.10 EUR"], "Assets:C": []}


def test_the_role_whose_account_is_edited_here_is_the_gateways_balance(house: House):
    assert config.read(house.folder).chart.code(Role.CLEARING, "shop", "EUR") == BALANCE

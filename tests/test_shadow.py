"""Books in shadow: everything is derived, nothing sent, and what people booked is held against it, document by document."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import House
from test_demo import served
from test_modes import balances, house

from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_OK, Misconfigured
from syncjob.jobs import assembly
from syncjob.money import Money
from syncjob.ports import Standing
from syncjob.reconcile.shadow import WITHIN, Beside, Derived, Kind, beside

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
CLEARING, FEES, RECEIVABLE, CREDIT = "Assets:Clearing", "Expenses:Fees", "Assets:Receivable", "Liabilities:Credit"
DAY, THROUGH = date(2026, 10, 12), date(2026, 11, 2)


@contextmanager
def world(scenario: str = "tidy") -> Iterator[str]:
    with served("stripe", "--port", 0, "--scenario", scenario, "--seed", 1, "--clock", END.isoformat()) as url:
        yield url


# ---------------------------------------------------------------- which kind


def lines(amount: int = 97_00, other: str = RECEIVABLE) -> tuple[tuple[str, Money], ...]:
    return (
        (CLEARING, Money(amount, "EUR")),
        (FEES, Money(3_00, "EUR")),
        (other, Money(-amount - 3_00, "EUR")),
    )


def ours(key: str = "a", day: date = DAY, **how: Any) -> Derived:
    return Derived(key, day, lines(**how))


def theirs(key: str = "x", day: date = DAY, **how: Any) -> Standing:
    return Standing(f"foreign:{key}", day, lines(**how), key, f"2026.beancount:{key}", "Example Bakery", "Sale")


def kinds(mine: list[Derived], other: list[Standing]) -> list[tuple[str, str, str]]:
    return [(one.kind.value, one.key, one.why) for one in beside(mine, other, THROUGH)]


def test_the_same_is_alike_and_on_another_day_it_is_timing() -> None:
    assert kinds([ours()], [theirs()]) == [("alike", "a", "")]
    assert kinds([ours()], [theirs(day=DAY + timedelta(days=3))]) == [("timing", "a", "booked 3 days later, on 2026-10-15")]
    assert kinds([ours()], [theirs(day=DAY - timedelta(days=1))]) == [("timing", "a", "booked 1 day earlier, on 2026-10-11")]
    found = kinds([ours()], [theirs(day=DAY + WITHIN + timedelta(days=1))])
    assert [one[0] for one in found] == ["missing", "only in the books"]


def test_the_same_amount_in_another_account_is_mapping() -> None:
    ((kind, _, why),) = kinds([ours()], [theirs(other=CREDIT)])
    assert kind == "mapping"
    assert why == (
        "Assets:Receivable would get -100.00 EUR and has 0.00 EUR; Liabilities:Credit would get 0.00 EUR and has -100.00 EUR"
    )


def test_what_nobody_booked_is_missing_and_still_has_time_near_the_end() -> None:
    assert kinds([ours()], []) == [("missing", "a", "nobody has booked it")]
    assert kinds([ours(day=THROUGH)], []) == [("not yet", "a", "nobody has booked it yet")]


def test_what_was_booked_twice_is_a_duplicate_and_what_no_gateway_explains_is_theirs() -> None:
    found = kinds([ours()], [theirs(), theirs("y", DAY + timedelta(days=1))])
    assert found == [("alike", "a", ""), ("duplicate", "a", 'booked once more: "Example Bakery" "Sale"')]
    (one,) = beside([], [theirs()], THROUGH)
    assert (one.kind, one.amount, one.place) == (Kind.THEIRS, Money(100_00, "EUR"), "2026.beancount:x")


def test_the_same_day_comes_before_the_nearest() -> None:
    next_day = DAY + timedelta(days=1)
    found = beside([ours("a"), ours("b", next_day)], [theirs("x", next_day), theirs("y")], THROUGH)
    assert {(one.key, one.kind, one.place[-1]) for one in found} == {("a", Kind.ALIKE, "y"), ("b", Kind.ALIKE, "x")}


one_entry = st.tuples(st.integers(0, 25), st.sampled_from((97_00, 48_50)), st.sampled_from((RECEIVABLE, CREDIT)))
entries = st.lists(one_entry, max_size=12)


@given(mine=entries, other=entries)
def test_each_document_is_told_once_and_each_entry_of_theirs_at_most_once(
    mine: list[tuple[int, int, str]], other: list[tuple[int, int, str]]
) -> None:
    derived = [ours(f"d{at}", DAY + timedelta(days=d), amount=a, other=o) for at, (d, a, o) in enumerate(mine)]
    booked = [theirs(f"t{at}", DAY + timedelta(days=d), amount=a, other=o) for at, (d, a, o) in enumerate(other)]
    found = beside(derived, booked, THROUGH)
    told = Counter(one.key for one in found if one.kind not in (Kind.THEIRS, Kind.DUPLICATE))
    assert told == Counter(one.key for one in derived)
    places = Counter(one.place for one in found if one.place)
    assert max(places.values(), default=1) == 1
    assert set(places) >= {one.place for one in booked if one.day <= THROUGH}
    copies = [Standing(one.key, one.day, one.postings, "", one.key) for one in derived]
    assert {one.kind for one in beside(derived, copies, THROUGH)} <= {Kind.ALIKE}


# ---------------------------------------------------------------- a whole month beside a bookkeeper


def bookkeeper(text: str) -> list[str]:
    """The transactions of a month file as a person would have written them: without a word of ours."""
    found = re.findall(r'^(\d{4}-\d\d-\d\d \* .*\n)((?: +[^\n]*\n)+)', text, re.MULTILINE)
    return [re.sub(r" \^\S+", "", head) + "".join(re.findall(r"^  [A-Z][^\n]*\n", rest, re.MULTILINE)) for head, rest in found]


@pytest.fixture(scope="module")
def booked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a month comes to, one transaction after the other."""
    folder = tmp_path_factory.mktemp("booked")
    with world() as url:
        home = house(folder / "home", url, "tidy")
        home.run(nightly=True)
    return [one for name, text in home.books().items() if re.match(r"\d{4}-\d\d\.", name) for one in bookkeeper(text)]


def by_hand(home: House, transactions: list[str]) -> None:
    (home.folder / "books" / "main.beancount").write_text('include "hand.beancount"\n')
    (home.folder / "books" / "hand.beancount").write_text("\n".join(transactions))


def shadow(home: House, capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main(["shadow", *words, "--home", str(home.folder)]) == EXIT_OK
    text = capsys.readouterr().out
    return json.loads(text) if "--json" in words else text


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")


def test_each_planted_difference_is_found_and_nothing_is_sent(
    booked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    october = [one for one in booked if one.startswith("2026-10") and "payment" in one.lower()]
    gone, later, mapped, twice = october[2], october[4], october[6], october[8]
    assert "Assets:Receivable" in mapped or "Liabilities:Customers:Credit" in mapped
    other = re.sub("Assets:Receivable|Liabilities:Customers:Credit", "Income:Sales", mapped)
    day = date.fromisoformat(later[:10])
    hand = [one for one in booked if one not in (gone, later, mapped)]
    hand += [f"{day + timedelta(days=2)}{later[10:]}", other, twice]
    hand.append('2026-10-14 * "Correction"\n  Assets:Shop:Balance  -1.23 EUR\n  Expenses:Gateway:Fees  1.23 EUR\n')
    with world() as url:
        home = house(tmp_path / "home", url, "tidy", "shadow: yes")
        by_hand(home, hand)
        before = home.books()
        report = home.run(nightly=True)
        assert report.exit == EXIT_OK, report.problems
        assert report.counts["in shadow"] > 40
        assert main(["run", "--nightly", "--home", str(home.folder)]) == EXIT_OK
        assert home.books() == before  # nothing was sent
        rows = shadow(home, capsys, "--json")
        assert main(["summary", "--home", str(home.folder)]) == EXIT_OK
        page = " ".join(capsys.readouterr().out.split())
        assert main(["status", "--home", str(home.folder)]) == EXIT_OK
        assert re.search(r"books +in shadow: \d+ derived, nothing is sent; see: syncjob shadow", capsys.readouterr().out)
    found = Counter(one["kind"] for one in rows)
    assert {kind: number for kind, number in found.items() if kind not in ("alike", "not yet")} == {
        **{"timing": 1, "mapping": 1, "missing": 1, "duplicate": 1, "only in the books": 1}
    }
    assert re.search(r"Shadow of books: \d+ alike, 1 timing, 1 mapping, 1 missing, .*1 duplicate, 1 only in the books", page)
    by_kind = {one["kind"]: one for one in rows}
    assert by_kind["missing"]["date"] == gone[:10]
    assert by_kind["timing"]["why"] == f"booked 2 days later, on {day + timedelta(days=2)}"
    assert "Income:Sales" not in by_kind["mapping"]["why"]  # no account of ours: what stands there is not read
    assert by_kind["duplicate"]["date"] == twice[:10]
    assert by_kind["only in the books"]["amount"] == {"amount": "1.23", "currency": "EUR"}
    text = shadow(home, capsys)
    assert "1 booked on another day (" in text
    assert all(len(line) <= 80 for line in text.splitlines() if " " in line.strip())


def test_out_of_the_shadow_only_what_people_have_not_booked_is_sent(
    booked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with world() as url:
        plain = house(tmp_path / "plain", url, "tidy")
        plain.run(nightly=True)
        home = house(tmp_path / "home", url, "tidy", "shadow: yes", "open_accounts: no")
        opened = re.findall(r"open (\S+)", plain.books()["accounts.beancount"])
        opens = [f"2026-01-01 open {account}\n" for account in opened]
        by_hand(home, opens + [one for one in booked if one[:10] < "2026-10-20"])
        assert home.run(nightly=True).exit == EXIT_OK
        home.set("    shadow: yes\n", "")
        with pytest.raises(Misconfigured, match=r"books was in shadow since .*, and \d+ documents were derived, not sent"):
            home.run(nightly=True)
        assert main(["shadow", "end", "--before", "soon", "--home", str(home.folder)]) == EXIT_CONFIGURATION
        capsys.readouterr()
        assert main(["shadow", "end", "--before", "2026-10-20", "--home", str(home.folder)]) == EXIT_OK
        assert re.fullmatch(r"\d+ given up as booked by people, \d+ will be sent by the next run\.\n", capsys.readouterr().out)
        (home.folder / "books" / "main.beancount").unlink()
        hand = home.folder / "books" / "hand.beancount"
        report = home.run(nightly=True)
        with (home.folder / "books" / "main.beancount").open("a") as file:
            file.write('\ninclude "hand.beancount"\n')
        report = home.run(nightly=True)
        assert [leg for leg in report.legs if leg.unexplained.minor] == []
        assert [one.key for _, one in report.edits] == ["foreign:before:2026-10-20"]
        assert main(["run", "--nightly", "--home", str(home.folder)]) in (0, 3)
        once = balances(home)
        sent = "".join(text for name, text in home.books().items() if re.match(r"\d{4}-\d\d\.", name))
        assert not re.search(r"^2026-10-(0\d|1\d) \*", sent, re.MULTILINE)
        assert re.search(r"^2026-10-2\d \*", sent, re.MULTILINE)
        assert hand.exists()
        capsys.readouterr()
        assert main(["summary", "--home", str(home.folder)]) == EXIT_OK
        page = " ".join(capsys.readouterr().out.split())
        assert "THIS PAGE DOES NOT CLOSE" not in page
        assert re.search(r"Undone in books: 1\. - \d+ of before 2026-10-20 people have booked while these books were", page)
    assert once == balances(plain)


def test_without_books_in_shadow_the_cure_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with world() as url:
        home = house(tmp_path / "home", url, "tidy")
        home.run()
    assert main(["shadow", "--home", str(home.folder)]) == EXIT_CONFIGURATION
    assert "no books are in shadow; write shadow: yes under them in syncjob.yaml" in capsys.readouterr().err
    assert main(["shadow", "end", "--before", "2026-10-20", "--home", str(home.folder)]) == EXIT_CONFIGURATION
    assert "books is not in shadow" in capsys.readouterr().err


def test_books_that_do_not_show_what_others_booked_cannot_be_in_shadow(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with world() as url:
        home = house(tmp_path / "home", url, "tidy", "shadow: yes")
    monkeypatch.setattr(assembly, "Foreign", int)  # an ability that plain-text books have
    capsys.readouterr()
    assert main(["check", "--home", str(home.folder)]) == EXIT_CONFIGURATION
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(r"syncjob\.yaml:\d+:3: books is in shadow, but these books do not show what others booked", told), told


def test_told_as_a_value() -> None:
    (one,) = beside([ours()], [], THROUGH)
    assert one == Beside(Kind.MISSING, DAY, "a", "", Money(100_00, "EUR"), "nobody has booked it")

"""The plain-text books: what Beancount itself loads from them, whoever dies when, and whatever a narration tries."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import tracemalloc
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from beancount.core import data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_books import (
    CLEARING,
    NOON,
    RECEIVABLE,
    Killed,
    books_in,
    deliver,
    files,
    load,
    misfortune,
    receipt,
    remote,
    transactions,
)

from syncjob.model import Action, Remote
from syncjob.ports import (
    Absent,
    Call,
    Delivered,
    Present,
    Put,
    Unknown,
    Unsent,
)

# ---------------------------------------------------------------- what Beancount loads


def test_a_receipt_is_a_transaction_that_beancount_loads(tmp_path: Path) -> None:
    outcome = deliver(books_in(tmp_path), receipt("ch_1"))["books:shop:ch_1:receipt"]
    (one,) = transactions(tmp_path)
    assert (one.date, one.payee, one.narration, one.links) == (
        date(2026, 11, 3),
        "Example Bakery",
        "Payment ch_1",
        {"ch_1", "ch_1-receipt"},
    )
    assert (one.meta["syncjob"], one.meta["invoice"]) == ("books:shop:ch_1:receipt", "R-17")
    assert [str(posting.units) for posting in one.postings] == ["48.25 EUR", "-48.25 EUR"]
    assert isinstance(outcome, Delivered)
    assert outcome.remote.id == "2026-11.beancount#books:shop:ch_1:receipt"
    assert outcome.echo == {key: receipt("ch_1").body[key] for key in ("date", "postings")}


def test_a_month_file_is_sorted_by_date_and_key_and_says_who_writes_it(tmp_path: Path) -> None:
    deliver(books_in(tmp_path), receipt("ch_2"), receipt("ch_3", "2026-11-01"), receipt("ch_1"))
    text = (tmp_path / "books" / "2026-11.beancount").read_text()
    assert text.startswith("; written by syncjob; do not edit\n\n2026-11-01 * ")
    assert [line[12:-1] for line in text.splitlines() if "syncjob:" in line] == [
        f"books:shop:{id}:receipt" for id in ("ch_3", "ch_1", "ch_2")
    ]


@pytest.mark.parametrize(("amount", "currency"), [("4825", "JPY"), ("48.250", "KWD"), ("4825", "ISK"), ("-0.01", "EUR")])
def test_every_currency_keeps_its_own_decimals(tmp_path: Path, amount: str, currency: str) -> None:
    outcome = deliver(books_in(tmp_path), receipt("ch_1", amount=amount, currency=currency))["books:shop:ch_1:receipt"]
    assert isinstance(outcome, Delivered)
    assert outcome.echo is not None
    assert outcome.echo["postings"] == receipt("ch_1", amount=amount, currency=currency).body["postings"]
    assert str(transactions(tmp_path)[0].postings[0].units) == f"{amount} {currency}"


HOSTILE = [
    'Say "hello"',
    "back\\slash\\",
    'a\n2026-11-04 * "forged" "transaction"\n  Assets:Stripe  1000000.00 EUR\n  Income:Sales\n',
    'x" ^link #tag\n  syncjob: "books:shop:ch_9:receipt"',
    "; no comment",
    "tab\tand\rreturn",
    "Zoë 🍞 Bäckerei \u202emirror",
    "\\n is no line end",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_one_text(tmp_path: Path, text: str) -> None:
    books = books_in(tmp_path)
    put = receipt("ch_1", narration=text, payee=text, meta={"note": text})
    assert isinstance(deliver(books, put)[put.key], Delivered)
    (one,) = transactions(tmp_path)
    assert (one.narration, one.payee, one.meta["note"], one.links) == (text, text, text, {"ch_1", "ch_1-receipt"})
    assert isinstance(books.find([put])[0], Present)


@pytest.mark.parametrize(
    ("text", "shown"), [("a\0b", "a␀b"), ("a\x1b[31m", "a␛[31m"), ("a\u2028b\x85c", "a\nb\nc"), ("a\ud800b", "a\ufffdb")]
)
def test_what_cannot_stand_in_a_text_file_is_shown_as_its_picture(tmp_path: Path, text: str, shown: str) -> None:
    deliver(books_in(tmp_path), receipt("ch_1", narration=text))
    assert transactions(tmp_path)[0].narration == shown


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
def test_no_text_whatever_breaks_the_books(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    home = tmp_path_factory.mktemp("home")
    deliver(books_in(home), receipt("ch_1", narration=text, payee=text, links=[text]), receipt("ch_2"))
    assert len(transactions(home)) == 2


def test_links_keep_to_beancounts_letters(tmp_path: Path) -> None:
    deliver(books_in(tmp_path), receipt("ch_1", links=["ch_1", "R 17/2026", "ch_1", "ü#1", ""]))
    assert transactions(tmp_path)[0].links == {"ch_1", "R-17/2026", "--1", "ch_1-receipt"}


def test_two_equal_charges_are_no_double_for_beancount(tmp_path: Path) -> None:
    same = {"narration": "Payment", "links": ["R-17"]}
    deliver(books_in(tmp_path), receipt("ch_1", **same), receipt("ch_2", **same))
    entries = load(tmp_path, 'plugin "beancount.plugins.noduplicates"\n')
    assert len([entry for entry in entries if isinstance(entry, data.Transaction)]) == 2


def test_lines_of_nothing_are_dropped(tmp_path: Path) -> None:
    nothing = {"account": "Income:Tips", "amount": "0.00", "currency": "EUR"}
    put = receipt("ch_1", postings=[*receipt("ch_1").body["postings"], nothing])  # type: ignore[misc]
    deliver(books_in(tmp_path), put)
    assert [posting.account for posting in transactions(tmp_path)[0].postings] == [CLEARING, RECEIVABLE]
    assert "Income:Tips" not in (tmp_path / "books" / "accounts.beancount").read_text()


def test_accounts_are_open_from_their_earliest_use(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1", "2026-11-03"))
    accounts = tmp_path / "books" / "accounts.beancount"
    accounts.write_text(accounts.read_text().replace(f"open {CLEARING}", f'open {CLEARING} EUR,USD "STRICT"') + "; mine\n")
    deliver(books, receipt("ch_2", "2026-10-30"))
    deliver(books, receipt("ch_3", "2026-12-01"))
    assert accounts.read_text().splitlines()[1:] == [
        "",
        f"2026-10-30 open {RECEIVABLE}",
        f'2026-10-30 open {CLEARING} EUR,USD "STRICT"',
        "; mine",
    ]
    load(tmp_path)


def test_a_user_may_open_the_accounts_himself(tmp_path: Path) -> None:
    deliver(books_in(tmp_path, open_accounts="no"), receipt("ch_1"))
    assert not (tmp_path / "books" / "accounts.beancount").exists()
    entries = load(tmp_path, f"2020-01-01 open {CLEARING}\n2020-01-01 open {RECEIVABLE}\n")
    assert len(entries) == 3


def test_main_belongs_to_the_user_after_the_first_time(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    main = tmp_path / "books" / "main.beancount"
    assert 'option "title" "Example Ltd"' in main.read_text()
    mine = main.read_text() + "; and my own includes\n"
    main.write_text(mine)
    deliver(books, receipt("ch_2"))
    assert main.read_text() == mine


def test_fava_shows_the_books(tmp_path: Path) -> None:
    core = pytest.importorskip("fava.core")
    deliver(books_in(tmp_path), receipt("ch_1"), receipt("ch_2", "2026-10-01"))
    ledger = core.FavaLedger(str(tmp_path / "books" / "main.beancount"))
    assert ledger.errors == []
    assert len(ledger.all_entries) == 4


# ---------------------------------------------------------------- again, in any order, and after any death


def test_sent_again_a_call_changes_nothing_and_says_the_same(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    first, second = books.prepare([receipt("ch_1")])[0], books.prepare([receipt("ch_2")])[0]
    answers = [books.send(first), books.send(second)]
    before = files(tmp_path)
    assert [books.send(first), books.send(second)] == answers
    assert files(tmp_path) == before


WAVES = [receipt(f"ch_{n}", f"2026-{9 + n % 3:02d}-{1 + n % 5:02d}", f"{n}.00") for n in range(1, 13)]


@settings(max_examples=40, deadline=None)
@given(order=st.permutations(WAVES), cuts=st.sets(st.integers(1, len(WAVES) - 1)))
def test_any_order_in_any_waves_makes_the_same_files(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[Put], cuts: set[int]
) -> None:
    calm, home = tmp_path_factory.mktemp("calm"), tmp_path_factory.mktemp("home")
    deliver(books_in(calm), *WAVES)
    books = books_in(home)
    for start, end in itertools.pairwise([0, *sorted(cuts), len(order)]):
        deliver(books, *order[start:end])
    assert files(home) == files(calm)


def story(home: Path) -> list[Call]:
    """Books with two receipts, and the Calls that add one, change one, move one to another month and undo one."""
    books = books_in(home)
    put = {name: receipt(name) for name in ("ch_1", "ch_2", "ch_3")}
    held = {name: remote(books, one) for name, one in put.items()}
    batch = [
        receipt("ch_4", "2026-12-01"),
        receipt("ch_1", amount="50.00", action=Action.UPDATE, revision=2, expected=held["ch_1"]),
        receipt("ch_2", "2026-10-31", action=Action.UPDATE, revision=2, expected=held["ch_2"]),
        receipt("ch_3", action=Action.VOID, revision=2, expected=held["ch_3"]),
    ]
    return list(books.prepare(batch))


@pytest.mark.parametrize("after", [False, True], ids=["before the step", "after the step"])
def test_killed_at_any_step_and_replayed_the_books_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    for call in story(tmp_path / "calm"):
        books_in(tmp_path / "calm").send(call)
    for at in itertools.count(1):
        home = tmp_path / str(at)
        calls = story(home)
        with monkeypatch.context() as patch:
            seen = misfortune(patch, at, Killed, after=after)
            try:
                for call in calls:
                    books_in(home).send(call)
            except Killed:
                pass
        for found in books_in(home).find([receipt(f"ch_{n}") for n in range(1, 5)]):
            assert not isinstance(found, Present) or len(found.remotes) == 1
        for call in calls:
            assert all(isinstance(outcome, Delivered) for outcome in books_in(home).send(call))
        assert {name: text for name, text in files(home).items() if not name.endswith(".tmp")} == files(tmp_path / "calm")
        load(home)
        if seen[0] < at:
            break
    assert at > 10


def months(home: Path) -> dict[str, bytes]:
    return {name: text for name, text in files(home).items() if name.startswith("20")}


def test_a_file_is_synced_before_it_takes_the_place_of_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    steps: list[str] = []
    sync, rename = os.fsync, os.replace

    def fsync(number: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "sync file")
        sync(number)

    def replace(old: str, new: str) -> None:
        steps.append("rename")
        rename(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    deliver(books, receipt("ch_2"))
    assert steps == ["sync file", "rename", "sync folder"]
    deliver(books, receipt("ch_2"))
    assert len(steps) == 3  # what stands there already is not written again


def test_a_full_disk_at_any_step_is_told_truly_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in story(tmp_path / "calm"):
        books_in(tmp_path / "calm").send(call)
    words = set()
    for at in itertools.count(1):
        home = tmp_path / str(at)
        calls = story(home)
        before = months(home)
        with monkeypatch.context() as patch:
            seen = misfortune(patch, at, lambda: OSError(errno.ENOSPC, "No space left on device"), after=False)
            for call in calls:
                outcomes = books_in(home).send(call)
                words |= {type(outcome) for outcome in outcomes}
                if any(isinstance(outcome, Unsent) for outcome in outcomes):
                    assert "No space left" in str(outcomes[0])
                    assert months(home) == before
                before = months(home)
        assert not [name for name in files(home) if name.endswith(".tmp")]
        for call in calls:
            books_in(home).send(call)
        assert files(home) == files(tmp_path / "calm")
        if seen[0] < at:
            break
    assert words == {Delivered, Unsent, Unknown}


def test_a_folder_that_cannot_be_made_is_a_reason_and_no_crash(tmp_path: Path) -> None:
    (tmp_path / "books").write_text("a file, not a folder")
    books = books_in(tmp_path)
    (outcome,) = deliver(books, receipt("ch_1")).values()
    assert isinstance(outcome, Unsent)
    assert str(tmp_path / "books") in outcome.reason
    assert "cannot be written to" in str(books.check()[0])


def test_a_rewritten_file_keeps_its_permissions(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    deliver(books, receipt("ch_1"))
    path = tmp_path / "books" / "2026-11.beancount"
    path.chmod(0o640)
    deliver(books, receipt("ch_2"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    many = [receipt(f"ch_{n:05d}") for n in range(8000)]
    for start in range(0, len(many), 2000):
        deliver(books, *many[start : start + 2000])
    size = (tmp_path / "books" / "2026-11.beancount").stat().st_size
    call = books.prepare([receipt("ch_99999")])[0]
    tracemalloc.start()
    books.send(call)
    books.balances([CLEARING], date(2026, 11, 30))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < size / 8


# ---------------------------------------------------------------- updates, moves, undoing


def test_an_update_replaces_the_transaction(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    held = remote(books, receipt("ch_1"))
    after = remote(books, receipt("ch_1", amount="50.00", action=Action.UPDATE, revision=2, expected=held))
    assert after.id == held.id
    assert after.version != held.version
    assert [str(one.postings[0].units) for one in transactions(tmp_path)] == ["50.00 EUR"]


@pytest.mark.parametrize("known", [True, False], ids=["where it was is known", "where it was is not known"])
def test_a_document_that_moves_to_another_month_stands_only_there(tmp_path: Path, known: bool) -> None:
    books = books_in(tmp_path)
    first = books.prepare([receipt("ch_1")])[0]
    (outcome,) = books.send(first)
    assert isinstance(outcome, Delivered)
    move = receipt("ch_1", "2026-10-31", action=Action.UPDATE, revision=2, expected=outcome.remote if known else None)
    assert remote(books, move).id == "2026-10.beancount#books:shop:ch_1:receipt"
    for _ in range(2):
        assert [one.date for one in transactions(tmp_path)] == [date(2026, 10, 31)]
        (note,) = [entry for entry in load(tmp_path) if isinstance(entry, data.Note)]
        assert (note.date, note.account) == (date(2026, 11, 3), CLEARING)
        assert note.comment.startswith("moved to 2026-10-31: Payment ch_1; was Assets:Stripe 48.25 EUR")
        (found,) = books.find([move])
        assert isinstance(found, Present)
        assert len(found.remotes) == 1
        assert isinstance(books.send(first)[0], Delivered)  # even the Call of before the move makes no second one


def test_an_undone_document_leaves_a_dated_note_and_counts_as_absent(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    put = receipt("ch_1")
    held = remote(books, put)
    gone = remote(books, receipt("ch_1", action=Action.VOID, revision=2, expected=held))
    assert transactions(tmp_path) == []
    (note,) = [entry for entry in load(tmp_path) if isinstance(entry, data.Note)]
    assert note.comment == "void: Payment ch_1; was Assets:Stripe 48.25 EUR, Assets:Receivable -48.25 EUR"
    assert books.find([put]) == [Absent(put.key, NOON)]
    assert books.balances([CLEARING], date(2026, 11, 30)) == []
    remote(books, receipt("ch_1", revision=3, expected=gone))
    assert len(transactions(tmp_path)) == 1
    assert not [entry for entry in load(tmp_path) if isinstance(entry, data.Note)]


def test_undoing_what_is_not_there_is_done(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    remote(books, receipt("ch_1", action=Action.VOID, revision=2))
    assert not (tmp_path / "books" / "2026-11.beancount").exists()


def test_a_document_of_nothing_can_be_undone_too(tmp_path: Path) -> None:
    books = books_in(tmp_path)
    held = remote(books, receipt("ch_1", amount="0.00"))
    remote(books, receipt("ch_1", action=Action.VOID, revision=2, expected=held))
    assert transactions(tmp_path) == []


IDS = ("ch_1", "ch_2", "ch_3")
STEPS = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(["write", "write", "void"]), st.integers(9, 11), st.integers(1, 9)),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, replays=st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=6))
def test_whatever_happens_to_documents_the_books_hold_each_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int, int]], replays: list[tuple[int, int]]
) -> None:
    """Creates, changes, moves and undoes in any order, with old Calls sent again in between."""
    home = tmp_path_factory.mktemp("home")
    books = books_in(home)
    truth: dict[str, str] = {}
    held: dict[str, Remote] = {}
    revisions = dict.fromkeys(IDS, 0)
    calls: list[Call] = []
    for at, (id, what, month, amount) in enumerate(steps):
        if what == "void" and id not in truth:
            continue
        revisions[id] += 1
        action = Action.VOID if what == "void" else Action.UPDATE if id in held else Action.CREATE
        put = receipt(id, f"2026-{month:02d}-05", f"{amount}.00", action=action, revision=revisions[id], expected=held.get(id))
        (call,) = books.prepare([put])
        (outcome,) = books.send(call)
        assert isinstance(outcome, Delivered)
        held[id] = outcome.remote
        calls.append(call)
        if what == "void":
            del truth[id]
        else:
            truth[id] = f"2026-{month:02d}-05 {amount}.00"
        for when, which in replays:
            if when == at and which < len(calls):
                books.send(calls[which])
    if calls:
        shown = {one.meta["syncjob"].split(":")[2]: f"{one.date} {one.postings[0].units.number}" for one in transactions(home)}
        assert shown == truth
        assert len(transactions(home)) == len(truth)
        total = sum(int(text.split()[1][:-3]) for text in truth.values())
        assert sum(balance.amount.minor for balance in books.balances([CLEARING], date(2026, 12, 31))) == total * 100

"""Which object explains a gap comes first, what only might is said as a guess, and what was read is told with its gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stories import NOON, eur

from syncjob.accounting.beancount import connect
from syncjob.errors import ConnectorDown
from syncjob.jobs.coverage import covered
from syncjob.model import Stream
from syncjob.moment import iso
from syncjob.money import Money
from syncjob.ports import Feed, Options, Standing
from syncjob.reconcile import (
    Coverage,
    Edit,
    Item,
    Leg,
    Moved,
    Movement,
    Reason,
    compare,
    edited,
    explained,
    hints,
    ranked,
    swapped,
)
from syncjob.store import Progress, Store
from syncjob.summary.wire import item_json

PLACE = ("payments", "EUR")


def item(name: str, minor: int, decided: str = "") -> Item:
    return Item(name, eur(minor), "", Reason.AMOUNT, "", decided)


def names(items: tuple[Item, ...]) -> list[str]:
    return [one.name for one in items]


# ---------------------------------------------------------------- the order


def test_what_alone_explains_the_whole_gap_comes_first():
    assert names(ranked([item("large", 90_00), item("whole", 3_00), item("small", -90_00)], eur(3_00)))[0] == "whole"


def test_two_that_explain_it_together_come_before_the_rest():
    found = ranked([item("large", 90_00), item("one", 2_00), item("two", 1_00), item("none", 7)], eur(3_00))
    assert names(found) == ["one", "two", "large", "none"]


def test_what_is_decided_comes_last():
    assert names(ranked([item("known", 90_00, "known to alice"), item("new", 1)], eur(90_00))) == ["known", "new"]
    assert names(ranked([item("known", 90_00, "known to alice"), item("new", 1)], eur(5))) == ["new", "known"]


@given(st.lists(st.integers(-500, 500), max_size=8), st.integers(-500, 500))
def test_ranking_loses_and_invents_nothing(minors: list[int], gap: int):
    items = [item(f"{at}", minor) for at, minor in enumerate(minors)]
    assert sorted(names(ranked(items, eur(gap)))) == sorted(names(tuple(items)))


@pytest.mark.parametrize(
    ("one", "other", "is_swap"),
    [(1234, 1243, True), (1234, 2134, True), (10, 1, True), (1234, 1432, False), (1234, 1234, False), (-12, 21, False),
     (1234, 1235, False), (900, 9, False)],
)  # fmt: skip
def test_two_neighbouring_digits_that_changed_places_are_seen(one: int, other: int, is_swap: bool):
    assert (swapped(one, other), swapped(other, one)) == (is_swap, is_swap)


def test_an_edit_says_that_two_digits_changed_places():
    standing = Standing("books:a", NOON.date(), (("Assets:A", eur(12_43)),), "v", "2026-10.beancount:3")
    edit = edited("books:a", NOON.date(), [("Assets:A", eur(12_34))], [standing])
    assert edit is not None
    assert edit.why == "was edited by hand: Assets:A had 12.34 EUR and has 12.43 EUR (two digits changed places)"


def test_capitals_and_spaces_make_no_other_customer():
    standing = Standing("books:a", NOON.date(), (), "v", "", "Example  BAKERY")
    assert edited("books:a", NOON.date(), [], [standing], "Example Bakery") is None
    other = edited("books:a", NOON.date(), [], [standing], "Sample Bakery")
    assert other is not None
    assert other.reason is Reason.CUSTOMER


def test_books_that_show_no_payee_have_no_wrong_one():
    standing = Standing("books:a", NOON.date(), (), "v", "")
    assert edited("books:a", NOON.date(), [], [standing], "Example Bakery") is None


# ---------------------------------------------------------------- movement by movement


def moved(id: str, minor: int, at: datetime = NOON, place: tuple[str, str] = PLACE) -> Moved:
    return Moved(id, at, {place: minor})


def compared(theirs: list[Moved], ours: list[Moved]) -> list[tuple[str, str, int]]:
    there, here = ({one.id: one for one in side} for side in (theirs, ours))
    found = compare("", there, here, NOON, lambda reason, one: f"{reason} {one.id}")
    return [(one.name, one.reason.value, one.adds.get(PLACE, 0)) for one in found]


def test_each_way_in_which_two_ledgers_differ_has_its_word():
    later = NOON + timedelta(days=2)
    assert compared([moved("a", 5)], []) == [("a", "missing", 5)]
    assert compared([], [moved("a", 5)]) == [("a", "foreign entry", -5)]
    assert compared([moved("a", 5)], [moved("a", 5), moved("b", 5)]) == [("b", "duplicate", -5)]
    assert compared([moved("a", 5)], [moved("a", 6)]) == [("a", "wrong amount", -1)]
    assert compared([moved("a", 5)], [moved("a", 5, later)]) == [("a", "wrong date", 5)]
    assert compared([moved("a", 5)], [moved("a", 5, place=("payments", "USD"))]) == [("a", "wrong currency", 5)]
    assert compared([moved("a", 5)], [moved("a", 5, place=("risk_reserved", "EUR"))]) == [("a", "wrong account", 5)]
    assert compared([moved("a", 5)], [moved("a", 5)]) == []
    assert compared([moved("a", 5, later)], []) == []  # the statement does not contain it yet


AMOUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(-99, 99), max_size=6)


@given(theirs=AMOUNTS, ours=AMOUNTS)
def test_what_is_named_is_the_whole_difference(theirs: dict[str, int], ours: dict[str, int]):
    sides = [[moved(id, minor) for id, minor in side.items()] for side in (theirs, ours)]
    there, here = ({one.id: one for one in side} for side in sides)
    leg = Leg("gateway", "shop", *PLACE, NOON, eur(sum(theirs.values())), eur(sum(ours.values())))
    found = explained(leg, compare("", there, here, NOON, lambda *_: ""))
    assert found.unexplained == eur(0)
    assert {one.name for one in found.items} == {
        id for id in {*theirs, *ours} if theirs.get(id, 0) != ours.get(id, 0)
    }  # fmt: skip


# ---------------------------------------------------------------- guesses


def movements(*minors: int) -> list[Movement]:
    return [Movement(f"m{at}", NOON, *PLACE, minor) for at, minor in enumerate(minors)]


def test_a_single_movement_that_fits_the_gap_is_a_guess():
    assert hints(eur(-5_00), movements(5_00, 7_00)) == ("m0 moved 5.00 EUR: one too many of it would be the whole gap",)
    assert hints(eur(5_00), movements(5_00, 7_00)) == (
        "m0 moved 5.00 EUR: a second one like it, missing here, would be the whole gap",
    )


def test_digits_that_changed_places_are_a_guess():
    (said,) = hints(eur(-9), movements(12_43, 80_00))
    assert said == "m0 moved 12.43 EUR: two digits that changed places (12.34 EUR) would be the whole gap"


def test_two_movements_are_a_guess_where_no_single_one_fits():
    (said,) = hints(eur(-7_00), movements(2_00, 50_00, 5_00))
    assert said == "m0 and m2 moved 7.00 EUR together: both too many would be the whole gap"


def test_guesses_are_few_and_none_without_a_gap():
    assert len(hints(eur(-5), movements(*[5] * 10))) == 3
    assert hints(eur(0), movements(5)) == ()


# ---------------------------------------------------------------- coverage

DAY = datetime(2026, 11, 3, tzinfo=UTC)


def at(hour: int, minute: int = 0) -> datetime:
    return DAY + timedelta(hours=hour, minutes=minute)


def hours(instant: datetime) -> str:
    return instant.strftime("%H:%MZ")


def test_a_gap_inside_what_was_read_is_told_with_its_bounds():
    one = Coverage("shop", "events", at(0), at(20), ((at(13, 5), at(13, 20)),))
    assert one.intervals == ((at(0), at(13, 5)), (at(13, 20), at(20)))
    assert one.words(hours) == "complete to 20:00Z; one gap 13:05Z to 13:20Z"


def test_a_gap_that_is_still_open_ends_what_is_complete():
    one = Coverage("shop", "events", at(0), at(2), ((at(2), at(9)),))
    assert one.intervals == ((at(0), at(2)),)
    assert one.words(hours) == "complete to 02:00Z; one gap 02:00Z to 09:00Z"


def test_what_was_never_read_is_not_complete():
    assert Coverage("shop", "events", at(0), None).words(hours) == "never read"
    assert Coverage("shop", "events", at(0), None, under_way=True).words(hours) == "the first reading is under way"
    assert Coverage("shop", "events", at(0), None, offered=False).words(hours) == "not offered there"
    assert Coverage("shop", "reports", at(0), None, number=17).words(hours) == "complete to number 17"


def test_the_store_knows_how_far_each_feed_was_read_and_its_gap(tmp_path: Path):
    store = Store.open(str(tmp_path / "state.db"))
    stream = Stream("shop", "acct_1", "test")
    store.land(stream, "ledger", [], Progress(cursor=at(6), seen_at=at(6)), at(6))
    store.land(stream, "events", [], Progress(cursor=at(2), seen_at=at(6)), at(6))
    store.set_fact("gap:shop:events", {"since": iso(at(2)), "began": iso(at(5)), "first": False, "done": [], "listed": []})
    found = covered(store, "shop", (Feed("ledger"), Feed("events"), Feed("charges", fills="events"), Feed("more")), at(0))
    assert [(one.feed, one.words(hours)) for one in found] == [
        ("ledger", "complete to 06:00Z"),
        ("events", "complete to 02:00Z; one gap 02:00Z to 05:00Z"),
        ("more", "never read"),
    ]
    store.close()


# ---------------------------------------------------------------- entries of others in plain-text books


def foreign(tmp_path: Path, text: str) -> list[Standing]:
    folder = tmp_path / "books"
    folder.mkdir(exist_ok=True)
    (folder / "main.beancount").write_text(text)
    return list(connect(Options("books", tmp_path, {})).foreign(["Assets:Balance"]))


def test_what_beancount_fills_in_is_filled_in(tmp_path: Path):
    (one,) = foreign(tmp_path, '2026/10/09 ! "Bank"\n  Assets:Balance ; ours\n  Expenses:A  1.25 EUR\n  Expenses:B  0.75 EUR\n')
    assert one.postings == (("Assets:Balance", eur(-2_00)),)
    assert (one.day, one.narration, one.place) == (date(2026, 10, 9), "Bank", "main.beancount:1")


def test_an_amount_with_a_price_moves_the_amount_in_front(tmp_path: Path):
    (one,) = foreign(tmp_path, '2026-10-09 * "Bank"\n  Assets:Balance  -10.00 USD @ 0.90 EUR\n  Assets:Bank\n')
    assert one.postings == (("Assets:Balance", Money(-10_00, "USD")),)


def test_an_amount_that_nothing_writes_out_is_refused_with_its_line(tmp_path: Path):
    text = '; mine\n\n2026-10-09 * "Bank"\n  Assets:Balance\n  Assets:Bank  10.00 USD @ 0.90 EUR\n'
    with pytest.raises(ConnectorDown, match=r"books: main\.beancount:3: what it moves in Assets:Balance is not written out"):
        foreign(tmp_path, text)


def test_two_equal_entries_have_two_keys_that_stay_when_lines_move(tmp_path: Path):
    entry = '2026-10-09 * "Bank"\n  Assets:Balance  1.00 EUR\n  Assets:Bank\n\n'
    before = [one.key for one in foreign(tmp_path, entry + entry)]
    assert len(set(before)) == 2
    assert [one.key for one in foreign(tmp_path, f"; a line more\n\n{entry}{entry}")] == before


def test_what_touches_other_accounts_only_is_nobodys_business(tmp_path: Path):
    text = '2026-10-09 open Assets:Balance\n2026-10-09 * "Assets:Balance"\n  Assets:Balance:Sub  1.00 EUR\n  Assets:Bank\n'
    assert foreign(tmp_path, text) == []


# ---------------------------------------------------------------- values


def test_an_item_says_in_json_only_what_was_said_of_it():
    assert item_json(Item("a", eur(1), "why")) == {"name": "a", "amount": {"amount": "0.01", "currency": "EUR"}, "why": "why"}
    told = item_json(Item("a", eur(1), "why", Reason.MISSING, "syncjob backfill", "known to alice"))
    assert isinstance(told, dict)
    assert (told["reason"], told["cure"], told["decided"]) == ("missing", "syncjob backfill", "known to alice")


def test_a_stranger_is_no_document_to_restore():
    edit = Edit("foreign:1", NOON.date(), {}, ((NOON.date(), {}),), stranger="is no document of ours")
    assert (edit.reason, "restore" in edit.cure) == (Reason.FOREIGN, False)

"""What people and the nightly run ask of the state: sums, ids, runs, the audit log, copies and the lock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from kept import (
    DAY,
    NOON,
    application,
    arrived,
    call,
    deliver,
    delivery,
    entry,
    eur,
    invoice,
    land,
    planned,
    record,
    sent,
    subject,
    undone,
)
from sqlalchemy import select

from syncjob.errors import Busy, Misconfigured
from syncjob.model import Action, Line, Part, Role, Status
from syncjob.ports import Balance, Identity
from syncjob.store import Plan, Store
from syncjob.store.tables import METADATA

LATER = NOON + timedelta(days=1)


# ---------------------------------------------------------------- the sub-ledger


def test_balances_are_sums_of_lines_up_to_an_instant(store: Store) -> None:
    later = entry("b", 500, effective=LATER)
    store.save(Plan((), entries=(entry("a"), later, entry("c", 7, source="stall"))), NOON)
    assert store.balances("shop", NOON) == {(Role.CLEARING, "payments", "EUR"): 1000, (Role.UNAPPLIED, "", "EUR"): -1000}
    assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 1500
    assert [(key, minor) for key, _, _, _, _, minor in store.movements("shop", NOON)] == [("shop:a", 1000), ("shop:b", 500)]
    assert list(store.movements("shop", LATER)) == [("shop:b", LATER, Role.CLEARING, "payments", "EUR", 500)]
    assert store.day_sums("shop", NOON, LATER) == [
        ("payment", "EUR", Role.CLEARING, 1, 1000),
        ("payment", "EUR", Role.UNAPPLIED, 1, -1000),
    ]


def test_movements_go_on_over_pages_also_among_equal_instants(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from syncjob.store import ledger

    monkeypatch.setattr(ledger, "_PAGE", ledger._PAGE.limit(3))
    ids = [f"ch_{number}" for number in range(10)]
    store.save(Plan((), entries=tuple(entry(id) for id in ids)), NOON)
    assert [key for key, *_ in store.movements("shop", NOON)] == [f"shop:{id}" for id in ids]


def test_what_is_and_what_is_not_in_the_books_is_the_whole_sub_ledger(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    store.save(Plan((), entries=(entry("without_document"),)), NOON)
    assert store.entry_dates("books") is None
    deliver(store, "ch_1")
    clearing = (Role.CLEARING, "shop", "payments", "EUR")
    assert store.posted_sums("books", DAY, True)[clearing] == 1000
    assert store.posted_sums("books", DAY, False)[clearing] == 2000
    assert store.posted_sums("books", DAY - timedelta(days=1), False) == {}
    assert store.entry_dates("books") == (DAY, DAY)


def test_an_entry_is_in_the_books_from_the_revision_on_that_brought_it(store: Store) -> None:
    planned(store, "ch_1")
    deliver(store, "ch_1")
    update = arrived(delivery("ch_1"))._replace(status=Status.PLANNED, action=Action.UPDATE, revision=2)
    undo = entry(
        "ch_1", key="shop:ch_1:undo", lines=(Line(Role.CLEARING, eur(-1000), "payments"), Line(Role.UNAPPLIED, eur(1000)))
    )
    store.save(Plan((), entries=(undo,), posted=(("books", undo.key, update.key),), deliveries=(update,)), NOON)
    clearing = (Role.CLEARING, "shop", "payments", "EUR")
    assert store.posted_sums("books", DAY, True)[clearing] == 1000
    store.settle("books", [], [arrived(update)], NOON)
    assert store.posted_sums("books", DAY, True)[clearing] == 0


def test_sums_stand_under_the_chart_that_the_revision_in_the_books_was_written_with(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    store.save(Plan((), entries=(entry("without_document"),)), NOON)
    deliver(store, "ch_1")
    one, two = delivery("ch_1").key, delivery("ch_2").key
    update = arrived(delivery("ch_1"))._replace(status=Status.PLANNED, action=Action.UPDATE, revision=2)
    store.save(Plan((), deliveries=(update,), coded=(("books", one, 2, 1), ("books", two, 1, 1))), NOON)
    place = (Role.CLEARING, "shop", "payments", "EUR")
    assert store.posted_by_chart("books", DAY, True)[(0, *place)] == 1000  # the update has not arrived
    waiting = store.posted_by_chart("books", DAY, False)
    assert {number: minor for (number, *of), minor in waiting.items() if tuple(of) == place} == {1: 1000, -1: 1000}
    store.settle("books", [], [arrived(update)], NOON)
    assert store.posted_by_chart("books", DAY, True)[(1, *place)] == 1000
    store.save(Plan((), coded=(("books", one, 2, 2),)), NOON)  # told anew before it was sent
    assert store.posted_by_chart("books", DAY, True)[(2, *place)] == 1000
    assert store.posted_sums("books", DAY, True)[place] == 1000
    assert store.coded([one, two, "books:unknown"]) == {("books", one): [(2, 2)], ("books", two): [(1, 1)]}


def test_subjects_of_a_span_have_an_entry_or_a_record_in_it(store: Store) -> None:
    land(store, record("ch_landed"))
    store.save(Plan((), entries=(entry("ch_posted"), entry("ch_late", date=DAY + timedelta(days=40)))), NOON)
    day = (DAY, NOON - timedelta(hours=12))
    after = (DAY + timedelta(days=1), NOON + timedelta(hours=12))
    later = (DAY + timedelta(days=30), NOON + timedelta(days=30))
    names = {"payment:ch_landed", "payment:ch_posted", "payment:ch_late"}
    assert {one.name for one in store.subjects_between(day, None)} == names
    assert {one.name for one in store.subjects_between(day, after)} == names  # the late one moved the balance on this day
    assert {one.name for one in store.subjects_between(later, None)} == {"payment:ch_late"}
    assert list(store.subjects_between(after, later)) == []


def test_what_no_target_holds_can_be_planned_again(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    deliver(store, "ch_1")
    assert store.dirty(10) == []
    assert store.mark_unsent_dirty() == 1
    assert [one.name for one in store.dirty(10)] == ["payment:ch_2"]


# ---------------------------------------------------------------- what people ask, and what the house remembers


@pytest.mark.parametrize("id", ["ch_1", "payment:ch_1", "shop:ch_1", "ch_of_ch_1", "books:shop:ch_1:receipt", "R-1", "#r-1"])
def test_every_id_leads_to_its_payment(store: Store, id: str) -> None:
    land(store, record("ch_1"), record("ch_10"), record("xch_1"))
    planned(store, "ch_1", applications=((subject("ch_1"), application("ch_1", Part("R-1", eur(1)), wanted="R-1")),))
    planned(store, "ch_10")
    assert [one.name for one in store.search(id)] == ["payment:ch_1"]


def test_an_invoice_number_leads_to_the_invoice_and_a_strange_id_nowhere(store: Store) -> None:
    store.land_mirror("books", [invoice("R-1")], "1", NOON)
    assert [one.name for one in store.search("r-1")] == ["invoice:R-1"]
    assert store.search("%") == store.search("") == store.search("_") == []


def test_a_name_stays_bound_to_its_account(store: Store) -> None:
    store.bind("shop", Identity("acct_1", "test", "Example Shop"), "aaaa", NOON)
    store.bind("shop", Identity("acct_1", "test", "Example Shop Ltd"), "bbbb", LATER)
    assert store.bindings() == {"shop": (Identity("acct_1", "test", "Example Shop Ltd"), "bbbb")}
    with pytest.raises(Misconfigured, match="acct_2"):
        store.bind("shop", Identity("acct_2", "test"), "cccc", LATER)


def test_account_codes_are_those_of_their_first_use(store: Store) -> None:
    store.bind_accounts("books", {("clearing", "shop", "EUR"): "1200"})
    store.bind_accounts("books", {("clearing", "shop", "EUR"): "9999", ("fees", "", ""): "4970"})
    assert store.bound_accounts("books") == {("clearing", "shop", "EUR"): "1200", ("fees", "", ""): "4970"}
    store.rebind_accounts("books", {("clearing", "shop", "EUR"): "1210", ("tax", "", ""): "1776"})
    assert store.bound_accounts("books") == {("clearing", "shop", "EUR"): "1210", ("fees", "", ""): "4970"}


def test_runs_facts_and_statements_are_remembered(store: Store) -> None:
    first = store.start_run("tick", NOON)
    store.end_run(first, LATER, 3, {"landed": 5})
    second = store.start_run("nightly", LATER)
    newest, oldest = store.runs()
    assert (newest.id, newest.exit, newest.counts) == (second, None, {})
    assert (oldest.kind, oldest.ended, oldest.exit, oldest.counts) == ("tick", LATER, 3, {"landed": 5})
    assert [run.id for run in store.runs(1, "tick")] == [first]
    store.set_fact("opening", {"minor": 2**70})
    store.set_fact("opening", {"minor": 2**71})
    assert (store.get_fact("opening"), store.get_fact("nothing")) == ({"minor": 2**71}, None)
    store.note_balances("shop", [Balance("payments", eur(1), NOON), Balance("issuing", eur(9), NOON)])
    store.note_balances("shop", [Balance("payments", eur(2), LATER)])
    assert store.noted_balances("shop") == [Balance("payments", eur(2), LATER)]


def test_each_audit_line_is_chained_to_the_one_before(store: Store) -> None:
    from syncjob.store.journal import chain

    store.audit(NOON, "finance", "held retry", {"key": "a"})
    store.audit(LATER, "finance", "held retry", {})
    before = ""
    for line in store.audit_log():
        assert line.chain == chain(before, line.number, line.at, line.who, line.what, line.detail)
        before = line.chain
    assert line.number == 2


def test_a_decision_and_its_audit_line_are_one_transaction(store: Store) -> None:
    planned(store, "ch_1")
    with undone(store):
        store.settle("books", [], [delivery("ch_1", status=Status.HELD)], NOON)
        store.audit(NOON, "finance", "hold", {})
    assert (store.held(), list(store.audit_log())) == ([], [])
    with pytest.raises(AssertionError, match="cannot be committed"):
        _swallow_a_failure(store)
    assert store.get_fact("a") is None


def _swallow_a_failure(store: Store) -> None:
    with store.together():
        store.set_fact("a", 1)
        with pytest.raises(AssertionError, match="never planned"):
            store.settle("books", [], [delivery("ch_9")], NOON)


# ---------------------------------------------------------------- copies


def test_a_copy_holds_everything_and_touches_nothing(store: Store, tmp_path: Path) -> None:
    land(store, record("ch_1", body={"text": "Bäckerei \0 \ud800 \u2400"}))
    planned(store, "ch_1")
    carrier = call(delivery("ch_1"), request=b"\x00\xff")
    store.commit_calls("books", [carrier], [sent(delivery("ch_1"), carrier)], NOON)
    store.copy_to(tmp_path / "copy" / "state")
    copy = Store.open(str(tmp_path / "copy" / "state"), create=False)
    assert copy.stories([subject("ch_1")]) == store.stories([subject("ch_1")])
    assert copy.open_calls("books") == store.open_calls("books")
    for table in METADATA.sorted_tables:
        order = select(table).order_by(*table.primary_key.columns)
        assert copy._database.rows(order) == store._database.rows(order), table.name
    copy.set_fact("dry run", True)
    copy.close()
    assert store.get_fact("dry run") is None
    with pytest.raises(Misconfigured, match="exists"):
        store.copy_to(tmp_path / "copy" / "state")


# ---------------------------------------------------------------- the lock


def test_two_runs_never_work_at_once(store: Store, store_url: str) -> None:
    other = Store.open(store_url)
    with store.run_lock():
        with pytest.raises(Busy, match="process"), other.run_lock():
            pass
        with pytest.raises(Busy, match="already"), store.run_lock():
            pass
        other.set_fact("a person's decision", True)  # needs no run lock
    with other.run_lock():
        pass
    other.close()


def test_sums_asked_for_again_are_those_of_today(store: Store, store_url: str) -> None:
    planned(store, "ch_1")
    clearing = (Role.CLEARING, "shop", "payments", "EUR")
    assert (store.posted_sums("books", DAY, False)[clearing], store.posted_sums("books", DAY, True)) == (1000, {})
    deliver(store, "ch_1")
    assert (store.posted_sums("books", DAY, True)[clearing], store.posted_sums("books", DAY, False)) == (1000, {})
    assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 1000
    other = Store.open(store_url)
    planned(other, "ch_2")
    other.close()
    assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 2000
    assert store.posted_sums("books", DAY, False)[clearing] == 1000
    with undone(store):
        planned(store, "ch_3")
        assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 3000
    assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 2000

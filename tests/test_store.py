"""What the state promises to those who call it; the same stories over SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept import DAY, NOON, SHOP, application, arrived, call, delivery, entry, eur, invoice, names, record, sent, subject
from sqlalchemy import select

from syncjob.errors import Busy, Misconfigured, Problem
from syncjob.model import Action, DocumentKind, Entry, Line, Part, Record, Refusal, Remote, Role, Status, Stream
from syncjob.money import Money
from syncjob.ports import Balance, Identity
from syncjob.store import Landed, Plan, Progress, Store, Subject
from syncjob.store.tables import METADATA

LATER = NOON + timedelta(days=1)


class _Undo(Exception):
    pass


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """A transaction that is read inside and never kept."""
    with suppress(_Undo), store.together():
        yield
        raise _Undo


def land(store: Store, *records: Record) -> Landed:
    return store.land(SHOP, "charges", records, None, NOON)


def planned(store: Store, *ids: str, **more: Any) -> None:
    """Save entries, documents and deliveries of some payments, as a plan would."""
    store.save(
        Plan(
            subjects=tuple(subject(id) for id in ids),
            entries=tuple(entry(id) for id in ids),
            posted=tuple(("books", f"shop:{id}", f"books:shop:{id}:receipt") for id in ids),
            deliveries=tuple(delivery(id) for id in ids),
            **more,
        ),
        NOON,
    )


def deliver(store: Store, *ids: str) -> None:
    on_the_way = call(*(delivery(id) for id in ids))
    going = [sent(delivery(id), on_the_way) for id in ids]
    store.commit_calls("books", [on_the_way], going, NOON)
    store.settle("books", [on_the_way.key], [arrived(one) for one in going], LATER)


# ---------------------------------------------------------------- landing


def test_a_record_is_new_once_then_known_then_changed(store: Store) -> None:
    assert land(store, record("ch_1")) == Landed(new=1)
    assert land(store, record("ch_1")) == Landed(same=1)
    assert land(store, record("ch_1", "second", minutes=1)) == Landed(changed=1)
    (story,) = store.stories([subject("ch_1")])
    assert story.records == (record("ch_1", "second", minutes=1),)
    assert story.stream == SHOP


def test_old_news_does_not_overwrite_newer_news(store: Store) -> None:
    land(store, record("ch_1", "today", minutes=5))
    assert land(store, record("ch_1", "yesterday", minutes=1)) == Landed(same=1)
    assert [one.body for one, _ in store.versions(subject("ch_1"))] == [{"text": "today"}]


def test_there_and_back_again_are_three_versions(store: Store) -> None:
    page = [record("ch_1", "A"), record("ch_1", "B", 1), record("ch_1", "A", 2)]
    assert land(store, *page) == Landed(new=1, changed=2)
    assert [one.body["text"] for one, _ in store.versions(subject("ch_1"))] == ["A", "B", "A"]
    (story,) = store.stories([subject("ch_1")])
    assert story.records == (page[2],)


def test_an_event_that_is_known_is_never_landed_again(store: Store) -> None:
    land(store, record("evt_1", type="event"))
    assert land(store, record("evt_1", "other", 5, type="event")) == Landed(same=1)


def test_one_id_of_two_types_or_two_accounts_is_two_records(store: Store) -> None:
    assert land(store, record("x_1"), record("x_1", type="refund")) == Landed(new=2)
    assert store.land(Stream("shop", "acct_2", "test"), "charges", [record("x_1")], None, NOON) == Landed(new=1)
    assert store.known(SHOP, "charge", ["x_1", "x_2"]) == {"x_1"}
    assert store.known(Stream("stall", "acct_9", "live"), "charge", ["x_1"]) == set()


def test_a_record_with_a_problem_is_kept_without_its_content(store: Store) -> None:
    wrong = Problem("charge ch_1", "shop", "a card number stands in its id", "ask the vendor")
    land(store, record("ch_1", problem=wrong, personal={"email": "a@example.com"}, person="cus_1"))
    (story,) = store.stories([subject("ch_1")])
    assert story.records == (record("ch_1", problem=wrong, body={}),)


def test_records_and_progress_are_kept_together_or_not_at_all(store: Store) -> None:
    progress = Progress(cursor=NOON, since=NOON, ceiling=LATER, resume="ch_1", seen_at=LATER)
    store.land(SHOP, "charges", [record("ch_1")], progress, NOON)
    assert store.progress("shop", "charges") == progress
    with pytest.raises(AssertionError, match="mixes"):
        store.land(SHOP, "charges", [record("ch_2")], Progress(cursor=NOON, since=7), NOON)
    assert store.known(SHOP, "charge", ["ch_2"]) == set()
    assert store.progress("shop", "charges") == progress
    store.land(SHOP, "batches", [], Progress(cursor=7, since=5, ceiling=9), NOON)
    assert store.progress("shop", "batches") == Progress(cursor=7, since=5, ceiling=9)
    assert store.progress("shop", "never") == Progress()


def test_subjects_are_planned_in_the_order_in_which_things_happened(store: Store) -> None:
    land(store, record("b", occurred=LATER), record("a", occurred=LATER), record("z"))
    assert names(store) == ["payment:z", "payment:a", "payment:b"]
    land(store, record("b", "earlier", 9, occurred=NOON - timedelta(days=9)))
    assert names(store)[0] == "payment:b"
    assert [one.name for one in store.all_subjects("shop")] == names(store) == [one.name for one in store.all_subjects()]


def test_a_subject_stands_where_its_earliest_record_stands(store: Store) -> None:
    land(store, record("ch_1"), record("txn_1", subject="payment:ch_1", occurred=LATER))
    assert store.dirty(9) == [subject("ch_1")]


def test_a_person_can_be_forgotten_without_harm_to_the_rest(store: Store) -> None:
    land(store, record("ch_1", personal={"email": "ann@example.com"}, person="cus_1"))
    assert store.forget("stall", "cus_1") == 0
    assert store.forget("shop", "cus_1") == 1
    (story,) = store.stories([subject("ch_1")])
    assert (story.records[0].personal, story.records[0].body) == ({}, {"text": "first"})
    assert land(store, record("ch_1")) == Landed(same=1)


def test_forgetting_a_person_reaches_every_version_and_keeps_amounts_ids_and_other_people(store: Store) -> None:
    ann, ben = ({"personal": {"email": f"{who}@example.com"}, "person": f"cus_{who}"} for who in ("ann", "ben"))
    land(store, record("ch_1", "A", **ann), record("ch_1", "B", 1, **ann), record("ch_2", **ben))
    planned(store, "ch_1", "ch_2")
    asked = [subject("ch_1"), subject("ch_2")]
    before, sums = store.stories(asked), store.balances("shop", None)
    assert store.forget("shop", "cus_ann") == 2
    after = store.stories(asked)
    assert [one.personal for one, _ in store.versions(asked[0])] == [{}, {}]
    assert after == [replace(before[0], records=(replace(before[0].records[0], personal={}),)), before[1]]
    assert (store.balances("shop", None), names(store)) == (sums, [])
    assert store.forget("shop", "cus_ann") == 0


# ---------------------------------------------------------------- planning


def test_what_was_saved_comes_back_as_one_story(store: Store) -> None:
    land(store, record("ch_1"))
    paid = application("ch_1", Part("R-1", eur(700)), Part("", eur(300)), wanted="R-1")
    refused = Refusal("charge", "ch_1", Problem("x", "y", "z"), NOON, eur(-5), "payments")
    planned(store, "ch_1", applications=((subject("ch_1"), paid),), refusals=((subject("ch_1"), refused),))
    (story,) = store.stories([subject("ch_1")])
    assert (story.entries, story.applications, story.deliveries) == ((entry("ch_1"),), (paid,), (delivery("ch_1"),))
    assert story.posted == {("books", "shop:ch_1")}
    assert store.refusals() == store.refusals("shop") == [(subject("ch_1"), refused)]
    assert store.refusals("stall") == []
    assert names(store) == []
    planned(store, "ch_1")
    assert store.refusals() == []


def test_stories_come_in_the_order_asked_for_and_unknown_subjects_are_empty(store: Store) -> None:
    land(store, record("a"), record("b"))
    told = store.stories([subject("b"), subject("nobody"), subject("a")])
    assert [len(story.records) for story in told] == [1, 0, 1]
    assert told[1].stream is None


def test_a_posted_entry_never_changes(store: Store) -> None:
    planned(store, "ch_1")
    planned(store, "ch_1")
    with pytest.raises(AssertionError, match="shop:ch_1"):
        store.save(Plan((subject("ch_1"),), entries=(entry("ch_1", 999),)), NOON)
    assert store.balances("shop", None)[Role.CLEARING, "payments", "EUR"] == 1000


def test_an_entry_gets_one_document_per_target_for_ever(store: Store) -> None:
    planned(store, "ch_1")
    store.save(Plan((), posted=(("other books", "shop:ch_1", "other:receipt"),)), NOON)
    with pytest.raises(AssertionError, match="books:shop:ch_1:receipt"):
        store.save(Plan((), posted=(("books", "shop:ch_1", "books:another"),)), NOON)
    with pytest.raises(AssertionError, match="not posted"):
        store.save(Plan((), posted=(("books", "shop:ch_9", "books:another"),)), NOON)


def test_a_failed_plan_leaves_nothing_behind(store: Store) -> None:
    land(store, record("ch_1"))
    lost = (("books", "shop:nobody", "books:shop:nobody:receipt"),)
    with pytest.raises(AssertionError, match="shop:nobody"):
        store.save(Plan((subject("ch_1"),), entries=(entry("ch_1"),), posted=lost, deliveries=(delivery("ch_1"),)), NOON)
    (story,) = store.stories([subject("ch_1")])
    assert (story.entries, story.deliveries, names(store)) == ((), (), ["payment:ch_1"])


def test_a_reason_that_came_after_the_story_was_read_keeps_its_subject_dirty(store: Store) -> None:
    land(store, record("ch_1"), record("ch_2"))
    store.stories([subject("ch_1"), subject("ch_2")])
    store.mark_dirty([subject("ch_1")])
    planned(store, "ch_1", "ch_2")
    assert names(store) == ["payment:ch_1"]


def test_a_plan_may_ask_for_more_subjects(store: Store) -> None:
    store.save(Plan((subject("ch_1"),), dirty=(Subject("books", "invoice:R-1", 1 << 60), subject("ch_1"))), NOON)
    assert names(store) == ["payment:ch_1", "invoice:R-1"]


def test_the_latest_application_of_a_movement_counts(store: Store) -> None:
    first = application("ch_1", Part("R-1", eur(1000)))
    second = application("ch_1", Part("R-2", eur(600)), Part("", eur(400)), version=2)
    store.save(Plan((subject("ch_1"),), applications=((subject("ch_1"), first),)), NOON)
    assert store.applied(["R-1", "#r-1"]) == {"R-1": [("shop:ch_1", eur(1000))], "#r-1": [("shop:ch_1", eur(1000))]}
    store.save(Plan((subject("ch_1"),), applications=((subject("ch_1"), second),)), NOON)
    assert store.applied(["R-1", "R-2", ""]) == {"R-2": [("shop:ch_1", eur(600))]}
    (story,) = store.stories([subject("ch_1")])
    assert story.applications == (second,)
    with pytest.raises(AssertionError, match="version 1"):
        store.save(Plan((), applications=((subject("ch_1"), replace(first, rule="another")),)), NOON)


def test_a_delivery_about_a_subject_outside_the_plan_belongs_to_the_same_source(store: Store) -> None:
    contact = delivery("cus_1", "crm", kind=DocumentKind.CONTACT, subject="customer:cus_1")
    store.save(Plan((subject("ch_1"),), deliveries=(contact,)), NOON)
    (story,) = store.stories([Subject("shop", "customer:cus_1", 0)])
    assert story.deliveries == (contact,)


def test_a_delivery_of_one_of_two_accounts_is_found_by_its_key(store: Store) -> None:
    both = (Subject("shop", "day:1", 1), Subject("stall", "day:1", 1))
    mine = delivery("x", key="books:stall:day:1:summary", subject="day:1")
    store.save(Plan(both, deliveries=(mine,)), NOON)
    assert [len(story.deliveries) for story in store.stories(both)] == [0, 1]


# ---------------------------------------------------------------- the mirror


def test_an_invoice_finds_the_payment_that_waited_for_it(store: Store) -> None:
    waiting = application("ch_1", Part("", eur(1000)), wanted="R-7")
    store.save(Plan((subject("ch_1"), subject("ch_2")), applications=((subject("ch_1"), waiting),)), NOON)
    assert store.mirror_cursor("books") is None
    assert store.land_mirror("books", [invoice("R-7")], "page 1", NOON) == 1
    assert names(store) == ["payment:ch_1", "invoice:R-7"]
    assert store.mirror_cursor("books") == "page 1"
    assert store.invoices(["r-7", "#R-7"]) == [invoice("R-7")]


def test_an_invoice_that_did_not_change_wakes_nobody(store: Store) -> None:
    store.land_mirror("books", [invoice("R-7")], "1", NOON)
    store.save(Plan(tuple(store.dirty(9))), NOON)
    assert store.land_mirror("books", [invoice("R-7", as_of=LATER)], "2", NOON) == 0
    assert store.land_mirror("books", [invoice("R-7", 0, as_of=NOON - timedelta(days=1))], "3", NOON) == 0
    assert names(store) == []
    assert store.land_mirror("books", [invoice("R-7", 0, as_of=LATER)], "4", NOON) == 1
    assert names(store) == ["invoice:R-7"]


def test_invoice_states_tell_what_payments_brought(store: Store) -> None:
    store.land_mirror("books", [invoice("R-2"), invoice("R-1")], "1", NOON)
    parts = Part("R-1", eur(700)), Part("", eur(300))
    store.save(Plan((subject("ch_1"),), applications=((subject("ch_1"), application("ch_1", *parts)),)), NOON)
    assert store.invoice_states("books") == [(invoice("R-1"), eur(700)), (invoice("R-2"), eur(0))]
    assert store.invoice_states("other") == []


# ---------------------------------------------------------------- delivering


def test_parents_come_first_then_dates_then_keys_page_by_page(store: Store) -> None:
    task = delivery("t", "crm", kind=DocumentKind.TASK, date=None)
    refund = delivery("r", "crm", kind=DocumentKind.REFUND)
    late = delivery("l", "crm", date=date(2026, 12, 1))
    early, early_too = delivery("e", "crm"), delivery("f", "crm")
    contact = delivery("c", "crm", kind=DocumentKind.CONTACT)
    company = delivery("o", "crm", kind=DocumentKind.COMPANY)
    every = (task, refund, late, early_too, early, contact, company)
    store.save(Plan(tuple(Subject("shop", one.subject, 1) for one in every), deliveries=every), NOON)
    seen, place = [], None
    while True:
        page, place = store.due("crm", NOON, 2, place)
        if not page:
            break
        seen += page
    assert seen == [company, contact, early, early_too, late, refund, task]


def test_pages_skip_and_repeat_nothing_while_what_they_gave_is_delivered(store: Store) -> None:
    ids = ["B", "a", "Z", "\u00e4", "b-1", "b_1", "b1"]
    planned(store, *ids)
    seen, place = [], None
    while (told := store.due("books", NOON, 2, place))[0]:
        page, place = told
        seen += [one.key for one in page]
        store.settle("books", [], [arrived(one) for one in page], NOON)
    assert seen == sorted(delivery(id).key for id in ids)  # by code point, whatever the server's language is
    assert store.due("books", NOON, 9, None) == ([], None)


def test_only_what_is_planned_or_unknown_and_not_too_early_is_due(store: Store) -> None:
    some = [
        delivery("a", due=NOON),
        delivery("b", due=LATER),
        delivery("c", status=Status.UNKNOWN),
        delivery("d", status=Status.HELD, problem=Problem("a", "b", "c")),
        delivery("e", status=Status.SENDING),
        delivery("f", status=Status.DELIVERED),
        delivery("g", "crm"),
    ]
    store.save(Plan(tuple(subject(id) for id in "abcdefg"), deliveries=tuple(some)), NOON)
    assert store.due("books", NOON, 9, None)[0] == [some[0], some[2]]
    assert store.held() == store.held("books") == [some[2], some[3]]
    assert store.held("crm") == []
    assert store.problems_of("books") == [Problem("a", "b", "c")]
    assert store.counts()["books", "receipt", "planned"] == 2


def test_a_call_is_there_before_it_is_sent_and_its_bytes_go_when_it_is_settled(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    two = (delivery("ch_1"), delivery("ch_2"))
    carrier = call(*two, request=b"\x00\xff exact bytes")
    going = [sent(one, carrier) for one in two]
    store.commit_calls("books", [carrier], going, NOON)
    assert store.due("books", LATER, 9, None)[0] == []
    (opened,) = store.open_calls("books")
    assert (opened.call, opened.deliveries, opened.committed_at) == (carrier, tuple(going), NOON)
    store.settle("books", [carrier.key], [arrived(one) for one in going], LATER)
    assert store.open_calls("books") == []
    assert store._database.command('SELECT count(*) FROM "call" WHERE request IS NOT NULL')[0][0] == 0
    assert store.lookup("books", [two[0].key, "nobody"]) == {two[0].key: arrived(going[0])}
    assert store.calls_of("books", two[1].key) == [(NOON, LATER, carrier.key, "delivered")]


def test_a_call_stays_open_for_the_member_whose_outcome_is_unknown(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    carrier = call(delivery("ch_1"), delivery("ch_2"))
    first, second = (sent(delivery(id), carrier) for id in ("ch_1", "ch_2"))
    store.commit_calls("books", [carrier], [first, second], NOON)
    lost = replace(second, status=Status.UNKNOWN, due=LATER)
    store.settle("books", [], [arrived(first), lost], NOON)
    (opened,) = store.open_calls("books")
    assert (opened.call, opened.deliveries) == (carrier, (lost,))
    store.settle("books", [], [arrived(lost)], LATER)
    assert store.open_calls("books") == []
    assert store.calls_of("books", second.key) == [(NOON, LATER, carrier.key, "delivered")]


def test_what_went_on_in_a_newer_call_is_no_longer_carried_by_the_old_one(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    old = call(delivery("ch_1"), delivery("ch_2"))
    first, second = (sent(delivery(id), old) for id in ("ch_1", "ch_2"))
    store.commit_calls("books", [old], [first, second], NOON)
    lost = replace(second, status=Status.UNKNOWN, due=LATER)
    store.settle("books", [], [arrived(first), lost], NOON)
    update = replace(arrived(first), action=Action.UPDATE, revision=2, status=Status.PLANNED)
    new = call(update)
    store.commit_calls("books", [new], [sent(update, new)], LATER)
    assert [(one.call, one.deliveries) for one in store.open_calls("books")] == [(old, (lost,)), (new, (sent(update, new),))]


def test_the_same_call_may_be_made_again_after_it_was_certainly_not_sent(store: Store) -> None:
    planned(store, "ch_1")
    carrier = call(delivery("ch_1"))
    for _ in range(2):
        store.commit_calls("books", [carrier], [sent(delivery("ch_1"), carrier)], NOON)
        store.settle("books", [carrier.key], [delivery("ch_1", attempts=1)], LATER)
    assert [outcome for *_, outcome in store.calls_of("books", delivery("ch_1").key)] == ["planned", "planned"]
    store.commit_calls("books", [carrier], [sent(delivery("ch_1"), carrier)], NOON)
    with pytest.raises(AssertionError, match="other bytes"):
        store.commit_calls("books", [replace(carrier, request=b"others")], [], NOON)


def test_settling_may_change_a_body_but_not_invent_a_delivery(store: Store) -> None:
    planned(store, "ch_1")
    changed = replace(delivery("ch_1"), body={"amount": "9.00"}, digest="another", needs={"customer": "x"})
    store.settle("books", [], [changed], NOON)
    assert store.lookup("books", [changed.key]) == {changed.key: changed}
    with pytest.raises(AssertionError, match="never planned"):
        store.settle("books", [], [delivery("ch_9")], NOON)


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
    update = replace(arrived(delivery("ch_1")), status=Status.PLANNED, action=Action.UPDATE, revision=2)
    undo = entry(
        "ch_1", key="shop:ch_1:undo", lines=(Line(Role.CLEARING, eur(-1000), "payments"), Line(Role.UNAPPLIED, eur(1000)))
    )
    store.save(Plan((), entries=(undo,), posted=(("books", undo.key, update.key),), deliveries=(update,)), NOON)
    clearing = (Role.CLEARING, "shop", "payments", "EUR")
    assert store.posted_sums("books", DAY, True)[clearing] == 1000
    store.settle("books", [], [arrived(update)], NOON)
    assert store.posted_sums("books", DAY, True)[clearing] == 0


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
    store.note_balances("shop", [Balance("payments", eur(1), NOON)])
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


# ---------------------------------------------------------------- everything comes back as it was

WORDS = st.text(st.characters(codec=None, exclude_categories=()), max_size=12) | st.sampled_from(["", "\0", "\u2400", "\ud800"])
WHOLE = st.integers(-(2**63) + 1, 2**63 - 1)
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
DATES = st.dates()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(WORDS, JSON, max_size=4)
PROBLEMS = st.none() | st.builds(Problem, WORDS, WORDS, WORDS, WORDS)
AMOUNTS = st.builds(Money, WHOLE, st.sampled_from(["EUR", "JPY", "BHD"]))
QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(type=WORDS, id=WORDS, body=BODIES, personal=BODIES, person=WORDS, occurred=INSTANTS, subject_=WORDS, problem=PROBLEMS)
def test_any_record_comes_back_equal(store: Store, subject_: str, **told: Any) -> None:
    held = {"body": {}, "personal": {}, "person": ""} if told["problem"] else {}
    one = Record(**{**told, **held}, as_of=NOON, subject=subject_, digest=f"{told}")
    with undone(store):
        store.land(SHOP, "charges", [one], None, NOON)
        (story,) = store.stories([Subject("shop", subject_, 0)])
        assert story.records == (one,)


@QUICK
@given(
    key=WORDS,
    texts=st.lists(WORDS, min_size=5, max_size=5),
    effective=INSTANTS,
    day=DATES,
    amounts=st.lists(AMOUNTS, max_size=3),
    home=st.none() | AMOUNTS,
)
def test_any_entry_comes_back_equal(
    store: Store, key: str, texts: list[str], effective: datetime, day: date, amounts: Any, home: Any
) -> None:
    lines = [Line(Role.FEES, side, texts[0], texts[1], home, texts[2]) for one in amounts for side in (one, -one)]
    one = Entry(
        key=key,
        source=texts[3],
        subject=texts[4],
        origin=texts[0],
        kind=texts[1],
        effective=effective,
        date=day,
        lines=tuple(lines),
    )
    with undone(store):
        store.save(Plan((), entries=(one,)), NOON)
        store.save(Plan((), entries=(one,)), NOON)
        (story,) = store.stories([Subject(texts[3], texts[4], 0)])
        assert story.entries == (one,)


@QUICK
@given(
    texts=st.lists(WORDS, min_size=7, max_size=7),
    numbers=st.lists(st.integers(0, 2**62), min_size=4, max_size=4),
    instants=st.lists(st.none() | INSTANTS, min_size=2, max_size=2),
    words=st.tuples(st.sampled_from(DocumentKind), st.sampled_from(Action), st.sampled_from(Status)),
    body=BODIES,
    needs=st.dictionaries(WORDS, WORDS, max_size=3),
    day=st.none() | DATES,
    problem=PROBLEMS,
    remote=st.none() | st.builds(Remote, WORDS, WORDS),
    history=st.lists(WORDS, max_size=20).map(tuple),
)
def test_any_delivery_comes_back_equal(
    store: Store, texts: Any, numbers: Any, instants: Any, words: Any, day: Any, **told: Any
) -> None:
    one = delivery(
        "x",
        key=texts[0],
        target=texts[1],
        kind=words[0],
        action=words[1],
        status=words[2],
        digest=texts[2],
        facts=texts[3],
        call=texts[4],
        delivered_digest=texts[5],
        subject=texts[6],
        revision=numbers[0],
        generation=numbers[1],
        attempts=numbers[2],
        delivered_revision=numbers[3],
        due=instants[0],
        delivered_as_of=instants[1],
        date=day,
        **told,
    )
    with undone(store):
        store.save(Plan((Subject("shop", texts[6], 0),), deliveries=(one,)), NOON)
        assert store.lookup(texts[1], [texts[0]]) == {texts[0]: one}
        store.settle(texts[1], [], [replace(one, body={}, digest="other")], NOON)
        assert store.lookup(texts[1], [texts[0]]) == {texts[0]: replace(one, body={}, digest="other")}


@QUICK
@given(
    texts=st.lists(WORDS, min_size=6, max_size=6), parts=st.lists(st.builds(Part, WORDS, AMOUNTS), max_size=3), problem=PROBLEMS
)
def test_any_application_comes_back_equal(store: Store, texts: list[str], parts: list[Part], problem: Problem | None) -> None:
    movement, rule, evidence, runner_up, wanted, name = texts
    one = replace(application("x", *parts), movement=movement, rule=rule, evidence=evidence, runner_up=runner_up, wanted=wanted)
    one = replace(one, problem=problem)
    with undone(store):
        store.save(Plan((), applications=((Subject("shop", name, 0), one),)), NOON)
        (story,) = store.stories([Subject("shop", name, 0)])
        assert story.applications == (one,)


@pytest.mark.parametrize("odd", ["\0", "\ud800", "\u24000000", "\U0001f967 B\u00e4ckerei", "'; --", "%_\\"], ids=ascii)
def test_a_strange_text_comes_back_from_every_other_table(store: Store, odd: str) -> None:
    problem = Problem(odd, odd, odd, odd)
    store.save(Plan((subject(odd),), refusals=((subject(odd), Refusal(odd, odd, problem, bucket=odd)),)), NOON)
    assert store.refusals() == [(subject(odd), Refusal(odd, odd, problem, bucket=odd))]
    assert [one.name for one in store.search(f"payment:{odd}")] == [f"payment:{odd}"]
    billed = invoice(odd, customer=odd, email=odd, due=DAY)
    store.land_mirror("books", [billed], odd, NOON)
    assert (store.invoice_states("books"), store.mirror_cursor("books")) == ([(billed, eur(0))], odd)
    store.land(Stream(odd, odd, "live"), odd, [record(odd)], Progress(cursor=NOON, resume=odd), NOON)
    assert store.progress(odd, odd) == Progress(cursor=NOON, resume=odd)
    store.bind(odd, Identity(odd, odd, odd), odd, NOON)
    assert store.bindings() == {odd: (Identity(odd, odd, odd), odd)}
    store.bind_accounts(odd, {(odd, odd, odd): odd})
    assert store.bound_accounts(odd) == {(odd, odd, odd): odd}
    store.end_run(store.start_run(odd, NOON), NOON, 0, {odd: odd})
    assert [(run.kind, run.counts) for run in store.runs(1, odd)] == [(odd, {odd: odd})]
    store.set_fact(odd, [odd])
    assert store.get_fact(odd) == [odd]
    store.note_balances(odd, [Balance(odd, eur(1), NOON)])
    assert store.noted_balances(odd) == [Balance(odd, eur(1), NOON)]
    store.audit(NOON, odd, odd, {odd: odd})
    assert [(line.who, line.what, line.detail) for line in store.audit_log()] == [(odd, odd, {odd: odd})]


def test_only_the_last_lines_of_a_history_are_kept(store: Store) -> None:
    planned(store, "ch_1")
    told = replace(delivery("ch_1"), history=tuple(map(str, range(30))))
    store.settle("books", [], [told], NOON)
    assert store.lookup("books", [told.key])[told.key].history == told.history[-20:]

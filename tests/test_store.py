"""What the state promises to those who call it; the same stories over SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from kept import (
    NOON,
    SHOP,
    application,
    arrived,
    call,
    deliver,
    delivery,
    entry,
    eur,
    invoice,
    land,
    names,
    planned,
    record,
    sent,
    subject,
)

from syncjob.errors import Misconfigured, Problem
from syncjob.model import Action, DocumentKind, Part, Refusal, Remote, Role, Status, Stream
from syncjob.ports import Identity
from syncjob.store import Landed, Plan, Progress, Store, Subject

LATER = NOON + timedelta(days=1)


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
    assert story.posted == {("books", "shop:ch_1"): "books:shop:ch_1:receipt"}
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


def test_a_subject_asked_for_twice_stands_at_its_earliest_place(store: Store) -> None:
    early, late = subject("ch_1"), replace(subject("ch_1"), position=subject("ch_1").position + 9)
    for asked in ([early, late], [late, early], [late]):  # the first is what makes the subject
        store.mark_dirty(asked)
        assert store.dirty(9) == [early]


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
    assert list(store.invoice_states("books")) == [(invoice("R-1"), eur(700)), (invoice("R-2"), eur(0))]
    assert list(store.invoice_states("other")) == []


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


def test_what_a_target_calls_the_documents_it_holds_is_told_without_the_others(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    deliver(store, "ch_1")
    keys = [delivery(id).key for id in ("ch_1", "ch_2", "ch_9")]
    assert store.remotes("books", keys) == {keys[0]: Remote(f"remote of {keys[0]}", "1")}
    assert store.remotes("crm", keys) == store.remotes("books", []) == {}


def test_a_delivery_that_arrived_with_something_to_tell_keeps_what_it_tells(store: Store) -> None:
    planned(store, "ch_1", "ch_2", "ch_3")
    told = arrived(delivery("ch_1"))._replace(history=("retried by a person",))
    wrong = arrived(delivery("ch_2"))._replace(status=Status.HELD, problem=Problem("a", "b", "c"))
    newer = arrived(delivery("ch_3"))._replace(generation=2)
    store.settle("books", [], [told, wrong, newer], NOON)
    assert store.lookup("books", [told.key, wrong.key, newer.key]) == {one.key: one for one in (told, wrong, newer)}
    again = told._replace(history=(), attempts=2)
    store.settle("books", [], [again], NOON)
    assert store.lookup("books", [again.key]) == {again.key: again}


def test_a_call_stays_open_for_the_member_whose_outcome_is_unknown(store: Store) -> None:
    planned(store, "ch_1", "ch_2")
    carrier = call(delivery("ch_1"), delivery("ch_2"))
    first, second = (sent(delivery(id), carrier) for id in ("ch_1", "ch_2"))
    store.commit_calls("books", [carrier], [first, second], NOON)
    lost = second._replace(status=Status.UNKNOWN, due=LATER)
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
    lost = second._replace(status=Status.UNKNOWN, due=LATER)
    store.settle("books", [], [arrived(first), lost], NOON)
    update = arrived(first)._replace(action=Action.UPDATE, revision=2, status=Status.PLANNED)
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
    changed = delivery("ch_1")._replace(body={"amount": "9.00"}, digest="another", needs={"customer": "x"})
    store.settle("books", [], [changed], NOON)
    assert store.lookup("books", [changed.key]) == {changed.key: changed}
    with pytest.raises(AssertionError, match="never planned"):
        store.settle("books", [], [delivery("ch_9")], NOON)


def test_only_the_last_lines_of_a_history_are_kept(store: Store) -> None:
    planned(store, "ch_1")
    told = delivery("ch_1")._replace(history=tuple(map(str, range(30))))
    store.settle("books", [], [told], NOON)
    assert store.lookup("books", [told.key])[told.key].history == told.history[-20:]


# ---------------------------------------------------------------- names


def test_a_name_never_goes_from_test_to_live(store: Store) -> None:
    store.bind("shop", Identity("acct_1", "test"), "aaaa", NOON)
    with pytest.raises(Misconfigured, match="live"):
        store.bind("shop", Identity("acct_1", "live"), "bbbb", LATER)
    assert store.bindings() == {"shop": (Identity("acct_1", "test"), "aaaa")}

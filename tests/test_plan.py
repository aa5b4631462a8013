"""Planning one payment from its first day to its last: each entry reaches the books once, on its day, and stays there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest
from stories import (
    BOOKS,
    CRM,
    NOON,
    START,
    Diary,
    Words,
    application,
    books,
    charge,
    dispute,
    dispute_reversal,
    eur,
    fact,
    invoice,
    payout,
    payout_failure,
    person,
    planned,
    refund,
    rules,
    sums,
)

from syncjob.chart import Chart
from syncjob.errors import RecordRefused
from syncjob.model import Action, DocumentKind, FactKind, Json, Reading, Remote, Role, Status
from syncjob.moment import from_text, zone
from syncjob.money import Money
from syncjob.plan import Known, Ledger, contact_keys, invoice_documents, plan, wanted_numbers
from syncjob.plan.crm import state
from syncjob.posting import post


class Names:
    """A target map that writes only the customer's name."""

    digest = "names"

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        return {"name": str(happening.get("customer_name"))}


def deliver_all(diary: Diary) -> None:
    """Everything planned arrives."""
    for key, one in diary.deliveries.items():
        if one.status is Status.PLANNED:
            diary.deliveries[key] = one._replace(
                status=Status.DELIVERED,
                remote=Remote("r"),
                delivered_revision=one.revision,
                delivered_digest=one.digest,
                delivered_as_of=one.as_of,
            )


# ---------------------------------------------------------------- books


def test_a_payment_and_what_it_is_for_are_one_receipt_while_neither_was_delivered() -> None:
    diary = Diary()
    diary.tell(charge(100_00, 3_20, names="INV-1"), mirror=books(invoice()))
    (receipt,) = diary.books().values()
    assert (receipt.kind, receipt.action, receipt.date) == (DocumentKind.RECEIPT, Action.CREATE, date(2026, 10, 6))
    assert receipt.body["postings"] == [
        {"account": "clearing", "amount": "96.80", "currency": "EUR"},
        {"account": "fees", "amount": "3.20", "currency": "EUR"},
        {"account": "receivable", "amount": "-100.00", "currency": "EUR"},
    ]
    assert (receipt.body["date"], receipt.body["invoice"]) == ("2026-10-06", "INV-1")
    assert diary.posted == {
        ("books", "shop:txn_ch_1"): receipt.key,
        ("books", "shop:txn_ch_1:application:1"): receipt.key,
    }


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        ([charge(names="INV-1")], "receipt"),
        ([refund(40_00)], "refund"),
        ([dispute()], "journal"),
        ([payout()], "transfer"),
        ([payout_failure()], "transfer"),
    ],
)
def test_each_movement_is_a_document_of_its_kind(story: list[Any], kind: str) -> None:
    diary = Diary()
    diary.tell(*story)
    assert [one.kind.value for one in diary.books().values()] == [kind]


def test_told_again_nothing_is_posted_or_delivered_again() -> None:
    diary = Diary()
    story = [charge(100_00, 3_20, names="INV-1"), refund(40_00)]
    diary.tell(*story, mirror=books(invoice()))
    deliver_all(diary)
    again = diary.tell(*story, mirror=books(invoice()))
    assert (again.entries, again.applications, again.posted) == ((), (), ())
    assert {one.status for one in again.deliveries} <= {Status.DELIVERED}  # only the digest of the facts is noted


def test_a_new_text_updates_the_receipt_and_keeps_its_postings_and_its_date() -> None:
    diary = Diary()
    diary.tell(charge(100_00, 3_20, names="INV-1", description="cake"), mirror=books(invoice()))
    (before,) = diary.books().values()
    deliver_all(diary)
    diary.rules = rules(zone=zone("Pacific/Auckland"), chart=Chart({(role.value, "", ""): "elsewhere" for role in Role}))
    diary.tell(charge(100_00, 3_20, names="INV-1", description="two cakes"), mirror=books(invoice()))
    (after,) = diary.books().values()
    assert (after.action, after.revision, after.status) == (Action.UPDATE, 2, Status.PLANNED)
    assert after.body["description"] == "two cakes"
    assert (after.body["postings"], after.body["date"]) == (before.body["postings"], before.body["date"])
    assert after.date == before.date


def test_an_invoice_that_comes_late_is_paid_by_a_document_of_its_own_on_its_day() -> None:
    diary = Diary()
    diary.tell(charge(100_00, names="INV-1"))
    deliver_all(diary)
    (receipt,) = diary.books().values()
    diary.tell(charge(100_00, names="INV-1"), mirror=books(invoice(issued=date(2026, 10, 20))))
    moved = diary.books()["txn_ch_1:application:1u+2"]
    assert (moved.kind, moved.date, moved.needs) == (DocumentKind.APPLICATION, date(2026, 10, 20), {"receipt": receipt.key})
    assert moved.body["postings"] == [
        {"account": "customer_credit", "amount": "100.00", "currency": "EUR"},
        {"account": "receivable", "amount": "-100.00", "currency": "EUR"},
    ]
    assert diary.accounts() == {"clearing": 100_00, "receivable": -100_00}


def test_an_application_is_never_undone_on_a_day_before_it_was_made() -> None:
    diary = Diary()
    diary.tell(charge(100_00, names="INV-1"))
    diary.tell(charge(100_00, names="INV-1"), mirror=books(invoice(issued=date(2026, 10, 20))))
    diary.tell(charge(100_00, names="INV-9"), mirror=books(invoice(issued=date(2026, 10, 20))))
    by_key = {one.key.removeprefix("shop:txn_ch_1:application:"): one.date for one in diary.entries if "application" in one.key}
    assert by_key["2"] == date(2026, 10, 20)
    assert by_key["2:undo"] == by_key["3"] == date(2026, 10, 20)
    assert sums(diary.entries) == diary.accounts() == {"clearing": 100_00, "customer_credit": -100_00}


def test_another_wish_with_the_same_end_posts_nothing_and_the_next_change_still_undoes_what_stands() -> None:
    diary = Diary()
    diary.tell(charge(100_00))
    other_wish = diary.tell(charge(100_00, names="INV-1"))
    assert [one.version for one in other_wish.applications] == [2]
    assert other_wish.entries == ()
    diary.tell(charge(100_00, names="INV-1"), mirror=books(invoice()))
    assert sums(diary.entries) == diary.accounts() == {"clearing": 100_00, "receivable": -100_00}


def test_an_over_paid_invoice_refunded_twice_and_a_refund_that_failed_leave_the_right_rest() -> None:
    diary = Diary()
    story = [charge(120_00, names="INV-1")]
    diary.tell(*story, mirror=books(invoice()))
    deliver_all(diary)
    story.append(refund(50_00))
    diary.tell(*story, mirror=books(invoice()))
    assert diary.accounts() == {"clearing": 70_00, "receivable": -70_00}
    story.append(refund(70_00, id="re_2", effective=NOON + timedelta(days=2)))
    decided = diary.tell(*story, mirror=books(invoice()))
    assert diary.accounts() == {}
    assert decided.invoices == ("INV-1",)
    for _ in range(3):
        assert diary.tell(*story, mirror=books(invoice())).entries == ()


def test_a_dispute_from_opening_to_a_win_with_the_fee_returned_leaves_only_the_payment() -> None:
    diary = Diary()
    story = [charge(100_00, 3_20, names="INV-1")]
    diary.tell(*story, mirror=books(invoice()))
    story.append(dispute())
    diary.tell(*story, facts=[fact(FactKind.DISPUTE_OPEN, "dp_1", amount=eur(100_00))], mirror=books(invoice()))
    paid = {"clearing": 96_80, "fees": 3_20, "receivable": -100_00}
    assert diary.accounts() == {**paid, "clearing": 96_80 - 115_00, "disputed": 100_00, "dispute_fees": 15_00}
    story.append(dispute_reversal())
    diary.tell(*story, facts=[fact(FactKind.DISPUTE_WON, "dp_1", amount=eur(100_00))], mirror=books(invoice()))
    assert diary.accounts() == paid


def test_a_payout_paid_then_failed_then_paid_again_is_in_the_bank_once() -> None:
    diary = Diary("payout:po_1")
    for kind in (FactKind.PAYOUT_PAID, FactKind.PAYOUT_FAILED, FactKind.PAYOUT_PAID):
        diary.tell(payout(), facts=[fact(kind, "po_1")])
        deliver_all(diary)
    assert sorted(diary.books()) == [
        "po_1:payout_paid:1:transfer",
        "po_1:payout_paid:1:undo:transfer",
        "po_1:payout_paid:2:transfer",
        "txn_po_1:transfer",
    ]
    assert diary.accounts() == {"clearing": -96_80, "bank": 96_80}


def test_what_moved_before_the_cut_over_is_neither_posted_nor_told() -> None:
    diary = Diary()
    decided = diary.tell(charge(effective=START - timedelta(microseconds=1)))
    assert (decided.entries, decided.deliveries, decided.refusals) == ((), (), ())
    assert diary.tell(charge(effective=START)).entries


def test_a_new_target_gets_everything_once_and_each_application_on_its_own_day() -> None:
    diary = Diary(the_rules=rules(CRM))
    late = books(invoice(issued=date(2026, 10, 20)))
    later = books(invoice("INV-2", issued=date(2026, 10, 25)))
    diary.tell(charge(100_00, names="INV-1"))
    diary.tell(charge(100_00, names="INV-1"), mirror=late)
    diary.tell(charge(100_00, names="INV-2"), mirror=later)
    diary.rules = rules(CRM, BOOKS)
    diary.tell(charge(100_00, names="INV-2"), mirror=later)
    assert {key: str(one.date) for key, one in diary.books().items()} == {
        "txn_ch_1:receipt": "2026-10-06",
        "txn_ch_1:application:1u+2": "2026-10-20",
        "txn_ch_1:application:2u+3": "2026-10-25",
    }
    assert diary.accounts() == {"clearing": 100_00, "receivable": -100_00}


def test_a_kind_of_document_that_the_books_do_not_take_leaves_its_entry_waiting() -> None:
    diary = Diary(the_rules=rules(Ledger("books", Words(), True, frozenset({DocumentKind.RECEIPT}))))
    diary.tell(charge(100_00), dispute())
    assert list(diary.posted) == [("books", "shop:txn_ch_1"), ("books", "shop:txn_ch_1:application:1")]
    diary.rules = rules(BOOKS)
    diary.tell(charge(100_00), dispute())
    assert ("books", "shop:txn_dp_1") in diary.posted


# ---------------------------------------------------------------- held


def test_money_that_changes_under_one_ledger_id_is_held_and_nothing_that_follows_from_it_moves() -> None:
    diary = Diary()
    story = [charge(100_00, names="INV-1"), refund(40_00)]
    diary.tell(*story, mirror=books(invoice()))
    deliver_all(diary)
    before = (list(diary.entries), diary.accounts())
    decided = diary.tell(charge(200_00, names="INV-1"), story[1], mirror=books(invoice()))
    assert [one.problem.what for one in decided.refusals] == ["movement txn_ch_1"]
    assert decided.refusals[0].net is None  # what was posted still counts
    assert decided.applications == ()
    assert (list(diary.entries), diary.accounts()) == before
    healed = diary.tell(*story, mirror=books(invoice()))
    assert (healed.refusals, healed.entries) == ((), ())


def test_a_payout_that_changes_under_its_ledger_id_stays_in_the_bank() -> None:
    diary = Diary("payout:po_1")
    paid = [fact(FactKind.PAYOUT_PAID, "po_1")]
    diary.tell(payout(), facts=paid)
    decided = diary.tell(payout(90_00), facts=paid)
    assert decided.entries == ()
    assert decided.refusals


def test_a_movement_of_an_unknown_bucket_is_held_with_its_price_and_the_others_go_on() -> None:
    diary = Diary()
    decided = diary.tell(charge(100_00), refund(40_00, bucket="treasury"))
    (told,) = decided.refusals
    assert (told.id, told.net, told.bucket, told.effective) == ("txn_re_1", eur(-40_00), "treasury", NOON + timedelta(days=1))
    assert sums(decided.entries) == {"clearing": 100_00, "customer_credit": -100_00}


def test_a_currency_without_an_account_is_refused_as_this_payments_problem() -> None:
    diary = Diary(the_rules=rules(BOOKS, chart=Chart({(role.value, "", "EUR"): role.value for role in Role})))
    with pytest.raises(RecordRefused, match="no account plays the role clearing for shop in JPY"):
        diary.tell(charge(gross=Money(5000, "JPY")))


def test_a_subject_that_cannot_be_planned_uses_up_no_invoice_and_leaves_no_contact_behind() -> None:
    picky = rules(CRM, Ledger("books", Words(refuses=DocumentKind.RECEIPT), True, frozenset(DocumentKind)))
    mirror = books(invoice())
    diary = Diary(the_rules=picky)
    with pytest.raises(RecordRefused):
        diary.tell(charge(100_00, names="INV-1"), people=[person()], mirror=mirror)
    assert mirror.open(invoice()) == eur(100_00)
    assert diary.people == {}


# ---------------------------------------------------------------- CRM


def test_a_paying_customer_is_a_contact_with_a_payment_that_needs_it() -> None:
    diary = Diary()
    diary.tell(charge(100_00, names="INV-1", customer="cus_1"), people=[person(company="Example Ltd")], mirror=books(invoice()))
    told = diary.crm()
    contact = next(one for one in told.values() if one.kind is DocumentKind.CONTACT)
    company = next(one for one in told.values() if one.kind is DocumentKind.COMPANY)
    payment = told["ch_1:payment"]
    assert contact.needs == {"company": company.key}
    assert payment.needs == {"contact": contact.key}
    assert (payment.body["status"], payment.body["invoice"], payment.body["presented"]) == ("paid", "INV-1", "100.00 EUR")


@pytest.mark.parametrize(
    ("more", "facts", "status"),
    [
        ([], [], "paid"),
        ([refund(40_00)], [], "part refunded"),
        ([refund(100_00)], [], "refunded"),
        ([dispute()], [FactKind.DISPUTE_OPEN], "disputed"),
        ([dispute()], [FactKind.DISPUTE_LOST], "dispute lost"),
        ([dispute(), dispute_reversal()], [FactKind.DISPUTE_WON], "paid"),
        ([], [FactKind.PAYMENT_FAILED], "paid"),  # a first try failed, the second worked
    ],
)
def test_sales_sees_what_became_of_a_payment(more: list[Any], facts: list[FactKind], status: str) -> None:
    diary = Diary()
    diary.tell(charge(100_00), *more, facts=[fact(kind, "dp_1") for kind in facts])
    assert diary.crm()["ch_1:payment"].body["status"] == status


def test_a_dispute_is_one_task_through_all_its_states() -> None:
    diary = Diary()
    for kind, status in ((FactKind.DISPUTE_OPEN, "open"), (FactKind.DISPUTE_LOST, "lost"), (FactKind.DISPUTE_WON, "won")):
        diary.tell(charge(), facts=[fact(kind, "dp_1")])
        (task,) = [one for one in diary.crm().values() if one.kind is DocumentKind.TASK]
        assert task.body["status"] == status


def test_the_customer_record_says_who_somebody_is_and_a_payment_only_fills_a_gap() -> None:
    payment, customer, other = Diary("payment:ch_1"), Diary("customer:cus_1"), Diary("payment:ch_2")
    people: dict[tuple[str, str], Any] = {}
    payment.people = customer.people = other.people = people
    payment.tell(charge(customer="cus_1"), people=[person(name="E. Bakery")])
    customer.tell(people=[person(name="Example Bakery")])
    other.tell(charge(id="ch_2", customer="cus_1"), people=[person(name="Bakery, E.")])
    payment.tell(charge(customer="cus_1"), people=[person(name="E. Bakery")])
    (contact,) = people.values()
    assert contact.body["customer_name"] == "Example Bakery"


def test_the_customer_record_keeps_its_word_when_a_payment_had_said_the_same_before() -> None:
    only_names = rules(Ledger("crm", Names(), False, frozenset({DocumentKind.CONTACT})))
    payment, customer, other = (Diary(name, only_names) for name in ("payment:ch_1", "customer:cus_1", "payment:ch_2"))
    people: dict[tuple[str, str], Any] = {}
    payment.people = customer.people = other.people = people
    payment.tell(charge(customer="cus_1"), people=[person()])
    customer.tell(people=[person()])
    other.tell(charge(id="ch_2", customer="cus_1", occurred=NOON + timedelta(days=9)), people=[person(name="E. Bakery")])
    (contact,) = people.values()
    assert contact.body == {"name": "Example Bakery"}


def test_what_another_subject_of_the_batch_made_of_a_contact_is_newer_than_the_store() -> None:
    payment, customer = Diary("payment:ch_1"), Diary("customer:cus_1")
    people: dict[tuple[str, str], Any] = {}
    payment.people = customer.people = people
    payment.tell(charge(customer="cus_1"), people=[person(name="E. Bakery")])
    customer.tell(people=[person(name="Example Bakery")])
    decided = payment.tell(charge(customer="cus_1", occurred=NOON + timedelta(days=1)), people=[person(name="E. Bakery 2")])
    assert DocumentKind.CONTACT not in {one.kind for one in decided.deliveries}


def test_contacts_are_asked_for_by_the_keys_that_their_documents_will_have() -> None:
    known = Known("payment:ch_1", "shop", reading=Reading((), (), (person(company="Example Ltd"),)))
    diary = Diary()
    diary.tell(people=[person(company="Example Ltd")])
    assert contact_keys([known], [BOOKS, CRM]) == {"crm": [one.key for one in diary.deliveries.values()]}


@pytest.mark.parametrize(
    ("open", "paid", "word"),
    [
        (100_00, 0, "open"),
        (100_00, 1, "part paid"),
        (100_00, 99_99, "part paid"),
        (100_00, 100_00, "paid"),
        (40_00, 0, "part paid"),
        (40_00, 40_00, "paid"),
        (0, 0, "paid"),
    ],
)
def test_an_invoice_is_open_part_paid_or_paid(open: int, paid: int, word: str) -> None:
    assert state(invoice(open=open), eur(paid)) == word


def test_a_deal_shows_what_became_of_an_invoice_and_is_told_once() -> None:
    bill = invoice(total=100_00, open=90_00)
    (deal,) = invoice_documents("books", bill, eur(60_00), rules(ledgers=(BOOKS, CRM)), {})
    assert (deal.key, deal.body["state"], deal.body["open"]) == ("crm:books:INV-1:deal", "part paid", "30.00 EUR")
    assert invoice_documents("books", bill, eur(60_00), rules(ledgers=(CRM,)), {("crm", deal.key): deal}) == []


# ---------------------------------------------------------------- what is asked for


def test_numbers_wanted_are_those_named_now_and_those_applied_before() -> None:
    known = Known(
        "payment:ch_1",
        "shop",
        reading=Reading((charge(names="inv-2"),)),
        applications=(application("shop:txn_ch_1", ("INV-1", 100_00)),),
    )
    assert wanted_numbers([known]) == ["INV-2", "INV-1"]


def test_what_is_under_way_asks_for_another_planning() -> None:
    sending = planned(key="books:shop:txn_ch_1:receipt")._replace(status=Status.SENDING, body={"date": "x", "postings": []})
    known = Known(
        "payment:ch_1",
        "shop",
        reading=Reading((charge(),)),
        entries=(post(charge(), zone("Europe/Berlin"), "EUR"),),
        deliveries={("books", sending.key): sending},
        posted={("books", "shop:txn_ch_1"): sending.key},
    )
    decided = plan(known, rules(BOOKS), books(), {})
    assert decided.again
    assert sending.key not in {one.key for one in decided.deliveries}


def test_a_payment_late_on_the_last_of_the_month_is_dated_by_the_companys_calendar() -> None:
    diary = Diary()
    diary.tell(charge(effective=from_text("2026-10-31T23:30:00Z")))
    (receipt,) = diary.books().values()
    assert (receipt.date, receipt.body["date"]) == (date(2026, 11, 1), "2026-11-01")

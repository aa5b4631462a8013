"""What must never happen, whoever dies when: an effect twice, an effect lost, a newer fact replaced by an older one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from house import FakeGateway, House

from syncjob.errors import Misconfigured
from syncjob.model import Invoice
from syncjob.money import Money


def five_charges(house: House) -> None:
    for number in range(1, 6):
        house.gateway.charge(f"ch_{number}", number * 1000, name=f"Example {number}")
        house.clock += timedelta(seconds=1)


@pytest.fixture
def house(store_url: str, tmp_path: Path) -> House:
    return House(store_url, tmp_path)


def grade(url: str, home: Path, grades: str, lag: timedelta = timedelta(minutes=2)) -> House:
    house = House(url, home, grades, lag)
    five_charges(house)
    return house


def test_a_run_brings_every_charge_to_both_targets_and_a_second_run_finds_nothing(house: House) -> None:
    five_charges(house)
    first = house.run()
    assert first.exit == 0
    assert [key for key, _ in house.books.truth()] == [f"books:shop:ch_{n}:receipt" for n in range(1, 6)]
    assert len(house.crm.objects) == 10  # five contacts, five payments
    sent = len(house.books.sent) + len(house.crm.sent)
    again = house.run()
    assert again.exit == 0
    assert again.counts.get("new", 0) == again.counts.get("changed", 0) == again.counts.get("planned", 0) == 0
    assert len(house.books.sent) + len(house.crm.sent) == sent


@pytest.mark.parametrize("committed", [False, True], ids=["before the commit", "after the commit"])
def test_a_run_killed_at_any_write_leaves_what_an_undisturbed_run_leaves(
    tmp_path: Path, committed: bool, fresh_url: Callable[[], str]
) -> None:
    calm = House(fresh_url(), tmp_path)
    five_charges(calm)
    calm.run()
    at = 0
    killed = True
    while killed:
        at += 1
        house = House(fresh_url(), tmp_path)
        five_charges(house)
        killed = house.killed_run(at, committed=committed)
        report = house.run()
        assert report.exit == 0, f"killed at write {at}: {report.problems}"
        assert house.truth() == calm.truth(), f"killed at write {at}"
    assert at > 10


@pytest.mark.parametrize("grades", ["AA", "BB", "CC"])
@pytest.mark.parametrize("misfortune", ["kill before write", "kill after write"])
def test_a_process_killed_while_a_request_is_on_the_wire_neither_loses_nor_doubles_it(
    store_url: str, tmp_path: Path, grades: str, misfortune: str
) -> None:
    house = grade(store_url, tmp_path, grades)
    house.books.script = ["", misfortune]
    assert house.killed_run()
    for _ in range(3):
        report = house.run(later=timedelta(minutes=10))
    assert report.exit == 0
    assert [key for key, _ in house.books.truth()] == [f"books:shop:ch_{n}:receipt" for n in range(1, 6)]


@pytest.mark.parametrize("grades", ["AA", "BB", "CC"])
@pytest.mark.parametrize("misfortune", ["silence after write", "silence before write", "later", "half an answer", "slow write"])
def test_whatever_a_target_does_not_answer_ends_in_exactly_one_object(
    store_url: str, tmp_path: Path, grades: str, misfortune: str
) -> None:
    house = grade(store_url, tmp_path, grades)
    house.books.script = [misfortune]
    house.run()
    for arrive in house.books.late:
        arrive()
    for _ in range(4):
        report = house.run(later=timedelta(hours=2))
    assert report.exit == 0, report.problems
    assert [key for key, _ in house.books.truth()] == [f"books:shop:ch_{n}:receipt" for n in range(1, 6)]


def test_after_its_key_has_expired_a_request_is_looked_up_and_never_replayed(store_url: str, tmp_path: Path) -> None:
    house = grade(store_url, tmp_path, "BB")
    house.books.script = ["silence after write"]
    house.run()
    doubtful = house.books.sent[0]
    house.books.answers.clear()  # the vendor has forgotten the key: a replay would write twice
    house.run(later=timedelta(days=2))
    assert house.books.sent.count(doubtful) == 1
    assert len(house.books.objects) == 5


def test_not_found_is_not_absent_before_the_lag_has_passed(store_url: str, tmp_path: Path) -> None:
    house = grade(store_url, tmp_path, "CC", lag=timedelta(minutes=30))
    house.books.script = ["silence after write"]
    house.run()
    early = house.run(later=timedelta(minutes=5))
    assert early.exit == 3  # still unknown, and said so
    assert len(house.books.objects) == 5
    late = house.run(later=timedelta(hours=1))
    assert late.exit == 0
    assert len(house.books.objects) == 5


def test_a_target_that_can_be_asked_nothing_gets_it_once_and_a_person_decides(store_url: str, tmp_path: Path) -> None:
    house = grade(store_url, tmp_path, "DA")
    house.books.script = ["silence after write"]
    house.run()
    report = house.run(later=timedelta(hours=1))
    assert report.exit == 3
    assert len(house.books.objects) == 5
    with house.job() as job:
        held = job.store.held("books")
    assert {one.key for one in held} == {"books:shop:ch_1:receipt", "books:shop:ch_2:receipt"}
    assert all(one.problem and "cannot be asked" in one.problem.why for one in held)


def test_a_refused_document_is_held_and_holds_up_no_other(house: House) -> None:
    five_charges(house)
    house.books.script = ["refuse"]
    report = house.run()
    assert report.exit == 3
    assert [key for key, _ in house.books.truth()] == [f"books:shop:ch_{n}:receipt" for n in range(3, 6)]
    assert len(house.crm.objects) == 10
    with house.job() as job:
        assert {one.key for one in job.store.held()} == {"books:shop:ch_1:receipt", "books:shop:ch_2:receipt"}


@pytest.mark.parametrize("grades", ["AA", "BB", "CC"])
def test_a_record_that_goes_from_a_to_b_to_a_ends_as_a(store_url: str, tmp_path: Path, grades: str) -> None:
    house = grade(store_url, tmp_path, grades)
    house.run()
    before = house.truth()
    house.gateway.charge("ch_2", 2000, name="Renamed Example")
    house.run()
    between = house.truth()
    assert between != before
    assert sum("Renamed Example" in body for _, body in between[1]) == 2  # contact and payment
    house.gateway.charge("ch_2", 2000, name="Example 2")
    report = house.run()
    assert report.exit == 0
    assert house.truth() == before


def test_a_record_that_goes_from_a_to_b_to_a_while_its_target_is_silent_ends_as_a(store_url: str, tmp_path: Path) -> None:
    house = grade(store_url, tmp_path, "CC")
    house.run()
    before = house.truth()
    house.gateway.charge("ch_2", 2000, name="Renamed Example")
    house.books.script = ["silence after write"]
    house.crm.script = ["silence before write"]
    house.run()
    house.gateway.charge("ch_2", 2000, name="Example 2")
    for _ in range(4):
        report = house.run(later=timedelta(hours=7))
    assert report.exit == 0
    assert house.truth() == before


def test_an_amount_that_changes_under_one_ledger_id_is_held_and_heals_when_it_turns_back(house: House) -> None:
    five_charges(house)
    house.run()
    before = house.truth()
    house.gateway.charge("ch_3", 9999, name="Example 3")
    report = house.run()
    assert report.exit == 3
    assert house.truth()[0] == before[0]
    house.gateway.charge("ch_3", 3000, name="Example 3")
    assert house.run().exit == 0
    assert house.truth()[0] == before[0]


def test_an_invoice_that_comes_after_its_payment_is_applied_without_editing_the_receipt(house: House) -> None:
    house.gateway.charge("ch_1", 1000, name="Example", invoice="INV-1")
    house.run()
    receipt = house.books.truth()
    total = Money(1000, "EUR")
    day = house.clock.date()
    house.books.invoices = [
        Invoice(
            target="books",
            id="1",
            number="INV-1",
            customer="Example",
            email="",
            total=total,
            open=total,
            issued=day,
            due=None,
            as_of=house.clock,
        )
    ]
    assert house.run().exit == 0
    assert receipt[0] in house.books.truth()
    assert [key for key, _ in house.books.truth()] == ["books:shop:ch_1:application:1u+2", "books:shop:ch_1:receipt"]
    moved = house.books.objects[-1]["body"]["postings"]
    assert moved == [
        {"account": "Assets:customer_credit", "amount": "10.00", "currency": "EUR"},
        {"account": "Assets:receivable", "amount": "-10.00", "currency": "EUR"},
    ]
    with house.job() as job:
        states = list(job.store.invoice_states("books"))
    assert [(invoice.number, paid) for invoice, paid in states] == [("INV-1", total)]


def test_every_night_gateway_subledger_and_books_agree_to_the_cent(house: House) -> None:
    five_charges(house)
    house.gateway.charge("ch_jpy", 5000, "JPY")
    house.gateway.charge("fee_1", -250)
    house.clock += timedelta(minutes=5)
    report = house.run(nightly=True)
    assert report.exit == 0, report.problems
    assert {(leg.name, leg.currency, leg.ours.minor, leg.ties) for leg in report.legs} == {
        ("gateway", "EUR", 14750, True),
        ("gateway", "JPY", 5000, True),
        ("books", "EUR", 14750, True),
        ("books", "JPY", 5000, True),
    }


def test_what_the_gateway_held_before_the_cut_over_opens_the_books_once(house: House) -> None:
    house.clock -= timedelta(days=3)
    house.gateway.charge("old_1", 70_00)
    house.clock += timedelta(days=3)
    five_charges(house)
    report = house.run(nightly=True)
    assert report.exit == 0, report.problems
    assert all(leg.ties for leg in report.legs)
    assert sum("opening" in key for key, _ in house.books.truth()) == 1
    house.run(nightly=True)
    assert sum("opening" in key for key, _ in house.books.truth()) == 1
    assert not any("old_1" in key for key, _ in house.books.truth())


def test_a_target_that_says_later_ends_the_run_with_5_and_gets_everything_afterwards(house: House) -> None:
    five_charges(house)
    house.books.script = ["later"]
    assert house.run().exit == 5
    assert house.run(later=timedelta(hours=1)).exit == 0
    assert len(house.books.objects) == 5


def test_an_account_with_a_history_cannot_be_renamed_in_accounts_csv(house: House) -> None:
    five_charges(house)
    house.run()
    house.accounts = "Assets:other:{role}"
    with pytest.raises(Misconfigured, match="clearing of shop in EUR is Assets:other:clearing"):
        house.run()
    assert house.gateway.asked == 2  # refused before any request


def test_a_name_with_a_history_cannot_vanish_from_the_configuration(house: House) -> None:
    five_charges(house)
    house.run()
    house.gateway.name = "shop-renamed"
    with pytest.raises(Misconfigured, match="'shop' is gone"):
        house.run()


def test_two_accounts_in_one_home_have_their_own_cursor_and_clearing(house: House) -> None:
    five_charges(house)
    other = FakeGateway(lambda: house.clock, name="second", account="acct_second")
    house.others.append(other)
    other.charge("ch_1", 77_00)  # the same id, at another account
    report = house.run(nightly=True)
    assert report.exit == 0, report.problems
    assert {(leg.source, leg.ours.minor, leg.ties) for leg in report.legs if leg.name == "gateway"} == {
        ("shop", 15000, True),
        ("second", 7700, True),
    }
    with house.job() as job:
        assert {key for key, _ in house.books.truth() if "ch_1" in key} == {
            "books:second:ch_1:receipt",
            "books:shop:ch_1:receipt",
        }
        assert job.store.progress("second", "movements").cursor is not None


def test_a_key_that_opens_another_account_is_refused(house: House) -> None:
    five_charges(house)
    house.run()
    house.gateway.account = "acct_of_somebody_else"
    with pytest.raises(Misconfigured):
        house.run(nightly=True)

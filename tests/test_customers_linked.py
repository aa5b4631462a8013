"""Customers whom books and CRM knew before: what a person links, what the rule of the night may do, and what else knows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from customer_house import START, A, B, C, Capsys, House, contact, said, three_customers
from stories import SHOP, Words, books, charge, invoice, person
from stories import rules as rules_of

from syncjob.cli import main
from syncjob.cli.customers import customers
from syncjob.crosswalk import BY_EMAIL, BY_PERSON, Linked, linked
from syncjob.errors import EXIT_CONFIGURATION, EXIT_HELD
from syncjob.jobs.customers import shared_addresses
from syncjob.model import (
    Delivery,
    DocumentKind,
    Invoice,
    Person,
    Reading,
    Record,
    Status,
    Stream,
)
from syncjob.plan import Known, Ledger, contact_keys
from syncjob.plan import plan as planned
from syncjob.plan.crm import person_keys
from syncjob.store import Store


@pytest.fixture
def house(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> House:
    """Two customers of one account and one of another, with a payment each, in books and CRM."""
    made = three_customers(store_url, tmp_path / "home")
    capsys.readouterr()
    return made


# ---------------------------------------------------------------- contacts that were there before


def test_a_linked_contact_is_adopted_and_never_a_second_one(store_url: str, tmp_path: Path, capsys: Capsys) -> None:
    house = House(store_url, tmp_path / "home")
    house.by_hand("C-1001", name="Old Name", phone="+49 30 1234")
    with house.store() as store:  # the customer is known before anything was sent to this CRM
        record = Record("customer", "cus_A", START, START, "customer:cus_A", {"id": "cus_A"}, {"name": "x"}, "cus_A", "d")
        store.land(Stream("stripe", "acct_1", "test"), "movements", [record], None, START)
    said(house, capsys, "link", "stripe:cus_A", "crm:C-1001")
    house.stripe.customer("cus_A", name="Example Bakery", email="bakery@example.com")
    house.stripe.pays("ch_A", "cus_A")
    assert house.run().exit == 0
    assert house.rows("SELECT external_id, name, email, phone FROM contacts") == [
        ("C-1001", "Example Bakery", "bakery@example.com", "+49 30 1234")  # what the gateway does not know stays
    ]
    assert house.paid_by() == {"ch_A": "C-1001"}
    house.stripe.customer("cus_A", name="Example Bakery Ltd")
    assert house.run().exit == 0
    assert house.rows("SELECT name FROM contacts") == [("Example Bakery Ltd",)]


def test_a_contact_that_we_made_before_is_left_for_the_linked_one_and_taken_again_after_the_split(
    house: House, capsys: Capsys
) -> None:
    house.by_hand("C-1001", name="Old Name")
    told = said(house, capsys, "link", "stripe:cus_A", "crm:C-1001")
    assert f"The contact {contact('cus_A')} of crm, that of stripe:cus_A, is no longer used" in told
    assert house.run().exit == 0
    assert house.paid_by()["ch_A"] == "C-1001"
    assert house.rows("SELECT name FROM contacts WHERE external_id = 'C-1001'") == [("Example Bakery",)]
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    assert house.run().exit == 0
    assert house.paid_by()["ch_B"] == "C-1001"
    told = said(house, capsys, "split", "crm:C-1001")
    assert "The contact C-1001 of crm" in told
    assert house.run().exit == 0
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_A"), "ch_C": contact("cus_C", "shop")}
    assert len(house.contacts()) == 4


def test_a_linked_contact_that_was_deleted_there_is_held_and_not_made_anew(house: House, capsys: Capsys) -> None:
    house.by_hand("C-1001", name="Old Name")
    said(house, capsys, "link", "stripe:cus_A", "crm:C-1001")
    with closing(sqlite3.connect(house.home / "crm.sqlite")) as db, db:
        db.execute("DELETE FROM contacts WHERE external_id = 'C-1001'")
    assert house.run().exit == EXIT_HELD
    with house.store() as store:
        whys = [one.problem for one in store.held("crm") if one.key == contact("C-1001", "crm")]
    assert whys[0] is not None
    assert "contacts has no row C-1001" in whys[0].why
    assert "customers split crm:C-1001" in whys[0].cure
    assert len(house.contacts()) == 3
    said(house, capsys, "split", "crm:C-1001")
    house.run()
    assert house.paid_by()["ch_A"] == contact("cus_A")


def test_one_contact_is_not_linked_with_two_customers_unless_they_are_merged(house: House, capsys: Capsys) -> None:
    house.by_hand("C-1001", name="Old Name")
    house.by_hand("C-1002", name="Older Name")
    said(house, capsys, "link", "stripe:cus_A", "crm:C-1001")
    refused = said(house, capsys, "link", "stripe:cus_B", "crm:C-1001", exit=EXIT_CONFIGURATION)
    assert "syncjob customers merge stripe:cus_B stripe:cus_A" in refused
    said(house, capsys, "link", "stripe:cus_B", "crm:C-1002")
    refused = said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B", exit=EXIT_CONFIGURATION)
    assert "they are two customers of crm, 'C-1001' and 'C-1002'" in refused
    assert 'syncjob customers split "crm:C-1002"' in refused
    assert len(house.names()) == 2


# ---------------------------------------------------------------- the rule of the night


def bill(number: str, customer: str, email: str) -> Invoice:
    return invoice(number, customer=customer, email=email)


def test_who_alone_bears_an_address_on_both_sides_is_linked_at_night(house: House, capsys: Capsys) -> None:
    house.books.invoices += [bill("INV-1", "Example Bakery", " Bakery@Example.com"), bill("INV-2", "Nobody", "no@example.com")]
    house.run()
    assert house.names() == []  # only at night
    facts = [house.facts(f"crm:stripe:ch_{one}:payment") for one in "AB"]
    assert house.run(nightly=True).counts.get("customers linked") == 1
    assert house.names() == [[(*A, BY_EMAIL), ("books", "Example Bakery", BY_EMAIL)]]
    told = [house.facts(f"crm:stripe:ch_{one}:payment") for one in "AB"]
    assert (told[0] != facts[0], told[1] == facts[1]) == (True, True)  # what a map may read of it is read anew
    assert "customers linked" not in house.run(nightly=True).counts
    assert house.paid_by()["ch_A"] == contact("cus_A")
    assert "books:Example Bakery (e-mail" in said(house, capsys, "show", "stripe:cus_A")
    listed = json.loads(raw(house, capsys, "list", "--json"))
    assert [one["name"] for one in listed[0]["names"]] == ["stripe:cus_A", "books:Example Bakery"]


def raw(house: House, capsys: Capsys, *words: str) -> str:
    assert main(["customers", *words, "--home", str(house.home)]) == 0
    return capsys.readouterr().out


def test_two_who_share_an_address_are_not_linked_but_shown(house: House, capsys: Capsys) -> None:
    house.stripe.customer("cus_B", email="bakery@example.com")
    house.books.invoices.append(bill("INV-1", "Example Bakery", "bakery@example.com"))
    for number in range(9):
        for _ in range(2):
            house.shop.customer(f"cus_{len(house.shop.charges)}", email=f"{number}@example.com")
        house.books.invoices.append(bill(f"INV-1{number}", f"Example {number}", f"{number}@example.com"))
    house.run(nightly=True)
    assert house.names() == []
    assert said(house, capsys, "list", "--shared-email").count("@example.com") == 10
    for number in range(9):
        house.shop.customer(f"cus_{number * 2 + 3}", email="")
    house.run()
    told = said(house, capsys, "list", "--shared-email")
    assert "bakery@example.com stripe:cus_A stripe:cus_B books:Example Bakery" in told
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    assert "No two customers share an e-mail address." in said(house, capsys, "list", "--shared-email")
    house.run(nightly=True)
    assert [(*A, BY_PERSON), (*B, BY_PERSON)] in house.names()  # a person's customer is not changed by a rule


def test_an_address_that_two_customers_of_the_books_share_links_nobody(house: House, capsys: Capsys) -> None:
    house.books.invoices += [
        bill("INV-1", "Example Bakery", "bakery@example.com"),
        bill("INV-2", "Example Cafe", "BAKERY@example.com"),
    ]
    house.run(nightly=True)
    assert house.names() == []
    shown = json.loads(raw(house, capsys, "list", "--shared-email", "--json"))
    assert shown == [{"email": "bakery@example.com", "names": ["stripe:cus_A", "books:Example Bakery", "books:Example Cafe"]}]


def test_a_customer_of_the_books_with_two_addresses_never_makes_two_customers_one(house: House) -> None:
    house.books.invoices += [
        bill("INV-1", "Example Bakery", "bakery@example.com"),
        bill("INV-2", "Example Bakery", "orders@example.com"),
    ]
    house.run(nightly=True)
    assert house.names() == []


def test_an_address_that_is_not_the_persons_own_by_the_map_links_nobody(house: House) -> None:
    house.stripe.pays("ch_A2", "cus_A", receipt_email="accountant@example.com")
    house.books.invoices.append(bill("INV-1", "Example Accountants", "accountant@example.com"))
    house.run(nightly=True)
    assert house.names() == []


def test_an_address_that_somebody_had_before_is_not_theirs_any_more(house: House) -> None:
    house.stripe.customer("cus_B", email="bakery@example.com")
    house.run()
    house.stripe.customer("cus_B", email="orders@example.com")
    house.books.invoices.append(bill("INV-1", "Example Bakery", "bakery@example.com"))
    house.run(nightly=True)
    assert house.names() == [[(*A, BY_EMAIL), ("books", "Example Bakery", BY_EMAIL)]]


def test_a_customer_whom_a_person_has_merged_is_not_linked_by_a_rule(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    house.books.invoices.append(bill("INV-1", "Example Bakery", "bakery@example.com"))
    house.run(nightly=True)
    assert house.names() == [[(*A, BY_PERSON), (*B, BY_PERSON)]]


def test_whom_a_person_has_split_no_rule_links_again(house: House, capsys: Capsys) -> None:
    house.books.invoices.append(bill("INV-1", "Example Bakery", "bakery@example.com"))
    house.run(nightly=True)
    said(house, capsys, "split", "stripe:cus_A")
    house.run(nightly=True)
    apart = [[("books", "Example Bakery", BY_EMAIL)], [(*A, BY_PERSON)]]
    assert house.names() == apart
    house.stripe.customer("cus_A", email="new@example.com")
    house.stripe.customer("cus_B", email="bakery@example.com")
    house.run(nightly=True)
    assert house.names() == apart  # nor anybody else with the half that is left
    said(house, capsys, "link", "stripe:cus_A", "books:Example Bakery")
    house.run(nightly=True)
    assert house.names() == [[(*A, BY_PERSON), ("books", "Example Bakery", BY_PERSON)]]


def test_many_addresses_are_looked_for_in_parts(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syncjob.jobs.customers._AT_ONCE", 2)
    monkeypatch.setattr("syncjob.store.crosswalk._AT_ONCE", 2)
    house.books.invoices += [bill(f"INV-{n}", f"Example {n}", f"{n}@example.com") for n in range(7)]
    house.books.invoices.append(bill("INV-9", "Example Shop", "shop@example.com"))
    house.run(nightly=True)
    assert house.names() == [[(*C, BY_EMAIL), ("books", "Example Shop", BY_EMAIL)]]


def test_a_person_who_says_otherwise_than_the_rule_is_told_what_to_split_first(house: House, capsys: Capsys) -> None:
    house.books.invoices += [
        bill("INV-1", "Example Bakery", "bakery@example.com"),
        bill("INV-2", "Another Bakery", "another@example.com"),
    ]
    house.run(nightly=True)
    refused = said(house, capsys, "link", "stripe:cus_A", "books:Another Bakery", exit=EXIT_CONFIGURATION)
    assert 'first run: syncjob customers split "books:Example Bakery"' in refused
    said(house, capsys, "split", "books:Example Bakery")
    said(house, capsys, "link", "stripe:cus_A", "books:Another Bakery")
    refused = said(house, capsys, "link", "stripe:cus_B", "books:Another Bakery", exit=EXIT_CONFIGURATION)
    assert "syncjob customers merge stripe:cus_B stripe:cus_A" in refused
    assert 'syncjob customers split "books:Another Bakery"' in refused
    house.run(nightly=True)
    assert house.names() == [
        [(*A, BY_PERSON), ("books", "Another Bakery", BY_PERSON)],
        [("books", "Example Bakery", BY_PERSON)],
    ]


# ---------------------------------------------------------------- what else knows of links


def test_show_tells_who_a_customer_is_elsewhere(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    for id in ("cus_B", "ch_B"):
        assert main(["show", id, "--home", str(house.home)]) == 0
        assert "cus_B is one customer with stripe:cus_A" in " ".join(capsys.readouterr().out.split())
    assert main(["show", "cus_C", "--home", str(house.home)]) == 0
    assert "one customer" not in capsys.readouterr().out


def test_whoever_is_linked_is_forgotten_under_each_name_and_stays_one_customer(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "stripe:cus_A", "shop:cus_C")
    house.run()
    with house.store() as store:
        assert store.forget("stripe", "cus_B") == 1
        assert store.forget("stripe", "cus_A") == 2
        assert store.forget("shop", "cus_C") == 0
        store.mark_dirty(list(store.all_subjects()))
    assert house.run().exit == 0
    assert house.paid_by()["ch_C"] == contact("cus_A")
    with house.store() as store:
        assert [one.names for one in store.all_customers()] == [(A, C)]


def test_maps_read_what_books_and_crm_call_a_customer() -> None:
    told: list[Mapping[str, object]] = []

    class Told(Words):
        def body(self, kind: Any, happening: Mapping[str, object]) -> Any:
            told.append(happening)
            return super().body(kind, happening)

    known = Known(
        subject="payment:ch_1",
        source="shop",
        reading=Reading((charge(customer="cus_1"),), (), (person("cus_1"),)),
        customers={"cus_1": Linked("shop", "cus_1", {"books": "D-17", "crm": "C-1001"})},
    )
    every = frozenset(DocumentKind)
    planned(known, rules_of(Ledger("books", Told(), True, every), Ledger("crm", Told(), False, every)), books(), {})
    assert len(told) == 3
    assert {(one["books_customer"], one["crm_contact"]) for one in told} == {("D-17", "C-1001")}


def people_of(*people: Person, customers: Mapping[str, Linked], **more: Any) -> dict[str, Delivery]:
    """The deliveries to the CRM, by key, of one payment about several people."""
    known = Known("payment:ch_1", "shop", reading=Reading((charge(customer="cus_2"),), (), people), customers=customers, **more)
    return {one.key: one for one in planned(known, rules_of(), books(), {}).deliveries if one.target == "crm"}


def test_of_two_names_in_one_payment_the_one_that_was_linked_first_tells_the_contact() -> None:
    first, second = person("cus_1", name="First"), person("cus_2", name="Second")
    both = {id: Linked("shop", "cus_1") for id in ("cus_1", "cus_2")}
    for people in ((first, second), (second, first)):
        told = people_of(*people, customers=both)
        assert [key for key in told if key.endswith(":contact")] == ["crm:shop:cus_1:contact"]
        assert told["crm:shop:cus_1:contact"].body["customer_name"] == "First"
        assert told["crm:shop:ch_1:payment"].needs == {"contact": "crm:shop:cus_1:contact"}


def test_only_the_contact_of_who_is_linked_is_withdrawn() -> None:
    alone, shares = person("cus_2"), person("cus_3")
    before = people_of(alone, shares, customers={})
    after = people_of(
        alone,
        shares,
        customers={"cus_3": Linked("shop", "cus_1")},
        deliveries={("crm", key): one for key, one in before.items()},
    )
    assert after["crm:shop:cus_2:contact"].status is Status.PLANNED
    assert after["crm:shop:cus_3:contact"].status is Status.DELIVERED
    assert after["crm:shop:cus_1:contact"].status is Status.PLANNED


def test_keys_of_those_who_stand_alone_do_not_change() -> None:
    one = person("cus_1", company="Example Ltd")
    known = Known(subject="payment:ch_1", source="shop", reading=Reading((), (), (one,)))
    assert contact_keys([known], rules_of().ledgers)["crm"] == person_keys("crm", SHOP.source, one)
    assert person_keys("crm", "shop", one)[-1] == "crm:shop:cus_1:contact"


# ---------------------------------------------------------------- the crosswalk in the store


def test_nobody_costs_nothing_and_pairs_are_not_mixed_up(store: Store) -> None:
    assert not store.has_customers()
    assert store.customers([A, B]) == {}
    now = START
    store.join_customers([A, ("shop", "cus_B")], BY_PERSON, now)
    store.join_customers([("books", "cus_A"), ("stripe", "cus_\u00e9%_\"'")], BY_EMAIL, now)
    found = store.customers([A, B, ("books", "cus_A"), ("books", "cus_B"), ("stripe", "cus_\u00e9%_\"'")])
    assert {name: one.number for name, one in found.items()} == {A: 1, ("books", "cus_A"): 2, ("stripe", "cus_\u00e9%_\"'"): 2}
    assert found[A].names == (A, ("shop", "cus_B"))


def test_groups_are_joined_whole_and_the_first_stays_first(store: Store) -> None:
    store.join_customers([B, C], BY_EMAIL, START + timedelta(days=1))
    store.join_customers([A, ("books", "x")], BY_PERSON, START)
    customer = store.join_customers([C, ("books", "x")], BY_PERSON, START + timedelta(days=2))
    assert customer.names == (A, ("books", "x"), B, C)
    assert [one.how for one in customer.links] == [BY_PERSON, BY_PERSON, BY_EMAIL, BY_PERSON]
    about = linked(customer, ["books", "crm"])
    assert about == Linked("stripe", "cus_A", {"books": "x"})
    before = store.part_customer(A)
    assert before is not None
    assert before.names == customer.names
    assert store.part_customer(A) is None
    assert [one.names for one in store.all_customers()] == [(("books", "x"), B, C), (A,)]
    rest = store.customers([B])[B]
    assert linked(rest, ["books"]) == Linked("stripe", "cus_B", {"books": "x"})


def test_the_page_shows_only_commands_that_the_help_shows_and_runs() -> None:
    page = (Path(__file__).parent.parent / "docs" / "customers.md").read_text()
    shown = [line for line in page.splitlines() if line.startswith("syncjob ")]
    worked = {line.strip() for one in customers.commands.values() for line in (one.epilog or "").splitlines()}
    assert len(shown) == 7
    assert set(shown) <= worked


def test_a_state_without_addresses_has_nobody_who_shares_one(store: Store) -> None:
    assert shared_addresses(store, ["books"]) == []

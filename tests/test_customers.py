"""One customer under several names: what a person decides, and what the CRM shows then."""

from __future__ import annotations

import random
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from customer_house import A, B, C, Capsys, House, contact, said, three_customers
from house import Killed
from stories import invoice

from syncjob.crm import sqlite
from syncjob.crosswalk import BY_PERSON
from syncjob.errors import EXIT_CONFIGURATION
from syncjob.ports import Options
from syncjob.store import Store


@pytest.fixture
def house(store_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> House:
    """Two customers of one account and one of another, with a payment each, in books and CRM."""
    made = three_customers(store_url, tmp_path / "home")
    capsys.readouterr()
    return made


# ---------------------------------------------------------------- merging and splitting


def test_two_who_are_merged_have_one_contact_and_all_payments_point_to_it(house: House, capsys: Capsys) -> None:
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_B"), "ch_C": contact("cus_C", "shop")}
    told = said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B", "--reason", "the owner said so")
    assert "stripe:cus_A and stripe:cus_B are one customer from the next run on." in told
    assert f"The contact {contact('cus_B')} of crm, that of stripe:cus_B, is no longer used; syncjob does not" in told
    assert house.paid_by()["ch_B"] == contact("cus_B")  # the next run does it
    assert house.run().exit == 0
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_A"), "ch_C": contact("cus_C", "shop")}
    house.stripe.pays("ch_B2", "cus_B")
    house.stripe.pays("ch_B3", "cus_B", failed="yes")
    assert house.run().exit == 0
    assert (house.paid_by()["ch_B2"], house.paid_by()["ch_B3"]) == (contact("cus_A"), contact("cus_A"))
    assert house.rows("SELECT contact_id FROM tasks") == [(contact("cus_A"),)]
    assert house.contacts() == [contact("cus_C", "shop"), contact("cus_A"), contact("cus_B")]


def test_the_contact_tells_of_whoever_was_linked_first(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    house.stripe.customer("cus_B", name="Another Name")
    house.run()
    house.stripe.pays("ch_B2", "cus_B", name="Yet Another")
    house.run()
    shown = "SELECT name FROM contacts WHERE external_id = 'crm:stripe:cus_A:contact'"
    assert house.rows(shown) == [("Example Bakery",)]
    house.stripe.customer("cus_A", name="Example Bakery Ltd")
    house.run()
    assert house.rows(shown) == [("Example Bakery Ltd",)]


def test_without_customer_records_the_payments_of_whoever_was_linked_first_tell_the_contact(
    house: House, capsys: Capsys
) -> None:
    for id in ("D", "E"):
        house.shop.pays(f"ch_{id}", f"cus_{id}", name=f"Guest {id}")
    house.run()
    said(house, capsys, "merge", "shop:cus_D", "shop:cus_E")
    house.run()
    house.shop.pays("ch_E2", "cus_E", name="Guest E, later")
    house.run()
    shown = "SELECT name FROM contacts WHERE external_id = 'crm:shop:cus_D:contact'"
    assert house.rows(shown) == [("Guest D",)]
    house.shop.pays("ch_D2", "cus_D", name="Guest D, later")
    house.run()
    assert house.rows(shown) == [("Guest D, later",)]


def test_a_merge_counts_for_what_was_delivered_although_a_map_was_changed_before_it(house: House, capsys: Capsys) -> None:
    own = house.home / "mappings" / "crm" / "sqlite.yaml"
    own.parent.mkdir(parents=True)
    own.write_text((Path(__file__).parent.parent / "mappings" / "crm" / "sqlite.yaml").read_text() + "# ours\n")
    house.run()
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    house.run()
    assert house.paid_by()["ch_B"] == contact("cus_A")


def test_a_split_gives_each_their_own_contact_again(house: House, capsys: Capsys) -> None:
    facts = house.facts("crm:stripe:ch_B:payment")
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    house.run()
    house.stripe.customer("cus_B", name="Renamed Meanwhile")
    house.run()
    assert "stripe:cus_B stands alone from the next run on." in said(house, capsys, "split", "stripe:cus_B")
    assert house.run().exit == 0
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_B"), "ch_C": contact("cus_C", "shop")}
    assert house.facts("crm:stripe:ch_B:payment") == facts  # as if there had never been a link
    assert ("Renamed Meanwhile", contact("cus_B")) in house.rows("SELECT name, external_id FROM contacts")
    assert len(house.contacts()) == 3


def test_merging_splitting_and_merging_again_makes_no_double_and_meets_no_key_twice(house: House, capsys: Capsys) -> None:
    for _ in range(3):
        said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
        assert house.run().exit == 0
        assert house.paid_by()["ch_B"] == contact("cus_A")
        said(house, capsys, "split", "stripe:cus_A")
        assert house.run().exit == 0
        assert house.paid_by()["ch_B"] == contact("cus_B")
    said(house, capsys, "merge", "stripe:cus_B", "stripe:cus_A")
    house.run()
    assert house.paid_by()["ch_B"] == contact("cus_A")  # who was linked first stays first, however they are named
    assert len(house.contacts()) == 3
    assert len(house.rows("SELECT 1 FROM payments")) == 3
    payment = house.delivery("crm:stripe:ch_B:payment")
    assert payment is not None
    assert (payment.revision, payment.generation) == (8, 1)


def test_customers_of_two_accounts_are_merged_and_a_third_joins(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "shop:cus_C", "stripe:cus_A")
    said(house, capsys, "merge", "stripe:cus_B", "stripe:cus_A")
    assert house.run().exit == 0
    assert set(house.paid_by().values()) == {contact("cus_C", "shop")}
    assert house.names() == [[(*C, BY_PERSON), (*A, BY_PERSON), (*B, BY_PERSON)]]


def test_two_accounts_that_use_the_same_id_are_not_mixed_up(house: House, capsys: Capsys) -> None:
    house.shop.customer("cus_A", name="Somebody Else")
    house.shop.pays("ch_X", "cus_A")
    house.run()
    assert house.paid_by()["ch_X"] == contact("cus_A", "shop")
    said(house, capsys, "merge", "stripe:cus_A", "shop:cus_A")
    for name in ("Somebody New", "Somebody Newer"):
        house.run()
        house.shop.customer("cus_A", name=name)
    house.run()
    assert house.paid_by()["ch_X"] == contact("cus_A")
    shown = "SELECT name FROM contacts WHERE external_id = 'crm:stripe:cus_A:contact'"
    assert house.rows(shown) == [("Example Bakery",)]
    house.stripe.customer("cus_A", name="Example Bakery Ltd")
    house.run()
    assert house.rows(shown) == [("Example Bakery Ltd",)]
    said(house, capsys, "split", "shop:cus_A")
    house.run()
    assert house.paid_by()["ch_X"] == contact("cus_A", "shop")
    assert ("Somebody Newer",) in house.rows("SELECT name FROM contacts")


def test_who_is_linked_with_nobody_is_planned_as_ever(house: House, capsys: Capsys) -> None:
    key = "crm:shop:ch_C:payment"
    before = (house.delivery(key), house.delivery(contact("cus_C", "shop")))
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    with house.store() as store:
        store.mark_dirty(list(store.all_subjects()))
    house.run()
    assert (house.delivery(key), house.delivery(contact("cus_C", "shop"))) == before


def test_a_contact_that_was_not_sent_yet_is_not_sent_after_the_merge(store_url: str, tmp_path: Path, capsys: Capsys) -> None:
    house = House(store_url, tmp_path / "home")
    house.stripe.customer("cus_A", name="Example Bakery")
    house.stripe.pays("ch_A", "cus_A")
    assert house.run().exit == 0
    (house.home / "crm.sqlite").chmod(0o400)
    crm = sqlite3.connect(house.home / "crm.sqlite", isolation_level=None)
    crm.execute("BEGIN IMMEDIATE")  # somebody else is writing: nothing arrives
    house.crm = sqlite.connect(Options("crm", house.home, {}), busy_seconds=0)
    house.stripe.customer("cus_B", name="Bakery, Example")
    house.stripe.pays("ch_B", "cus_B")
    assert house.run().exit != 0
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    crm.execute("ROLLBACK")
    crm.close()
    house.clock += timedelta(hours=7)
    house.run()
    assert house.contacts() == [contact("cus_A")]
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_A")}
    said(house, capsys, "split", "stripe:cus_B")
    assert house.run().exit == 0
    assert house.paid_by() == {"ch_A": contact("cus_A"), "ch_B": contact("cus_B")}


def test_a_run_that_is_killed_after_a_merge_is_made_up_for(store_url: str, tmp_path: Path, capsys: Capsys) -> None:
    house = House(store_url, tmp_path / "home")
    house.stripe.customer("cus_A", name="Example Bakery")
    house.stripe.customer("cus_B", name="Bakery, Example")
    house.stripe.pays("ch_B", "cus_B")
    house.run()
    wanted, other = contact("cus_A"), contact("cus_B")
    for at in range(1, 99):
        verb = ("split", "stripe:cus_B") if at % 2 == 0 else ("merge", "stripe:cus_A", "stripe:cus_B")
        said(house, capsys, *verb)
        killed = [house.killed_run(at, committed=committed) for committed in (False, True)]
        assert house.run().exit == 0
        assert house.paid_by() == {"ch_B": other if at % 2 == 0 else wanted}
        if not any(killed):
            break
    assert at > 8
    assert house.contacts() == [wanted, other]


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_merged_and_split_each_payment_points_to_the_contact_of_its_customer(
    seed: int, tmp_path: Path, capsys: Capsys
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a game, no secret
    house = House(str(tmp_path / "state.sqlite"), tmp_path / "home")
    everybody = [("stripe", "1"), ("stripe", "2"), ("shop", "1"), ("shop", "3")]
    gateways = {"stripe": house.stripe, "shop": house.shop}
    for source, id in everybody:
        gateways[source].customer(id, name=f"{source} {id}")
        gateways[source].pays(f"ch_{source}_{id}", id)
    house.run()
    group = {name: {name} for name in everybody}
    since: dict[tuple[str, str], int] = {}
    for step in range(20):
        one, other = chance.sample(everybody, 2)
        if chance.random() < 0.5:
            said(house, capsys, "merge", ":".join(one), ":".join(other))
            for name in (one, other):
                if len(group[one] | group[other]) > len(group[one]):
                    since.setdefault(name, len(since))
            together = group[one] | group[other]
            group |= dict.fromkeys(together, together)
        else:
            said(house, capsys, "split", ":".join(one))
            rest = group[one] - {one}
            group |= {one: {one}, **dict.fromkeys(rest, rest)}
        if chance.random() < 0.7:
            source, id = chance.choice(everybody)
            gateways[source].pays(f"ch_{source}_{id}", id, name=f"{step}")
            gateways[source].customer(id, name=f"{source} {id} {step}")
            house.run()
            firsts = {name: min(group[name], key=lambda one: since.get(one, 0)) for name in everybody}
            assert house.paid_by() == {f"ch_{s}_{i}": contact(firsts[s, i][1], firsts[s, i][0]) for s, i in everybody}
            assert len(house.contacts()) == len(everybody)
            sent = house.run()
            assert not sent.counts.get("crm: delivered")


def test_a_decision_is_made_whole_or_not_at_all(house: House, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Store, "audit", killed)
        with pytest.raises(Killed):
            main_raising(house, "merge", "stripe:cus_A", "stripe:cus_B")
    with house.store() as store:
        assert not store.has_customers()
        assert store.dirty(10) == []
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B")
    with house.store() as store:
        dirty = {(one.scope, one.name) for one in store.dirty(10)}
        assert dirty == {("stripe", f"{kind}:{id}") for kind, id in [("customer", "cus_A"), ("payment", "ch_A")]} | {
            ("stripe", f"{kind}:{id}") for kind, id in [("customer", "cus_B"), ("payment", "ch_B")]
        }


def main_raising(house: House, *words: str) -> None:
    from syncjob.cli import syncjob

    syncjob.main(["customers", *words, "--home", str(house.home)], standalone_mode=False)


def test_each_decision_is_written_down_with_who_and_why_and_once(house: House, capsys: Capsys) -> None:
    said(house, capsys, "merge", "stripe:cus_A", "stripe:cus_B", "--reason", "same VAT number")
    assert "nothing to do" in said(house, capsys, "merge", "stripe:cus_B", "stripe:cus_A")
    said(house, capsys, "split", "stripe:cus_B")
    assert "nothing to do" in said(house, capsys, "split", "stripe:cus_B")
    assert "nothing to do" in said(house, capsys, "split", "stripe:cus_A")
    with house.store() as store:
        lines = [(line.what, line.detail["names"], line.detail["reason"]) for line in store.audit_log()]
        assert all(line.who for line in store.audit_log())
    assert lines == [
        ("customers merge", ["stripe:cus_A", "stripe:cus_B"], "same VAT number"),
        ("customers split", ["stripe:cus_B"], ""),
    ]
    shown = said(house, capsys, "show", "stripe:cus_B")
    assert "stripe:cus_B stands alone: a person split it off." in shown
    assert "customers merge stripe:cus_A stripe:cus_B (same VAT number)" in shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("merge", "stripe:cus_a", "stripe:cus_B"), "'cus_a' is no customer of stripe; is stripe:cus_A or stripe:cus_B meant?"),
        (("merge", "stripe:cus_A", "shop:cus_B"), "'cus_B' is no customer of shop; is shop:cus_C meant?"),
        (("merge", "cus_A", "cus_B"), "'cus_A' does not say whose id it is; write it as stripe:ID"),
        (("merge", "stripe:cus_A", "crm:x"), "'crm' is not a gateway account of syncjob.yaml"),
        (("link", "stripe:cus_A", "shop:cus_C"), "'shop' is not books or a CRM of syncjob.yaml"),
        (("link", "stripe:cus_A", "books:Exampel Bakery"), "stands on no invoice of books; is books:Example Bakery meant?"),
        (("link", "stripe:cus_A", "crm:C-101"), "'C-101' is no contact of crm; is crm:C-1001 meant?"),
        (("link", "stripe:cus_A", "crm:crm:stripe:cus_B:contact"), "syncjob customers merge CUSTOMER stripe:cus_B"),
        (("split", "stripe:nobody"), "'nobody' is no customer of stripe; look its id up there"),
        (("show", "stripe:nobody"), "'nobody' is no customer of stripe"),
    ],
)
def test_what_nobody_knows_is_refused_with_what_may_be_meant(
    house: House, capsys: Capsys, words: tuple[str, ...], why: str
) -> None:
    house.by_hand("C-1001", name="Example Bakery")
    house.books.invoices.append(invoice("INV-1", customer="Example Bakery"))
    house.run()
    assert why in said(house, capsys, *words, exit=EXIT_CONFIGURATION)
    assert house.names() == []

"""What people decided again and again is offered as a rule, tried on the past first."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from customer_house import House, People
from stories import invoice

from syncjob.cli import main
from syncjob.cli import matches as verbs
from syncjob.errors import EXIT_OK
from syncjob.jobs.learning import Lesson, lessons
from syncjob.jobs.matches import accept, payment_of

MAPS = {"stripe": People(), "shop": People()}


@pytest.fixture
def house(fresh_url: Callable[[], str], tmp_path: Path) -> House:
    """Somebody pays who has another e-mail address on the invoices, so no rule knows them."""
    house = House(fresh_url(), tmp_path / "home")
    house.stripe.customer("cus_A", email="owner@example.com")
    for number, minor in enumerate((48_25, 60_00, 71_10, 12_00), 1):
        house.books.invoices.append(invoice(f"INV-{number}", minor, email="bakery@example.com"))
        house.stripe.pays(f"ch_{number}", "cus_A", minor)
    house.run(nightly=True)
    return house


def decide(house: House, *pairs: tuple[str, str]) -> None:
    with house.store() as store:
        for id, number in pairs:
            subject, one = payment_of(store, MAPS, id)  # type: ignore[arg-type]
            accept(store, subject, one, [(number, None)], "somebody", house.clock)
    house.clock += timedelta(hours=1)
    house.run()


def learned(house: House) -> list[Lesson]:
    with house.store() as store:
        return lessons(store, MAPS, ["books"])  # type: ignore[arg-type]


def test_two_decisions_offer_a_link_with_what_it_would_have_done(house: House) -> None:
    assert learned(house) == []
    decide(house, ("ch_1", "INV-1"), ("ch_2", "INV-2"))
    (one,) = learned(house)
    assert (one.gateway, one.books) == (("stripe", "cus_A"), ("books", "Example Bakery"))
    assert (one.decided, one.alike, one.otherwise, one.more) == (2, 2, 0, 2)


def test_the_trial_says_what_would_have_been_matched_otherwise(house: House) -> None:
    house.stripe.pays("ch_5", "cus_A", 77_00)
    house.books.invoices += [invoice("INV-5", 77_00), invoice("INV-6", 90_00)]
    house.clock += timedelta(hours=1)
    house.run()
    decide(house, ("ch_1", "INV-1"), ("ch_5", "INV-6"))
    (one,) = learned(house)
    assert (one.decided, one.alike, one.otherwise) == (2, 1, 1)


def test_decisions_for_two_customers_of_the_books_say_nothing(house: House) -> None:
    house.books.invoices.append(invoice("INV-9", 12_00, customer="Sample Studio", email="studio@example.com"))
    house.clock += timedelta(hours=1)
    house.run()
    decide(house, ("ch_1", "INV-1"), ("ch_4", "INV-9"))
    assert learned(house) == []


def test_once_linked_it_is_offered_no_more_and_the_rest_is_matched(
    house: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(house, ("ch_1", "INV-1"))
    monkeypatch.setattr(verbs, "_maps", lambda _: MAPS)
    capsys.readouterr()
    assert main(["matches", "rules", "--home", str(house.home)]) == EXIT_OK
    assert capsys.readouterr().out == (
        "stripe:cus_A is Example Bakery of books: 1 decision says so.\n"
        "    Tried on the past: 1 of 1 would be matched alike, 0 otherwise, 3 more as well.\n"
        "    syncjob customers link stripe:cus_A 'books:Example Bakery'\n"
    )
    assert main(["matches", "rules", "--json", "--home", str(house.home)]) == EXIT_OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["books"], row["more"]) == ("books:Example Bakery", 3)
    assert main(["customers", "link", "stripe:cus_A", "books:Example Bakery", "--home", str(house.home)]) == EXIT_OK
    house.clock += timedelta(hours=1)
    house.run()
    capsys.readouterr()
    assert main(["matches", "rules", "--home", str(house.home)]) == EXIT_OK
    assert capsys.readouterr().out == "No decision says anything that the rules do not know.\n"
    with house.store() as store:
        stories = store.stories(list(store.all_subjects()))
    rules = {one.movement: one.rule for story in stories for one in story.applications}
    assert list(rules.values()).count("customer and amount") == 3

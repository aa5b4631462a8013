"""A thousand payments and more whose purpose is known: what matching says is never wrong, and how often it is silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from customer_house import START, House
from labelled import KINDS, Case, cases
from stories import invoice, shares

from syncjob.model import Application

OF_EACH = 45
AT = int((START + timedelta(hours=1)).timestamp()) * 1_000_000  # 2026-10-06, 01:00 UTC


def laid_down(house: House, found: list[Case]) -> dict[str, tuple[str, tuple[tuple[str, int], ...] | None]]:
    """Put the cases into gateway and books; gives by payment the kind and the truth."""
    truth = {}
    number = 0
    for place, case in enumerate(found):
        who, address = f"cus_{place}", f"{place}@example.com"
        house.stripe.customer(who, email=address, name=f"Example {place}")
        for bill in case.bills:
            name, mail = (f"Example {place}", address) if bill.theirs else (f"Somebody {place}", f"other{place}@example.com")
            house.books.invoices.append(
                invoice(bill.number, bill.minor, currency=bill.currency, issued=bill.issued, customer=name, email=mail)
            )
        for one in case.payments:
            number += 1
            id = f"ch_{number:05}"
            house.stripe.pays(id, who, one.minor, currency=one.currency, created=AT, email=address, **one.said)
            truth[id] = case.kind, one.truth
    return truth


def said(house: House) -> dict[str, Application]:
    """By payment, what it is for in the end."""
    found: dict[str, Application] = {}
    with house.store() as store:
        for story in store.stories(list(store.all_subjects())):
            found |= {one.movement.removeprefix("stripe:txn_"): one for one in story.applications}
    return found


def test_no_match_is_false_and_most_are_found(fresh_url: Callable[[], str], tmp_path: Path) -> None:
    """A twin that nobody could decide is never matched; what can be known is known, by kind, so that a loss shows where."""
    house = House(fresh_url(), tmp_path / "home")
    found = list(cases(7, OF_EACH))
    assert len(found) == OF_EACH * len(KINDS) >= 1000
    truth = laid_down(house, found)
    house.run(nightly=True)
    told = said(house)
    false, right, of = [], Counter[str](), Counter[str]()
    for id, (kind, meant) in truth.items():
        applied = sorted(shares(told[id]))
        if meant is not None:
            of[kind] += 1
            right[kind] += applied == sorted(meant)
        if any(number for number, _ in applied) and applied != sorted(meant or ()):
            false.append((id, kind, applied))
    assert false == []
    assert {kind: f"{right[kind]} of {of[kind]}" for kind in of} == {kind: f"{of[kind]} of {of[kind]}" for kind in of}
    house.run(nightly=True)
    assert said(house) == told  # a second night sees nothing otherwise

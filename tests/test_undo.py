"""Undoing a run or a document: void in open periods, taken back by a journal entry in closed ones, and sent again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from customer_house import House as Customers
from house import DoomedStore, Killed
from stories import invoice

from syncjob.errors import EXIT_CONFIGURATION, EXIT_HELD, EXIT_OK, EXIT_TRANSIENT, Misconfigured
from syncjob.jobs import undoing
from syncjob.jobs.undoing import Outcome, Undo, Wish
from syncjob.model import Delivery, Status
from syncjob.plan.undoing import Way
from syncjob.ports import Lock, TargetClass


@pytest.fixture
def house(fresh_url: Callable[[], str], tmp_path: Path) -> Customers:
    """Two payments, one of them for an invoice, in books and CRM."""
    house = Customers(fresh_url(), tmp_path / "home")
    house.books.invoices = [invoice("INV-1", 48_25)]
    house.stripe.customer("cus_A", name="Example Bakery")
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"])
    house.stripe.pays("ch_2", "cus_A", 20_00)
    assert house.run().exit == EXIT_OK
    return house


def number(house: Customers) -> int:
    """The number of the latest run."""
    with house.store() as store:
        return store.runs(1)[0].id


def planned(house: Customers, wish: Wish) -> Undo:
    with house.job() as job:
        return undoing.planned(job, job.sinks, wish)


def undo(house: Customers, wish: Wish, target: str = "") -> Outcome:
    house.clock += timedelta(minutes=5)
    with house.job() as job:
        sinks = [one for one in job.sinks if target in ("", one.name)]
        return undoing.undo(job, sinks, wish, undoing.planned(job, sinks, wish), "somebody")


def redo(house: Customers, wish: Wish) -> list[str]:
    with house.job() as job:
        return [one.key for _, one in undoing.redo(job, job.sinks, wish, "somebody")]


def ways(plan: Undo) -> dict[str, str]:
    return {one.delivery.key: one.way.value for steps in plan.steps.values() for one in steps}


def document(house: Customers, key: str) -> Delivery:
    with house.store() as store:
        return store.lookup(key.partition(":")[0], [key])[key]


RECEIPT = "books:stripe:txn_ch_1:receipt"


# ---------------------------------------------------------------- a run


def test_a_run_is_undone_in_books_and_crm_and_people_stay(house: Customers) -> None:
    run = number(house)
    before = house.books.truth()
    plan = planned(house, Wish(run))
    assert {way for key, way in ways(plan).items() if key.endswith(":contact")} == {"left as it is"}
    assert {way for key, way in ways(plan).items() if not key.endswith(":contact")} == {"void"}
    outcome = undo(house, Wish(run))
    assert (outcome.exit, outcome.left) == (EXIT_OK, ())
    assert house.books.truth() == []
    assert house.rows("SELECT count(*) FROM payments WHERE void = 0") == [(0,)]
    assert house.contacts() == ["crm:stripe:cus_A:contact"]
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"], about="told anew")
    house.run(nightly=True)
    assert house.books.truth() == []  # no run brings back what a person undid
    redone = redo(house, Wish(run))
    assert RECEIPT in redone
    assert house.run(nightly=True).exit == EXIT_OK
    assert [key for key, _ in house.books.truth()] == [key for key, _ in before]
    assert "told anew" in dict(house.books.truth())[RECEIPT]  # as it is told today
    assert house.rows("SELECT count(*) FROM payments WHERE void = 0") == [(2,)]
    assert redo(house, Wish(run)) == []
    assert planned(house, Wish(run)).is_empty  # what stands there now was brought by another run
    assert {one.why for one in planned(house, Wish(run)).steps["books"]} == {f"run {number(house)} brought it anew"}
    assert undo(house, Wish(number(house))).exit == EXIT_OK
    assert house.books.truth() == []


def test_what_has_not_reached_its_target_is_left(house: Customers) -> None:
    house.books.script = ["refuse"]
    house.stripe.pays("ch_3", "cus_A", 30_00)
    house.run()
    (step,) = planned(house, Wish(keys=("books:stripe:txn_ch_3:receipt",))).steps["books"]
    assert (step.way, step.why) == (Way.LEFT, "it has not reached books yet")


def test_what_was_undone_is_named_by_night_and_both_legs_tie(house: Customers) -> None:
    undo(house, Wish(number(house)), "books")
    report = house.run(nightly=True)
    assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)
    with house.store() as store:
        lacking = store.undoing.lacking("books")
        assert {one.document for one in lacking} == {key for key, _, _ in _entries_of(house)}
        assert store.balances("stripe", None) != {}  # the sub-ledger goes with the gateway


def _entries_of(house: Customers) -> list[tuple[str, str, str]]:
    with house.store() as store:
        stories = store.stories([*store.search("ch_1"), *store.search("ch_2")])
    return [(document, target, entry) for one in stories for (target, entry), document in one.posted.items()]


def test_what_a_run_only_changed_stays_as_it_is(house: Customers) -> None:
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"], about="told better")
    assert house.run().exit == EXIT_OK
    plan = planned(house, Wish(number(house)))
    steps = {one.delivery.key: one for steps in plan.steps.values() for one in steps}
    changed = [one for key, one in steps.items() if key.startswith("crm:stripe:ch_1") or key == RECEIPT]
    assert changed
    assert {one.way for one in changed} == {Way.LEFT}
    assert all("brought it; this run only changed it" in one.why for one in changed)
    assert plan.is_empty


def test_a_run_that_is_not_known_and_a_document_that_is_not_known(house: Customers) -> None:
    with pytest.raises(Misconfigured, match=r"there was no run 99; the last one is \d+: syncjob undo lists them"):
        planned(house, Wish(99))
    with pytest.raises(Misconfigured, match=r"no document is called 'books:nothing'; syncjob show ID names"):
        planned(house, Wish(keys=("books:nothing",)))


def test_where_things_changed_since_the_plan_was_shown_nothing_is_done(house: Customers) -> None:
    seen = planned(house, Wish(keys=(RECEIPT,)))
    house.books.closed = [Lock(date(2026, 10, 31))]
    before = house.books.truth()
    with house.job() as job, pytest.raises(Misconfigured, match="stands otherwise than when the plan was shown"):
        undoing.undo(job, job.sinks, Wish(keys=(RECEIPT,)), seen, "somebody")
    assert house.books.truth() == before
    with house.store() as store:
        assert (store.runs(1)[0].kind, store.runs(1)[0].exit) == ("undo", EXIT_CONFIGURATION)  # not taken for a killed one


# ---------------------------------------------------------------- what stands on another


@pytest.fixture
def applied(fresh_url: Callable[[], str], tmp_path: Path) -> Customers:
    """A payment that came before its invoice, and its application, by two runs."""
    house = Customers(fresh_url(), tmp_path / "home")
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"])
    house.run()
    house.books.invoices = [invoice("INV-1", 48_25)]
    assert house.run().exit == EXIT_OK
    assert sorted(key.rpartition(":")[2] for key, _ in house.books.truth() if ":application" not in key) == ["receipt"]
    return house


def test_what_stands_on_a_document_goes_before_it(applied: Customers) -> None:
    plan = planned(applied, Wish(keys=(RECEIPT,)))
    keys = [one.delivery.key for one in plan.steps["books"]]
    assert len(keys) == 2
    assert ":application" in keys[0]
    assert keys[1] == RECEIPT
    sent = len(applied.books.sent)
    assert undo(applied, Wish(keys=(RECEIPT,)), "books").exit == EXIT_OK
    requests = [applied.books.bytes_of[key].decode() for key in applied.books.sent[sent:]]
    assert [":application" in text for text in requests] == [True, False]  # two requests, in this order
    assert applied.books.truth() == []


def test_what_stands_on_it_stays_so_it_stays(applied: Customers) -> None:
    application = next(key for key, _ in applied.books.truth() if ":application" in key)
    with applied.job() as job:
        sinks = [one for one in job.sinks if one.ledger.books]
        job.sinks[0].target.final = lambda keys: {application: "filed"}  # type: ignore[attr-defined]
        plan = undoing.planned(job, sinks, Wish(keys=(RECEIPT,)))
        first, second = plan.steps["books"]
        assert (first.way, first.why) == (Way.REFUSED, "books says that it is filed")
        assert (second.way, second.why) == (Way.REFUSED, f"{application} stands on it and stays")
        assert plan.is_empty


def test_an_application_is_undone_alone_and_sent_again_with_what_it_stands_on(applied: Customers) -> None:
    application = next(key for key, _ in applied.books.truth() if ":application" in key)
    before = applied.books.truth()
    assert undo(applied, Wish(keys=(application,)), "books").exit == EXIT_OK
    assert [key for key, _ in applied.books.truth()] == [RECEIPT]
    assert undo(applied, Wish(keys=(RECEIPT,)), "books").exit == EXIT_OK
    assert redo(applied, Wish(keys=(application,))) == [application, RECEIPT]
    assert applied.run(nightly=True).exit == EXIT_OK
    assert applied.books.truth() == before


def test_what_newly_stands_on_an_undone_document_waits_for_a_person(fresh_url: Callable[[], str], tmp_path: Path) -> None:
    house = Customers(fresh_url(), tmp_path / "home")
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"])
    house.run()
    undo(house, Wish(keys=(RECEIPT,)), "books")
    house.books.invoices = [invoice("INV-1", 48_25)]
    report = house.run(nightly=True)
    assert report.exit == EXIT_HELD  # it does not go on by itself
    assert house.books.truth() == []
    redo(house, Wish(keys=(RECEIPT,)))
    assert house.run(nightly=True).exit == EXIT_OK
    assert len(house.books.truth()) == 2


def test_what_waits_for_nothing_undone_goes_on_by_itself(house: Customers) -> None:
    undo(house, Wish(keys=(RECEIPT,)), "books")
    house.stripe.pays("ch_3", "cus_A", 30_00)
    house.books.script = ["later"]
    assert house.run().exit == EXIT_TRANSIENT
    house.clock += timedelta(hours=1)
    assert house.run().exit == EXIT_OK


# ---------------------------------------------------------------- closed periods


CLOSED = Lock(date(2026, 10, 9))


def test_in_a_closed_period_a_journal_entry_of_the_first_open_day_takes_it_back(house: Customers) -> None:
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.run()
    house.books.closed = [CLOSED]
    before = house.books.truth()
    plan = planned(house, Wish(keys=(RECEIPT,)))
    assert ways(plan) == {RECEIPT: "reverse"}
    assert plan.steps["books"][0].day == date(2026, 10, 10)
    assert undo(house, Wish(keys=(RECEIPT,)), "books").exit == EXIT_OK
    new = dict(row for row in house.books.truth() if row not in before)
    assert list(new) == [f"{RECEIPT}:reversal"]
    assert set(before) < set(house.books.truth())
    back = document(house, f"{RECEIPT}:reversal")
    was = document(house, RECEIPT)
    assert back.body["date"] == "2026-10-10"
    assert [(p["account"], p["amount"]) for p in back.body["postings"]] == [  # type: ignore[index, union-attr, call-overload]
        (p["account"], p["amount"][1:] if p["amount"][0] == "-" else f"-{p['amount']}") for p in was.body["postings"]  # type: ignore[index, union-attr, call-overload]
    ]
    with house.store() as store:
        assert {(one.document, one.by, one.day) for one in store.undoing.lacking("books")} == {
            (RECEIPT, f"{RECEIPT}:reversal", date(2026, 10, 10))
        }
    report = house.run(nightly=True)
    assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)
    assert ways(planned(house, Wish(keys=(RECEIPT,)))) == {RECEIPT: "undone already"}


def test_what_was_taken_back_stands_again_once_that_is_void_and_can_be_taken_back_anew(house: Customers) -> None:
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.books.closed = [CLOSED]
    before = house.books.truth()
    for _ in range(2):
        undo(house, Wish(keys=(RECEIPT,)), "books")
        assert len(house.books.truth()) == len(before) + 1
        assert redo(house, Wish(keys=(RECEIPT,))) == [f"{RECEIPT}:reversal"]
        assert house.run(nightly=True).exit == EXIT_OK
        assert house.books.truth() == before
        with house.store() as store:
            assert store.undoing.lacking("books") == []


def test_what_was_taken_back_keeps_its_texts_also_once_its_period_is_open(house: Customers) -> None:
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.books.closed = [CLOSED]
    undo(house, Wish(keys=(RECEIPT,)), "books")
    before = house.books.truth()
    house.books.closed = []
    house.stripe.pays("ch_1", "cus_A", names=["INV-1"], name="Another Name")
    assert house.run(nightly=True).exit == EXIT_OK
    assert house.books.truth() == before


def test_books_without_journal_entries_refuse_it(house: Customers, monkeypatch: pytest.MonkeyPatch) -> None:
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.books.closed = [CLOSED]
    with house.job() as job:
        from dataclasses import replace

        sink = replace(job.sinks[0], ledger=replace(job.sinks[0].ledger, kinds=frozenset()))
        plan = undoing.planned(replace(job, sinks=(sink,)), [sink], Wish(keys=(RECEIPT,)))
    (step,) = plan.steps["books"]
    assert (step.way, step.cure) == (Way.REFUSED, "open the period, then undo it")
    assert step.why == "2026-10-06 lies in a period closed through 2026-10-09, and books takes no journal entry for it"


def test_what_takes_another_back_and_is_closed_by_now_is_refused(house: Customers) -> None:
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.books.closed = [CLOSED]
    undo(house, Wish(keys=(RECEIPT,)), "books")
    house.books.closed = [Lock(date(2026, 10, 31))]
    (step,) = planned(house, Wish(keys=(f"{RECEIPT}:reversal",))).steps["books"]
    assert (step.way, step.why) == (
        Way.REFUSED,
        "2026-10-10 lies in a period closed through 2026-10-31, and it takes back another itself",
    )


def test_a_lock_that_moves_under_an_undo_lets_nothing_through(house: Customers) -> None:
    """The books are asked once more just before anything is sent."""
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    asked: list[int] = []
    open_locks = house.books.locks

    def locks() -> list[Lock]:
        asked.append(1)
        return [CLOSED] if len(asked) > 3 else open_locks()

    house.books.locks = locks  # type: ignore[method-assign]
    before = house.books.truth()
    outcome = undo(house, Wish(keys=(RECEIPT,)), "books")
    assert (outcome.exit, outcome.done) == (EXIT_HELD, 0)
    assert house.books.truth() == before
    ((_, held),) = outcome.left
    assert held.problem is not None
    assert held.problem.why == "2026-10-06 lies in a period that the books have closed, through 2026-10-09"
    # the undo is given up: it stands as it stood
    assert redo(house, Wish(keys=(RECEIPT,))) == [RECEIPT]
    assert document(house, RECEIPT).status is Status.DELIVERED
    assert house.run(nightly=True).exit == EXIT_OK


# ---------------------------------------------------------------- interrupted, unknown, refused


@pytest.mark.parametrize("grade", [TargetClass.A, TargetClass.B, TargetClass.C])
@pytest.mark.parametrize("misfortune", ["silence after write", "silence before write", "later"])
def test_silence_is_settled_before_anything_else(
    grade: TargetClass, misfortune: str, fresh_url: Callable[[], str], tmp_path: Path
) -> None:
    house = Customers(fresh_url(), tmp_path / "home")
    house.books.grade = grade
    house.stripe.pays("ch_1", "cus_A")
    house.run()
    before = house.books.truth()
    house.books.script = [misfortune]
    assert undo(house, Wish(number(house)), "books").exit != EXIT_OK
    for _ in range(4):
        house.clock += timedelta(days=2)
        house.run()
    assert house.books.truth() == []
    assert document(house, RECEIPT).is_undone
    voids = {key for key in house.books.sent if b'"action":"void"' in house.books.bytes_of[key]}
    # Where nothing arrived, and it is too late to send the same again, a search says so and another request goes out.
    assert len(voids) == (2 if grade is not TargetClass.A and misfortune == "silence before write" else 1)
    redo(house, Wish(keys=(RECEIPT,)))
    assert house.run().exit == EXIT_OK
    assert house.books.truth() == before


@pytest.mark.parametrize("closed", [False, True])
def test_an_undo_in_doubt_is_never_sent_anew_by_giving_it_again(
    closed: bool, fresh_url: Callable[[], str], tmp_path: Path
) -> None:
    """Books that cannot be asked: a person looks there and decides."""
    house = Customers(fresh_url(), tmp_path / "home")
    house.stripe.pays("ch_1", "cus_A")
    house.run()
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    house.run()
    house.books.grade = TargetClass.D
    house.books.closed = [CLOSED] if closed else []
    house.books.script = ["silence after write"]
    assert undo(house, Wish(keys=(RECEIPT,)), "books").exit == EXIT_HELD
    sent = list(house.books.sent)
    for _ in range(3):
        assert undo(house, Wish(keys=(RECEIPT,)), "books").exit == EXIT_HELD
        house.run()
    assert house.books.sent == sent
    assert len([key for key, _ in house.books.truth()]) == (2 if closed else 0)
    with house.store() as store:
        (held,) = store.held("books")
    assert held.problem is not None
    assert "it may or may not have arrived, and this target cannot be asked" in held.problem.why


def test_an_undo_that_was_killed_goes_on_with_the_next_run(fresh_url: Callable[[], str], tmp_path: Path) -> None:
    at = 0
    while True:
        at += 1
        house = Customers(fresh_url(), tmp_path / f"home{at}")
        house.stripe.pays("ch_1", "cus_A")
        house.stripe.pays("ch_2", "cus_A", 20_00)
        house.stripe.pays("ch_3", "cus_A", 30_00)
        house.run()
        run = number(house)
        killed = False
        house.clock += timedelta(minutes=5)
        with house.job(lambda store: DoomedStore(store, at, committed=at % 2 == 0)) as job:  # noqa: B023
            sinks = [one for one in job.sinks if one.ledger.books]
            try:
                undoing.undo(job, sinks, Wish(run), undoing.planned(job, sinks, Wish(run)), "somebody")
            except Killed:
                killed = True
        with house.store() as store:
            begun = any(one.what == "undo" for one in store.audit_log())
        for _ in range(3):
            house.run()
        assert len(house.books.truth()) == (0 if begun else 3), at
        if not killed:
            assert at > 5
            return
        assert undo(house, Wish(run), "books").exit == EXIT_OK
        assert house.books.truth() == []


def test_a_refused_undo_waits_for_a_person_and_is_tried_anew(house: Customers) -> None:
    house.books.script = ["refuse"]
    outcome = undo(house, Wish(keys=(RECEIPT,)), "books")
    assert (outcome.exit, outcome.done) == (EXIT_HELD, 0)
    assert document(house, RECEIPT).status is Status.HELD
    report = house.run(nightly=True)
    assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)  # it stands, and it counts
    assert undo(house, Wish(keys=(RECEIPT,)), "books").exit == EXIT_OK
    assert RECEIPT not in dict(house.books.truth())

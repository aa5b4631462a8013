"""Closed periods: what falls into one waits, goes to the first open day, or asks a person; nothing is written into one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from customer_house import House
from simulated import House as Simulated
from stories import invoice
from test_demo import ask, served

from syncjob import config
from syncjob.cli import main
from syncjob.errors import EXIT_CONFIGURATION, EXIT_HELD, EXIT_OK
from syncjob.jobs import approving
from syncjob.model import Entry, Refusal, Status
from syncjob.plan.locking import Late
from syncjob.ports import Lock
from syncjob.store import Store, Subject

PAID = date(2026, 10, 6)  # the day on which everything is paid here, unless a story says otherwise
LOCK = Lock(PAID + timedelta(days=3))  # closed through the 9th
OPEN_DAY = date(2026, 10, 10)


@dataclass
class Strict:
    """Books that do not refuse what falls into a closed period: the test fails instead."""

    house: House

    def install(self) -> None:
        """Look at every request before the books carry it out."""
        carry_out = self.house.books._do

        def looked_at(call: Any) -> Any:
            for row in json.loads(call.request):
                day = date.fromisoformat(row["body"]["date"])
                assert not any(day <= lock.through for lock in self.house.books.closed), f"{row['key']} of {day}"
            return carry_out(call)

        self.house.books._do = looked_at  # type: ignore[method-assign]


@pytest.fixture
def house(fresh_url: Callable[[], str], tmp_path: Path) -> House:
    house = House(fresh_url(), tmp_path / "home")
    Strict(house).install()
    house.run(nightly=True)
    house.clock = datetime(2026, 10, 12, 8, tzinfo=UTC)
    return house


def late(house: House, id: str = "ch_1", minor: int = 48_25) -> None:
    """A payment of the closed period comes to light."""
    house.stripe.pays(id, "cus_A", minor, created=int(datetime(2026, 10, 6, 12, tzinfo=UTC).timestamp()) * 1_000_000)


def posted(house: House) -> list[Entry]:
    with house.store() as store:
        stories = store.stories(store.search("ch_1"))
    return [entry for story in stories for entry in story.entries]


def dated(house: House) -> dict[str, str]:
    """Document -> its day, as the books hold it."""
    return {key.rpartition(":")[0].rpartition("_")[2]: json.loads(body)["date"] for key, body in house.books.truth()}


# ---------------------------------------------------------------- hold


def test_what_falls_into_a_closed_period_waits_and_goes_by_itself_once_that_is_open(house: House) -> None:
    house.books.closed = [LOCK]
    late(house)
    assert house.run().exit == EXIT_HELD
    with house.store() as store:
        (held,) = store.held("books")
    assert held.problem is not None
    assert held.problem.why == "2026-10-06 lies in a period that the books have closed, through 2026-10-09"
    assert held.problem.cure == "open the period there, and the next run sends it by itself"
    assert {entry.date for entry in posted(house)} == {PAID}  # the sub-ledger goes with the gateway
    assert dated(house) == {}
    house.run()
    assert dated(house) == {}
    house.books.closed = []
    house.clock += timedelta(hours=1)
    assert house.run().exit == EXIT_OK
    assert dated(house) == {"1": "2026-10-06"}
    with house.store() as store:
        (sent,) = store.lookup("books", [held.key]).values()
    assert (sent.status, sent.generation) == (Status.DELIVERED, 1)


def test_by_night_a_waiting_document_explains_the_difference(house: House) -> None:
    house.books.closed = [LOCK]
    late(house)
    report = house.run(nightly=True)
    assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)


def test_what_stands_in_a_closed_period_keeps_its_texts(house: House) -> None:
    late(house)
    house.run()
    before = house.books.truth()
    house.books.closed = [LOCK]
    house.stripe.pays("ch_1", "cus_A", about="Said otherwise", name="Another name")
    house.clock += timedelta(hours=1)
    assert house.run().exit == EXIT_OK
    assert house.books.truth() == before


# ---------------------------------------------------------------- the first open day


def test_on_the_first_open_day_with_books_and_sub_ledger_on_the_same_one(house: House) -> None:
    house.late, house.books.closed = Late.NEXT_OPEN_DAY, [LOCK]
    late(house)
    assert house.run(nightly=True).exit == EXIT_OK
    assert {entry.date for entry in posted(house)} == {OPEN_DAY}
    assert {entry.effective.date() for entry in posted(house)} == {PAID}
    assert dated(house) == {"1": "2026-10-10"}
    report = house.run(nightly=True)
    assert (report.exit, [leg.difference.minor for leg in report.legs]) == (EXIT_OK, [0] * len(report.legs))


def test_what_was_posted_keeps_its_day_when_the_books_open_it_again(house: House) -> None:
    house.late, house.books.closed = Late.NEXT_OPEN_DAY, [LOCK]
    late(house)
    house.run()
    house.books.closed = []
    house.stripe.pays("ch_1", "cus_A", name="Said anew")
    house.clock += timedelta(hours=1)
    assert house.run(nightly=True).exit == EXIT_OK
    assert {entry.date for entry in posted(house)} == {OPEN_DAY}
    assert dated(house) == {"1": "2026-10-10"}


def test_a_late_match_of_a_closed_period_is_applied_on_the_first_open_day(house: House) -> None:
    house.late = Late.NEXT_OPEN_DAY
    house.stripe.pays(
        "ch_1", "cus_A", names=["INV-1"], created=int(datetime(2026, 10, 6, 12, tzinfo=UTC).timestamp()) * 1_000_000
    )
    house.run()
    house.books.closed = [LOCK]
    house.books.invoices.append(invoice("INV-1", 48_25))
    house.clock += timedelta(hours=1)
    house.run()
    applied = {entry.key.rpartition("txn_")[2]: entry.date for entry in posted(house)}
    assert applied == {
        "ch_1": PAID, "ch_1:application:1": PAID, "ch_1:application:1:undo": OPEN_DAY, "ch_1:application:2": OPEN_DAY,
    }  # fmt: skip
    assert sorted(json.loads(body)["date"] for _, body in house.books.truth()) == ["2026-10-06", "2026-10-10"]


# ---------------------------------------------------------------- approval


def refused(house: House) -> list[tuple[Subject, Refusal]]:
    with house.store() as store:
        return approving.waiting(store)


def test_it_is_held_with_its_price_until_a_person_approves(house: House) -> None:
    house.late, house.books.closed = Late.APPROVAL, [LOCK]
    late(house)
    assert house.run().exit == EXIT_HELD
    ((subject, one),) = refused(house)
    assert (str(one.net), one.problem.cure) == ("48.25 EUR", "syncjob held approve txn_ch_1 posts it on 2026-10-10")
    assert posted(house) == []
    with house.store() as store:
        approving.approve(store, [(subject, one)], "somebody", house.clock)
        assert [(line.who, line.what) for line in store.audit_log() if "approve" in line.what] == [("somebody", "held approve")]
    assert refused(house) == []
    house.clock += timedelta(hours=1)
    assert house.run(nightly=True).exit == EXIT_OK
    assert {entry.date for entry in posted(house)} == {OPEN_DAY}
    assert dated(house) == {"1": "2026-10-10"}


# ---------------------------------------------------------------- locks that move


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("policy", list(Late))
def test_however_the_lock_moves_during_a_run_nothing_is_written_into_it(
    policy: Late, seed: int, tmp_path: Path
) -> None:
    """Each time that the books are asked, somebody may have closed more, or opened it again; Strict looks at each request."""
    house, dice = House(str(tmp_path / "state.sqlite"), tmp_path / "home"), random.Random(seed)  # noqa: S311
    Strict(house).install()
    house.late, house.books.batch = policy, 2

    def moved() -> list[Lock]:
        if dice.random() < 0.6:
            house.books.closed = [Lock(PAID + timedelta(days=dice.randrange(-3, 12)))]
        return list(house.books.closed)

    house.books.locks = moved  # type: ignore[method-assign]
    for number in range(12):
        at = datetime(2026, 10, 6, 12, tzinfo=UTC) + timedelta(hours=20 * number)
        house.clock = max(house.clock, at)
        house.stripe.pays(f"ch_{number}", "cus_A", 1_00 + number, created=int(at.timestamp()) * 1_000_000)
        house.run(nightly=dice.random() < 0.3)
    assert house.books.objects or policy is not Late.NEXT_OPEN_DAY
    house.books.locks = lambda: []  # type: ignore[method-assign]
    house.books.closed = []
    with house.store() as store:
        approving.approve(store, approving.waiting(store), "somebody", house.clock)
    house.clock = max(house.clock, datetime(2026, 10, 25, tzinfo=UTC))  # past every day that anything was moved to
    report = house.run(nightly=True)
    assert (report.exit, [leg.difference.minor for leg in report.legs]) == (EXIT_OK, [0] * len(report.legs))
    assert len(house.books.objects) == 12  # each payment once


# ---------------------------------------------------------------- plain-text books, through the command line

END = datetime(2026, 11, 3, 6, tzinfo=UTC)
SPLIT = datetime(2026, 10, 25, 6, tzinfo=UTC)


@pytest.mark.parametrize("policy", list(Late))
def test_a_month_that_is_closed_in_the_middle_stays_as_it_was(
    policy: Late, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "sk_test_sandbox")
    with served("stripe", "--port", 0, "--scenario", "tidy", "--seed", 2, "--clock", SPLIT.isoformat()) as url:
        house = Simulated(tmp_path / "home", url, ask(url, "invoices"), whole=False)
        house.set("connector: beancount", f"connector: beancount\n    late: {policy.value}")
        assert house.run(nightly=True).exit == EXIT_OK
        before = transactions(house, "2026-10-28")
        ask(url, "advance", {"seconds": int((END - SPLIT).total_seconds())})
        house.set("connector: beancount", 'connector: beancount\n    closed_through: "2026-10-28"')
        report = house.run(nightly=True)
        after = transactions(house, "2026-10-28")
        assert {key: after.get(key) for key in before} == before
        assert set(after) == set(before)  # nothing new fell into it
        assert [leg.unexplained.minor for leg in report.legs] == [0] * len(report.legs)
        if policy is Late.NEXT_OPEN_DAY:
            assert report.exit == EXIT_OK
            moved = re.findall(r'^  true-date: "(\S+)"', "".join(house.books().values()), re.MULTILINE)
            assert moved
            assert max(moved) <= "2026-10-28"
            return
        assert report.exit == EXIT_HELD
        if policy is Late.APPROVAL:
            capsys.readouterr()
            assert main(["held", "approve", "--all", "--home", str(house.folder)]) == EXIT_OK
            assert "to the first open day with the next run" in capsys.readouterr().out
        else:
            house.set('closed_through: "2026-10-28"', 'closed_through: "2026-09-30"')
        assert house.run(nightly=True).exit == EXIT_OK


def transactions(house: Simulated, through: str) -> dict[str, str]:
    """What the books hold of ours up to a day, by key."""
    found = {}
    for name, text in house.books().items():
        if re.fullmatch(r"\d{4}-\d\d\.beancount", name):
            for block in text.split("\n\n"):
                key = re.search(r'^  syncjob: "(\S+)"', block, re.MULTILINE)
                day = re.search(r"^\d{4}-\d\d-\d\d", block, re.MULTILINE)
                if key and day and day[0] <= through:
                    found[key[1]] = block
    return found


def test_a_word_that_no_policy_has_is_refused_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--home", str(tmp_path)]) == EXIT_OK
    path = tmp_path / "syncjob.yaml"
    path.write_text(path.read_text().replace("connector: beancount", "connector: beancount\n    late: next_day"))
    capsys.readouterr()
    assert main(["check", "--home", str(tmp_path)]) == EXIT_CONFIGURATION
    assert "'next_day' is not one of the words allowed here; did you mean 'next_open_day'?" in capsys.readouterr().err


def test_what_waits_for_no_approval_is_named(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["held", "approve", "txn_9", "--home", str(house.home)]) == EXIT_CONFIGURATION
    assert "'txn_9' waits for no approval; nothing does" in capsys.readouterr().err
    with closing(Store.open(config.read(house.home).state)) as store:
        assert approving.waiting(store) == []

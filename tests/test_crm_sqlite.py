"""The CRM in one SQLite file: each document one row, whatever happens in between."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
import stat
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from crm_file import CUS_1, NOON, bare, contact, crm_in, deliver, everything, only, payment, put, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from syncjob.crm import sqlite
from syncjob.errors import ConnectorDown
from syncjob.model import Action, DocumentKind, Remote
from syncjob.ports import (
    Absent,
    Call,
    CannotTell,
    Delivered,
    Outcome,
    Present,
    Put,
    Refused,
    Unknown,
    Unsent,
)

# ---------------------------------------------------------------- rows


def test_a_payment_is_a_row_with_whole_minor_units_and_its_contact(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    assert isinstance(only(crm, contact()), Delivered)
    one = payment(fee="0.95", net="47.30", contact=CUS_1)
    outcome = only(crm, one)
    assert outcome == Delivered(one.key, Remote(one.key, "1"), one.body)
    assert rows(
        tmp_path,
        "SELECT contact_id, amount_minor, fee_minor, net_minor, refunded_minor, currency, revision, void FROM payments",
    ) == [(CUS_1, 4825, 95, 4730, None, "EUR", 1, 0)]
    assert rows(tmp_path, "SELECT amount, fee, net, refunded, currency FROM readable_payments") == [
        ("48.25", "0.95", "47.30", None, "EUR")
    ]


@pytest.mark.parametrize(
    ("amount", "currency"),
    [("4825", "JPY"), ("0.005", "KWD"), ("-0.05", "EUR"), ("-100.00", "EUR"), ("0.00", "EUR"), ("92233720368547758.07", "USD")],
)
def test_the_readable_view_shows_each_currency_in_its_own_decimals(tmp_path: Path, amount: str, currency: str) -> None:
    outcome = only(crm_in(tmp_path), payment(amount=amount, currency=currency))
    assert isinstance(outcome, Delivered)
    assert outcome.echo is not None
    assert outcome.echo["amount"] == amount
    assert rows(tmp_path, "SELECT amount, currency FROM readable_payments") == [(amount, currency)]


def test_every_kind_of_document_comes_back_as_it_was_given(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    company = put(DocumentKind.COMPANY, "co_1", name="Example Ltd")
    links = {"contact": CUS_1, "company": company.key, "payment": "crm:shop:ch_1:payment"}
    wave = [
        [company],
        [
            contact(
                phone="+49 30 1234",
                company="Example Ltd",
                country="DE",
                address="1 Example Street",
                postal_code="12345",
                city="Example City",
            )
        ],
        [payment(refunded="8.25", fee="1.00", net="47.25", description="Bread", type="charge")],
        [
            put(
                DocumentKind.DEAL, "R-17", name="R-17", amount="48.25", currency="EUR", paid="40.00", stage="part paid", **links
            ),
            put(DocumentKind.TASK, "dp_1", title="Answer", due="2026-11-30", status="open", text="Evidence", **links),
            put(DocumentKind.EVENT, "sub_1", title="Started", at="2026-11-03T06:00:00Z", text="Plan A", **links),
        ],
    ]
    for puts in wave:
        outcomes = deliver(crm, *puts)
        for one in puts:
            assert outcomes[one.key] == Delivered(one.key, Remote(one.key, "1"), one.body)
    found = crm.find([one for puts in wave for one in puts])
    assert all(isinstance(answer, Present) for answer in found)
    assert rows(tmp_path, "SELECT contact_id, company_id, payment_id FROM deals") == [tuple(links.values())]


def test_an_update_replaces_the_row_and_old_news_does_not(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    only(crm, contact(name="First", phone="1"))
    assert only(crm, contact(name="Second", action=Action.UPDATE, revision=2)).remote.version == "2"  # type: ignore[union-attr]
    late = only(crm, contact(name="First", phone="1"))
    assert isinstance(late, Delivered)
    assert late.remote.version == "2"
    assert rows(tmp_path, "SELECT name, phone, revision FROM contacts") == [("Second", None, 2)]


def test_a_void_row_is_marked_absent_and_can_come_back(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    only(crm, payment())
    gone = payment(action=Action.VOID, revision=2)
    assert only(crm, gone) == Delivered(gone.key, Remote(gone.key, "2"))
    only(crm, payment())  # the Call of before, sent once more
    assert rows(tmp_path, "SELECT amount_minor, void FROM payments") == [(4825, 1)]
    assert crm.find([gone]) == [Absent(gone.key, NOON)]
    only(crm, payment(revision=3))
    only(crm, gone)  # and so with the undo of before
    assert isinstance(crm.find([gone])[0], Present)
    assert isinstance(only(crm, payment("ch_9", action=Action.VOID)), Delivered)


def test_a_document_that_refers_to_a_deleted_row_is_refused_alone(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    outcomes = deliver(crm, payment("ch_1"), payment("ch_2", contact="crm:shop:cus_9:contact"), payment("ch_3"))
    assert [type(outcome) for outcome in outcomes.values()] == [Delivered, Refused, Delivered]
    problem = str(outcomes["crm:shop:ch_2:payment"].problem)  # type: ignore[union-attr]
    assert "crm:shop:cus_9:contact, which is not in this file" in problem
    assert "held retry" in problem
    assert rows(tmp_path, "SELECT count(*) FROM payments") == [(2,)]


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (contact(colour="red"), "the body has ['colour'], which contacts does not know"),
        (contact(amount="1.00"), "the body has ['amount']"),
        (contact(name=5), "name is 5, not text"),
        (contact(external_id="cus_1"), "external_id is 'cus_1', not the document's key"),
        (contact(contact="c"), "contacts cannot be linked to ['contact']"),
        (payment(amount="48.255"), "more decimals than EUR"),
        (payment(currency="XXX"), "currency is 'XXX'"),
        (payment(amount=4825), "amount is 4825"),
        (payment(action=Action.APPLY), "this CRM cannot apply a payment"),
        (put(DocumentKind.RECEIPT, "ch_1"), "this CRM holds no receipt"),
        (payment("ch\0"), "document key is 'crm:shop:ch\\x00:payment', which SQLite cannot hold"),
    ],
)
def test_what_does_not_fit_is_refused_alone_with_its_cure(tmp_path: Path, one: Put, why: str) -> None:
    outcomes = deliver(crm_in(tmp_path), one, contact("cus_7"))
    refused = outcomes[one.key]
    assert isinstance(refused, Refused)
    assert why in refused.problem.why
    assert isinstance(outcomes["crm:shop:cus_7:contact"], Delivered)


def test_a_documents_own_key_may_stand_in_the_body_and_facts_have_a_time(tmp_path: Path) -> None:
    outcome = only(crm_in(tmp_path), contact(external_id=CUS_1, as_of="2026-11-03T06:00:00Z"))
    assert isinstance(outcome, Delivered)
    assert rows(tmp_path, "SELECT external_id, as_of FROM contacts") == [(CUS_1, "2026-11-03T06:00:00Z")]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("'); DROP TABLE contacts; --", "'); DROP TABLE contacts; --"),
        ("Zoë 🍞 \u202e\u2028", "Zoë 🍞 \u202e\u2028"),
        ("a\0b", "a␀b"),
        ("a\ud800b", "a\ufffdb"),
        ("", ""),
    ],
)
def test_a_hostile_name_is_kept_as_text(tmp_path: Path, text: str, kept: str) -> None:
    assert isinstance(only(crm_in(tmp_path), contact(name=text)), Delivered)
    assert rows(tmp_path, "SELECT name FROM contacts") == [(kept,)]


# ---------------------------------------------------------------- again, in any order, and after any death


ALL = [contact(f"cus_{n}") for n in range(3)] + [
    payment(f"ch_{n}", f"{n}.00", contact=f"crm:shop:cus_{n % 3}:contact") for n in range(9)
]


@settings(max_examples=30, deadline=None)
@given(order=st.permutations(ALL[3:]), cuts=st.sets(st.integers(1, 8)))
def test_any_order_in_any_waves_leaves_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[Put], cuts: set[int]
) -> None:
    calm, home = tmp_path_factory.mktemp("calm"), tmp_path_factory.mktemp("home")
    deliver(crm_in(calm), *ALL)
    crm = crm_in(home)
    deliver(crm, *ALL[:3])
    for start, end in itertools.pairwise([0, *sorted(cuts), len(order)]):
        deliver(crm, *order[start:end])
        deliver(crm, *order[start:end])
    assert everything(home) == everything(calm)


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


def misfortune(
    monkeypatch: pytest.MonkeyPatch, at: int, what: Callable[[], BaseException], *, after: bool, only_on: str = ""
) -> list[int]:
    """Something happens at the n-th statement (or the n-th like `only_on`), before or after it was done."""
    seen = [0]
    real = sqlite.opened

    class Fragile(sqlite3.Connection):
        def _step(self, do: Callable[..., Any], sql: str, *more: Any) -> Any:
            if not sql.startswith(only_on):
                return do(sql, *more)
            seen[0] += 1
            if seen[0] == at and not after:
                raise what()
            result = do(sql, *more)
            if seen[0] == at:
                raise what()
            return result

        def execute(self, sql: str, *more: Any) -> Any:
            return self._step(super().execute, sql, *more)

        def executemany(self, sql: str, *more: Any) -> Any:
            return self._step(super().executemany, sql, *more)

    def opened(path: Path, busy_seconds: int) -> sqlite3.Connection:
        real(path, busy_seconds).close()
        return sqlite3.connect(path, timeout=busy_seconds, isolation_level=None, factory=Fragile)

    monkeypatch.setattr(sqlite, "opened", opened)
    return seen


@pytest.mark.parametrize("after", [False, True], ids=["before the statement", "after the statement"])
def test_killed_at_any_statement_and_replayed_the_rows_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    deliver(crm_in(tmp_path / "calm"), *ALL)
    for at in itertools.count(1):
        home = tmp_path / str(at)
        (call,) = crm_in(home).prepare(ALL)
        with monkeypatch.context() as patch:
            seen = misfortune(patch, at, Killed, after=after)
            with contextlib.suppress(Killed):
                bare(home).send(call)
        assert rows(home, "SELECT count(*) FROM payments") in ([(0,)], [(9,)])
        assert all(isinstance(outcome, Delivered) for outcome in bare(home).send(call))
        assert everything(home) == everything(tmp_path / "calm")
        if seen[0] < at:
            break
    assert at > 8


def test_killed_while_the_file_is_made_the_next_run_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for at in itertools.count(1):
        home = tmp_path / str(at)
        with monkeypatch.context() as patch:
            seen = misfortune(patch, at, Killed, after=True)
            with contextlib.suppress(Killed):
                bare(home).provision()
        crm_in(home)
        crm_in(home)
        assert rows(home, "PRAGMA user_version") == [(2,)]
        if seen[0] < at:
            break
    assert at > 20


def trouble(code: int) -> sqlite3.OperationalError:
    wrong = sqlite3.OperationalError("trouble")
    wrong.sqlite_errorcode = code
    return wrong


@pytest.mark.parametrize(
    ("statement", "code", "answer"),
    [
        ("BEGIN", sqlite3.SQLITE_IOERR, Unsent),
        ("COMMIT", sqlite3.SQLITE_BUSY, Unsent),
        ("COMMIT", sqlite3.SQLITE_FULL, Unsent),
        ("COMMIT", sqlite3.SQLITE_IOERR, Unknown),
    ],
)
def test_only_a_failed_commit_is_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, code: int, answer: type[Outcome]
) -> None:
    crm = crm_in(tmp_path)
    misfortune(monkeypatch, 1, lambda: trouble(code), after=False, only_on=statement)
    outcomes = deliver(crm, payment(), contact(colour="red"))
    assert isinstance(outcomes["crm:shop:ch_1:payment"], answer)
    assert isinstance(outcomes[CUS_1], Refused)
    assert rows(tmp_path, "SELECT count(*) FROM payments") == [(0,)]


def test_a_disk_that_is_really_full_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crm = crm_in(tmp_path)
    real = sqlite.opened

    def full(path: Path, busy_seconds: int) -> sqlite3.Connection:
        db = real(path, busy_seconds)
        db.execute("PRAGMA max_page_count = 1")
        return db

    many = [payment(f"ch_{n}", description="x" * 4000) for n in range(50)]
    with monkeypatch.context() as patch:
        patch.setattr(sqlite, "opened", full)
        outcomes = deliver(crm, *many)
    assert {type(outcome) for outcome in outcomes.values()} == {Unsent}
    assert "full" in str(next(iter(outcomes.values())))
    assert rows(tmp_path, "SELECT count(*) FROM payments") == [(0,)]
    assert {type(outcome) for outcome in deliver(crm, *many).values()} == {Delivered}


def test_while_another_program_writes_the_answer_is_not_now(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    other = sqlite3.connect(tmp_path / "crm.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    outcome = only(crm, payment())
    assert isinstance(outcome, Unsent)
    assert "locked" in outcome.reason
    other.close()
    assert isinstance(only(crm, payment()), Delivered)


def test_any_thread_may_send(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    calls = crm.prepare([contact(f"cus_{n}") for n in range(1200)])
    assert [len(call.members) for call in calls] == [500, 500, 200]
    answers: list[Outcome] = []

    def work(call: Call) -> None:
        answers.extend(crm.send(call))

    for call in calls:
        thread = threading.Thread(target=work, args=(call,))
        thread.start()
        thread.join()
    assert {type(outcome) for outcome in answers} == {Delivered}
    assert rows(tmp_path, "SELECT count(*) FROM contacts") == [(1200,)]


# ---------------------------------------------------------------- the file


def test_the_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    crm = bare(tmp_path / "home")
    assert crm.check() == [] or "cannot" not in str(crm.check())
    assert isinstance(only(crm, contact()), Unsent)
    assert isinstance(crm.find([contact()])[0], CannotTell)
    assert not (tmp_path / "home" / "crm.sqlite").exists()
    crm_in(tmp_path / "home")
    assert stat.S_IMODE((tmp_path / "home" / "crm.sqlite").stat().st_mode) == 0o600
    only(crm, contact())
    assert crm.provision() == []
    assert crm.check() == []
    assert rows(tmp_path / "home", "SELECT count(*) FROM contacts") == [(1,)]
    assert crm.identity() == crm_in(tmp_path / "elsewhere").identity()


def test_a_file_without_tables_waits_for_them(tmp_path: Path) -> None:
    (tmp_path / "crm.sqlite").touch()
    outcome = only(bare(tmp_path), contact())
    assert isinstance(outcome, Unsent)
    assert "not all tables yet" in outcome.reason
    assert bare(tmp_path).find([contact()]) == [Absent(CUS_1, NOON)]


def test_a_file_of_the_first_schema_keeps_its_rows_and_gets_the_columns_of_the_second(tmp_path: Path) -> None:
    crm = crm_in(tmp_path)
    only(crm, contact())
    db = sqlite3.connect(tmp_path / "crm.sqlite")
    first = ("external_id", "company_id", "name", "email", "phone", "company", "country", "as_of", "revision", "void")
    db.execute("DROP VIEW readable_contacts")
    db.executescript("; ".join(f"ALTER TABLE contacts DROP COLUMN {name}" for name in ("address", "postal_code", "city")))
    db.execute(f"CREATE VIEW readable_contacts AS SELECT {', '.join(first)} FROM contacts")  # noqa: S608
    db.execute("PRAGMA user_version = 1")
    db.commit()
    db.close()
    assert isinstance(only(crm, contact("cus_2", city="Example City")), Unsent)  # before it was brought up to date
    assert crm.provision() == []
    assert isinstance(only(crm, contact("cus_2", city="Example City")), Delivered)
    assert rows(tmp_path, "SELECT name, city FROM readable_contacts ORDER BY external_id") == [
        ("Example Bakery", None),
        ("Example Bakery", "Example City"),
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("PRAGMA user_version = 99", "schema 99, and this syncjob knows 2; use the newer syncjob"),
        ("PRAGMA application_id = 5", "another program's database; choose another path"),
    ],
)
def test_a_file_that_is_not_ours_or_newer_is_refused_with_a_sentence(tmp_path: Path, change: str, sentence: str) -> None:
    crm = crm_in(tmp_path)
    db = sqlite3.connect(tmp_path / "crm.sqlite")
    db.execute(change)
    db.close()
    before = (tmp_path / "crm.sqlite").read_bytes()
    assert sentence in str(crm.provision()[0])
    assert sentence in str(crm.check()[0])
    with pytest.raises(ConnectorDown, match=sentence.split(";")[0]):
        deliver(crm, contact())
    assert isinstance(crm.find([contact()])[0], CannotTell)
    assert (tmp_path / "crm.sqlite").read_bytes() == before


def test_a_damaged_file_ends_the_connectors_run(tmp_path: Path) -> None:
    (tmp_path / "crm.sqlite").write_bytes(b"not a database at all" * 100)
    crm = bare(tmp_path)
    with pytest.raises(ConnectorDown, match=r"crm\.sqlite is damaged .*; restore it from a backup"):
        deliver(crm, contact())
    assert crm.provision() != []
    assert crm.check() != []

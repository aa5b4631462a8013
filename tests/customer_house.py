"""A home with two gateway accounts, books and a real CRM in a file, which the command line reads as well."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import DoomedStore, FakeFields, FakeGateway, FakeTarget, Killed
from stories import charge, refund

from syncjob import jobs, mapping
from syncjob.chart import Chart
from syncjob.cli import main
from syncjob.crm import sqlite
from syncjob.jobs import Job, Report, Sink, Source
from syncjob.matching import Ladder
from syncjob.model import (
    Delivery,
    Fact,
    FactKind,
    Kept,
    Person,
    Raw,
    Reading,
    Record,
    Reference,
    Role,
    Stream,
    Transaction,
)
from syncjob.money import Money
from syncjob.plan import Ledger, Rules
from syncjob.plan.locking import Late
from syncjob.plan.units import Booking
from syncjob.ports import Balance, Options, TargetClass
from syncjob.posting.rules import Sales, usual
from syncjob.store import Store

START = datetime(2026, 10, 6, tzinfo=UTC)
A, B, C = ("stripe", "cus_A"), ("stripe", "cus_B"), ("shop", "cus_C")


class Gateway(FakeGateway):
    """Charges and customers, each with its own record."""

    def customer(self, id: str, **fields: str) -> None:
        """Somebody is known here, or says something new of themselves."""
        self.charges[id] = {**self.charges.get(id, {"id": id, "created": self._micros()}), "type": "customer", **fields}

    def pays(self, id: str, customer: str, minor: int = 48_25, **fields: Any) -> None:
        """A customer pays, or something about the payment changes.

        `names` are numbers in its metadata, `numbered` the gateway's own, `about` its description, `back` what was refunded.
        """
        self.charges[id] = {
            **{"id": id, "type": "charge", "amount": minor, "currency": "EUR", "customer": customer},
            **{"created": self.charges.get(id, {}).get("created") or self._micros(), **fields},
        }

    def balances(self, wish: datetime | None) -> list[Balance]:
        """The sum of what was paid."""
        paid = [row["amount"] for row in self.charges.values() if row["type"] == "charge" and not row.get("failed")]
        return [Balance("payments", Money(sum(paid), "EUR"), self.now())]

    def _micros(self) -> int:
        return int(self.now().timestamp()) * 1_000_000

    def _raw(self, row: Mapping[str, Any], seen_at: datetime) -> Raw:
        occurred = datetime.fromtimestamp(row["created"] / 1_000_000, UTC)
        about = f"customer:{row['id']}" if row["type"] == "customer" else f"payment:{row['id']}"
        return Raw(row["type"], row["id"], occurred, seen_at, about, dict(row))


class People:
    """Reads payments, failed payments and people; an address for receipts is not the person's own."""

    digest = "people"
    keep: Mapping[str, Kept] = {
        "charge": Kept(
            "charge",
            tuple((name,) for name in ("id", "amount", "currency", "customer", "failed", "names", "numbered", "about", "back")),
            (("name",), ("email",), ("receipt_email",)),
            ("customer",),
        ),
        "customer": Kept("customer", (("id",),), (("name",), ("email",)), ("id",)),
    }

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """What the newest records of one subject say."""
        transactions: list[Transaction] = []
        facts: list[Fact] = []
        people: list[Person] = []
        for one in records:
            body: Any = {**one.body, **one.personal}
            who = one.id if one.type == "customer" else body["customer"]
            people.append(
                Person(stream=stream, id=who, as_of=one.as_of, name=body.get("name") or "", email=body.get("email") or "")
            )
            if one.type != "charge":
                continue
            money = Money(body["amount"], body["currency"])
            if body.get("failed"):
                facts.append(
                    Fact(
                        stream=stream, id=one.id, kind=FactKind.PAYMENT_FAILED, subject=subject,
                        occurred=one.occurred, amount=money, customer=who,
                    )
                )  # fmt: skip
            else:
                named = [Reference(text, "metadata.invoice_number") for text in body.get("names") or ()]
                named += [Reference(text, "invoice.number", of_gateway=True) for text in body.get("numbered") or ()]
                at, about = one.occurred, body.get("about") or ""
                paid = charge(
                    id=one.id, gross=money, subject=subject, effective=at, customer=who, stream=stream,
                    references=tuple(named), description=about,
                )  # fmt: skip
                transactions.append(paid)
                if body.get("back"):
                    given = Money(body["back"], body["currency"])
                    transactions.append(
                        refund(0, of=one.id, id=f"re_{one.id}", gross=-given, subject=subject, effective=at, stream=stream)
                    )
        return Reading(tuple(transactions), tuple(facts), tuple(people))


@dataclass
class House:
    """A home with two gateway accounts, books and a real CRM in a file; the command line reads the same home."""

    url: str
    home: Path
    ladder: Ladder = field(default_factory=Ladder)
    sales: Sales = Sales.INVOICED_IN_BOOKS
    late: Late = Late.HOLD

    def __post_init__(self) -> None:
        self.clock = START + timedelta(hours=1)
        self.stripe = Gateway(lambda: self.clock, name="stripe", account="acct_1")
        self.shop = Gateway(lambda: self.clock, name="shop", account="acct_2")
        self.books = FakeTarget("books", TargetClass.A, lambda: self.clock, books=True)
        assert main(["init", "--home", str(self.home), "--gateway-name", "stripe"]) == 0
        told = (self.home / "syncjob.yaml").read_text()
        told = told.replace("state: state/syncjob.sqlite", f"state: {self.url}")
        other = "  shop:\n    connector: stripe\n    key: env:KEY\n    sales: invoiced_in_books\n"
        (self.home / "syncjob.yaml").write_text(told.replace("\naccounting:", f"{other}\naccounting:"))
        (self.home / "accounts.csv").write_text(
            "role,source,currency,account\n" + "".join(f"{role.value},,,Assets:{role.value}\n" for role in Role)
        )
        self.crm = sqlite.connect(Options("crm", self.home, {}))

    @contextmanager
    def job(self, wrap: Any = lambda store: store) -> Iterator[Job]:
        """A job over a freshly opened state."""
        store = Store.open(self.url, now=self.clock)
        kept = Booking(late=self.late)
        books = Ledger("books", FakeFields(), True, frozenset(self.books.promises.kinds), kept)
        crm = Ledger("crm", mapping.load_target("crm", "sqlite", self.home), False, frozenset(sqlite.PROMISES.kinds))
        chart = Chart({(role.value, "", ""): f"Assets:{role.value}" for role in Role})
        try:
            yield Job(
                home=self.home,
                store=wrap(store),
                sources=(Source(self.stripe, People(), "key-1"), Source(self.shop, People(), "key-2")),  # type: ignore[arg-type]
                sinks=(Sink(self.books, books), Sink(self.crm, crm)),  # type: ignore[arg-type]
                rules=Rules(
                    *(UTC, "EUR", START, chart, (books, crm)),
                    ladder=self.ladder,
                    treatments={name: replace(usual(), sales=self.sales) for name in ("stripe", "shop")},
                ),
                nightly_at=time(2, 0),
                now=lambda: self.clock,
                monotonic=lambda: self.clock.timestamp(),
                sleep=lambda _: None,
            )
        finally:
            store.close()

    def run(self, *, nightly: bool = False) -> Report:
        """Let time pass and run once; nothing may be left to do for nobody's fault."""
        self.clock += timedelta(minutes=5)
        with self.job() as job:
            return jobs.run(job, nightly=nightly)

    def killed_run(self, at: int, *, committed: bool) -> bool:
        """Run until the n-th write of the state kills it; tells whether there was one."""
        self.clock += timedelta(minutes=5)
        with self.job(lambda store: DoomedStore(store, at, committed=committed)) as job:
            try:
                jobs.run(job, nightly=False)
            except Killed:
                return True
        return False

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The state."""
        store = Store.open(self.url)
        try:
            yield store
        finally:
            store.close()

    def rows(self, select: str) -> list[tuple[Any, ...]]:
        """What the CRM holds."""
        with closing(sqlite3.connect(self.home / "crm.sqlite")) as db:
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
            return db.execute(select).fetchall()

    def contacts(self) -> list[str]:
        """The contacts of the CRM by id, whoever made them."""
        return [id for (id,) in self.rows("SELECT external_id FROM contacts WHERE void = 0 ORDER BY external_id")]

    def paid_by(self) -> dict[str, str]:
        """Payment -> the contact it points to."""
        return {
            key.removesuffix(":payment").rpartition(":")[2]: contact
            for key, contact in self.rows("SELECT external_id, contact_id FROM payments")
        }

    def delivery(self, key: str) -> Delivery | None:
        """How a document of the CRM stands."""
        with self.store() as store:
            return store.lookup("crm", [key]).get(key)

    def facts(self, key: str) -> str:
        """What a document of the CRM follows from."""
        found = self.delivery(key)
        assert found is not None
        return found.facts

    def by_hand(self, id: str, **fields: str) -> None:
        """Somebody in sales has made a contact of their own."""
        assert self.crm.provision() == []
        with closing(sqlite3.connect(self.home / "crm.sqlite")) as db, db:
            names = ", ".join(["external_id", "revision", *fields])
            db.execute(
                f"INSERT INTO contacts ({names}) VALUES ({', '.join('?' * (2 + len(fields)))})",  # noqa: S608
                (id, 7, *fields.values()),
            )

    def names(self) -> list[list[tuple[str, str, str]]]:
        """Everybody in the crosswalk: system, id, and who said so."""
        with self.store() as store:
            return [[(*one.name, one.how) for one in customer.links] for customer in store.all_customers()]


def contact(id: str, source: str = "stripe") -> str:
    """The contact of a gateway's customer who stands alone."""
    return f"crm:{source}:{id}:contact"


def three_customers(url: str, home: Path) -> House:
    """Two customers of one account and one of another, with a payment each, in books and CRM."""
    made = House(url, home)
    made.stripe.customer("cus_A", name="Example Bakery", email="bakery@example.com")
    made.stripe.customer("cus_B", name="Bakery, Example", email="orders@example.com")
    made.shop.customer("cus_C", name="Example Bakery GmbH", email="shop@example.com")
    made.stripe.pays("ch_A", "cus_A")
    made.stripe.pays("ch_B", "cus_B")
    made.shop.pays("ch_C", "cus_C")
    assert made.run().exit == 0
    return made


def said(house: House, capsys: pytest.CaptureFixture[str], *words: str, exit: int = 0) -> str:
    """What the command line answers."""
    assert main(["customers", *words, "--home", str(house.home)]) == exit
    told = capsys.readouterr()
    return " ".join((told.out + told.err).split())


Capsys = pytest.CaptureFixture[str]

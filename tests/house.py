"""A small house with fake neighbours that keep their own truth: a gateway, and targets of every class that follow a script.

A fake's script is a list of misfortunes, taken one per request: "silence after write", "silence before write", "refuse",
"later", "slow write" (the write arrives only after we gave up), "kill after write", "kill before write", "" (all is well).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

from syncjob import jobs
from syncjob.chart import Chart
from syncjob.errors import OutcomeUnknown, Problem, TryLater
from syncjob.jobs import Job, Report, Sink, Source
from syncjob.model import (
    DocumentKind,
    Json,
    Kept,
    Kind,
    Person,
    Raw,
    Reading,
    Record,
    Reference,
    Remote,
    Role,
    Stream,
    Transaction,
    canonical,
    idempotency_key,
)
from syncjob.moment import Window, micros
from syncjob.money import Money
from syncjob.plan import Ledger, Rules
from syncjob.ports import (
    Absent,
    Balance,
    Call,
    Delivered,
    Feed,
    Found,
    Identity,
    Member,
    MirrorPage,
    Outcome,
    Page,
    Present,
    Promises,
    Put,
    Refused,
    TargetClass,
    Unknown,
)
from syncjob.store import Store

START = datetime(2026, 10, 6, tzinfo=UTC)


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class FakeGateway:
    """A gateway whose charges are a dictionary; its clock is the house's."""

    now: Callable[[], datetime]
    name: str = "shop"
    account: str = "acct_example"
    page: int = 3
    charges: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: int = 0
    feeds: tuple[Feed, ...] = (Feed("movements", posts=True, overlap=timedelta(days=9), settling=timedelta(0)),)

    def charge(self, id: str, minor: int, currency: str = "EUR", **more: str) -> None:
        """A customer pays, or an object of that id changes."""
        created = self.charges.get(id, {}).get("created") or micros(self.now())
        self.charges[id] = {"id": id, "amount": minor, "currency": currency, "created": created, "name": "", **more}

    def check(self) -> list[Problem]:
        """Nothing is ever wrong here."""
        return []

    def identity(self) -> Identity:
        """One account."""
        return Identity(self.account, "test")

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        """Newest first, as Stripe does, with the cursor on the last page only."""
        seen_at = self.now()
        ceiling = datetime.fromisoformat(json.loads(resume)["ceiling"]) if resume else seen_at
        rows = sorted(self.charges.values(), key=lambda row: (row["created"], row["id"]), reverse=True)
        rows = [row for row in rows if row["created"] >= micros(window.since)]  # type: ignore[arg-type]
        if resume:
            after = json.loads(resume)["after"]
            rows = rows[[row["id"] for row in rows].index(after) + 1 :]
        while True:
            self.asked += 1
            part, rows = rows[: self.page], rows[self.page :]
            raws = tuple(self._raw(row, seen_at) for row in part)
            if not rows:
                yield Page(raws, None, ceiling, ceiling, seen_at)
                return
            yield Page(raws, json.dumps({"after": part[-1]["id"], "ceiling": ceiling.isoformat()}), None, ceiling, seen_at)

    def fetch(self, kind: str, id: str) -> Raw:
        """One charge again."""
        return self._raw(self.charges[id], self.now())

    def balances(self, wish: datetime | None) -> list[Balance]:
        """The sum of what was paid, per currency."""
        sums: dict[str, int] = {}
        for row in self.charges.values():
            sums[row["currency"]] = sums.get(row["currency"], 0) + row["amount"]
        return [Balance("payments", Money(minor, currency), self.now()) for currency, minor in sums.items()]

    def _raw(self, row: Mapping[str, Any], seen_at: datetime) -> Raw:
        occurred = datetime.fromtimestamp(row["created"] / 1_000_000, UTC)
        return Raw("charge", row["id"], occurred, seen_at, f"payment:{row['id']}", dict(row))


class FakeMap:
    """Reads the fake gateway's charges."""

    digest = "fake"
    keep: Mapping[str, Kept] = {
        "charge": Kept("charge", tuple((name,) for name in ("id", "amount", "currency", "created", "name", "invoice")))
    }

    def read(self, stream: Stream, subject: str, records: Sequence[Record]) -> Reading:
        """One payment and one person per charge."""
        transactions = []
        people = []
        for record in records:
            body: Any = record.body
            money = Money(body["amount"], body["currency"])
            references = (Reference(body["invoice"], "invoice"),) if body.get("invoice") else ()
            transactions.append(
                Transaction(
                    stream=stream,
                    id=record.id,
                    kind=Kind.PAYMENT if money.minor > 0 else Kind.FEE,
                    type="charge",
                    subject=subject,
                    bucket="payments",
                    origin=record.id,
                    occurred=record.occurred,
                    effective=record.occurred,
                    gross=money,
                    net=money,
                    customer=f"cus_{record.id}",
                    references=references,
                    description=body.get("name", ""),
                )
            )
            people.append(Person(stream=stream, id=f"cus_{record.id}", as_of=record.as_of, name=body.get("name", "")))
        return Reading(tuple(transactions), (), tuple(people))


class FakeFields:
    """A target map that passes on what tests look at."""

    digest = "fields"

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """Amount, currency and name, as plain text."""
        money = happening.get("presented") or happening.get("total")
        assert money is None or isinstance(money, Money)
        name = happening.get("customer_name") or happening.get("description") or ""
        body: dict[str, Json] = {"kind": kind.value, "name": str(name)}
        if money is not None:
            body |= {"amount": str(money.minor), "currency": money.currency}
        return body


@dataclass
class FakeTarget:
    """A target that keeps its own objects and a journal of every request, and suffers what its script says."""

    name: str
    grade: TargetClass
    now: Callable[[], datetime]
    books: bool
    lag: timedelta = timedelta(0)
    lifetime: timedelta = timedelta(hours=24)
    batch: int = 2
    script: list[str] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)  # reference, generation, body, at
    answers: dict[str, list[Outcome]] = field(default_factory=dict)  # by idempotency key
    bytes_of: dict[str, bytes] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)
    late: list[Callable[[], None]] = field(default_factory=list)
    closed: list[Any] = field(default_factory=list)
    invoices: list[Any] = field(default_factory=list)

    @property
    def promises(self) -> Promises:
        """What this class of target offers."""
        kinds = (
            (DocumentKind.RECEIPT, DocumentKind.APPLICATION, DocumentKind.EXPENSE, DocumentKind.JOURNAL)
            if self.books
            else (DocumentKind.CONTACT, DocumentKind.PAYMENT, DocumentKind.DEAL)
        )
        return Promises(self.grade, self.batch, kinds, key_lifetime=self.lifetime, lag=self.lag)

    def check(self) -> list[Problem]:
        """Nothing is ever wrong here."""
        return []

    def identity(self) -> Identity:
        """One company."""
        return Identity(f"company-{self.name}", "live")

    def provision(self) -> list[Problem]:
        """Nothing to create."""
        return []

    def locks(self) -> list[Any]:
        """The closed periods that a test laid down."""
        return list(self.closed)

    def mirror(self, since: str | None) -> Iterator[MirrorPage]:
        """The invoices a test laid down."""
        if since != str(len(self.invoices)):
            yield MirrorPage(tuple(self.invoices), str(len(self.invoices)))

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """One Call for the whole batch."""
        members = tuple(Member(put.key, put.revision, put.generation) for put in batch)
        rows: list[Json] = [
            {
                "key": put.key,
                "reference": put.reference,
                "action": put.action.value,
                "generation": put.generation,
                "body": dict(put.body),
                "links": {role: remote.id for role, remote in put.links.items()},
            }
            for put in batch
        ]
        return [Call(idempotency_key([(m.key, m.revision, m.generation) for m in members]), members, canonical(rows).encode())]

    def send(self, call: Call) -> Sequence[Outcome]:
        """Do what the script says."""
        self.sent.append(call.key)
        assert self.bytes_of.setdefault(call.key, call.request) == call.request, "one idempotency key met two bodies"
        misfortune = self.script.pop(0) if self.script else ""
        match misfortune:
            case "kill before write":
                raise Killed
            case "silence before write":
                raise OutcomeUnknown("no answer within 60 s")
            case "slow write":
                self.late.append(lambda: self._do(call) and None)
                raise OutcomeUnknown("no answer within 60 s")
            case "later":
                raise TryLater("429: too many requests")
            case "refuse":
                return [Refused(m.key, Problem(m.key, self.name, "the period is closed", "open it")) for m in call.members]
        outcomes = self._do(call)
        match misfortune:
            case "kill after write":
                raise Killed
            case "silence after write":
                raise OutcomeUnknown("reset by peer")
            case "half an answer":
                return [outcomes[0], *(Unknown(one.key, "not mentioned") for one in outcomes[1:])]
        return outcomes

    def _do(self, call: Call) -> list[Outcome]:
        if self.grade is TargetClass.B and call.key in self.answers:
            return self.answers[call.key]
        outcomes: list[Outcome] = []
        for row in json.loads(call.request):
            mine = [one for one in self.objects if one["reference"] == row["reference"] and not one.get("void")]
            if row["action"] == "void":
                for one in mine:
                    one["void"] = True
                outcomes.append(Delivered(row["key"], Remote(f"{self.name}-void")))
                continue
            if row["action"] == "update" or (self.grade is TargetClass.A and mine):
                assert len(mine) == 1, f"{row['key']}: {len(mine)} objects to update"
                mine[0]["body"] = row["body"]
                place = self.objects.index(mine[0])
            else:
                place = len(self.objects)
                self.objects.append({**row, "at": self.now()})
            outcomes.append(Delivered(row["key"], Remote(f"{self.name}-{place}"), row["body"]))
        self.answers[call.key] = outcomes
        return outcomes

    def find(self, puts: Sequence[Put]) -> Sequence[Found]:
        """Search by reference; young objects are not in the index yet."""
        assert self.grade in (TargetClass.B, TargetClass.C), "this target has no search"
        found: list[Found] = []
        for put in puts:
            seen = [
                (place, one)
                for place, one in enumerate(self.objects)
                if one["reference"] == put.reference and one["at"] + self.lag <= self.now() and not one.get("void")
            ]
            if seen:
                remotes = tuple(Remote(f"{self.name}-{place}") for place, _ in seen)
                found.append(Present(put.key, remotes, seen[0][1]["body"]))
            else:
                found.append(Absent(put.key, self.now()))
        return found

    def balances(self, accounts: Sequence[str], through: object) -> list[Balance]:
        """Sums the postings of its own objects."""
        sums: dict[tuple[str, str], int] = {}
        for one in self.objects:
            for posting in () if one.get("void") else one["body"].get("postings", ()):
                key = (posting["account"], posting["currency"])
                sums[key] = sums.get(key, 0) + Money.of(posting["amount"], posting["currency"]).minor
        wanted = [(key, minor) for key, minor in sums.items() if key[0] in accounts]
        return [Balance(account, Money(minor, currency), self.now()) for (account, currency), minor in wanted]

    def truth(self) -> list[tuple[str, str]]:
        """What it holds, in one spelling: (key, body), doubles included."""
        return sorted((one["key"], canonical(one["body"])) for one in self.objects if not one.get("void"))


class DoomedStore:
    """A store under which the process dies at the n-th write, just before or just after its commit."""

    WRITES = ("land", "save", "commit_calls", "settle", "bind", "land_mirror", "start_run", "end_run", "set_fact")
    WRITES += ("note_balances",)

    def __init__(self, store: Store, at: int, *, committed: bool) -> None:
        self._store = store
        self._left = at
        self._committed = committed

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in self.WRITES:
            return real

        def doomed(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._committed:
                raise Killed
            result = real(*args, **kwargs)
            if self._left == 0:
                raise Killed
            return result

        return doomed


class House:
    """Everything around one run: the clock, the neighbours, and a state that is opened anew for each run."""

    def __init__(self, url: str, home: Path, grades: str = "AA", lag: timedelta = timedelta(0)) -> None:
        self.url = url
        self.home = home
        self.clock = START + timedelta(hours=1)
        self.gateway = FakeGateway(lambda: self.clock)
        self.others: list[FakeGateway] = []
        self.accounts = "Assets:{role}"
        self.books = FakeTarget("books", TargetClass(grades[0]), lambda: self.clock, books=True, lag=lag)
        self.crm = FakeTarget("crm", TargetClass(grades[1]), lambda: self.clock, books=False, lag=lag)

    @contextmanager
    def job(self, wrap: Callable[[Store], Any] = lambda store: store) -> Iterator[Job]:
        """A job over a freshly opened state; `wrap` may put something between."""
        store = Store.open(self.url, now=self.clock)
        ledgers = tuple(
            Ledger(target.name, FakeFields(), target.books, frozenset(target.promises.kinds))
            for target in (self.books, self.crm)
        )
        chart = Chart({(role.value, "", ""): self.accounts.format(role=role.value) for role in Role})
        sinks = tuple(Sink(target, ledger) for target, ledger in zip((self.books, self.crm), ledgers, strict=True))  # type: ignore[arg-type]
        try:
            yield Job(
                home=self.home,
                store=wrap(store),
                sources=tuple(Source(one, FakeMap(), "key-1") for one in (self.gateway, *self.others)),
                sinks=sinks,
                rules=Rules(UTC, "EUR", START, chart, ledgers),
                nightly_at=time(2, 0),
                now=lambda: self.clock,
                monotonic=lambda: self.clock.timestamp(),
                sleep=lambda _: None,
            )
        finally:
            store.close()

    def run(self, *, later: timedelta = timedelta(minutes=5), **options: Any) -> Report:
        """Let time pass and run once."""
        self.clock += later
        options.setdefault("nightly", False)
        with self.job() as job:
            return jobs.run(job, **options)

    def killed_run(self, at: int = 0, *, committed: bool = False) -> bool:
        """Run until something kills it (the n-th write, or a script); tells whether it was killed."""
        self.clock += timedelta(minutes=5)
        with self.job(lambda store: DoomedStore(store, at, committed=committed) if at else store) as job:
            try:
                jobs.run(job, nightly=False)
            except Killed:
                return True
        return False

    def truth(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """What books and CRM hold."""
        return self.books.truth(), self.crm.truth()

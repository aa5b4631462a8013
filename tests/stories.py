"""Small stories about money: movements, facts and invoices with sane defaults, so that a test writes out only what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from syncjob.chart import Chart
from syncjob.errors import RecordRefused
from syncjob.matching import Books
from syncjob.model import (
    Application,
    Delivery,
    Document,
    DocumentKind,
    Entry,
    Fact,
    FactKind,
    Fee,
    Invoice,
    Json,
    Kind,
    Line,
    Part,
    Person,
    Reading,
    Record,
    Reference,
    Role,
    Stream,
    Transaction,
)
from syncjob.moment import zone
from syncjob.money import Money
from syncjob.plan import Decided, Known, Ledger, Rules, plan
from syncjob.plan.proceed import proceed
from syncjob.ports import Promises, TargetClass

SHOP = Stream("shop", "acct_1", "test")
START = datetime(2026, 10, 1, tzinfo=UTC)
NOON = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)
BERLIN = zone("Europe/Berlin")
CHART = Chart({(role.value, "", ""): role.value for role in Role})


def eur(minor: int) -> Money:
    """Cents of a euro."""
    return Money(minor, "EUR")


def movement(kind: Kind, origin: str, gross: Money, fee: int = 0, **more: Any) -> Transaction:
    """A money movement; the fee is in the same currency, positive when charged. Everything else can be said by name."""
    more.setdefault("fees", (Fee("stripe_fee", Money(fee, gross.currency)),) if fee else ())
    net = gross
    for one in more["fees"]:
        net = net - one.amount
    told: dict[str, Any] = {
        "stream": SHOP,
        "id": f"txn_{origin or kind.value}",
        "kind": kind,
        "type": kind.value,
        "subject": "payment:ch_1",
        "bucket": "payments",
        "origin": origin,
        "occurred": more.get("effective", NOON),
        "effective": NOON,
        "gross": gross,
        "net": net,
    }
    return Transaction(**{**told, **more})


def charge(minor: int = 100_00, fee: int = 0, *, id: str = "ch_1", names: str | Sequence[str] = (), **more: Any) -> Transaction:
    """A customer pays; `names` are the document numbers that the payment mentions."""
    numbers = (names,) if isinstance(names, str) else names
    more.setdefault("references", tuple(Reference(number, "metadata.invoice_number") for number in numbers))
    more.setdefault("subject", f"payment:{id}")
    return movement(Kind.PAYMENT, id, more.pop("gross", eur(minor)), fee, **more)


def refund(minor: int, *, of: str = "ch_1", id: str = "re_1", **more: Any) -> Transaction:
    """Money goes back to the customer; `minor` is how much, positive."""
    more = {"parent": of, "subject": f"payment:{of}", "effective": NOON + timedelta(days=1), **more}
    return movement(Kind.REFUND, id, more.pop("gross", eur(-minor)), **more)


def refund_failure(minor: int, *, of: str = "ch_1", id: str = "re_1", **more: Any) -> Transaction:
    """The customer's bank sends a refund back."""
    more = {"id": f"txn_{id}_failed", "parent": of, "subject": f"payment:{of}", "effective": NOON + timedelta(days=3), **more}
    return movement(Kind.REFUND_FAILURE, id, more.pop("gross", eur(minor)), **more)


def dispute(minor: int = 100_00, fee: int = 15_00, *, of: str = "ch_1", id: str = "dp_1", **more: Any) -> Transaction:
    """The customer's bank takes a payment back."""
    more = {"parent": of, "subject": f"payment:{of}", "effective": NOON + timedelta(days=9), **more}
    return movement(Kind.DISPUTE, id, eur(-minor), fee, **more)


def dispute_reversal(minor: int = 100_00, fee: int = -15_00, *, of: str = "ch_1", id: str = "dp_1", **more: Any) -> Transaction:
    """A dispute is won: the money comes back, by default with the fee."""
    more = {"id": f"txn_{id}_won", "parent": of, "subject": f"payment:{of}", "effective": NOON + timedelta(days=40), **more}
    return movement(Kind.DISPUTE_REVERSAL, id, eur(minor), fee, **more)


def payout(minor: int = 96_80, *, id: str = "po_1", **more: Any) -> Transaction:
    """The gateway sends money to the bank."""
    return movement(Kind.PAYOUT, id, eur(-minor), **{"subject": f"payout:{id}", **more})


def payout_failure(minor: int = 96_80, *, id: str = "po_1", **more: Any) -> Transaction:
    """The bank sends a payout back."""
    more = {"id": f"txn_{id}_failed", "subject": f"payout:{id}", "effective": NOON + timedelta(days=4), **more}
    return movement(Kind.PAYOUT_FAILURE, id, eur(minor), **more)


def fact(kind: FactKind, id: str, occurred: datetime = NOON, **more: Any) -> Fact:
    """A life-cycle fact."""
    return Fact(stream=SHOP, id=id, kind=kind, subject=more.pop("subject", f"payout:{id}"), occurred=occurred, **more)


def invoice(number: str = "INV-1", total: int = 100_00, *, open: int | None = None, **more: Any) -> Invoice:
    """An open invoice of Example Bakery."""
    currency = more.pop("currency", "EUR")
    told: dict[str, Any] = {
        "target": "books",
        "id": f"id-{number}",
        "number": number,
        "customer": "Example Bakery",
        "email": "bakery@example.com",
        "total": Money(total, currency),
        "open": Money(total if open is None else open, currency),
        "issued": date(2026, 10, 1),
        "due": None,
        "as_of": NOON,
    }
    return Invoice(**{**told, **more})


def books(*invoices: Invoice, **applied: Sequence[tuple[str, Money]]) -> Books:
    """The mirror of the books."""
    return Books(invoices, applied)


def person(id: str = "cus_1", **more: Any) -> Person:
    """Somebody who pays."""
    return Person(**{"stream": SHOP, "id": id, "as_of": NOON, "name": "Example Bakery", "email": "bakery@example.com", **more})


def shares(application: Application) -> list[tuple[str, int]]:
    """What an application brings where: (invoice number or "" for customer credit, minor units)."""
    return [(part.invoice, part.amount.minor) for part in application.parts]


def application(movement: str = "shop:txn_ch_1", *parts: tuple[str, int], version: int = 1) -> Application:
    """An application in euro."""
    told = tuple(Part(number, eur(minor)) for number, minor in parts)
    return Application(movement=movement, version=version, parts=told, rule="a test says so")


def sums(entries: Sequence[Entry]) -> dict[str, int]:
    """Role and currency -> what is left over all these entries; what came to nothing is left away. "clearing": 9680."""
    left: dict[str, int] = {}
    for entry in entries:
        for line in entry.lines:
            name = line.role.value if line.amount.currency == "EUR" else f"{line.role.value} {line.amount.currency}"
            left[name] = left.get(name, 0) + line.amount.minor
    return {name: minor for name, minor in left.items() if minor}


def entry(key: str, *lines: Line, **more: Any) -> Entry:
    """A posting of our own making."""
    told: dict[str, Any] = {
        "key": key,
        "source": "shop",
        "subject": "payment:ch_1",
        "origin": "txn_ch_1",
        "kind": "payment",
        "effective": NOON,
        "date": NOON.date(),
        "lines": lines,
    }
    return Entry(**{**told, **more})


# ---------------------------------------------------------------- planning


class Words:
    """A target map that passes every field on, as text, and can be told to refuse a kind of document."""

    digest = "words"

    def __init__(self, refuses: DocumentKind | None = None) -> None:
        self.refuses = refuses

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """All that happened, as text."""
        if kind is self.refuses:
            raise RecordRefused(f"{kind.value} does not fit", "a test", "nothing cures it")
        return {name: str(value) for name, value in happening.items() if value is not None and name != "date"}


BOOKS = Ledger("books", Words(), True, frozenset(DocumentKind))
CRM = Ledger("crm", Words(), False, frozenset(DocumentKind))


def rules(*ledgers: Ledger, **more: Any) -> Rules:
    """A company in Berlin that keeps its books in euro."""
    told: dict[str, Any] = {"zone": BERLIN, "home": "EUR", "start": START, "chart": CHART, "ledgers": ledgers or (BOOKS, CRM)}
    return Rules(**{**told, **more})


def record(id: str, digest: str = "d1", as_of: datetime = NOON, type: str = "charge") -> Record:
    """A landed record, of which planning looks only at what is said here."""
    return Record(
        type=type, id=id, occurred=as_of, as_of=as_of, subject="payment:ch_1", body={}, personal={}, person="", digest=digest
    )


class Diary:
    """What a store would know of one subject, told version by version: each `tell` plans once and keeps what came of it."""

    def __init__(self, subject: str = "payment:ch_1", the_rules: Rules | None = None) -> None:
        self.subject = subject
        self.rules = the_rules or rules()
        self.entries: list[Entry] = []
        self.applications: list[Application] = []
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.people: dict[tuple[str, str], Delivery] = {}
        self.posted: dict[tuple[str, str], str] = {}
        self.version = 0

    def tell(
        self,
        *transactions: Transaction,
        facts: Sequence[Fact] = (),
        people: Sequence[Person] = (),
        mirror: Books | None = None,
    ) -> Decided:
        """Plan the subject with what its records now say."""
        self.version += 1
        latest = {one.movement: one for one in self.applications}
        known = Known(
            subject=self.subject,
            source="shop",
            records=(record("ch_1", f"d{self.version}", NOON + timedelta(minutes=self.version)),),
            reading=Reading(transactions, tuple(facts), tuple(people)),
            entries=tuple(self.entries),
            applications=tuple(latest.values()),
            deliveries={key: one for key, one in self.deliveries.items() if one.subject == self.subject},
            posted=dict(self.posted),
        )
        decided = plan(known, self.rules, mirror or books(), self.people)
        keys = [one.key for one in (*self.entries, *decided.entries)]
        assert len(keys) == len(set(keys)), "an entry was posted twice"
        self.entries += decided.entries
        self.applications += decided.applications
        for target, posted, document in decided.posted:
            assert (target, posted) not in self.posted, f"{posted} was brought to {target} twice"
            self.posted[target, posted] = document
        self.deliveries |= {(one.target, one.key): one for one in decided.deliveries}
        return decided

    def books(self) -> dict[str, Delivery]:
        """The deliveries to the books, by their key without the target's name and the source."""
        return {key.removeprefix("books:shop:"): one for (target, key), one in self.deliveries.items() if target == "books"}

    def crm(self) -> dict[str, Delivery]:
        """The deliveries to the CRM, likewise."""
        return {key.removeprefix("crm:shop:"): one for (target, key), one in self.deliveries.items() if target == "crm"}

    def accounts(self) -> dict[str, int]:
        """What the books would show in each account if everything were delivered, in minor units of euro."""
        left: dict[str, int] = {}
        for one in self.books().values():
            postings: Any = one.body["postings"]
            for posting in postings:
                assert posting["currency"] == "EUR"
                account = posting["account"]
                left[account] = left.get(account, 0) + Money.of(posting["amount"], "EUR").minor
        return {account: minor for account, minor in left.items() if minor}


# ---------------------------------------------------------------- delivering


def document(text: str = "A", *, as_of: datetime = NOON, key: str = "books:shop:txn_ch_1:receipt", **more: Any) -> Document:
    """What the books should hold; only the text matters to most tests."""
    told: dict[str, Any] = {"kind": DocumentKind.RECEIPT, "subject": "payment:ch_1", "body": {"amount": "48.25", "text": text}}
    return Document(**{"key": key, "as_of": as_of, **told, **more})


def planned(text: str = "A", **more: Any) -> Delivery:
    """A delivery that waits to be sent for the first time."""
    fresh = proceed("books", document(text, **more), f"facts of {text}", None)
    assert fresh is not None
    return fresh


def promises(grade: str, *, lifetime: timedelta = timedelta(hours=24), lag: timedelta = timedelta(minutes=5)) -> Promises:
    """What a target of a class promises."""
    return Promises(TargetClass(grade), 10, tuple(DocumentKind), key_lifetime=lifetime, lag=lag)

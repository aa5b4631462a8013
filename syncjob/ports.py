"""The contracts that connectors keep, with their promises. An extra ability is an extra one-method Protocol."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from syncjob.errors import Problem
from syncjob.model import Action, DocumentKind, Invoice, Json, Raw, Remote
from syncjob.moment import Window
from syncjob.money import Money
from syncjob.redact import Secret


@dataclass(frozen=True, slots=True)
class Options:
    """What one connector was configured with: its name and settings in syncjob.yaml, its secret, and the home folder."""

    name: str
    home: Path
    settings: Mapping[str, str]
    secret: Secret | None = None


# ---------------------------------------------------------------- gateways


@dataclass(frozen=True, slots=True)
class Feed:
    """One list that a gateway offers for polling, and how it behaves in time."""

    name: str
    axis: Literal["time", "sequence"] = "time"
    posts: bool = False  # the posting feed of its movements: exactly one per kind of movement
    overlap: timedelta = timedelta(minutes=10)  # re-read by each run
    lookback: timedelta = timedelta(hours=72)  # re-read by each nightly run
    settling: timedelta = timedelta(seconds=60)  # records younger than this may still be missing
    sweep: timedelta = timedelta(days=35)  # re-read once a week, by a nightly run
    retention: timedelta | None = None  # older records are gone
    cap: timedelta | None = None  # the widest window the vendor answers
    # The feed whose gaps this list makes up for: it is read only for a first run, or a cursor, that is older than that feed's
    # retention; `lookback` then says how much older than the gap an object of it may be and still have changed inside it.
    fills: str = ""
    type: str = ""  # the record type of its rows; of a list, also for telling by their ids which rows vanished from it
    # How many windows of it may be read side by side (only where a walk goes newest first), and how many requests may be
    # begun per second then.
    parallel: int = 1
    per_second: int = 10


@dataclass(frozen=True, slots=True)
class Page:
    """Records of one page and the progress that becomes true when they are landed.

    `resume` continues inside the window; `cursor` (the lower bound of the next window) stands on the last page only.
    `ceiling` is the upper bound this window was read to, `seen_at` the gateway's own clock (both UTC).
    """

    records: tuple[Raw, ...]
    resume: str | None
    cursor: datetime | int | None
    ceiling: datetime | int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose key this is: the vendor's account (or company, tenant) id, and live or test."""

    account: str
    mode: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance as the vendor states it, with the vendor's own instant. `place` is a bucket or an account code."""

    place: str
    amount: Money
    as_of: datetime


class Gateway(Protocol):
    """A payment gateway, read only."""

    name: str
    feeds: tuple[Feed, ...]

    def check(self) -> list[Problem]:
        """Ask the gateway whether key, rights and version fit; nothing is written."""

    def identity(self) -> Identity:
        """Whose account the key opens."""

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        """Read one window of a feed; an empty window is one empty page with its cursor."""

    def fetch(self, kind: str, id: str) -> Raw:
        """Read one object again by its id; one that was deleted there is a tombstone: its id and `deleted: true`."""


@runtime_checkable
class Balances(Protocol):
    """A gateway that states its balance."""

    def balances(self, wish: datetime | None) -> list[Balance]:
        """Each bucket and currency; the answer's own `as_of` counts, not the wish."""


class PaidOut(NamedTuple):
    """A movement that a payout pays out, by its ledger id: what it moved the balance, and when (UTC)."""

    id: str
    net: Money
    effective: datetime


@runtime_checkable
class Compositions(Protocol):
    """A gateway that says what a payout pays out."""

    def composition(self, payout: str) -> list[PaidOut] | None:
        """Every movement of a payout but its own; None where the gateway does not itemise it. TryLater: not yet."""


@runtime_checkable
class PayoutSchedule(Protocol):
    """A gateway that says how its payouts begin."""

    def pays_out_by_hand(self) -> bool | None:
        """Whether somebody starts each payout, of which then nobody says what is in it; None: this key may not ask."""


# ---------------------------------------------------------------- targets


class TargetClass(StrEnum):
    """What a target offers against doubles: A upsert by key, B idempotency key and search, C search only, D neither."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


@dataclass(frozen=True, slots=True)
class Promises:
    """What a target promises; nothing is assumed beyond it."""

    grade: TargetClass
    batch: int  # documents handed to `prepare` at once
    kinds: tuple[DocumentKind, ...]
    parallel: int = 1
    key_lifetime: timedelta = timedelta(0)  # class B: how long an idempotency key is remembered
    lag: timedelta = timedelta(0)  # an object may stay invisible to `find` this long
    corrects_by: Literal["update", "reverse"] = "update"
    text_limits: Mapping[str, int] = field(default_factory=dict)
    quota_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Put:
    """One action on one document, ready to be put into a Call. `reference` is written into the object and searchable."""

    key: str
    kind: DocumentKind
    action: Action
    revision: int
    generation: int
    reference: str
    body: Mapping[str, Json]
    links: Mapping[str, Remote] = field(default_factory=dict)
    expected: Remote | None = None  # the object as we last saw it
    date: date | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """One document inside a Call."""

    key: str
    revision: int
    generation: int


@dataclass(frozen=True, slots=True)
class Call:
    """One request with its exact bytes, committed before the first byte leaves and replayed unchanged."""

    key: str  # the idempotency key
    members: tuple[Member, ...]
    request: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target holds the document; `echo` is what it says it holds (same field names as the body), or None."""

    key: str
    remote: Remote
    echo: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A definite no: nothing was done, and the same request would be refused again."""

    key: str
    problem: Problem


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been done or not."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unsent:
    """Certainly not done: the request never left, or the target said so. Try again, not before `not_before`."""

    key: str
    reason: str
    not_before: datetime | None = None


Outcome: TypeAlias = Delivered | Refused | Unknown | Unsent


@dataclass(frozen=True, slots=True)
class Present:
    """The target holds these objects under the reference (more than one is a double, for a person)."""

    key: str
    remotes: tuple[Remote, ...]
    echo: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """The target's search is complete as of this instant (UTC) and shows nothing."""

    key: str
    complete_as_of: datetime


@dataclass(frozen=True, slots=True)
class CannotTell:
    """The search could not answer."""

    key: str
    reason: str


Found: TypeAlias = Present | Absent | CannotTell


class FieldMap(Protocol):
    """What planning asks of a target's map."""

    @property
    def digest(self) -> str:
        """What stands for the map's text: another text, another digest."""

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The target's fields for one document. Raises RecordRefused where a value does not fit."""


class Target(Protocol):
    """Something that is written to: books or a CRM."""

    name: str
    promises: Promises

    def check(self) -> list[Problem]:
        """Ask the target whether it can be written to; nothing is written."""

    def identity(self) -> Identity:
        """Whose company or tenant this is; bound to the name on first use."""

    def prepare(self, batch: Sequence[Put]) -> Sequence[Call]:
        """Make the exact requests for a batch: pure, no I/O; together they hold each Put once."""

    def send(self, call: Call) -> Sequence[Outcome]:
        """Send one Call; one outcome per member, matched by key."""

    def find(self, puts: Sequence[Put]) -> Sequence[Found]:
        """Look each Put's reference up; a voided object counts as absent."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A closed range of dates in the books; `hard` cannot be lifted by a permission."""

    through: date
    hard: bool = False
    kinds: tuple[DocumentKind, ...] = ()


@dataclass(frozen=True, slots=True)
class MirrorPage:
    """Invoices of the books that changed, and the cursor that becomes true when they are stored."""

    invoices: tuple[Invoice, ...]
    cursor: str


class AccountingTarget(Target, Protocol):
    """Books."""

    def locks(self) -> list[Lock]:
        """Ranges of dates that are closed."""

    def mirror(self, since: str | None) -> Iterator[MirrorPage]:
        """Open and recently settled invoices that changed since the cursor."""

    def balances(self, accounts: Sequence[str], through: date) -> list[Balance]:
        """What the books hold in these accounts at the end of a day, per currency."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One document of ours as the books show it now: its day, its postings by account, a token of its content, its place."""

    key: str
    day: date
    postings: tuple[tuple[str, Money], ...]
    version: str
    place: str  # where a person finds it
    payee: str | None = None  # whom it names; None where the books show nobody
    narration: str = ""


@runtime_checkable
class Changes(Protocol):
    """Books that show every document of ours as it stands, so that what a person changed there is found."""

    def versions(self) -> Iterator[tuple[str, str]]:
        """(key, version) of each document that was not undone, wherever it stands; one that was copied comes twice."""

    def standing(self, keys: Collection[str]) -> Iterator[Standing]:
        """These documents as they stand."""


@runtime_checkable
class Finality(Protocol):
    """Books that say which documents nobody may undo any more, since they are reconciled with the bank or filed."""

    def final(self, keys: Collection[str]) -> Mapping[str, str]:
        """By document key, what it is: "reconciled with the bank", "filed". Raises ConnectorDown where that cannot be read."""


@runtime_checkable
class Foreign(Protocol):
    """Books that show what others booked on our accounts; `balances` counts it, since the books hold it."""

    def foreign(self, accounts: Collection[str]) -> Iterator[Standing]:
        """Each entry without a document key of ours that touches one of these accounts, with its lines there alone.

        Its key stands for its content and begins with `foreign:`; of two equal ones the second has another. Raises
        ConnectorDown where one cannot be read.
        """


@runtime_checkable
class Closing(Protocol):
    """Books that carry our balance assertions and invoice states, rewritten when a run ends."""

    def close(self, assertions: Sequence[Assertion], invoices: Iterable[InvoiceState]) -> None:
        """Write the balances that must hold and what each invoice still asks for, by number; called once all is delivered."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """The balance that an account must show at the end of a day, from delivered entries."""

    day: date
    account: str
    amount: Money


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """What an invoice asked for, what payments have brought, and the word for it: open, part paid, paid."""

    number: str
    customer: str
    total: Money
    paid: Money
    state: str


class AccountType(StrEnum):
    """The five types of account that all books have."""

    ASSET = "asset"
    LIABILITY = "liability"
    EQUITY = "equity"
    INCOME = "income"
    EXPENSE = "expense"


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the books list it; `currency` is the only one that it takes, "" where it takes any."""

    code: str  # what accounts.csv names it by
    name: str
    type: AccountType
    currency: str = ""
    active: bool = True


@runtime_checkable
class Chart(Protocol):
    """Books that list their accounts."""

    def accounts(self) -> list[Account]:
        """The chart of the books, closed accounts included. Raises ConnectorDown where it cannot be read."""


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact as a CRM lists it, whoever made it."""

    id: str
    name: str = ""
    email: str = ""


@runtime_checkable
class Contacts(Protocol):
    """A CRM that can be asked about contacts that syncjob did not make, before one is linked with a customer.

    A linked one comes as an UPDATE whose `expected` names it; where it is gone that is refused, and nothing is made.
    """

    def contacts(self, wanted: str) -> list[Contact]:
        """The contact of this id alone; without one, some whose id, name or e-mail look like it. Raises ConnectorDown."""


class CrmTarget(Target, Protocol):
    """A CRM."""

    def provision(self) -> list[Problem]:
        """Create the fields and tables of its own, once."""

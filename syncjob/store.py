"""The state store: the state's only SQL. One thread owns it; every method is one transaction unless it says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

from syncjob.errors import Problem
from syncjob.model import Application, Delivery, Entry, Invoice, Json, Record, Refusal, Role, Stream
from syncjob.money import Money
from syncjob.ports import Balance, Call, Identity


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one feed of one source has been read.

    `cursor` is the lower bound of the next window (None: no window was ever finished). While a window is under way, `since`
    and `ceiling` are its bounds and `resume` continues inside it.
    """

    cursor: datetime | int | None = None
    since: datetime | int | None = None
    ceiling: datetime | int | None = None
    resume: str | None = None
    seen_at: datetime | None = None  # the gateway's clock when progress was last stored


@dataclass(frozen=True, slots=True)
class Landed:
    """What became of a page: records of a new identity, new versions of known ones, and those already known."""

    new: int = 0
    changed: int = 0
    same: int = 0


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that records are about, inside one scope (a source's name; for invoices the books' name)."""

    scope: str
    name: str  # "payment:ch_1"
    position: int  # microseconds of its earliest record: the order in which subjects are planned


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of one subject: newest version of each record, its entries, latest applications, deliveries."""

    subject: Subject
    stream: Stream | None  # None for subjects of the books (invoices)
    records: tuple[Record, ...] = ()
    entries: tuple[Entry, ...] = ()
    applications: tuple[Application, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    posted: frozenset[tuple[str, str]] = frozenset()  # (target, entry key) pairs that have their document


@dataclass(frozen=True, slots=True)
class Plan:
    """What planning one batch of subjects decided; stored in one transaction."""

    subjects: tuple[Subject, ...]  # no longer dirty; their refusals are replaced by those given
    entries: tuple[Entry, ...] = ()
    applications: tuple[tuple[Subject, Application], ...] = ()
    posted: tuple[tuple[str, str, str], ...] = ()  # (target, entry key, document key)
    deliveries: tuple[Delivery, ...] = ()  # inserted, or replaced by (target, key)
    refusals: tuple[tuple[Subject, Refusal], ...] = ()
    dirty: tuple[Subject, ...] = ()  # further subjects to plan because of this


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A Call that was committed and is not settled, with the deliveries it carries and when it was first sent."""

    target: str
    call: Call
    deliveries: tuple[Delivery, ...]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """One run as `status` tells it."""

    id: int
    kind: str  # tick, nightly, backfill
    started: datetime
    ended: datetime | None
    exit: int | None
    counts: Mapping[str, Json] = field(default_factory=dict)


class Store:
    """The open state of one home."""

    # ------------------------------------------------------------ life
    @classmethod
    def open(cls, url: str, *, create: bool = True, now: datetime | None = None) -> Store:
        """Open (and migrate) the state at a SQLAlchemy URL, or a path for SQLite.

        Raises StateDamaged (damaged, read-only, full disk, newer schema: the sentence names the file and the cure) and Busy.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the connection."""
        raise NotImplementedError

    @contextmanager
    def run_lock(self) -> Iterator[None]:
        """Hold the one-writer lock for a run (flock beside SQLite, advisory lock in PostgreSQL); Busy if another holds it.

        Takes the next fencing number; every later write transaction checks that it is still the highest.
        """
        raise NotImplementedError
        yield

    def copy_to(self, path: Path) -> None:
        """Copy the whole state into a fresh SQLite file, for a dry run."""
        raise NotImplementedError

    # ------------------------------------------------------------ names and accounts
    def bindings(self) -> dict[str, tuple[Identity, str]]:
        """Each connector name with the vendor identity it is bound to and the fingerprint of the key last seen."""
        raise NotImplementedError

    def bind(self, name: str, identity: Identity, fingerprint: str, now: datetime) -> None:
        """Bind a connector name to a vendor identity on first use, or renew its fingerprint; another identity is Misconfigured."""
        raise NotImplementedError

    def bound_accounts(self, target: str) -> dict[tuple[str, str, str], str]:
        """(role, source, currency) -> account code as first used by a target."""
        raise NotImplementedError

    def bind_accounts(self, target: str, codes: Mapping[tuple[str, str, str], str]) -> None:
        """Remember account codes on first use; existing rows are left as they are."""
        raise NotImplementedError

    # ------------------------------------------------------------ landing
    def progress(self, source: str, feed: str) -> Progress:
        """How far a feed was read; an empty Progress if never."""
        raise NotImplementedError

    def land(self, stream: Stream, feed: str, records: Sequence[Record], progress: Progress | None, now: datetime) -> Landed:
        """Land one page: new versions, dirty subjects, and the feed's progress (None: a backfill, progress untouched).

        A version is added only when its digest differs from the newest of that identity and it is not older (as_of) than it.
        The subject becomes dirty when a version was added. A subject's position is the earliest `occurred` seen.
        """
        raise NotImplementedError

    def known(self, stream: Stream, type: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids have a landed record."""
        raise NotImplementedError

    # ------------------------------------------------------------ planning
    def dirty(self, limit: int) -> list[Subject]:
        """The next dirty subjects by position, then name."""
        raise NotImplementedError

    def mark_dirty(self, subjects: Sequence[Subject]) -> None:
        """Ask for subjects to be planned again."""
        raise NotImplementedError

    def stories(self, subjects: Sequence[Subject]) -> list[Story]:
        """All that is known of these subjects, in the order given: one statement per table."""
        raise NotImplementedError

    def invoices(self, numbers: Sequence[str]) -> list[Invoice]:
        """Mirrored invoices by normalised number, all targets."""
        raise NotImplementedError

    def applied(self, numbers: Sequence[str]) -> dict[str, list[tuple[str, Money]]]:
        """Per invoice number, (movement key, amount) of the latest application of each movement."""
        raise NotImplementedError

    def save(self, plan: Plan, now: datetime) -> None:
        """Store a batch's plan. Entries are inserted once: an existing key with other content is an AssertionError."""
        raise NotImplementedError

    # ------------------------------------------------------------ the mirror of the books
    def mirror_cursor(self, target: str) -> str | None:
        """The mirror's cursor, None if never read."""
        raise NotImplementedError

    def land_mirror(self, target: str, invoices: Sequence[Invoice], cursor: str, now: datetime) -> int:
        """Store changed invoices and the cursor; returns how many changed.

        Dirty become `invoice:NUMBER` (scope: target) and the subjects of payments whose latest application names or wants it.
        """
        raise NotImplementedError

    # ------------------------------------------------------------ delivering
    def due(self, target: str, now: datetime, limit: int, after: tuple[int, str] | None) -> list[Delivery]:
        """PLANNED and UNKNOWN deliveries that are due, in wave order (wave of the kind, date, key); `after` pages on."""
        raise NotImplementedError

    def lookup(self, target: str, keys: Sequence[str]) -> dict[str, Delivery]:
        """Deliveries of a target by document key."""
        raise NotImplementedError

    def commit_calls(self, target: str, calls: Sequence[Call], deliveries: Sequence[Delivery], now: datetime) -> None:
        """Commit Calls with their bytes and their deliveries as SENDING, before the first byte leaves."""
        raise NotImplementedError

    def settle(self, target: str, call_keys: Sequence[str], deliveries: Sequence[Delivery], now: datetime) -> None:
        """Store what Calls came to; a Call whose members are all settled drops its bytes. With no Call: only the deliveries."""
        raise NotImplementedError

    def open_calls(self, target: str) -> list[OpenCall]:
        """Calls that were committed and not settled, oldest first."""
        raise NotImplementedError

    # ------------------------------------------------------------ the sub-ledger
    def balances(self, source: str, through: datetime | None) -> dict[tuple[Role, str, str], int]:
        """(role, bucket, currency) -> sum of lines of a source with effective <= through (None: all)."""
        raise NotImplementedError

    def movements(self, source: str, since: datetime) -> Iterator[tuple[str, datetime, Role, str, str, int]]:
        """(entry key, effective, role, bucket, currency, minor) of clearing and reserve lines from an instant on, in order."""
        raise NotImplementedError

    def posted_sums(self, target: str, through: date, delivered: bool) -> dict[tuple[Role, str, str, str], int]:
        """(role, source, bucket, currency) -> sum of lines of entries dated <= through whose document is (not) delivered."""
        raise NotImplementedError

    def entry_dates(self, target: str) -> tuple[date, date] | None:
        """First and last date of delivered entries."""
        raise NotImplementedError

    # ------------------------------------------------------------ what people ask
    def refusals(self, source: str | None = None) -> list[tuple[Subject, Refusal]]:
        """Records that are held."""
        raise NotImplementedError

    def held(self, target: str | None = None) -> list[Delivery]:
        """Deliveries that are held or unknown."""
        raise NotImplementedError

    def counts(self) -> dict[tuple[str, str, str], int]:
        """(target, document kind, status) -> deliveries."""
        raise NotImplementedError

    def invoice_states(self, target: str) -> list[tuple[Invoice, Money]]:
        """Mirrored invoices of a target with what the latest applications have brought them, by number."""
        raise NotImplementedError

    def day_sums(self, source: str, since: datetime, until: datetime) -> list[tuple[str, str, Role, int, int]]:
        """(entry kind, currency, role, number of entries, sum) of entries effective in a half-open window."""
        raise NotImplementedError

    def search(self, id: str) -> list[Subject]:
        """Subjects that any of these ids belongs to: record id, ledger id, entry key, document key, invoice number."""
        raise NotImplementedError

    def versions(self, subject: Subject) -> list[tuple[Record, datetime]]:
        """Every landed version of a subject's records with the instant it was landed, oldest first."""
        raise NotImplementedError

    def calls_of(self, target: str, key: str) -> list[tuple[datetime, datetime | None, str, str]]:
        """(committed, settled, call key, outcome) of the Calls that carried a document."""
        raise NotImplementedError

    def all_subjects(self, scope: str | None = None) -> Iterator[Subject]:
        """Every subject by position: for exports and proofs."""
        raise NotImplementedError

    # ------------------------------------------------------------ runs, readings, audit
    def start_run(self, kind: str, now: datetime) -> int:
        """Note that a run has begun; returns its number."""
        raise NotImplementedError

    def end_run(self, id: int, now: datetime, exit: int, counts: Mapping[str, Json]) -> None:
        """Note how it ended."""
        raise NotImplementedError

    def runs(self, limit: int = 10, kind: str | None = None) -> list[Run]:
        """The latest runs, newest first."""
        raise NotImplementedError

    def note_balances(self, source: str, balances: Sequence[Balance]) -> None:
        """Keep the vendor's statement of its balances (the latest of each bucket and currency)."""
        raise NotImplementedError

    def noted_balances(self, source: str) -> list[Balance]:
        """The vendor's latest statement."""
        raise NotImplementedError

    def set_fact(self, name: str, value: Json) -> None:
        """Remember a small fact of the installation (opening balances, last assertions) under a fixed name."""
        raise NotImplementedError

    def get_fact(self, name: str) -> Json:
        """A remembered fact, or None."""
        raise NotImplementedError

    def audit(self, now: datetime, who: str, what: str, detail: Mapping[str, Json]) -> None:
        """Append one line to the audit log."""
        raise NotImplementedError

    def problems_of(self, target: str) -> list[Problem]:
        """The problems of a target's held deliveries."""
        raise NotImplementedError

"""The state store: the state's only SQL. One thread owns it; every method is one transaction unless it says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, datetime
from pathlib import Path

from syncjob.bankfile import Line
from syncjob.crosswalk import Customer, Name
from syncjob.errors import Busy, Problem
from syncjob.model import Delivery, Entry, Invoice, Json, Record, Refusal, Remote, Role, Stream
from syncjob.money import Money
from syncjob.ports import Balance, Call, Identity
from syncjob.reconcile import Payout, Posted
from syncjob.store import (
    asking,
    bank,
    closing,
    comparing,
    copying,
    crosswalk,
    daybook,
    delivering,
    journal,
    landing,
    ledger,
    mapcounts,
    mirror,
    pairing,
    payouts,
    planning,
    recognition,
    undoing,
)
from syncjob.store import subjects as order
from syncjob.store.database import Database
from syncjob.store.lock import advisory_lock, file_lock
from syncjob.store.opening import address, check, connect, lock_path, path_of, unclean
from syncjob.store.schema import migrate, next_fence, prepare
from syncjob.store.values import AuditLine, Counted, Landed, OpenCall, Plan, Progress, Run, Story, Subject

__all__ = ["AuditLine", "Counted", "Landed", "OpenCall", "Plan", "Progress", "Run", "Store", "Story", "Subject"]


class Store:
    """The open state of one home."""

    # ------------------------------------------------------------ life
    def __init__(self, database: Database, path: Path | None) -> None:
        self._database = database
        self._path = path
        self._seen: planning.Seen = {}
        self._sums = ledger.Sums(database)
        self._run = 0
        self.undoing = undoing.Undoing(database, self._sums)

    @classmethod
    def open(cls, url: str, *, create: bool = True, now: datetime | None = None) -> Store:
        """Open (and migrate) the state at a SQLAlchemy URL, or a path for SQLite.

        Raises StateDamaged (damaged, read-only, full disk, newer schema: the sentence names the file and the cure), Busy, and
        Misconfigured for a URL that cannot be read or a state that is missing and shall not be made.
        """
        where = address(url)
        path = path_of(where)
        killed = unclean(path)
        database = connect(where, create=create)
        store = cls(database, path)
        try:
            to_migrate = prepare(database, create=create)
            check(database, path, now, killed=killed)
            if to_migrate:
                with store.run_lock():
                    migrate(database)
        except BaseException:
            database.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()

    @contextmanager
    def run_lock(self) -> Iterator[None]:
        """Hold the one-writer lock for a run (flock beside SQLite, advisory lock in PostgreSQL); Busy if another holds it.

        Takes the next fencing number; every later write transaction checks that it is still the highest.
        """
        database = self._database
        if database.fence is not None:
            raise Busy(f"this run holds the lock of the state {database.place} already")
        with ExitStack() as held:
            if not database.sqlite:
                held.enter_context(advisory_lock(database))
            elif self._path is not None:
                held.enter_context(file_lock(lock_path(self._path), database.place))
            database.fence = next_fence(database)
            try:
                yield
            finally:
                database.fence = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make what is read and written inside one transaction: a person's decision, its audit line, nothing in between."""
        try:
            with self._database.writing():
                yield
        except BaseException:
            self._sums.forget()
            raise

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Let several reads see the same state, whatever a run beside them writes; nothing is locked."""
        with self._database.reading():
            yield

    def copy_to(self, path: Path) -> None:
        """Copy the whole state into a fresh SQLite file, for a dry run."""
        copying.copy_to(self._database, path)

    # ------------------------------------------------------------ names and accounts
    def bindings(self) -> dict[str, tuple[Identity, str]]:
        """Each connector name with the vendor identity it is bound to and the fingerprint of the key last seen."""
        return journal.bindings(self._database)

    def bind(self, name: str, identity: Identity, fingerprint: str, now: datetime) -> None:
        """Bind a connector name to a vendor identity on first use, or renew its fingerprint; another one is Misconfigured."""
        journal.bind(self._database, name, identity, fingerprint, now)

    def bound_accounts(self, target: str) -> dict[tuple[str, str, str], str]:
        """(role, source, currency) -> account code as first used by a target."""
        return journal.bound_accounts(self._database, target)

    def bind_accounts(self, target: str, codes: Mapping[tuple[str, str, str], str]) -> None:
        """Remember account codes on first use; existing rows are left as they are."""
        journal.bind_accounts(self._database, target, codes)

    def rebind_accounts(self, target: str, codes: Mapping[tuple[str, str, str], str]) -> None:
        """Let remembered account codes be others from now on: somebody has decided what becomes of the entries in the old."""
        journal.rebind_accounts(self._database, target, codes)

    # ------------------------------------------------------------ landing
    def progress(self, source: str, feed: str) -> Progress:
        """How far a feed was read; an empty Progress if never."""
        return landing.progress_of(self._database, source, feed)

    def land(self, stream: Stream, feed: str, records: Sequence[Record], progress: Progress | None, now: datetime) -> Landed:
        """Land one page: new versions, dirty subjects, and the feed's progress (None: a backfill, progress untouched).

        A version is added only when its digest differs from the newest of that identity and it is not older (as_of) than it.
        The subject becomes dirty when a version was added. A subject's position is the earliest `occurred` seen.
        """
        return landing.land(self._database, stream, feed, records, progress, now)

    def known(self, stream: Stream, type: str, ids: Sequence[str]) -> set[str]:
        """Which of these ids have a landed record."""
        return landing.known(self._database, stream, type, ids)

    def known_between(self, stream: Stream, type: str, since: datetime, until: datetime) -> list[str]:
        """The ids of a type's landed records that occurred in a half-open window, oldest first."""
        return landing.known_between(self._database, stream, type, since, until)

    def digests(self, stream: Stream, ids: Sequence[str]) -> dict[tuple[str, str], str]:
        """(type, id) -> the digest of the newest landed version, for those of these ids that were landed."""
        return comparing.digests(self._database, stream, ids)

    # ------------------------------------------------------------ planning
    def dirty(self, limit: int) -> list[Subject]:
        """The next dirty subjects by position, then name."""
        return order.dirty(self._database, limit)

    def mark_dirty(self, subjects: Sequence[Subject]) -> None:
        """Ask for subjects to be planned again."""
        with self._database.writing():
            order.mark_dirty(self._database, subjects)

    def mark_unsent_dirty(self) -> int:
        """Ask for the subjects of all documents that no target holds yet to be planned again; gives how many there are."""
        return order.mark_unsent(self._database)

    def subjects_between(self, since: tuple[date, datetime], until: tuple[date, datetime] | None) -> Iterator[Subject]:
        """Subjects with an entry or record between two days (as days and instants, half-open); then invoices that they paid."""
        return order.of_days(self._database, since, until)

    def stories(self, subjects: Sequence[Subject]) -> list[Story]:
        """All that is known of these subjects, in the order given: one statement per table."""
        return planning.stories(self._database, subjects, self._seen)

    def invoices(self, numbers: Sequence[str]) -> list[Invoice]:
        """Mirrored invoices by normalised number, all targets."""
        return planning.invoices(self._database, numbers)

    def applied(self, numbers: Sequence[str]) -> dict[str, list[tuple[str, Money]]]:
        """Per invoice number, (movement key, amount) of the latest application of each movement."""
        return planning.applied(self._database, numbers)

    def save(self, plan: Plan, now: datetime) -> None:  # noqa: ARG002 - every change is told its instant
        """Store a batch's plan. Entries are inserted once: an existing key with other content is an AssertionError."""
        self._sums.forget()
        planning.save(self._database, plan, self._seen)

    # ------------------------------------------------------------ the mirror of the books
    def mirror_cursor(self, target: str) -> str | None:
        """The mirror's cursor, None if never read."""
        return mirror.cursor(self._database, target)

    def land_mirror(self, target: str, invoices: Sequence[Invoice], cursor: str, now: datetime) -> int:
        """Store changed invoices and the cursor; returns how many changed.

        Dirty become `invoice:NUMBER` (scope: target) and the subjects of payments whose latest application names or wants it.
        """
        return mirror.land(self._database, target, invoices, cursor, now)

    # ------------------------------------------------------------ delivering
    def due(
        self, target: str, now: datetime, limit: int, after: tuple[int, str] | None
    ) -> tuple[list[Delivery], tuple[int, str] | None]:
        """PLANNED and UNKNOWN deliveries that are due, in wave order (wave of the kind, date, key); `after` pages on."""
        return delivering.due(self._database, target, now, limit, after)

    def lookup(self, target: str, keys: Sequence[str]) -> dict[str, Delivery]:
        """Deliveries of a target by document key."""
        return delivering.lookup(self._database, target, keys)

    def remotes(self, target: str, keys: Sequence[str]) -> dict[str, Remote]:
        """By document key, what a target calls those of these documents that it holds."""
        return delivering.remotes(self._database, target, keys)

    def standing(self, target: str) -> Iterator[tuple[str, str]]:
        """(key, version) of each dated document that stands in a target, as the target said when it was last written."""
        return delivering.standing(self._database, target)

    def commit_calls(self, target: str, calls: Sequence[Call], deliveries: Sequence[Delivery], now: datetime) -> None:
        """Commit Calls with their bytes and their deliveries as SENDING, before the first byte leaves."""
        self._sums.forget()
        delivering.commit_calls(self._database, target, calls, deliveries, now, self._run)

    def settle(self, target: str, call_keys: Sequence[str], deliveries: Sequence[Delivery], now: datetime) -> None:
        """Store what Calls came to; a Call whose members are all settled drops its bytes. With no Call: only the deliveries."""
        self._sums.forget()
        delivering.settle(self._database, target, call_keys, deliveries, now)

    def open_calls(self, target: str) -> list[OpenCall]:
        """Calls that were committed and not settled, oldest first."""
        return delivering.open_calls(self._database, target)

    # ------------------------------------------------------------ the sub-ledger
    def balances(self, source: str, through: datetime | None) -> dict[tuple[Role, str, str], int]:
        """(role, bucket, currency) -> sum of lines of a source with effective <= through (None: all)."""
        return self._sums.balances(source, through)

    def movements(self, source: str, since: datetime) -> Iterator[tuple[str, datetime, Role, str, str, int]]:
        """(entry key, effective, role, bucket, currency, minor) of clearing and reserve lines from an instant on, in order."""
        return ledger.movements(self._database, source, since)

    def posted_sums(self, target: str, through: date, delivered: bool) -> dict[tuple[Role, str, str, str], int]:
        """(role, source, bucket, currency) -> sum of lines of entries dated <= through whose document is (not) delivered."""
        return self._sums.posted(target, through, delivered)

    def posted_by_chart(self, target: str, through: date, delivered: bool) -> dict[tuple[int, Role, str, str, str], int]:
        """The same, under the number of the chart that the documents' postings were made with; -1: they have none yet."""
        return self._sums.of_charts(target, through, delivered)

    def coded(self, keys: Sequence[str]) -> dict[tuple[str, str], list[tuple[int, int]]]:
        """(target, document key) -> from which revision on its postings stand under which chart, where it is not the first."""
        return ledger.coded(self._database, keys)

    def prepaid(self, source: str, through: date) -> dict[tuple[date, str, str], int]:
        """(day, currency, role) -> what of a source's fees stands prepaid, of entries dated up to a day."""
        return ledger.prepaid(self._database, source, through)

    def deferred(self, source: str) -> tuple[list[recognition.Deferred], dict[str, dict[tuple[str, str], int]]]:
        """What a source's sales deferred, by day; and by month and (currency, time) what was brought to revenue."""
        return recognition.deferred(self._database, source)

    def without_document(self, target: str, source: str, through: date) -> list[Entry]:
        """The entries of a source dated up to a day that no document brings to a target, in the order of its ledger."""
        return planning.without_document(self._database, target, source, through)

    def unsent_summaries(self, target: str) -> dict[str, list[Entry]]:
        """Document key -> its entries, of the summaries that a target does not hold yet and that are not under way."""
        return planning.unsent_summaries(self._database, target)

    def count_entries(self, source: str, subject: str) -> int:
        """How many entries a subject has."""
        return ledger.count(self._database, source, subject)

    def entry_dates(self, target: str) -> tuple[date, date] | None:
        """First and last date of delivered entries."""
        return ledger.entry_dates(self._database, target)

    def land_bank(self, account: str, lines: Sequence[Line], now: datetime) -> int:
        """Keep the lines of a bank account's statement that are not known yet; gives how many these are."""
        return bank.land(self._database, account, lines, now)

    def bank_lines(self) -> list[tuple[str, Line]]:
        """(account, line) of every statement, by day."""
        return bank.lines(self._database)

    # ------------------------------------------------------------ payouts, and payments that name no invoice
    def payouts(self, source: str, since: datetime) -> list[Payout]:
        """The payouts of a source that left its balance from an instant on, oldest first."""
        return payouts.payouts(self._database, source, since)

    def posted_of(self, source: str, ids: Sequence[str], currency: str) -> dict[str, Posted]:
        """By ledger id, what was posted of these movements in a currency."""
        return payouts.posted(self._database, source, ids, currency)

    def note_paid_out(self, source: str, payout: str, movements: Sequence[str]) -> None:
        """Keep which movements (ledger ids) a payout pays out, as the gateway says."""
        payouts.note_paid_out(self._database, source, payout, movements)

    def paid_out(self, source: str, movements: Sequence[str]) -> dict[str, str]:
        """By ledger id, the payout that pays a movement out, where the gateway has said it."""
        return payouts.paid_out(self._database, source, movements)

    def unnamed(self, target: str) -> Iterator[list[tuple[str, list[pairing.Unnamed]]]]:
        """Some customers of a target's books at a time, with the payments of theirs that stand whole as credit."""
        return pairing.unnamed(self._database, target)

    def unnamed_of(self, payer: Name) -> list[pairing.Unnamed]:
        """The payments of one customer of a gateway that stand whole as credit."""
        return pairing.unnamed_of(self._database, payer)

    def owed(self, target: str, customers: Sequence[str]) -> dict[str, list[Invoice]]:
        """The invoices by customer of which a target's books ask for something, payments of ours not counted."""
        return pairing.owed(self._database, target, customers)

    # ------------------------------------------------------------ the journal, and closing a month
    def daybook(self, since: date, until: date, source: str = "") -> Iterator[tuple[Entry, list[daybook.Carried]]]:
        """Entries dated between two days, by date, instant and key, each with the documents that bring it to books."""
        return daybook.entries(self._database, since, until, source)

    def sums_through(self, day: date) -> dict[tuple[str, Role, str], int]:
        """(source, role, currency) -> sum of all lines dated up to and with a day."""
        return closing.sums_through(self._database, day)

    def kind_sums(self, first: date, last: date) -> list[tuple[str, str, str, Role, int, int]]:
        """(source, entry kind, currency, role, number of entries, sum) of entries dated between two days, both included."""
        return closing.kind_sums(self._database, first, last)

    def side_sums(self, first: date, last: date) -> dict[tuple[str, Role, str], tuple[int, int]]:
        """(source, role, currency) -> debits and credits (negative) dated between two days, both included."""
        return closing.side_sums(self._database, first, last)

    def crossing(self, day: date, end: datetime) -> list[closing.Crossing]:
        """Lines of gateways' balances dated up to a day and moved from an instant on, or the other way round."""
        return closing.crossing(self._database, day, end)

    def open_items(self, day: date) -> list[closing.Open]:
        """Unapplied money, customer credit, suspense and payouts on their way by subject, as they stood at the end of a day."""
        return closing.open_items(self._database, day)

    def sent_payouts(self, first: date, last: date) -> list[closing.Sent]:
        """Every line of the payouts that moved in transit between two days, or were in transit on either of them."""
        return closing.sent(self._database, first, last)

    def missing_lines(self, target: str, day: date) -> list[closing.Missing]:
        """The lines dated up to a day that a target's books do not have yet, with their documents."""
        return closing.missing(self._database, target, day)

    def late_sums(self, target: str, day: date, end: datetime) -> list[tuple[str, Role, str, datetime, int, int]]:
        """(source, role, currency, arrived, entries, sum) of gateways' balances dated up to a day, in the books since `end`."""
        return closing.late(self._database, target, day, end)

    # ------------------------------------------------------------ what people ask
    def refusals(self, source: str | None = None) -> list[tuple[Subject, Refusal]]:
        """Records that are held."""
        return asking.refusals(self._database, source)

    def held(self, target: str | None = None) -> list[Delivery]:
        """Deliveries that are held or unknown."""
        return delivering.held(self._database, target)

    def counts(self) -> dict[tuple[str, str, str], int]:
        """(target, document kind, status) -> deliveries."""
        return delivering.counts(self._database)

    def unfinished(self) -> dict[str, int]:
        """Status -> deliveries that are not delivered: planned, sending, unknown, held."""
        return delivering.unfinished(self._database)

    def invoice_states(self, target: str) -> Iterator[tuple[Invoice, Money]]:
        """Mirrored invoices of a target with what the latest applications have brought them, by number."""
        return mirror.states(self._database, target)

    def day_sums(self, source: str, since: datetime, until: datetime) -> list[tuple[str, str, Role, int, int]]:
        """(entry kind, currency, role, number of entries, sum) of entries effective in a half-open window."""
        return ledger.day_sums(self._database, source, since, until)

    def search(self, id: str) -> list[Subject]:
        """Subjects that any of these ids belongs to: record id, ledger id, entry key, document key, invoice number."""
        return asking.search(self._database, id)

    def versions(self, subject: Subject) -> list[tuple[Record, datetime]]:
        """Every landed version of a subject's records with the instant it was landed, oldest first."""
        return landing.versions(self._database, subject)

    def calls_of(self, target: str, key: str) -> list[tuple[datetime, datetime | None, str, str]]:
        """(committed, settled, call key, outcome) of the Calls that carried a document."""
        return delivering.calls_of(self._database, target, key)

    def all_subjects(self, scope: str | None = None) -> Iterator[Subject]:
        """Every subject by position: for exports and proofs."""
        return order.every(self._database, scope)

    # ------------------------------------------------------------ runs, readings, audit
    def start_run(self, kind: str, now: datetime) -> int:
        """Note that a run has begun; returns its number."""
        self._run = journal.start_run(self._database, kind, now)
        return self._run

    def end_run(self, id: int, now: datetime, exit: int, counts: Mapping[str, Json]) -> None:
        """Note how it ended."""
        journal.end_run(self._database, id, now, exit, counts)

    def runs(self, limit: int = 10, kind: str | None = None) -> list[Run]:
        """The latest runs, newest first."""
        return journal.runs(self._database, limit, kind)

    def note_balances(self, source: str, balances: Sequence[Balance]) -> None:
        """Keep the vendor's latest statement of its balances, whole; what it no longer names is not stated any more."""
        journal.note_balances(self._database, source, balances)

    def noted_balances(self, source: str) -> list[Balance]:
        """The vendor's latest statement."""
        return journal.noted_balances(self._database, source)

    def set_fact(self, name: str, value: Json) -> None:
        """Remember a small fact of the installation (opening balances, last assertions) under a fixed name."""
        journal.set_fact(self._database, name, value)

    def get_fact(self, name: str) -> Json:
        """A remembered fact, or None."""
        return journal.get_fact(self._database, name)

    # ------------------------------------------------------------ the crosswalk of customers
    def has_customers(self) -> bool:
        """Whether anybody is linked at all. Asked anew each time, by one look: a person may link while a run goes on."""
        return not crosswalk.is_empty(self._database)

    def customers(self, names: Sequence[Name]) -> dict[Name, Customer]:
        """Those of these names, (system, id), that are linked or were set apart, each with their whole customer."""
        return crosswalk.customers(self._database, names)

    def all_customers(self) -> Iterator[Customer]:
        """Everybody in the crosswalk."""
        return crosswalk.every(self._database)

    def join_customers(self, names: Sequence[Name], how: str, now: datetime) -> Customer:
        """Make one customer of these names and of all that they are linked with; the caller has looked for contradictions."""
        return crosswalk.join(self._database, names, how, now)

    def part_customer(self, name: Name) -> Customer | None:
        """Set a name apart from its customer, who is given as it was before; None where it is linked with nobody."""
        return crosswalk.part(self._database, name)

    def knows_customer(self, name: Name, *, books: bool) -> bool:
        """Whether a gateway's records (or the mirror of the books) name this customer."""
        return crosswalk.knows(self._database, name, books=books)

    def customers_alike(self, name: Name, *, books: bool) -> list[str]:
        """What a gateway (or the books) calls others, for a name that it does not know."""
        return crosswalk.alike(self._database, name, books=books)

    def subjects_about(self, names: Sequence[Name], contacts: Sequence[Name] = ()) -> list[Subject]:
        """All that is about these customers of gateways, and all that needs one of these documents (target, key)."""
        return crosswalk.subjects_about(self._database, names, contacts)

    def contact_of(self, target: str, remote: str) -> str | None:
        """The document key of the contact that we keep in this object of a CRM."""
        return crosswalk.contact_of(self._database, target, remote)

    def bearers(self) -> Iterator[tuple[Name, str, Subject]]:
        """Whose newest records name an e-mail address: the gateway's customer, those fields as JSON, and where they stand."""
        return crosswalk.bearers(self._database)

    def books_bearers(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """(target, address, customers): whose invoices bear an address; two of them where several do."""
        return crosswalk.books_bearers(self._database)

    # ------------------------------------------------------------ what the maps did
    def add_map_counts(self, day: date, counts: Mapping[Counted, int], now: datetime) -> None:
        """Add what the maps' rules did to the counts of a day (UTC); days of more than 90 days ago are dropped."""
        mapcounts.add(self._database, day, counts, now)

    def map_counts(self, since: date, through: date) -> dict[Counted, tuple[int, date]]:
        """(map, field, what, value) -> how often from one day to another, both included, and on which of them first."""
        return mapcounts.sums(self._database, since, through)

    # ------------------------------------------------------------ audit
    def audit(self, now: datetime, who: str, what: str, detail: Mapping[str, Json]) -> None:
        """Append one line to the audit log."""
        journal.audit(self._database, now, who, what, detail)

    def problems_of(self, target: str) -> list[Problem]:
        """The problems of a target's held deliveries."""
        return delivering.problems_of(self._database, target)

    def audit_log(self) -> Iterator[AuditLine]:
        """Every audit line, oldest first, with the digest that chains it to the one before."""
        return journal.audit_log(self._database)

    def forget(self, source: str, person: str) -> int:
        """Delete a person's personal fields from every version of a source's records; amounts, ids and keys stay.

        Whoever is linked is forgotten under each of their names: it is one person. Returns how many versions held some.
        """
        with self._database.writing():
            customer = crosswalk.customers(self._database, [(source, person)]).get((source, person))
            names = customer.names if customer is not None else ((source, person),)
            return sum(landing.forget(self._database, *name) for name in names)

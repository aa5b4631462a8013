"""Planning: from all that is known of a batch of subjects to entries, applications and deliveries. Values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, tzinfo
from functools import lru_cache

from syncjob.chart import Chart
from syncjob.crosswalk import Linked
from syncjob.errors import Problem, RecordRefused
from syncjob.matching import PLAIN, Books, Ladder, match
from syncjob.model import (
    Application,
    Delivery,
    Document,
    DocumentKind,
    Entry,
    Invoice,
    Kind,
    Part,
    Person,
    Reading,
    Record,
    Refusal,
    Role,
    Status,
    Transaction,
    digest,
    movement_key,
)
from syncjob.money import Money
from syncjob.plan import books as book_documents
from syncjob.plan import crm as crm_documents
from syncjob.plan import linking
from syncjob.plan.correcting import Correction
from syncjob.plan.linking import Tie
from syncjob.plan.locking import Late, first_open, is_closed, lock_of, unapproved
from syncjob.plan.proceed import proceed, under_way
from syncjob.plan.units import PER_TRANSACTION, Booking, Mode, matched
from syncjob.ports import FieldMap, Lock
from syncjob.posting import (
    FEES,
    apart,
    apply,
    changed,
    claim,
    post,
    post_facts,
    posted_on,
    tax_given_back,
    tax_of_sale,
    together,
    undo,
)
from syncjob.posting.recognition import Share, given_back, shares
from syncjob.posting.rules import APPLIED, Treatment, usual


@dataclass(frozen=True, slots=True)
class Ledger:
    """One target as planning sees it: its name, its map, and whether it keeps books (else it is a CRM)."""

    name: str
    map: FieldMap
    books: bool
    kinds: frozenset[DocumentKind]
    booking: Booking = PER_TRANSACTION  # how its books are kept


@dataclass(frozen=True, slots=True)
class Rules:
    """What a home decided: the company's zone, the books' home currency, the cut-over instant, accounts, targets."""

    zone: tzinfo
    home: str
    start: datetime
    chart: Chart
    ledgers: tuple[Ledger, ...]
    earlier: Mapping[str, datetime] = field(default_factory=dict)  # a source whose cut-over a backfill has moved back
    ladder: Ladder = PLAIN  # how payments find their invoices
    correct: Correction | None = None  # what was delivered follows changed maps and account codes, too
    treatments: Mapping[str, Treatment] = field(default_factory=dict)  # by source, how it is booked
    locks: Mapping[str, tuple[Lock, ...]] = field(default_factory=dict)  # by target, the closed periods of its books
    approved: frozenset[str] = frozenset()  # keys of the movements that a person lets go to the first open day

    def open_day(self, day: date, movement: str = "") -> date:
        """The day on which something is posted: its own, or the first open one where books say that and have closed it.

        Raises RecordRefused for a `movement` (its key) that a person must approve first.
        """
        found = day
        for ledger in self.ledgers:
            locks = self.locks.get(ledger.name, ())
            lock = lock_of(locks, None, day) if ledger.books else None
            if lock is None or ledger.booking.late is Late.HOLD:
                continue
            if ledger.booking.late is Late.APPROVAL and movement and movement not in self.approved:
                raise unapproved(movement.partition(":")[2], ledger.name, day, lock)
            found = max(found, first_open(locks, day))
        return found if found == day else self.open_day(found)

    @property
    def moves_days(self) -> bool:
        """Whether something may be posted on another day than its own, since that is closed."""
        return any(ledger.books and ledger.booking.late is not Late.HOLD for ledger in self.ledgers)

    def is_frozen(self, target: str, existing: Delivery | None) -> bool:
        """Whether a document that was delivered stands in a closed period, so that its texts stay as they are."""
        arrived = existing is not None and existing.status is Status.DELIVERED
        return arrived and existing is not None and is_closed(self.locks.get(target, ()), existing.kind, existing.date)

    def how(self, source: str) -> Treatment:
        """How a source is booked."""
        return self.treatments.get(source) or usual()

    def since(self, source: str) -> datetime:
        """The cut-over instant of a source: nothing older is posted."""
        return self.earlier.get(source, self.start)

    def corrects(self, target: str, kind: DocumentKind, day: date | None) -> bool:
        """Whether a document that was delivered follows today's map and account codes."""
        return self.correct is not None and self.correct.reaches(target, kind, day)


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of one subject before it is planned."""

    subject: str
    source: str
    records: tuple[Record, ...] = ()
    reading: Reading = field(default_factory=Reading)
    entries: tuple[Entry, ...] = ()
    applications: tuple[Application, ...] = ()
    deliveries: Mapping[tuple[str, str], Delivery] = field(default_factory=dict)  # (target, document key)
    posted: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (target, entry key) -> document
    map: str = ""  # digest of the gateway's map that read it
    customers: Mapping[str, Linked] = field(default_factory=dict)  # by id, those of its people whom others know


@dataclass(frozen=True, slots=True)
class Decided:
    """What planning one subject came to."""

    entries: tuple[Entry, ...] = ()
    applications: tuple[Application, ...] = ()
    posted: tuple[tuple[str, str, str], ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    invoices: tuple[str, ...] = ()  # numbers whose state changed
    coded: tuple[tuple[str, str, int], ...] = ()  # (target, document key, revision) whose postings were made with this chart
    again: bool = False  # something is under way: plan this subject once more later


def wanted_numbers(known: Iterable[Known], ladder: Ladder = PLAIN) -> list[str]:
    """The document numbers that these subjects' payments name, those they were applied to before, and those decided on."""
    found: dict[str, None] = {}
    for one in known:
        found.update(dict.fromkeys(ladder.numbers(one.reading.transactions)))
        for application in one.applications:
            found.update(dict.fromkeys(part.invoice for part in application.parts if part.invoice))
    return list(found)


def plan(known: Known, rules: Rules, books: Books, people: dict[tuple[str, str], Delivery]) -> Decided:
    """Plan one subject that records are about. `people` are the deliveries of contacts and companies, by (target, key).

    Contacts are shared by many payments: the caller hands in those it knows, and finds the newest ones there afterwards.
    """
    try:
        return _plan(known, rules, books, people)
    except Exception:
        # Nothing of this subject will be saved, so what it was matched with must not be missing for the next one.
        books.restore([movement_key(one.stream, one.id) for one in known.reading.transactions], known.applications)
        raise


def _plan(known: Known, rules: Rules, books: Books, people: dict[tuple[str, str], Delivery]) -> Decided:
    entries, refusals, transactions, sound = _post(known, rules)
    applications: list[Application] = []
    new_entries = tuple(entries)
    if sound:  # where posted money says something else today, nothing that follows from it is decided anew
        applications, applied = _apply(known, transactions, new_entries, books, rules)
        how = rules.how(known.source).rules
        of_facts = post_facts(known.reading.facts, transactions, known.entries, rules.zone, how, rules.open_day)
        new_entries += (*applied, *of_facts)
    facts = _facts_digest(known, applications)
    as_of = max((record.as_of for record in known.records if record.type != "event"), default=rules.start)
    latest = {a.movement: a for a in (*known.applications, *applications)}
    posted: list[tuple[str, str, str]] = []
    deliveries: list[Delivery] = []
    shared: dict[tuple[str, str], Delivery] = {}
    coded: list[tuple[str, str, int]] = []
    again = False
    for ledger in rules.ledgers:
        documents = _documents(ledger, known, rules, new_entries, (transactions, latest, as_of))
        posted += [
            (ledger.name, entry, document.key)
            for document in documents
            for entry in document.entries
            if (ledger.name, entry) not in known.posted
        ]
        linked = known.customers and not ledger.books
        ties = linking.ties(ledger.name, known.source, known.reading.people, known.customers) if linked else {}
        for document in documents:
            key, tie = (ledger.name, document.key), ties.get(document.key, linking.LOOSE)
            # What another subject of this batch made of a contact is newer than what the store knew before the batch.
            existing = shared.get(key) or people.get(key) or known.deliveries.get(key)
            again = again or under_way(existing)
            if tie.stands_in and existing is not None and existing.subject == known.subject and key not in known.deliveries:
                continue  # told by another account, which calls somebody the same
            if rules.is_frozen(ledger.name, existing) or _is_taken_back(known, ledger.name, document.key):
                continue
            stamp = made_by(known.map, ledger.map.digest)
            correct = rules.corrects(ledger.name, document.kind, document.date)
            delivery = _proceed_person(ledger.name, document, facts, existing, known.subject, stamp, tie, correct=correct)
            if delivery is not None:
                deliveries.append(delivery)
                coded += [(ledger.name, document.key, delivery.revision)] if document.entries else []
                if document.kind in _SHARED:
                    shared[key] = delivery
        if ties:
            left = _left(ledger.name, known, ties, (shared, people, known.deliveries))
            deliveries += left.values()
            shared |= left
    people.update(shared)
    touched = {part.invoice for a in applications for part in (*a.parts, *_parts_before(known, a)) if part.invoice}
    return Decided(
        entries=new_entries,
        applications=tuple(applications),
        posted=tuple(posted),
        deliveries=tuple(deliveries),
        refusals=(*known.reading.problems, *refusals),
        invoices=tuple(sorted(touched)),
        coded=tuple(coded),
        again=again,
    )


def _is_taken_back(known: Known, target: str, key: str) -> bool:
    """Whether another document takes this one back: then it stays as that one has taken it back."""
    return any((one.target, one.reverses) == (target, key) and not one.is_undone for one in known.deliveries.values())


def _documents(
    ledger: Ledger,
    known: Known,
    rules: Rules,
    new: Sequence[Entry],
    told: tuple[Sequence[Transaction], Mapping[str, Application], datetime],
) -> list[Document]:
    """What one target should hold of a subject; `told` is what moved, what it is for, and when that was true."""
    transactions, latest, as_of = told
    names = _known_as(ledger.name, known, rules)
    if ledger.books:
        tale = book_documents.Tale(known.source, transactions, known.reading.people, latest, as_of, names, rules.zone)
        every = (*known.entries, *new)
        paying = matched(every) if ledger.booking.mode is Mode.HYBRID else frozenset()
        fresh = [entry for entry in every if (ledger.name, entry.key) not in known.posted]
        unposted = [entry for entry in fresh if not ledger.booking.summarises(entry, paying)]
        carried = {entry: document for (target, entry), document in known.posted.items() if target == ledger.name}
        made = book_documents.documents(
            *(ledger.name, ledger.map, rules.chart, tale, unposted, known.deliveries, _anew(ledger.name, known, rules), carried)
        )
    else:
        story = crm_documents.Tale(
            *(known.source, known.subject, transactions, known.reading, latest, as_of, rules.zone, known.customers, names)
        )
        made = crm_documents.documents(ledger.name, ledger.map, story)
    return [document for document in made if document.kind in ledger.kinds]


_SHARED = (DocumentKind.CONTACT, DocumentKind.COMPANY)


@lru_cache(maxsize=100)
def made_by(gateway: str, target: str) -> str:
    """What stands for a pair of maps in the documents that they make; "" as the gateway's where books alone tell it."""
    return digest(gateway, target)


def _proceed_person(
    target: str, document: Document, facts: str, existing: Delivery | None, subject: str, stamp: str, tie: Tie, *, correct: bool
) -> Delivery | None:
    shared = document.kind in _SHARED and existing is not None and existing.subject != subject
    if shared and existing is not None:
        # The gateway's customer record says who somebody is; what one payment's billing details say only fills a gap.
        own = subject.startswith("customer:")
        if existing.subject.startswith("customer:") and (tie.stands_in or not own):
            return None
        if tie.stands_in and not own:
            return None
        if own and document.as_of < existing.as_of:
            document = Document(
                key=document.key,
                kind=document.kind,
                subject=document.subject,
                as_of=existing.as_of,
                body=document.body,
                needs=document.needs,
            )
    delivery = proceed(target, document, facts, existing, stamp, correct=correct)
    return linking.adopted(delivery, tie) if tie.adopts and existing is None and delivery is not None else delivery


def _known_as(target: str, known: Known, rules: Rules) -> Mapping[str, Mapping[str, str]]:
    if not known.customers:
        return {}
    books = [ledger.name for ledger in rules.ledgers if ledger.books]
    crms = [ledger.name for ledger in rules.ledgers if not ledger.books]
    return linking.known_as(target, known.customers, books, crms)


def _anew(target: str, known: Known, rules: Rules) -> Mapping[str, Sequence[Entry]]:
    """By document, the entries of those whose postings follow today's account codes: not delivered yet, or corrected."""
    found: dict[str, list[Entry]] = {}
    for entry in known.entries:
        name = known.posted.get((target, entry.key))
        existing = known.deliveries.get((target, name)) if name is not None else None
        if existing is not None and (not existing.delivered_revision or rules.corrects(target, existing.kind, existing.date)):
            found.setdefault(existing.key, []).append(entry)
    return found


def _left(
    target: str, known: Known, ties: Mapping[str, Tie], standing: Iterable[Mapping[tuple[str, str], Delivery]]
) -> dict[tuple[str, str], Delivery]:
    """The contacts that were of these people and are not any more, as they stand there: nothing more is sent of them."""
    found: dict[tuple[str, str], Delivery] = {}
    for person in known.reading.people:
        key = (target, linking.own_key(target, known.source, person.id))
        if person.id in known.customers and key[1] not in ties:
            existing = next((one[key] for one in standing if key in one), None)
            left = linking.withdrawn(existing)
            found |= {key: left} if left is not None else {}
    return found


def _post(known: Known, rules: Rules) -> tuple[list[Entry], list[Refusal], list[Transaction], bool]:
    standing, how = {entry.key: entry for entry in known.entries}, rules.how(known.source)
    payments = {one.origin: movement_key(one.stream, one.id) for one in known.reading.transactions if one.kind is Kind.PAYMENT}
    new: list[Entry] = []
    refusals: list[Refusal] = []
    good: list[Transaction] = []
    sound = True
    for one in known.reading.transactions:
        if one.effective < rules.since(known.source):
            continue
        try:
            payment = standing.get(payments.get(one.parent or one.origin, ""))
            entry = post(one, rules.zone, rules.home, how, payment)
            before = standing.get(entry.key)
            day = before.date if before is not None else rules.open_day(entry.date, entry.key)
        except RecordRefused as refused:
            problem = Problem(f"{one.type} {one.id}", one.stream.source, str(refused), refused.cure)
            refusals.append(Refusal(one.type, one.id, problem, one.effective, one.net, one.bucket))
            continue
        entry = replace(entry, date=day) if day != entry.date else entry
        whole = together(before, standing.get(f"{entry.key}{FEES}")) if before else None
        problem_now = changed(entry, whole, one, moved=rules.moves_days) if whole else None
        if problem_now:
            refusals.append(Refusal(one.type, one.id, problem_now))
            sound = False
            continue
        if before is None:
            new += apart(entry, how)
        good.append(one)
    return new, refusals, good, sound


def _apply(
    known: Known, transactions: Sequence[Transaction], new: Sequence[Entry], books: Books, rules: Rules
) -> tuple[list[Application], list[Entry]]:
    claims = [entry for entry in (*known.entries, *new) if any(line.role is Role.UNAPPLIED for line in entry.lines)]
    unapplied = {entry.key for entry in claims}  # what stands on the control account is for a sale that others record
    matched = [one for one in transactions if one.kind not in APPLIED or movement_key(one.stream, one.id) in unapplied]
    applications = match(matched, known.applications, books, rules.ladder)
    by_key = {movement_key(one.stream, one.id): one for one in transactions}
    dates = {entry.key: entry.date for entry in known.entries}
    entries: list[Entry] = []
    for application in applications:
        one = by_key[application.movement]
        day = dates.get(application.movement) or posted_on(one, rules.zone)  # what was posted keeps its day
        for part in application.parts:
            # A payment that came before its invoice is applied on the day there was an invoice to apply it to.
            day = max([day, *(invoice.issued for invoice in books.named(part.invoice))]) if application.version > 1 else day
        earlier = _standing(application.movement, known.entries)
        if earlier is not None:
            day = max(day, earlier.date)  # nothing is undone before it was done
        day = rules.open_day(day)
        entry = apply(one, application, day, *_sale(one, application, day, known, rules, [*known.entries, *entries]))
        if earlier is not None and earlier.lines == entry.lines:
            continue  # decided anew, to the same end
        if earlier is not None:
            entries.append(undo(earlier, day))
        if application.parts:
            entries.append(entry)
    return applications, entries


def _sale(
    one: Transaction, application: Application, day: date, known: Known, rules: Rules, entries: Sequence[Entry]
) -> tuple[Money | None, tuple[Share, ...]]:
    """The tax in what no invoice gets, where that is a sale recorded here or one given back, and the times that it is for."""
    if one.kind is Kind.PAYMENT:
        person = next((p for p in known.reading.people if p.id == one.customer), None)
        country = (person.address.country or person.country) if person is not None else ""
        how = rules.how(known.source)
        return tax_of_sale(one, application, how, country, day), shares(one.services, day, rules.zone, how.revenue)
    charge = one.parent or one.origin
    family = [t for t in known.reading.transactions if t.kind in APPLIED and (t.parent or t.origin) == charge]
    credit = sum((part.amount.minor for part in application.parts if not part.invoice), 0)
    if not credit:
        return None, ()
    paid = [_standing(movement_key(t.stream, t.id), entries) for t in family if t.kind is Kind.PAYMENT]
    others = [t for t in family if t.kind is not Kind.PAYMENT and t.id != one.id]
    back = [entry for t in others if (entry := _standing(movement_key(t.stream, t.id), entries)) is not None]
    sold = paid[0] if paid else None
    tax = tax_given_back(Money(credit, claim(one).currency), sold, back)
    return tax, given_back(sold) if sold is not None else ()


def _standing(movement: str, entries: Sequence[Entry]) -> Entry | None:
    """The entry of a movement's application that no other has undone."""
    of_movement = [entry for entry in entries if entry.key.startswith(f"{movement}:application:")]
    undone = {entry.key.removesuffix(":undo") for entry in of_movement if entry.key.endswith(":undo")}
    return next((e for e in of_movement if not e.key.endswith(":undo") and e.key not in undone), None)


def _parts_before(known: Known, application: Application) -> tuple[Part, ...]:
    return tuple(part for before in known.applications if before.movement == application.movement for part in before.parts)


def _facts_digest(known: Known, applications: Sequence[Application]) -> str:
    said = sorted(f"{r.type}/{r.id}/{r.digest}" for r in known.records if r.type != "event")
    latest = {a.movement: a for a in (*known.applications, *applications)}
    return digest(*said, *(f"{key}#{latest[key].version}" for key in sorted(latest)), *linking.stamp(known.customers))


def invoice_documents(
    scope: str, invoice: Invoice, paid: Money, rules: Rules, deliveries: Mapping[tuple[str, str], Delivery]
) -> list[Delivery]:
    """The deals that show sales what became of an invoice."""
    planned: list[Delivery] = []
    facts = digest(invoice.number, invoice.customer, invoice.email, str(invoice.total), str(invoice.open), str(paid))
    for ledger in rules.ledgers:
        if ledger.books or DocumentKind.DEAL not in ledger.kinds:
            continue
        document = crm_documents.deal(ledger.name, ledger.map, scope, invoice, paid)
        existing, stamp = deliveries.get((ledger.name, document.key)), made_by("", ledger.map.digest)
        delivery = proceed(ledger.name, document, facts, existing, stamp, correct=rules.correct is not None)
        if delivery is not None:
            planned.append(delivery)
    return planned


def contact_keys(known: Iterable[Known], ledgers: Sequence[Ledger]) -> dict[str, list[str]]:
    """Per CRM, the document keys of contacts and companies that these subjects may touch."""
    people: list[tuple[Known, Person]] = [(one, person) for one in known for person in one.reading.people]
    keys: dict[str, list[str]] = {}
    for ledger in ledgers:
        if not ledger.books:
            keys[ledger.name] = list(
                dict.fromkeys(
                    key
                    for one, person in people
                    for key in crm_documents.person_keys(ledger.name, one.source, person, one.customers)
                )
            )
    return keys

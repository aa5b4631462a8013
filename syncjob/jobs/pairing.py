"""Payments without a number find their invoices by the only sum that explains them, once all that names a number is planned."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from syncjob.jobs.coverage import covered
from syncjob.jobs.job import Job
from syncjob.jobs.known import BATCH, known_of
from syncjob.matching import Books, Ladder, normal, spoken
from syncjob.matching.pairing import Asked, Paid, Pairing, pair
from syncjob.model import Invoice, Kind, Transaction, movement_key
from syncjob.plan import Known, Rules
from syncjob.posting import claim, posted_on
from syncjob.posting.rules import APPLIED, Sales
from syncjob.store import Subject
from syncjob.store.pairing import Unnamed

_HELD_MAX = 20_000  # payments; what goes beyond is planned at once, and may be matched by a document of its own
_NAMES_AT_ONCE = 500


@dataclass(slots=True)
class Held:
    """Payments that nobody has planned yet and that wait until every number has been looked at: then their sums are.

    `read` says up to when all feeds of each gateway account are read whose sales are invoices of the books.
    """

    rules: Rules
    read: Mapping[str, datetime]
    subjects: dict[Subject, None] = field(default_factory=dict)
    _payments: dict[tuple[str, str], list[Unnamed]] = field(default_factory=dict)  # by target and the books' customer
    _words: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, job: Job) -> Held:
        """Nothing held so far; nothing ever will be where syncjob.yaml or the lack of linked customers rules it out."""
        on = job.rules.ladder.by_customer and job.store.has_customers()
        return cls(job.rules, _read_through(job) if on else {})

    def take(self, subject: Subject, known: Known) -> bool:
        """Hold a subject back where it is one payment without a number, of a customer whom books know; gives whether."""
        if not known.customers or known.source not in self.read or len(self.subjects) >= _HELD_MAX:
            return False
        moved = [one for one in known.reading.transactions if one.kind in APPLIED]
        if len(moved) != 1 or known.applications or known.reading.problems:
            return False
        (one,) = moved
        linked = known.customers.get(one.customer)
        if linked is None or not self._may_wait(one, known):
            return False
        key, amount, day = movement_key(one.stream, one.id), claim(one), posted_on(one, self.rules.zone)
        for ledger in self.rules.ledgers:
            name = linked.elsewhere.get(ledger.name) if ledger.books else None
            if name is not None:
                payment = Unnamed(subject, key, one.customer, amount, day, one.effective)
                self._payments.setdefault((ledger.name, name), []).append(payment)
                self.subjects[subject] = None
        self._words[key] = spoken(one)
        return subject in self.subjects

    def _may_wait(self, one: Transaction, known: Known) -> bool:
        ladder = self.rules.ladder
        if one.kind is not Kind.PAYMENT or one.effective < self.rules.since(known.source) or claim(one).minor <= 0:
            return False
        return movement_key(one.stream, one.id) not in ladder.decisions and not any(map(ladder.counts, one.references))

    def words(self, movement: str) -> list[str] | None:
        """What a held payment is about, word by word; None for one that is not held."""
        return self._words.get(movement)

    def payments(self, target: str, name: str) -> list[Unnamed]:
        """The held payments of a customer of the books, given once."""
        return self._payments.pop((target, name), [])

    def names(self, target: str) -> list[str]:
        """The customers of a target's books of whom payments are held that were not given yet."""
        return [name for of, name in self._payments if of == target]


def _read_through(job: Job) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for source in job.sources:
        if job.rules.how(source.name).sales is not Sales.INVOICED_IN_BOOKS:
            continue
        ends = [
            one.until if one.number is None else job.store.progress(source.name, one.feed).seen_at
            for one in covered(job.store, source.name, source.gateway.feeds, job.rules.since(source.name))
            if one.offered
        ]
        known = [end for end in ends if end is not None]
        if known and len(known) == len(ends):
            found[source.name] = min(known)
    return found


def pairings(job: Job, held: Held) -> tuple[dict[str, Pairing], list[Subject]]:
    """By movement key what the sums say, and the subjects that are to be planned with that: those, and all that are held.

    A payment waits until every feed of its gateway that may still name its invoice has been read past it.
    """
    found: dict[str, Pairing] = {}
    subjects: dict[Subject, None] = {}
    for sink in job.sinks if held.read else ():
        if sink.ledger.books:
            for page in _pages(job, sink.name, held):
                for subject, one in _sure(job, _found(job, sink.name, page, held), held):
                    found[one.movement] = one
                    subjects[subject] = None
    return found, list(subjects | held.subjects)


def _pages(job: Job, target: str, held: Held) -> Iterator[list[tuple[str, list[Unnamed]]]]:
    """Some customers at a time with all their payments that name nothing: those planned before, and those held."""
    for page in job.store.unnamed(target):
        yield [(name, [*known, *held.payments(target, name)]) for name, known in page]
    left = iter(held.names(target))
    while names := list(islice(left, _NAMES_AT_ONCE)):
        yield [(name, held.payments(target, name)) for name in names]


def _found(
    job: Job, target: str, page: Sequence[tuple[str, Sequence[Unnamed]]], held: Held
) -> list[tuple[Subject, Pairing]]:
    owed = job.store.owed(target, [name for name, _ in page])
    numbers = [normal(one.number) for invoices in owed.values() for one in invoices]
    books = Books([], job.store.applied(numbers) if numbers else {})
    found: list[tuple[Subject, Pairing]] = []
    for name, payments in page:
        subjects = {one.movement: one.subject for one in payments}
        of_customer = _of_customer(name, payments, _asked(owed.get(name, ()), books), held)
        found += [(subjects[one.movement], one) for one in of_customer]
    return found


def _asked(invoices: Iterable[Invoice], books: Books) -> list[Asked]:
    still = [Asked(one.number, books.open(one), one.issued) for one in invoices]
    return [one for one in still if one.open.minor > 0]


def _of_customer(name: str, payments: Sequence[Unnamed], asked: Sequence[Asked], held: Held) -> list[Pairing]:
    found: list[Pairing] = []
    for currency in sorted({one.open.currency for one in asked}):
        mine = [one for one in payments if one.amount.currency == currency and one.subject.scope in held.read]
        paid = [Paid(one.movement, one.customer, one.amount, one.day, _never(one, held.rules.ladder)) for one in mine]
        # What may still get its number takes part in the sums, so that nothing is taken for unique that is not.
        late = {one.movement for one in mine if one.effective >= held.read[one.subject.scope]}
        found += _without(late, pair(name, paid, [one for one in asked if one.open.currency == currency]))
    return found


def _without(movements: Collection[str], found: Sequence[Pairing]) -> list[Pairing]:
    """The pairings but for those of these movements, and of others that would pay an invoice together with them."""
    numbers = {part.invoice for one in found if one.movement in movements for part in one.parts}
    return [one for one in found if not any(part.invoice in numbers for part in one.parts)]


def _never(one: Unnamed, ladder: Ladder) -> frozenset[str]:
    rejection = ladder.rejections.get(one.movement)
    return frozenset(rejection.numbers) if rejection is not None else frozenset()


def _sure(job: Job, found: Sequence[tuple[Subject, Pairing]], held: Held) -> list[tuple[Subject, Pairing]]:
    """Without those whose payer is somebody else by the gateway's map, and those that are about another invoice by a word."""
    about = _about(job, found, held)
    words = list(dict.fromkeys(word for _, said in about.values() for word in said if word))
    named = {normal(invoice.number) for invoice in job.store.invoices(words)} if words else set()
    wrong: set[str] = set()
    for _, pairing in found:
        customer, said = about.get(pairing.movement, ("", []))
        own = {normal(part.invoice) for part in pairing.parts}
        if customer != pairing.customer or any(word in named and word not in own for word in said):
            wrong.add(pairing.movement)
    kept = {one.movement for one in _without(wrong, [one for _, one in found])}
    return [(subject, one) for subject, one in found if one.movement in kept]


def _about(job: Job, found: Sequence[tuple[Subject, Pairing]], held: Held) -> dict[str, tuple[str, list[str]]]:
    """Movement key -> who paid, and every word with a digit that says what for."""
    sources = {source.name: source for source in job.sources}
    about: dict[str, tuple[str, list[str]]] = {}
    unread: dict[Subject, None] = {}
    for subject, one in found:
        words = held.words(one.movement)
        if words is None:
            unread[subject] = None
        else:
            about[one.movement] = one.customer, words
    left = iter(unread)
    while subjects := list(islice(left, BATCH)):
        for story in job.store.stories(subjects):
            for moved in known_of(story, sources[story.subject.scope]).reading.transactions:
                about[movement_key(moved.stream, moved.id)] = moved.customer, spoken(moved)
    return about

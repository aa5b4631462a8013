"""What a receipt or refund is for, by a ladder of rules.

What a person said, else the invoices whose numbers the payment itself names, else the only sum that explains it among its
customer's invoices (see pairing), else customer credit.

Each rung is looked at only where the one above says nothing; where one contradicts itself, none below is asked. Two candidates
are never chosen between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from syncjob.matching.pairing import BY_CUSTOMER, Pairing
from syncjob.model import NO_NUMBER, NOT_FOUND, Application, Invoice, Kind, Part, Reference, Transaction, movement_key
from syncjob.moment import iso
from syncjob.money import Money
from syncjob.posting import claim
from syncjob.posting.rules import APPLIED

BY_PERSON = "decided by a person"
REJECTED = "rejected by a person"
SEVERAL = "document numbers"
WRITTEN_OFF = "document number, difference written off"
_BETWEEN_WORDS = re.compile(r"[\s,;:()\[\]\"']+")


def normal(number: str) -> str:
    """A document number as it is compared: no spaces or '#', upper case."""
    return "".join(number.split()).lstrip("#").upper()


class Books:
    """The open amounts of mirrored invoices while one batch is matched: what is applied here is no longer open for the next."""

    def __init__(self, invoices: Sequence[Invoice], applied: Mapping[str, Sequence[tuple[str, Money]]]) -> None:
        """`applied` gives, per invoice number, (movement key, amount) of the latest application of each movement."""
        self._invoices: dict[str, list[Invoice]] = {}
        for invoice in invoices:
            self._invoices.setdefault(normal(invoice.number), []).append(invoice)
        self._applied = {normal(number): dict(amounts) for number, amounts in applied.items()}
        self._numbers: dict[str, list[str]] = {}
        for number, by_movement in self._applied.items():
            for movement in by_movement:
                self._numbers.setdefault(movement, []).append(number)

    def named(self, number: str) -> list[Invoice]:
        """The invoices that carry a number."""
        return self._invoices.get(normal(number), [])

    def open(self, invoice: Invoice, *without: str) -> Money:
        """What an invoice still asks for, as if these movements had brought and taken nothing."""
        left = invoice.open
        for movement, amount in self._applied.get(normal(invoice.number), {}).items():
            if movement not in without:
                left = left - amount
        return left

    def take(self, application: Application) -> None:
        """Count an application from now on, in place of the same movement's earlier one."""
        self._leave(application.movement)
        for part in application.parts:
            if part.invoice:
                self._applied.setdefault(normal(part.invoice), {})[application.movement] = part.amount
                self._numbers.setdefault(application.movement, []).append(normal(part.invoice))

    def restore(self, movements: Iterable[str], known: Sequence[Application]) -> None:
        """Count again what was known of these movements, where what was taken in its place comes to nothing after all."""
        for movement in movements:
            self._leave(movement)
        for application in known:
            self.take(application)

    def _leave(self, movement: str) -> None:
        for number in self._numbers.pop(movement, ()):
            self._applied[number].pop(movement, None)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said a payment is for: invoices, each with its share in minor units of the payment's currency, or none.

    What no invoice gets is the customer's credit. It stands until somebody decides otherwise, whatever the payment names.
    """

    parts: tuple[tuple[str, int], ...]  # (number, minor units)
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rejection:
    """Invoices, by number, that a person said a payment is not for; the rules decide among the others."""

    numbers: tuple[str, ...]
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ladder:
    """What matching goes by beside the payments and the books: settings, what people said, and the sums that were found.

    `series` are the beginnings of the books' own numbers (none: every number may be one). `gateway_numbers`: the books use the
    numbers that the gateway gives its invoices. `tolerance` is, by currency and in minor units, what may be missing of an
    invoice that is settled all the same. The other mappings are by movement key.
    """

    series: tuple[str, ...] = ()
    gateway_numbers: bool = False
    by_customer: bool = True
    tolerance: Mapping[str, int] = field(default_factory=dict)
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    rejections: Mapping[str, Rejection] = field(default_factory=dict)
    pairings: Mapping[str, Pairing] = field(default_factory=dict)

    def counts(self, reference: Reference) -> bool:
        """Whether what a payment names may be a number of the books."""
        if reference.of_gateway and not self.gateway_numbers:
            return False
        return not self.series or normal(reference.text).startswith(tuple(normal(one) for one in self.series))

    def numbers(self, transactions: Sequence[Transaction]) -> list[str]:
        """Every number that matters to what these are for, as it is compared."""
        found: list[str] = []
        for one in transactions:
            if one.kind in APPLIED:
                found += [normal(reference.text) for reference in one.references]
                key = movement_key(one.stream, one.id) if self.decisions or self.pairings else ""
                if key in self.decisions:
                    found += [normal(number) for number, _ in self.decisions[key].parts]
                if key in self.pairings:
                    found += [normal(part.invoice) for part in self.pairings[key].parts]
        return found


PLAIN = Ladder()  # numbers alone, and nobody has said anything


def spoken(one: Transaction) -> list[str]:
    """Every word with a digit in what a payment is about, as numbers are compared: it may be one, though nothing says so."""
    words = _BETWEEN_WORDS.split(one.description)
    return [normal(word.strip(".")) for word in words if any(letter.isdigit() for letter in word)]


def match(
    transactions: Sequence[Transaction], known: Sequence[Application], books: Books, ladder: Ladder = PLAIN
) -> list[Application]:
    """The applications of one subject's payments, refunds and their failures that differ from the latest known ones.

    A payment about which a person has decided follows that. Refunds follow the payment they give back. Versions rise by one
    with each change.
    """
    latest = {application.movement: application for application in known}
    decided: dict[str, Application] = {}
    new: list[Application] = []
    # A refund may bear the second of its payment: what gives back comes after what it gives back, whatever the ids.
    story = sorted((t for t in transactions if t.kind in APPLIED), key=lambda t: (t.effective, APPLIED.index(t.kind), t.id))
    for one in story:
        key = movement_key(one.stream, one.id)
        before = latest.get(key)
        if one.kind is Kind.PAYMENT:
            returns = (t for t in story if t.kind is not Kind.PAYMENT and _parent(t) == one.origin)
            family = [key, *(movement_key(t.stream, t.id) for t in returns)]
            decision = ladder.decisions.get(key)
            if decision is not None:
                application = _decided(one, family, books, decision)
            else:
                application = _receipt(one, family, books, before, ladder)
        else:
            application = _return(one, key, transactions, decided)
        if before is not None and (before.parts, before.wanted) == (application.parts, application.wanted):
            application = before
        else:
            application = replace(application, version=before.version + 1) if before else application
            new.append(application)
        decided[key] = application
        books.take(application)
    return new


def _parent(one: Transaction) -> str:
    return one.parent or one.origin


def _receipt(
    one: Transaction, family: Sequence[str], books: Books, before: Application | None, ladder: Ladder
) -> Application:
    """`family`: the payment's own key, and the keys of what gave it back and failed to."""
    key, amount = family[0], claim(one)
    references = [reference for reference in one.references if ladder.counts(reference)]
    found: dict[str, tuple[Invoice, str]] = {}
    for reference in references:
        for invoice in books.named(reference.text):
            found.setdefault(invoice.id, (invoice, f"{reference.place} names {reference.text}"))
    named = list(dict.fromkeys(normal(reference.text) for reference in references))
    missing = [number for number in named if not books.named(number)]
    wanted = (missing or named or [""])[0]
    rejection = ladder.rejections.get(key)
    out = {normal(number) for number in rejection.numbers} if rejection is not None else set()
    if rejection is not None and out & set(named):
        return _credit(key, amount, REJECTED, f"{rejection.by} on {iso(rejection.at)}", wanted)
    if not named:
        told = _summed(one, family, books, (before, ladder.pairings.get(key)), out)
        return told or replace(_credit(key, amount, NO_NUMBER, "", ""), customer=one.customer)
    if not found:
        why = f"{references[0].place} names {references[0].text}, which the books do not list"
        return _credit(key, amount, NOT_FOUND, why, wanted)
    if len(found) > 1 or len(named) > 1:
        invoices = [invoice for invoice, _ in found.values()]
        others = ", ".join(sorted(invoice.number for invoice in invoices))
        why = f"names {', '.join(named)}"
        parts = _together(amount, family, books, invoices, before) if len(found) == len(named) and not missing else ()
        if parts:
            return Application(movement=key, version=1, parts=parts, rule=SEVERAL, evidence=why, wanted=wanted)
        return _credit(key, amount, "several numbers", why, wanted, others)
    invoice, evidence = next(iter(found.values()))
    if invoice.total.currency != amount.currency:
        why = f"{evidence}, but the invoice is in {invoice.total.currency}"
        return _credit(key, amount, "other currency", why, wanted, invoice.number)
    # Its own refunds open nothing for it: else it would take again what was given back, and again at each planning.
    left = books.open(invoice, *family)
    settled = _settled(before, invoice, amount, left, books) or _short_by_little(amount, left, ladder)
    if settled is not None:
        return Application(
            movement=key, version=1, parts=(Part(invoice.number, settled),), rule=WRITTEN_OFF, evidence=evidence, wanted=wanted,
            written_off=settled - amount,
        )  # fmt: skip
    taken = min(amount.minor, max(left.minor, 0))
    kept = sum(part.amount.minor for part in before.parts if part.invoice == invoice.number) if before else 0
    if taken < kept <= amount.minor and books.open(invoice).minor >= 0:
        taken = kept  # what its refund opened was paid by somebody else: that takes nothing from it after the event
    parts = (Part(invoice.number, Money(taken, amount.currency)),) if taken else ()
    if amount.minor > taken:
        parts += (Part("", Money(amount.minor - taken, amount.currency)),)
    rule = "document number" if taken == amount.minor else "document number, over-paid"
    return Application(movement=key, version=1, parts=parts, rule=rule, evidence=evidence, wanted=wanted)


def _short_by_little(amount: Money, left: Money, ladder: Ladder) -> Money | None:
    """What an invoice asks for, where a payment lacks no more of it than the tolerance, and less than it brings."""
    short = left.minor - amount.minor
    return left if 0 < short <= ladder.tolerance.get(amount.currency, 0) and short < amount.minor else None


def _settled(before: Application | None, invoice: Invoice, amount: Money, left: Money, books: Books) -> Money | None:
    """What was settled before with a difference written off, where others have paid since what its refund opened."""
    if before is None or before.rule != WRITTEN_OFF or before.written_off is None or left.minor >= amount.minor:
        return None
    (part,) = before.parts
    stands = part.invoice == invoice.number and part.amount - before.written_off == amount
    return part.amount if stands and books.open(invoice).minor >= 0 else None


def _together(
    amount: Money, family: Sequence[str], books: Books, invoices: Sequence[Invoice], before: Application | None
) -> tuple[Part, ...]:
    """The shares of several invoices that one payment names, where it brings exactly what they ask for; else none."""
    if any(one.total.currency != amount.currency for one in invoices):
        return ()
    numbers = {one.number for one in invoices}
    same = before is not None and before.rule == SEVERAL and {part.invoice for part in before.parts} == numbers
    if before is not None and same and _stands(before, amount, books):
        return before.parts
    left = [(one, books.open(one, *family)) for one in invoices]
    if any(still.minor <= 0 for _, still in left) or sum(still.minor for _, still in left) != amount.minor:
        return ()
    return tuple(Part(one.number, still) for one, still in sorted(left, key=lambda pair: pair[0].number))


def _summed(
    one: Transaction,
    family: Sequence[str],
    books: Books,
    told: tuple[Application | None, Pairing | None],
    out: set[str],
) -> Application | None:
    """What the only sum among its customer's invoices says, or has said before: that stays while there is room for it.

    It is not believed where the invoices have changed since the sum was found.
    """
    amount, (before, found) = claim(one), told
    before_for = {normal(part.invoice) for part in before.parts} if before is not None and before.rule in BY_CUSTOMER else set()
    if before is not None and before_for and not before_for & out and _stands(before, amount, books):
        return before
    if found is None or out & {normal(part.invoice) for part in found.parts}:
        return None
    for part in found.parts:
        asking = books.named(part.invoice)
        if len(asking) != 1 or asking[0].total.currency != amount.currency:
            return None
        if books.open(asking[0], *family).minor < part.amount.minor:
            return None
    if sum(part.amount.minor for part in found.parts) != amount.minor:
        return None
    return Application(movement=family[0], version=1, parts=found.parts, rule=found.rule, evidence=found.evidence)


def _stands(before: Application, amount: Money, books: Books) -> bool:
    """Whether what was decided before may stay: it is the whole payment, and none of its invoices is paid beyond its total."""
    if sum(part.amount.minor for part in before.parts) != amount.minor:
        return False
    for part in before.parts:
        asking = books.named(part.invoice)
        if len(asking) != 1 or asking[0].total.currency != amount.currency or books.open(asking[0]).minor < 0:
            return False
    return True


def _decided(one: Transaction, family: Sequence[str], books: Books, decision: Decision) -> Application:
    """As a person said, as far as the invoices are still open and in the payment's currency; the rest is credit."""
    amount = claim(one)
    left = amount.minor
    taken: dict[str, int] = {}
    for number, minor in decision.parts:
        invoice = next((i for i in books.named(number) if i.total.currency == amount.currency), None)
        if invoice is not None:
            still = books.open(invoice, *family).minor - taken.get(invoice.number, 0)
            share = max(min(minor, left, still), 0)
            taken[invoice.number] = taken.get(invoice.number, 0) + share
            left -= share
    parts = [Part(number, Money(share, amount.currency)) for number, share in taken.items() if share]
    if left:
        parts.append(Part("", Money(left, amount.currency)))
    wanted = normal(decision.parts[0][0]) if decision.parts else ""
    evidence = f"{decision.by} on {iso(decision.at)}"
    return Application(movement=family[0], version=1, parts=tuple(parts), rule=BY_PERSON, evidence=evidence, wanted=wanted)


def _credit(key: str, amount: Money, rule: str, evidence: str, wanted: str, runner_up: str = "") -> Application:
    return Application(
        movement=key,
        version=1,
        parts=(Part("", amount),) if amount.minor else (),
        rule=rule,
        evidence=evidence,
        wanted=wanted,
        runner_up=runner_up,
    )


def _return(one: Transaction, key: str, transactions: Sequence[Transaction], decided: Mapping[str, Application]) -> Application:
    """Give back what the payment brought: its customer credit first, then its invoices by number."""
    amount = claim(one)
    parent = next((t for t in transactions if t.kind is Kind.PAYMENT and t.origin == _parent(one)), None)
    paid = decided.get(movement_key(parent.stream, parent.id)) if parent else None
    if paid is None:
        return _credit(key, amount, "payment before the cut-over", f"belongs to {_parent(one)}", "")
    if any(part.amount.currency != amount.currency for part in paid.parts):
        return _credit(key, amount, "other currency than its payment", paid.movement, "")
    standing: dict[str, int] = {part.invoice: part.amount.minor for part in paid.parts}
    siblings = (t for t in transactions if t.kind in APPLIED[1:] and _parent(t) == _parent(one))
    for sibling in siblings:
        earlier = decided.get(movement_key(sibling.stream, sibling.id))
        for part in earlier.parts if earlier else ():
            standing[part.invoice] = standing.get(part.invoice, 0) + part.amount.minor
    parts: list[Part] = []
    left = amount.minor
    for invoice in sorted(standing, reverse=left > 0):
        if left < 0:
            share = max(left, -max(standing[invoice], 0))
        else:
            given = sum(part.amount.minor for part in paid.parts if part.invoice == invoice)
            share = min(left, max(given - standing[invoice], 0))
        if share:
            parts.append(Part(invoice, Money(share, amount.currency)))
            left -= share
    if left:
        parts.append(Part("", Money(left, amount.currency)))
    return Application(movement=key, version=1, parts=tuple(parts), rule="follows its payment", evidence=paid.movement)

"""What people's decisions would teach the rules: a link of customers that several of them say, tried on the past first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncjob.crosswalk import Name
from syncjob.jobs.matches import decisions
from syncjob.mapping import GatewayMap
from syncjob.matching import Decision, normal
from syncjob.matching.pairing import Asked, Paid, pair
from syncjob.model import Transaction, movement_key
from syncjob.posting import claim
from syncjob.store import Store


@dataclass(frozen=True, slots=True)
class Lesson:
    """That a gateway's customer is a customer of the books, as people's decisions say, and what a link would have done.

    Of the `decided` payments `alike` would be matched as people said and `otherwise` in another way; the rest would wait.
    `more` payments that wait today would be matched.
    """

    gateway: Name
    books: Name
    decided: int
    alike: int
    otherwise: int
    more: int


def lessons(store: Store, maps: Mapping[str, GatewayMap], books: Sequence[str]) -> list[Lesson]:
    """The links that people's decisions say without a contradiction and that the crosswalk does not have."""
    said: dict[Name, set[Name]] = {}
    decided: dict[Name, dict[str, tuple[Paid, Decision]]] = {}
    for key, decision in decisions(store).items():
        one = _payment(store, maps, key) if decision.parts else None
        if one is None or not one.customer:
            continue
        gateway = key.partition(":")[0], one.customer
        numbers = [number for number, _ in decision.parts]
        said.setdefault(gateway, set()).update((invoice.target, invoice.customer) for invoice in store.invoices(numbers))
        if not one.references:  # else the number would have decided, and no sum is looked at
            paid = Paid(key, one.customer, claim(one), one.effective.date())
            decided.setdefault(gateway, {})[key] = paid, decision
    linked = store.customers(list(said))
    found: list[Lesson] = []
    for gateway, owners in sorted(said.items()):
        (owner, *others) = sorted(owners) or [("", "")]
        known = linked[gateway].among(books) if gateway in linked else ()
        if not others and owner[0] in books and owner[1] and not known:
            found.append(_tried(store, gateway, owner, decided.get(gateway, {})))
    return found


def _payment(store: Store, maps: Mapping[str, GatewayMap], key: str) -> Transaction | None:
    scope, _, id = key.partition(":")
    for story in store.stories(store.search(id)) if scope in maps else ():
        if story.stream is not None and story.subject.scope == scope:
            readable = [record for record in story.records if record.problem is None]
            reading = maps[scope].read(story.stream, story.subject.name, readable)
            found = next((one for one in reading.transactions if movement_key(one.stream, one.id) == key), None)
            if found is not None:
                return found
    return None


def _tried(store: Store, gateway: Name, owner: Name, decided: Mapping[str, tuple[Paid, Decision]]) -> Lesson:
    """What the sums of this customer would have said, had nobody decided."""
    payments = [paid for paid, _ in decided.values()]
    payments += [Paid(one.movement, one.customer, one.amount, one.day) for one in store.unnamed_of(gateway)]
    target, name = owner
    invoices = [invoice for invoice, _ in store.invoice_states(target) if invoice.customer == name]
    brought = store.applied([normal(one.number) for one in invoices]) if invoices else {}
    asked: dict[str, list[Asked]] = {}
    for invoice in invoices:
        left = invoice.open
        for movement, amount in brought.get(normal(invoice.number), ()):
            left = left if movement in decided else left - amount
        if left.minor > 0:
            asked.setdefault(left.currency, []).append(Asked(invoice.number, left, invoice.issued))
    alike = otherwise = more = 0
    for currency, open_ones in asked.items():
        for found in pair(name, [one for one in payments if one.amount.currency == currency], open_ones):
            shares = sorted((normal(part.invoice), part.amount.minor) for part in found.parts)
            if found.movement not in decided:
                more += 1
            elif sorted((normal(number), minor) for number, minor in decided[found.movement][1].parts) == shares:
                alike += 1
            else:
                otherwise += 1
    return Lesson(gateway, owner, len(decided), alike, otherwise, more)

"""Customers whom several systems know: whose contact stands for them, who tells it, and what became superfluous."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from syncjob.crosswalk import Linked
from syncjob.model import Action, Delivery, DocumentKind, Person, Remote, Status, document_key
from syncjob.plan.proceed import under_way

NOBODY: Mapping[str, Linked] = {}  # nobody is linked


@dataclass(frozen=True, slots=True)
class Tie:
    """How a contact stands to the person who tells it: adopted in the CRM as what, and whether it is another's."""

    adopts: str = ""  # what the CRM calls the contact that it had before us
    stands_in: bool = False  # the contact is that of the customer who was linked first, and this is another name of theirs


LOOSE = Tie()


def contact_key(target: str, source: str, id: str, customers: Mapping[str, Linked]) -> str:
    """The document key of a person's contact: their own, that of whoever was linked first, or that of an adopted contact."""
    linked = customers.get(id)
    if linked is None:
        return own_key(target, source, id)
    if target in linked.elsewhere:
        # A key of its own: the contact that we had made before keeps its own promise, should they be split again.
        return own_key(target, target, linked.elsewhere[target])
    return own_key(target, linked.source, linked.id)


def own_key(target: str, source: str, id: str) -> str:
    """The document key of the contact of a person who stands alone."""
    return document_key(target, f"{source}:{id}", DocumentKind.CONTACT)


def ties(target: str, source: str, people: Sequence[Person], customers: Mapping[str, Linked]) -> dict[str, Tie]:
    """By key of a contact, how it stands to who tells it; nothing about those who stand alone."""
    found: dict[str, Tie] = {}
    for person in tellers_first(source, people, customers):
        linked = customers.get(person.id)
        if linked is not None:
            own = (linked.source, linked.id) == (source, person.id)
            tie = Tie(linked.elsewhere.get(target, ""), not own)
            found.setdefault(contact_key(target, source, person.id, customers), tie)
    return found


def tellers_first(source: str, people: Sequence[Person], customers: Mapping[str, Linked]) -> Sequence[Person]:
    """The people of a subject, those in front who tell a contact; who only shares it is silent where they speak."""
    if not customers:
        return people

    def shares(person: Person) -> bool:
        linked = customers.get(person.id)
        return linked is not None and (linked.source, linked.id) != (source, person.id)

    return sorted(people, key=shares)


def known_as(
    target: str, customers: Mapping[str, Linked], books: Sequence[str], crms: Sequence[str]
) -> dict[str, dict[str, str]]:
    """By person, what the books and the CRM call them, for a target's map; the target's own name comes before another's."""
    found: dict[str, dict[str, str]] = {}
    for id, linked in customers.items():
        names = found[id] = {}
        for word, systems in (("books_customer", books), ("crm_contact", crms)):
            first = next((one for one in (target, *systems) if one in systems and one in linked.elsewhere), None)
            if first is not None:
                names[word] = linked.elsewhere[first]
    return found


def stamp(customers: Mapping[str, Linked]) -> Iterable[str]:
    """What of the crosswalk a subject's documents follow from: a link made or undone counts as news, a changed map does not."""
    for id in sorted(customers):
        linked = customers[id]
        elsewhere = "".join(f" {target}={name}" for target, name in sorted(linked.elsewhere.items()))
        yield f"{id} is {linked.source}:{linked.id}{elsewhere}"


def adopted(delivery: Delivery, tie: Tie) -> Delivery:
    """The first delivery of an adopted contact: an update of what the CRM has, never a second one."""
    return delivery._replace(action=Action.UPDATE, remote=Remote(tie.adopts))


def withdrawn(existing: Delivery | None) -> Delivery | None:
    """A contact that nobody needs any more as it stands in its target: what was not sent yet is not sent. None: as it is."""
    if existing is None or existing.status is Status.DELIVERED or under_way(existing):
        return None
    used = existing.status is Status.HELD or existing.attempts > 0  # that request's idempotency key is spent
    return existing._replace(
        status=Status.DELIVERED,
        # The number of an update that was never sent is not used again; one that was never made stands as never made.
        delivered_revision=existing.revision if existing.delivered_revision else 0,
        digest=existing.delivered_digest,
        facts="",
        generation=existing.generation + used,
        attempts=0,
        due=None,
        problem=None,
    )

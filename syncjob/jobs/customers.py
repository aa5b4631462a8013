"""Customers whom several systems know: what planning must know of them, and the rule that links some of them by night."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b

from syncjob.crosswalk import BY_EMAIL, Customer, Name, linked
from syncjob.jobs.job import Deadline, Job, Tally
from syncjob.plan import Known
from syncjob.plan.linking import own_key
from syncjob.store import Store, Story, Subject

_AT_ONCE = 5000  # addresses that are looked for in one pass over the records: what bounds the memory
_VERIFIED_AT_ONCE = 500
_ADDRESS = re.compile(r"""[^\s"<>,;:\\()\[\]]+@[^\s"<>,;:\\()\[\]@]+""")


def with_customers(store: Store, known: Sequence[Known], targets: Sequence[str]) -> list[Known]:
    """Tell of each subject's people who is linked: one statement for all, none where nobody is.

    To be called after the stories were read: a link that is made later then leaves its subjects dirty.
    """
    if not store.has_customers():
        return list(known)
    of_subject = [_ids(one) for one in known]
    names = {(one.source, id) for one, ids in zip(known, of_subject, strict=True) for id in ids}
    found = store.customers(list(names))
    as_planned = {name: linked(customer, targets) for name, customer in found.items() if len(customer.links) > 1}
    told = []
    for one, ids in zip(known, of_subject, strict=True):
        mine = {id: about for id in ids if (about := as_planned.get((one.source, id))) is not None}
        told.append(replace(one, customers=mine) if mine else one)
    return told


def _ids(known: Known) -> list[str]:
    reading = known.reading
    ids = [person.id for person in reading.people]
    ids += [one.customer for one in reading.transactions]
    ids += [fact.customer for fact in reading.facts]
    return [id for id in dict.fromkeys(ids) if id]


# ---------------------------------------------------------------- the rule of the night


@dataclass(slots=True)
class _Address:
    """An address on the invoices of one customer of the books, and who bears it at the gateways."""

    books: Name
    bearers: set[Name] = field(default_factory=set)  # two are as many as are noted: nobody chooses between them
    subjects: list[Subject] = field(default_factory=list)


def link_by_email(job: Job, deadline: Deadline, tally: Tally) -> None:
    """Link a gateway's customer with the books' customer where exactly one on each side bears an e-mail address.

    Where two share an address, nobody is linked. Who was linked or set apart before, by a person or by this rule, stays as
    they are, so that no two customers of a gateway ever become one by it.
    """
    books = [sink.name for sink in job.sinks if sink.ledger.books]
    for candidates in _candidates(job.store, books):
        _borne(job.store, candidates)
        alone = {text: one for text, one in candidates.items() if len(one.bearers) == 1}
        pairs = _unambiguous([(next(iter(one.bearers)), one.books, text) for text, one in alone.items()])
        for start in range(0, len(pairs), _VERIFIED_AT_ONCE):
            part = pairs[start : start + _VERIFIED_AT_ONCE]
            sure = _as_the_map_reads(job, [(*pair, alone[pair[2]].subjects) for pair in part])
            tally.add("customers linked", _link(job, sure))
            deadline.check()


def _candidates(store: Store, books: Sequence[str]) -> Iterator[dict[str, _Address]]:
    """Addresses that one customer of the books bears who is not linked yet, some thousand at a time."""
    found: dict[str, _Address] = {}
    shared: set[str] = set()
    for target, address, customers in store.books_bearers():
        if target not in books:
            continue
        text = address.lower()  # a database lowers the letters of ASCII only
        if len(customers) > 1 or text in found or text in shared:
            shared.add(text)
            found.pop(text, None)
            continue
        found[text] = _Address((target, customers[0]))
        if len(found) >= _AT_ONCE:
            yield _unlinked(store, found)
            found, shared = {}, set()
    yield _unlinked(store, found)


def _unlinked(store: Store, found: dict[str, _Address]) -> dict[str, _Address]:
    linked_before = store.customers([one.books for one in found.values()])
    return {text: one for text, one in found.items() if one.books not in linked_before}


def _borne(store: Store, candidates: dict[str, _Address]) -> None:
    """Note who bears these addresses: one pass over the newest records."""
    if not candidates:
        return
    for name, fields, subject in store.bearers():
        for address in _ADDRESS.findall(fields):
            one = candidates.get(address.lower())
            if one is not None and len(one.bearers) < 2:
                one.bearers.add(name)
                if subject.name == f"customer:{name[1]}":
                    one.subjects[:0] = [subject]  # the customer's own record says best who they are
                del one.subjects[1:]
                one.subjects = one.subjects or [subject]


def _unambiguous(pairs: list[tuple[Name, Name, str]]) -> list[tuple[Name, Name, str]]:
    """Without those where one name would be linked with two."""
    met: dict[Name, set[Name]] = {}
    for gateway, books, _ in pairs:
        met.setdefault(gateway, set()).add(books)
        met.setdefault(books, set()).add(gateway)
    return [pair for pair in pairs if len(met[pair[0]]) == len(met[pair[1]]) == 1]


def _as_the_map_reads(job: Job, pairs: Sequence[tuple[Name, Name, str, list[Subject]]]) -> list[tuple[Name, Name]]:
    """Those whose address is the person's own by the gateway's map, not one that only stands somewhere in a record."""
    subjects = [subject for *_, of_pair in pairs for subject in of_pair]
    stories = {(one.subject.scope, one.subject.name): one for one in job.store.stories(subjects)}
    sure: dict[tuple[Name, Name], None] = {}
    for gateway, books, address, of_pair in pairs:
        people = (person for one in of_pair for person in _people(job, stories[one.scope, one.name]))
        if any(person == (gateway[1], address) for person in people):
            sure[gateway, books] = None
    return list(sure)


def _people(job: Job, story: Story) -> list[tuple[str, str]]:
    source = next((one for one in job.sources if one.name == story.subject.scope), None)
    records = [record for record in story.records if record.problem is None]
    if source is None or story.stream is None or not records:
        return []
    reading = source.map.read(story.stream, story.subject.name, records)
    return [(person.id, person.email.strip().lower()) for person in reading.people]


def _link(job: Job, pairs: Sequence[tuple[Name, Name]]) -> int:
    if not pairs:
        return 0
    done: list[Name] = []
    with job.store.together():
        standing = job.store.customers([name for pair in pairs for name in pair])
        for gateway, books in pairs:
            if books not in standing and _free(standing.get(gateway), books[0]):
                job.store.join_customers([gateway, books], BY_EMAIL, job.now())
                done.append(gateway)
        crms = [sink.name for sink in job.sinks if not sink.ledger.books]
        contacts = [(crm, own_key(crm, *name)) for crm in crms for name in done]
        job.store.mark_dirty(job.store.subjects_about(done, contacts))
    return len(done)


def _free(customer: Customer | None, target: str) -> bool:
    """Whether the rule may link a gateway's customer with somebody of this target: never where a person has had a say."""
    if customer is None:
        return True
    return all(link.how == BY_EMAIL and link.name[0] != target for link in customer.links)


# ---------------------------------------------------------------- who shares an address


@dataclass(frozen=True, slots=True)
class Shared:
    """An e-mail address that several customers bear who are not one: a person decides whether they are."""

    address: str
    names: tuple[Name, ...]


def shared_addresses(store: Store, books: Sequence[str]) -> list[Shared]:
    """The addresses that several customers of gateways, or of the books, bear; those who are linked already count as one."""
    bearer: dict[bytes, bytes] = {}
    several: set[bytes] = set()
    for name, fields, _ in store.bearers():
        who = _print("\0".join(name))
        for address in _ADDRESS.findall(fields):
            print_ = _print(address.lower())
            if bearer.setdefault(print_, who) != who:
                several.add(print_)
    on_invoices = [
        (address.lower(), (target, customer))
        for target, address, customers in store.books_bearers()
        if target in books and (len(customers) > 1 or _print(address.lower()) in several)
        for customer in customers
    ]
    several |= {_print(address) for address, _ in on_invoices if _print(address) in bearer}
    names: dict[str, dict[Name, None]] = {}
    for name, fields, _ in store.bearers() if several else ():
        for address in _ADDRESS.findall(fields):
            if _print(address.lower()) in several:
                names.setdefault(address.lower(), {})[name] = None
    for address, name in on_invoices:
        if address in names:
            names[address][name] = None
    return [Shared(address, found) for address in sorted(names) if _still_several(store, found := tuple(names[address]), books)]


def _still_several(store: Store, names: Sequence[Name], books: Sequence[str]) -> bool:
    customers = store.customers(names)
    sides = [[name for name in names if (name[0] in books) is side] for side in (True, False)]
    return any(len({customers[name].number if name in customers else name for name in side}) > 1 for side in sides)


def _print(text: str) -> bytes:
    """Eight bytes that stand for a text: all addresses of a large state are held at once."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()

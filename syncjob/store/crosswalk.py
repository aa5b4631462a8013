"""The crosswalk of customers in the state: only who is linked, or was set apart by a person, has rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, or_, select, tuple_

from syncjob.crosswalk import BY_PERSON, Customer, Link, Name
from syncjob.model import DocumentKind
from syncjob.moment import from_micros, micros
from syncjob.store import rows
from syncjob.store.database import Database, among
from syncjob.store.tables import CUSTOMER, DELIVERY, INVOICE, PERSONAL, RECORD, STREAM, SUBJECT
from syncjob.store.values import Subject

_C, _D, _I, _R, _S = CUSTOMER.c, DELIVERY.c, INVOICE.c, RECORD.c, SUBJECT.c
_AT_ONCE = 1000
_ALIKE_MAX = 5000

_ANY = select(_C.number).limit(1)
_HIGHEST = select(func.max(_C.number))
_COLUMNS = (_C.number, _C.system, _C.id, _C.how, _C.since)
_INSIDE = CUSTOMER.alias("inside")
_OF_NAMES = (
    select(*_COLUMNS)
    .where(_C.number.in_(select(_INSIDE.c.number).where(among(_INSIDE.c.system, "systems"), among(_INSIDE.c.id, "ids"))))
    .order_by(_C.number, _C.since, _C.system, _C.id)
)
_NUMBERS = select(_C.number).where(_C.number > bindparam("after")).distinct().order_by(_C.number).limit(_AT_ONCE)
_OF_NUMBERS = select(*_COLUMNS).where(among(_C.number, "numbers")).order_by(_C.number, _C.since, _C.system, _C.id)

# What a person asks for reads the whole table: no index is kept for it, so a run pays nothing.
_ABOUT = (
    select(_S.scope, _S.name, _S.position)
    .where(_S.scope == bindparam("scope"))
    .where(or_(among(_S.name, "names"), _S.id.in_(select(_R.subject).where(among(_R.person, "persons")))))
)
_IS_ABOUT = _ABOUT.limit(1)
_NEEDING = (
    select(_S.scope, _S.name, _S.position)
    .select_from(DELIVERY.join(SUBJECT, _S.id == _D.subject))
    .where(_D.target == bindparam("target"), or_(among(_D.key, "keys"), among(_D.needs, "needs")))
    .distinct()
)
_PERSONS = (
    select(_R.person)
    .select_from(RECORD.join(STREAM, STREAM.c.id == _R.stream))
    .where(STREAM.c.source == bindparam("source"), _R.person != "")
)
_IS_PERSON = _PERSONS.where(_R.person == bindparam("id")).limit(1)
_PERSONS_LIKE = _PERSONS.where(func.lower(_R.person).like(bindparam("pattern"), escape="\\")).distinct().limit(_ALIKE_MAX)
_CONTACTS = select(_D.key).where(_D.kind == DocumentKind.CONTACT.value)
_ENDING = _CONTACTS.where(_D.key.like(bindparam("pattern"), escape="\\"))
_CONTACTS_LIKE = _CONTACTS.where(func.lower(_D.key).like(bindparam("pattern"), escape="\\")).limit(_ALIKE_MAX)
_CONTACT_OF = select(_D.key).where(
    _D.kind == DocumentKind.CONTACT.value, _D.target == bindparam("target"), _D.remote == bindparam("remote_id")
)
_BOOKS = select(_I.customer).where(_I.target == bindparam("target"), _I.customer != "").distinct()
_IS_BOOKS = _BOOKS.where(_I.customer == bindparam("id")).limit(1)
_BOOKS_LIKE = _BOOKS.limit(_ALIKE_MAX)

_BEARERS = (
    select(PERSONAL.c.record, _S.scope, _S.name, _S.position, PERSONAL.c.person, PERSONAL.c.fields)
    .select_from(PERSONAL.join(RECORD, _R.id == PERSONAL.c.record).join(SUBJECT, _S.id == _R.subject))
    .where(PERSONAL.c.record > bindparam("after"), _R.head == 1)
    .order_by(PERSONAL.c.record)
    .limit(_AT_ONCE)
)
_ADDRESS = func.lower(func.trim(_I.email))
_BOOKS_BEARERS = (
    select(_I.target, _ADDRESS, func.min(_I.customer), func.max(_I.customer))
    .where(
        _ADDRESS != "",
        _I.customer != "",
        tuple_(_I.target, _ADDRESS) > tuple_(bindparam("after_target"), bindparam("after_address")),
    )
    .group_by(_I.target, _ADDRESS)
    .order_by(_I.target, _ADDRESS)
    .limit(_AT_ONCE)
)

# ---------------------------------------------------------------- customers


def is_empty(database: Database) -> bool:
    """Whether nobody is linked: one look at an empty table."""
    return not database.rows(_ANY)


def customers(database: Database, names: Iterable[Name]) -> dict[Name, Customer]:
    """Those of these names that are linked (or were set apart), each with their whole customer: one statement."""
    wanted = set(names)
    if not wanted:
        return {}
    found = database.rows(_OF_NAMES, systems=sorted({system for system, _ in wanted}), ids=sorted({id for _, id in wanted}))
    return {name: customer for customer in _customers(found) for name in customer.names if name in wanted}


def every(database: Database) -> Iterator[Customer]:
    """Every customer of the crosswalk by number, some at a time."""
    after = 0
    while numbers := [row[0] for row in database.rows(_NUMBERS, after=after)]:
        yield from _customers(database.rows(_OF_NUMBERS, numbers=numbers))
        after = numbers[-1]


def _customers(found: Iterable[Any]) -> list[Customer]:
    links: dict[int, list[Link]] = {}
    for number, system, id, how, since in found:
        links.setdefault(number, []).append(Link((system, id), how, from_micros(since)))
    return [Customer(number, tuple(of_number)) for number, of_number in links.items()]


def join(database: Database, names: Sequence[Name], how: str, now: datetime) -> Customer:
    """Make one customer of these names and of all that they were linked with before; who was linked first stays first."""
    with database.writing():
        standing = customers(database, names)
        groups = {customer.number: customer for customer in standing.values()}
        number = min(groups, default=_next(database))
        links = {link.name: link for customer in groups.values() for link in customer.links}
        for place, name in enumerate(names):
            # A microsecond each: names that are linked together keep the order in which they were said.
            since = links[name].since if name in links else now + timedelta(microseconds=place)
            links[name] = Link(name, how, since)
        database.upsert(CUSTOMER, [_row(number, link) for link in links.values()])
        return customers(database, names)[names[0]]


def part(database: Database, name: Name) -> Customer | None:
    """Set a name apart from all that it is linked with, for good: no rule links it again. None where it stands alone."""
    with database.writing():
        customer = customers(database, [name]).get(name)
        if customer is None or len(customer.links) == 1:
            return None
        own = next(link for link in customer.links if link.name == name)
        database.upsert(CUSTOMER, [_row(_next(database), Link(name, BY_PERSON, own.since))])
        return customer


def _next(database: Database) -> int:
    return int(database.rows(_HIGHEST)[0][0] or 0) + 1


def _row(number: int, link: Link) -> tuple[str, str, int, str, int]:
    return *link.name, number, link.how, micros(link.since)


# ---------------------------------------------------------------- what is about a customer


def subjects_about(database: Database, names: Iterable[Name], contacts: Sequence[Name]) -> list[Subject]:
    """All that is about these customers of gateways: their records, and whatever needs one of these contacts (target, key)."""
    found = []
    by_source: dict[str, list[str]] = {}
    for source, id in names:
        by_source.setdefault(source, []).append(id)
    for source, ids in by_source.items():
        found += database.rows(_ABOUT, scope=source, names=[f"customer:{id}" for id in ids], persons=ids)
    by_target: dict[str, list[str]] = {}
    for target, key in contacts:
        by_target.setdefault(target, []).append(key)
    for target, keys in by_target.items():
        # Payments, tasks and events need nothing but a contact, so the whole text of their needs is known.
        needs = [rows.object_text({DocumentKind.CONTACT.value: key}) for key in keys]
        found += database.rows(_NEEDING, target=target, keys=keys, needs=needs)
    return [Subject(*row) for row in dict.fromkeys(map(tuple, found))]


def knows(database: Database, name: Name, *, books: bool) -> bool:
    """Whether a customer of a gateway was ever seen, or stands on an invoice of these books."""
    system, id = name
    if books:
        return bool(database.rows(_IS_BOOKS, target=system, id=id))
    seen = database.rows(_IS_ABOUT, scope=system, names=[f"customer:{id}"], persons=[id])
    ending = f":{system}:{id}:{DocumentKind.CONTACT.value}"
    # SQLite compares the letters of a pattern without their case.
    return bool(seen) or any(key.endswith(ending) for (key,) in database.rows(_ENDING, pattern=f"%{_escaped(ending)}"))


def alike(database: Database, name: Name, *, books: bool) -> list[str]:
    """Names of a system that may be meant by one that it does not know; a few thousand at most."""
    system, id = name
    if books:
        return [row[0] for row in database.rows(_BOOKS_LIKE, target=system)]
    begins = _escaped(id.lower()[: max(3, len(id) // 2)])
    found = [row[0] for row in database.rows(_PERSONS_LIKE, source=system, pattern=f"{begins}%")]
    if not found:
        found = [row[0] for row in database.rows(_PERSONS_LIKE, source=system, pattern="%")]
    keys = database.rows(_CONTACTS_LIKE, pattern=f"%:{_escaped(system.lower())}:{begins}%:contact")
    found += [key.rpartition(f":{system}:")[2].removesuffix(":contact") for (key,) in keys]
    return list(dict.fromkeys(found))


def contact_of(database: Database, target: str, remote: str) -> str | None:
    """The key of the contact that syncjob itself keeps in an object of a CRM, if it does."""
    found = database.rows(_CONTACT_OF, target=target, remote_id=remote)
    return str(found[0][0]) if found else None


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# ---------------------------------------------------------------- who bears which address


def bearers(database: Database) -> Iterator[tuple[Name, str, Subject]]:
    """Each newest record with personal fields: whose they are, the fields as JSON, what it is about; some at a time."""
    after = 0
    while page := database.rows(_BEARERS, after=after):
        for _, scope, name, position, person, fields in page:
            if person and "@" in fields:
                yield (scope, person), fields, Subject(scope, name, position)
        after = page[-1][0]


def books_bearers(database: Database) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """(target, address, customers): each address on the invoices of the books with its customer, or with two of several."""
    target = address = ""
    while page := database.rows(_BOOKS_BEARERS, after_target=target, after_address=address):
        for target, address, first, last in page:
            yield target, address, (first,) if first == last else (first, last)

"""Planning: what is known of a batch of subjects, and what was decided about them; one statement per table and batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import and_, bindparam, delete, select, update

from syncjob.matching import normal
from syncjob.model import Application, Delivery, DocumentKind, Entry, Invoice, Line, Part, Record, Status
from syncjob.money import Money
from syncjob.store import rows, subjects
from syncjob.store.database import Database, Values, among, one_of
from syncjob.store.tables import (
    APPLICATION,
    CODED,
    DELIVERY,
    ENTRY,
    INVOICE,
    LINE,
    PART,
    PERSONAL,
    POSTED,
    RECORD,
    REFUSAL,
    SUBJECT,
)
from syncjob.store.values import Plan, Story, Subject

Seen = dict[tuple[str, str], int]  # (scope, name) -> its count of reasons to be planned when its story was read

_S, _R, _E, _L, _A, _P, _D = SUBJECT.c, RECORD.c, ENTRY.c, LINE.c, APPLICATION.c, PART.c, DELIVERY.c
_SUBJECTS = select(_S.name, _S.id, _S.stream, _S.position, _S.dirty).where(
    _S.scope == bindparam("scope"), among(_S.name, "names")
)
_RECORDS = (
    select(_R.subject, *rows.RECORD_COLUMNS)
    .select_from(RECORD.outerjoin(PERSONAL, PERSONAL.c.record == _R.id))
    .where(among(_R.subject, "subjects"), _R.head == 1)
)
_ENTRIES = select(_E.subject, _E.id, *rows.ENTRY_COLUMNS).where(among(_E.subject, "subjects"))
_WITHOUT = (
    select(_E.subject, _E.id, *rows.ENTRY_COLUMNS)
    .select_from(ENTRY.outerjoin(POSTED, and_(POSTED.c.entry == _E.id, POSTED.c.target == bindparam("target"))))
    .where(POSTED.c.document.is_(None), _E.source == bindparam("source"), _E.date <= bindparam("through"))
    .order_by(_E.effective, _E.key)
)
_UNSENT_SUMMARIES = (
    select(POSTED.c.document, _E.subject, _E.id, *rows.ENTRY_COLUMNS)
    .select_from(
        DELIVERY.join(POSTED, and_(POSTED.c.document == _D.key, POSTED.c.target == _D.target)).join(
            ENTRY, _E.id == POSTED.c.entry
        )
    )
    .where(
        _D.target == bindparam("target"),
        _D.kind == DocumentKind.SUMMARY.value,
        _D.delivered_revision == 0,
        one_of(_D.status, (Status.PLANNED.value, Status.HELD.value)),
    )
    .order_by(POSTED.c.document, _E.effective, _E.key)
)
_AT_ONCE = 2000  # entries
_ENTRIES_BY_KEY = select(_E.subject, _E.id, *rows.ENTRY_COLUMNS).where(among(_E.key, "keys"))
_LINES = select(_L.entry, *rows.LINE_COLUMNS).where(among(_L.entry, "entries")).order_by(_L.entry, _L.ordinal)
_POSTED = select(POSTED.c.entry, POSTED.c.target, POSTED.c.document).where(among(POSTED.c.entry, "entries"))
_APPLICATIONS = select(_A.subject, _A.id, *rows.APPLICATION_COLUMNS).where(among(_A.subject, "subjects"))
_APPLICATIONS_OF = select(_A.subject, _A.id, *rows.APPLICATION_COLUMNS).where(among(_A.movement, "movements"))
_PARTS = select(_P.application, *rows.PART_COLUMNS).where(among(_P.application, "ids")).order_by(_P.application, _P.ordinal)
_DELIVERIES = select(_D.subject, *rows.DELIVERY_COLUMNS).where(among(_D.subject, "subjects"))
_DELIVERY_SUBJECTS = (
    select(_D.target, _D.key, _D.revision, _S.id, _S.name)
    .select_from(DELIVERY.join(SUBJECT, _S.id == _D.subject))
    .where(among(_D.key, "keys"))
)
_CLEAN = update(SUBJECT).values(dirty=0).where(_S.id == bindparam("number"), _S.dirty == bindparam("reasons"))
_CLEAN_ALL = update(SUBJECT).values(dirty=0).where(among(_S.id, "ids"), _S.dirty > 0)
_DELETE_REFUSALS = delete(REFUSAL).where(among(REFUSAL.c.subject, "ids"))
_LATER = APPLICATION.alias("later")
LATEST = ~select(_LATER.c.id).where(_LATER.c.movement == _A.movement, _LATER.c.version > _A.version).exists()
_INVOICES = select(*rows.INVOICE_COLUMNS).where(among(INVOICE.c.normal, "numbers"))
_APPLIED = (
    select(_P.number, _A.movement, _P.currency, _P.minor)
    .select_from(PART.join(APPLICATION, _A.id == _P.application))
    .where(among(_P.number, "numbers"), LATEST)
    .order_by(_A.movement, _P.ordinal)
)
_SEEN_MAX = 10_000

# ---------------------------------------------------------------- stories


def stories(database: Database, wanted: Sequence[Subject], seen: Seen) -> list[Story]:
    """All that is known of these subjects, in their order; `seen` notes how dirty each was."""
    if not wanted:
        return []
    if len(seen) > _SEEN_MAX:
        seen.clear()  # stories that were read for an export and never planned
    with database.reading():
        return _stories(database, wanted, seen)


def _stories(database: Database, wanted: Sequence[Subject], seen: Seen) -> list[Story]:
    found = _found(database, wanted, seen)
    numbers = [number for number, _ in found.values()]
    names = {number: name for (_, name), (number, _) in found.items()}
    streams = subjects.streams(database)
    records: dict[int, list[Record]] = {}
    for number, *row in database.rows(_RECORDS, subjects=numbers):
        records.setdefault(number, []).append(rows.record_of(names[number], row))
    entries, posted = _entries_and_documents(database, numbers, names)
    applications: dict[int, dict[str, Application]] = {}
    for number, one in _applications(database, database.rows(_APPLICATIONS, subjects=numbers)):
        latest = applications.setdefault(number, {})
        if one.movement not in latest or latest[one.movement].version < one.version:
            latest[one.movement] = one
    deliveries: dict[int, list[Delivery]] = {}
    for number, *row in database.rows(_DELIVERIES, subjects=numbers):
        deliveries.setdefault(number, []).append(rows.delivery_of(names[number], row))
    told: list[Story] = []
    for subject in wanted:
        number, stream = found.get((subject.scope, subject.name), (0, None))
        told.append(
            Story(
                subject,
                None if stream is None else streams[stream],
                tuple(sorted(records.get(number, ()), key=lambda r: (r.occurred, r.type, r.id))),
                tuple(sorted(entries.get(number, ()), key=lambda e: (e.effective, e.key))),
                tuple(latest[movement] for movement in sorted(latest)) if (latest := applications.get(number, {})) else (),
                tuple(sorted(deliveries.get(number, ()), key=lambda d: (d.target, d.key))),
                posted.get(number, {}),
            )
        )
    return told


def _found(database: Database, wanted: Sequence[Subject], seen: Seen) -> dict[tuple[str, str], tuple[int, int | None]]:
    scopes: dict[str, list[str]] = {}
    for subject in wanted:
        scopes.setdefault(subject.scope, []).append(subject.name)
    found: dict[tuple[str, str], tuple[int, int | None]] = {}
    for scope, names in scopes.items():
        for name, number, stream, _, dirty in database.rows(_SUBJECTS, scope=scope, names=names):
            found[scope, name] = (number, stream)
            seen[scope, name] = dirty
    return found


def _entries(database: Database, found: Iterable[Any], names: dict[int, str]) -> list[tuple[int, int, Entry]]:
    heads = list(found)
    lines: dict[int, list[Line]] = {}
    if heads:
        for number, *row in database.rows(_LINES, entries=[head[1] for head in heads]):
            lines.setdefault(number, []).append(rows.line_of(row))
    return [(subject, id, rows.entry_of(names[subject], row, lines.get(id, []))) for subject, id, *row in heads]


def _entries_and_documents(
    database: Database, numbers: list[int], names: dict[int, str]
) -> tuple[dict[int, list[Entry]], dict[int, dict[tuple[str, str], str]]]:
    entries: dict[int, list[Entry]] = {}
    posted: dict[int, dict[tuple[str, str], str]] = {}
    known: dict[int, tuple[int, str]] = {}
    for subject, id, entry in _entries(database, database.rows(_ENTRIES, subjects=numbers), names):
        entries.setdefault(subject, []).append(entry)
        known[id] = (subject, entry.key)
    if known:
        for id, target, document in database.rows(_POSTED, entries=list(known)):
            subject, key = known[id]
            posted.setdefault(subject, {})[target, key] = document
    return entries, posted


def without_document(database: Database, target: str, source: str, through: date) -> list[Entry]:
    """The entries of a source dated up to a day that no document brings to a target, in the order of its ledger."""
    return _of_heads(database, database.rows(_WITHOUT, target=target, source=source, through=through.isoformat()))


def unsent_summaries(database: Database, target: str) -> dict[str, list[Entry]]:
    """Document key -> its entries, of the summaries that a target does not hold yet and that are not under way."""
    found: dict[str, list[Entry]] = {}
    rows_ = database.rows(_UNSENT_SUMMARIES, target=target)
    for (document, *_), entry in zip(rows_, _of_heads(database, [row[1:] for row in rows_]), strict=True):
        found.setdefault(document, []).append(entry)
    return found


def _of_heads(database: Database, heads: Sequence[Any]) -> list[Entry]:
    """Whole entries of (subject, id, columns), in their order, some thousand at a time."""
    found: list[Entry] = []
    for start in range(0, len(heads), _AT_ONCE):
        batch = heads[start : start + _AT_ONCE]
        names = {number: one.name for number, one in subjects.by_id(database, [head[0] for head in batch]).items()}
        found += [entry for _, _, entry in _entries(database, batch, names)]
    return found


def _applications(database: Database, heads: list[Any]) -> list[tuple[int, Application]]:
    parts: dict[int, list[Part]] = {}
    if heads:
        for id, *row in database.rows(_PARTS, ids=[head[1] for head in heads]):
            parts.setdefault(id, []).append(rows.part_of(row))
    return [(subject, rows.application_of(row, parts.get(id, []))) for subject, id, *row in heads]


def invoices(database: Database, numbers: Sequence[str]) -> list[Invoice]:
    """Mirrored invoices of these numbers, however they are spelled."""
    wanted = list({normal(number) for number in numbers})
    found = [rows.invoice_of(row) for row in database.rows(_INVOICES, numbers=wanted)] if wanted else []
    return sorted(found, key=lambda invoice: (invoice.target, invoice.number, invoice.id))


def applied(database: Database, numbers: Sequence[str]) -> dict[str, list[tuple[str, Money]]]:
    """Per number as it was given, what the latest applications bring to it."""
    wanted: dict[str, list[str]] = {}
    for number in dict.fromkeys(numbers):
        if normal(number):
            wanted.setdefault(normal(number), []).append(number)
    found: dict[str, list[tuple[str, Money]]] = {}
    if wanted:
        for number, movement, currency, minor in database.rows(_APPLIED, numbers=list(wanted)):
            for spelling in wanted[number]:
                found.setdefault(spelling, []).append((movement, Money(minor, currency)))
    return found


# ---------------------------------------------------------------- saving a plan


def save(database: Database, plan: Plan, seen: Seen) -> None:
    """Store what a batch came to. A subject that got a new reason since its story was read stays dirty."""
    with database.writing():
        numbers = _subject_ids(database, plan)
        _save_entries(database, plan, numbers)
        _save_applications(database, plan, numbers)
        _save_deliveries(database, plan, numbers)
        database.upsert(CODED, [(key, target, revision, chart) for target, key, revision, chart in plan.coded])
        planned = [numbers[one.scope, one.name] for one in plan.subjects]
        if planned:
            database.run(_DELETE_REFUSALS, ids=planned)
            _clean(database, plan, numbers, seen)
        _save_refusals(database, plan, numbers)
        subjects.mark_dirty(database, plan.dirty)


def _subject_ids(database: Database, plan: Plan) -> dict[tuple[str, str], int]:
    positions = {(one.scope, one.name): one.position for one in plan.subjects}
    default = plan.subjects[0].position if plan.subjects else subjects.AFTER_RECORDS
    for subject, _ in (*plan.applications, *plan.refusals):
        positions.setdefault((subject.scope, subject.name), subject.position)
    for entry in plan.entries:
        positions.setdefault((entry.source, entry.subject), default)
    return subjects.touch(database, positions, dirty=False)


def _clean(database: Database, plan: Plan, numbers: dict[tuple[str, str], int], seen: Seen) -> None:
    exact: list[Values] = []
    unseen: list[int] = []
    for one in plan.subjects:
        reasons = seen.pop((one.scope, one.name), None)
        number = numbers[one.scope, one.name]
        if reasons is None:
            unseen.append(number)
        else:
            exact.append((number, reasons))
    database.many(_CLEAN, ("number", "reasons"), exact)
    if unseen:
        database.run(_CLEAN_ALL, ids=unseen)


def _save_entries(database: Database, plan: Plan, numbers: dict[tuple[str, str], int]) -> None:
    if not plan.entries and not plan.posted:
        return
    keys = list(dict.fromkeys([*(entry.key for entry in plan.entries), *(entry for _, entry, _ in plan.posted)]))
    heads = database.rows(_ENTRIES_BY_KEY, keys=keys)
    ids: dict[str, int] = {head[2]: head[1] for head in heads}
    given = {entry.key for entry in plan.entries}
    again = [head for head in heads if head[2] in given]
    kept: dict[str, Entry] = {}
    if again:
        names = {number: one.name for number, one in subjects.by_id(database, [head[0] for head in again]).items()}
        kept = {entry.key: entry for _, _, entry in _entries(database, again, names)}
    number = database.next_id(ENTRY)
    new: list[Values] = []
    lines: list[Values] = []
    for entry in plan.entries:
        before = kept.setdefault(entry.key, entry)
        if before != entry:
            raise AssertionError(f"entry {entry.key} was posted with other content before; a posted entry never changes")
        if entry.key not in ids:
            ids[entry.key] = number
            new.append(rows.entry_row(number, numbers[entry.source, entry.subject], entry))
            lines += rows.line_rows(number, entry)
            number += 1
    database.insert(ENTRY, new)
    database.insert(LINE, lines)
    if plan.posted:
        _save_posted(database, plan, ids)


def _save_posted(database: Database, plan: Plan, ids: dict[str, int]) -> None:
    claimed = {(id, target): document for id, target, document in database.rows(_POSTED, entries=list(ids.values()))}
    revisions = {(one.target, one.key): one.revision for one in plan.deliveries}
    elsewhere = list({document for target, _, document in plan.posted if (target, document) not in revisions})
    if elsewhere:
        found = database.rows(_DELIVERY_SUBJECTS, keys=elsewhere)
        revisions |= {(target, key): revision for target, key, revision, _, _ in found if (target, key) not in revisions}
    new: list[Values] = []
    for target, entry, document in plan.posted:
        if entry not in ids:
            raise AssertionError(f"document {document} brings entry {entry}, which is not posted")
        before = claimed.get((ids[entry], target))
        if before is None:
            claimed[ids[entry], target] = document
            # From this revision on the document holds the entry: an update of it that was never sent does not.
            new.append((ids[entry], target, document, revisions.get((target, document), 1)))
        elif before != document:
            raise AssertionError(f"entry {entry} has its document {before} in {target}; it is never brought by {document} too")
    database.insert(POSTED, new)


def _save_applications(database: Database, plan: Plan, numbers: dict[tuple[str, str], int]) -> None:
    if not plan.applications:
        return
    movements = list({one.movement for _, one in plan.applications})
    found = _applications(database, database.rows(_APPLICATIONS_OF, movements=movements))
    kept = {(one.movement, one.version): one for _, one in found}
    number = database.next_id(APPLICATION)
    new: list[Values] = []
    parts: list[Values] = []
    for subject, one in plan.applications:
        if (one.movement, one.version) in kept:
            if kept[one.movement, one.version] != one:
                raise AssertionError(
                    f"version {one.version} of what {one.movement} is for was stored with other content before"
                )
            continue
        kept[one.movement, one.version] = one
        new.append(rows.application_row(number, numbers[subject.scope, subject.name], one))
        parts += rows.part_rows(number, one)
        number += 1
    database.insert(APPLICATION, new)
    database.insert(PART, parts)


def _save_refusals(database: Database, plan: Plan, numbers: dict[tuple[str, str], int]) -> None:
    counted: dict[int, int] = {}
    new: list[Values] = []
    for subject, refusal in plan.refusals:
        number = numbers[subject.scope, subject.name]
        ordinal = counted.get(number, 0)
        counted[number] = ordinal + 1
        new.append(rows.refusal_row(number, ordinal, refusal))
    planned = {numbers[one.scope, one.name] for one in plan.subjects}
    if strangers := [number for number in counted if number not in planned]:
        database.run(_DELETE_REFUSALS, ids=strangers)
    database.insert(REFUSAL, new)


def _save_deliveries(database: Database, plan: Plan, numbers: dict[tuple[str, str], int]) -> None:
    if not plan.deliveries:
        return
    owners = _Owners(plan)
    scopes = [owners.scope(one) for one in plan.deliveries]
    elsewhere = [one for one, scope in zip(plan.deliveries, scopes, strict=True) if scope is None]
    known = _standing(database, elsewhere)
    strangers = {id(one): (owners.guess(one), one.subject) for one in elsewhere if (one.target, one.key) not in known}
    made = subjects.touch(database, dict.fromkeys(strangers.values(), owners.position), dirty=False) if strangers else {}
    new: list[Values] = []
    for one, scope in zip(plan.deliveries, scopes, strict=True):
        if scope is not None:
            number = numbers[scope, one.subject]
        else:
            number = known[one.target, one.key] if id(one) not in strangers else made[strangers[id(one)]]
        new.append(rows.delivery_row(number, one))
    database.upsert(DELIVERY, new)


def _standing(database: Database, deliveries: Sequence[Delivery]) -> dict[tuple[str, str], int]:
    """The subjects of deliveries that are stored already, where they are still about the same."""
    if not deliveries:
        return {}
    about = {(one.target, one.key): one.subject for one in deliveries}
    found = database.rows(_DELIVERY_SUBJECTS, keys=[one.key for one in deliveries])
    return {(target, key): number for target, key, _, number, name in found if about.get((target, key)) == name}


class _Owners:
    """Finds the scope of a delivery's subject: the delivery names it only by its name."""

    def __init__(self, plan: Plan) -> None:
        self._scopes: dict[str, list[str]] = {}
        for scope, name in dict.fromkeys(
            [(one.scope, one.name) for one in plan.subjects]
            + [(entry.source, entry.subject) for entry in plan.entries]
            + [(subject.scope, subject.name) for subject, _ in (*plan.applications, *plan.refusals)]
        ):
            self._scopes.setdefault(name, []).append(scope)
        self._all = list(dict.fromkeys(scope for scopes in self._scopes.values() for scope in scopes))
        self.position = plan.subjects[0].position if plan.subjects else subjects.AFTER_RECORDS

    def scope(self, delivery: Delivery) -> str | None:
        """The scope, where the plan itself tells it."""
        scopes = self._scopes.get(delivery.subject, [])
        if len(scopes) <= 1:
            return scopes[0] if scopes else None
        return self._named(delivery, scopes)

    def guess(self, delivery: Delivery) -> str:
        """The scope of a subject that is no part of the plan, such as the customer of a payment."""
        found = self._all[0] if len(self._all) == 1 else self._named(delivery, self._all)
        if found is None:
            raise AssertionError(f"delivery {delivery.key} is about {delivery.subject}, which is no subject of this plan")
        return found

    @staticmethod
    def _named(delivery: Delivery, scopes: Sequence[str]) -> str | None:
        """A document key contains the name of the account that it is about."""
        key = f":{delivery.key}:"
        return max((scope for scope in scopes if f":{scope}:" in key), key=len, default=None)

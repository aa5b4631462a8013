"""Landing: a page's records and the progress they stand for, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select, update

from syncjob.model import Record, Stream, canonical
from syncjob.moment import from_micros, micros
from syncjob.store import subjects
from syncjob.store.database import Database, Values, among
from syncjob.store.rows import RECORD_COLUMNS, instant, instant_of, record_of, record_row
from syncjob.store.tables import PERSONAL, PROGRESS, RECORD, SUBJECT
from syncjob.store.values import Landed, Progress, Subject

_R = RECORD.c
_NEWEST = select(_R.type, _R.name, _R.id, _R.sequence, _R.as_of, _R.digest).where(
    _R.stream == bindparam("stream"), _R.head == 1, among(_R.name, "names")
)
_SUPERSEDE = update(RECORD).values(head=0).where(_R.id == bindparam("number"))
_KNOWN = select(_R.name).where(
    _R.stream == bindparam("stream"), _R.type == bindparam("kind"), _R.head == 1, among(_R.name, "names")
)
_KNOWN_BETWEEN = (
    select(_R.name)
    .where(
        _R.stream == bindparam("stream"),
        _R.type == bindparam("kind"),
        _R.head == 1,
        _R.occurred >= bindparam("since"),
        _R.occurred < bindparam("until"),
    )
    .order_by(_R.occurred, _R.name)
)
_STREAM_KNOWN = select(_R.stream)
_PROGRESS = select(PROGRESS).where(PROGRESS.c.source == bindparam("source"), PROGRESS.c.feed == bindparam("feed"))
_VERSIONS = (
    select(*RECORD_COLUMNS, _R.landed)
    .select_from(RECORD.join(SUBJECT, SUBJECT.c.id == _R.subject).outerjoin(PERSONAL, PERSONAL.c.record == _R.id))
    .where(SUBJECT.c.scope == bindparam("scope"), SUBJECT.c.name == bindparam("subject_name"))
    .order_by(_R.id)
)
_FORGET = delete(PERSONAL).where(
    PERSONAL.c.person == bindparam("whose"),
    PERSONAL.c.record.in_(
        select(_R.id)
        .join(SUBJECT, SUBJECT.c.id == _R.subject)
        .where(_R.person == bindparam("who"), SUBJECT.c.scope == bindparam("scope"))
    ),
)

_NEVER_AGAIN = "event"  # an event is a message, not an object: its id is its content


@dataclass(slots=True)
class _Head:
    """The newest version of one identity, in the table (`id`) or among the rows about to be inserted (`place`)."""

    sequence: int
    as_of: int
    digest: str
    id: int | None = None
    place: int | None = None


def land(
    database: Database, stream: Stream, feed: str, records: Sequence[Record], progress: Progress | None, now: datetime
) -> Landed:
    """Add the versions that are new, mark their subjects, and keep the feed's progress."""
    with database.writing():
        number = subjects.stream_id(database, stream)
        heads = _heads(database, number, records)
        added: list[tuple[Record, int]] = []
        old: set[int] = set()  # places in `added` that a later record of the same page supersedes
        superseded: list[Values] = []
        new = 0
        for record in records:
            identity = (record.type, record.id)
            head = heads.get(identity)
            as_of = micros(record.as_of)
            if head is None:
                new += 1
            else:
                if record.digest == head.digest or as_of < head.as_of or record.type == _NEVER_AGAIN:
                    continue
                if head.place is None:
                    superseded.append((head.id,))
                else:
                    old.add(head.place)
            sequence = head.sequence + 1 if head else 1
            heads[identity] = _Head(sequence, as_of, record.digest, place=len(added))
            added.append((record, sequence))
        if added:
            database.many(_SUPERSEDE, ("number",), superseded)
            _insert(database, number, stream.source, added, old, micros(now))
        if progress is not None:
            database.upsert(PROGRESS, [_progress_row(stream.source, feed, progress)])
    return Landed(new, len(added) - new, len(records) - len(added), tuple([record for record, _ in added]))


def _heads(database: Database, stream: int, records: Sequence[Record]) -> dict[tuple[str, str], _Head]:
    names = list({record.id for record in records})
    found = database.rows(_NEWEST, stream=stream, names=names) if names else []
    return {(type_, name): _Head(sequence, as_of, digest, id=id) for type_, name, id, sequence, as_of, digest in found}


def _insert(
    database: Database, stream: int, source: str, added: Sequence[tuple[Record, int]], old: set[int], landed: int
) -> None:
    positions: dict[tuple[str, str], int] = {}
    for record, _ in added:
        subject, occurred = (source, record.subject), micros(record.occurred)
        positions[subject] = min(positions.get(subject, occurred), occurred)
    numbers = subjects.touch(database, positions, stream=stream, dirty=True)
    first = database.next_id(RECORD)
    rows: list[Values] = []
    personal: list[Values] = []
    for place, (record, sequence) in enumerate(added):
        subject_number = numbers[source, record.subject]
        rows.append(record_row(first + place, subject_number, stream, record, sequence, int(place not in old), landed))
        if record.personal and record.problem is None:
            personal.append((first + place, record.person, canonical(record.personal)))
    database.insert(RECORD, rows)
    database.insert(PERSONAL, personal)


def known(database: Database, stream: Stream, type: str, ids: Sequence[str]) -> set[str]:
    """Which of these ids have a landed record."""
    number = next((id for id, one in subjects.streams(database).items() if one == stream), None)
    if number is None or not ids:
        return set()
    return {name for (name,) in database.rows(_KNOWN, stream=number, kind=type, names=list(ids))}


def known_between(database: Database, stream: Stream, type: str, since: datetime, until: datetime) -> list[str]:
    """The ids of one type that occurred in a half-open window."""
    number = next((id for id, one in subjects.streams(database).items() if one == stream), None)
    if number is None:
        return []
    found = database.rows(_KNOWN_BETWEEN, stream=number, kind=type, since=micros(since), until=micros(until))
    return [name for (name,) in found]


def versions(database: Database, subject: Subject) -> list[tuple[Record, datetime]]:
    """Every version of a subject's records, in the order in which they were landed."""
    found = database.rows(_VERSIONS, scope=subject.scope, subject_name=subject.name)
    return [(record_of(subject.name, row), from_micros(landed)) for *row, landed in found]


def forget(database: Database, source: str, person: str) -> int:
    """Delete a person's fields from every version; gives how many held some."""
    with database.writing():
        return database.run(_FORGET, whose=person, who=person, scope=source)


# ---------------------------------------------------------------- progress


def progress_of(database: Database, source: str, feed: str) -> Progress:
    """How far a feed was read."""
    found = database.rows(_PROGRESS, source=source, feed=feed)
    if not found:
        return Progress()
    _, _, axis, cursor, since, ceiling, resume, seen_at = found[0]
    if axis == "time":
        return Progress(instant_of(cursor), instant_of(since), instant_of(ceiling), resume, instant_of(seen_at))
    return Progress(cursor, since, ceiling, resume, instant_of(seen_at))


def _progress_row(source: str, feed: str, progress: Progress) -> Values:
    bounds = (progress.cursor, progress.since, progress.ceiling)
    over_time = any(isinstance(bound, datetime) for bound in bounds)
    if any(bound is not None and isinstance(bound, datetime) is not over_time for bound in bounds):
        raise AssertionError(f"the progress of {source} {feed} mixes instants and numbers: {bounds}")
    cursor, since, ceiling = (micros(bound) if isinstance(bound, datetime) else bound for bound in bounds)
    axis = "time" if over_time else "sequence"
    return source, feed, axis, cursor, since, ceiling, progress.resume, instant(progress.seen_at)

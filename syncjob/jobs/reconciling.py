"""Reconciling: both legs, and for each that does not tie the objects that explain it, by name.

Where a gateway's balance is not ours, its posting feeds are read again for the days in question and compared id by id; nothing
of that is landed. What was read, and what was not, is told as intervals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import groupby
from typing import cast

from syncjob.errors import (
    EXIT_HELD,
    EXIT_OK,
    Problem,
    exit_code,
)
from syncjob.jobs import handedits, shadow
from syncjob.jobs.coverage import coverage
from syncjob.jobs.job import Deadline, Job, Sink, Source, Tally, guarded
from syncjob.jobs.nightly import (
    balance_accounts,
    books_leg,
    close_books,
    gateway_leg,
    gateway_movements,
    settling_of,
)
from syncjob.jobs.opening import is_open
from syncjob.jobs.reading import Clock, read
from syncjob.landing import land
from syncjob.model import Record, Stream, Transaction, movement_key
from syncjob.moment import Window, business_date, from_text, iso
from syncjob.ports import AccountingTarget, Feed
from syncjob.posting import FEES
from syncjob.reconcile import Coverage, Edit, Finding, Leg, Moved, Reason, compare, explained, hints
from syncjob.store import Subject

_RECORDS_MAX = 100_000  # read again of one feed; what is older than the last of them is then not compared
_AT_ONCE = 500
_MARGIN = timedelta(days=1)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Proof:
    """What gateway, sub-ledger and books came to: the legs with their items, what was changed in the books, the coverage."""

    legs: tuple[Leg, ...] = ()
    edits: tuple[tuple[str, Edit], ...] = ()  # (target, object)
    coverage: tuple[Coverage, ...] = ()
    problems: tuple[Problem, ...] = ()
    exit: int = EXIT_OK


@dataclass(frozen=True, slots=True)
class Look:
    """How closely is looked: of which gateways the feeds may be read again (those that answer), and until when.

    `closing`: the books are first given what they close with.
    """

    answering: tuple[str, ...]
    deadline: Deadline
    closing: bool = False


def prove(job: Job, sources: Sequence[Source], sinks: Sequence[Sink], day: date, tally: Tally, look: Look) -> list[Leg]:
    """Both legs of these sources and books, problems and edits into the tally; what stops a connector stops its legs alone."""
    legs: list[Leg] = []
    for source in sources:
        own = gateway_leg(job, source)
        off = any(leg.unexplained.minor for leg in own) and is_open(job.store, source.name)
        if off and source.name in look.answering:
            closer: list[Leg] = []
            guarded(source.name, tally, partial(_look_closer, job, source, own, closer, look.deadline))
            own = closer or own
        legs += [_hinted(job, source, leg) for leg in own]
    for sink in sinks:
        if sink.ledger.books:
            guarded(sink.name, tally, partial(_books, job, sink, day, legs, tally, closing=look.closing))
    for leg in legs:
        _tell(leg, tally)
    return legs


def proof(job: Job, sources: Sequence[Source], sinks: Sequence[Sink], day: date, deadline: Deadline) -> Proof:
    """The same by itself, with the balance that the gateway stated last: nothing is landed, sent or kept."""
    tally = Tally()
    legs = prove(job, sources, sinks, day, tally, Look(tuple(one.name for one in sources), deadline))
    covered = [one for source in sources for one in coverage(job, source)]
    return Proof(tuple(legs), tuple(tally.edits), tuple(covered), tuple(tally.problems), exit_code(tally.codes))


def note_proven(job: Job, source: Source, legs: Sequence[Leg]) -> None:
    """Remember up to when a gateway's balance is proven, so that a later gap is sought behind it."""
    own = [leg for leg in legs if leg.name == "gateway" and leg.source == source.name]
    stated = [leg.as_of for leg in own if isinstance(leg.as_of, datetime)]
    if stated and all(_is_proven(leg) for leg in own):
        job.store.set_fact(_proven(source.name), iso(min(stated)))


def _is_proven(leg: Leg) -> bool:
    return not leg.unexplained.minor and all(item.reason == Reason.HELD for item in leg.items)


def _proven(source: str) -> str:
    return f"proven:{source}"


def _tell(leg: Leg, tally: Tally) -> None:
    where = f"{leg.source or leg.target} {leg.place} {leg.currency}".strip()
    if leg.unexplained.minor:
        tally.codes.add(EXIT_HELD)
        why = f"{leg.name} states {leg.theirs}, we have {leg.ours}: {leg.unexplained} is explained by no item"
        if leg.hints:
            why += f" ({'; '.join(leg.hints)})"
        tally.problems.append(Problem("reconciliation", where, why, "see what was compared: syncjob reconcile"))
    for item in leg.items if leg.name == "gateway" else ():
        if item.reason != Reason.HELD:
            tally.codes.add(EXIT_HELD)
            tally.problems.append(Problem(item.name, where, f"{item.reason}: {item.why}", item.cure))


def _books(job: Job, sink: Sink, day: date, legs: list[Leg], tally: Tally, *, closing: bool) -> None:
    if sink.ledger.booking.shadow:
        if closing:
            shadow.note(job, sink)
        return  # nothing of ours stands there: nothing is to be proven
    if closing:
        close_books(job, sink, day)
    edits = handedits.find(job, sink, balance_accounts(job, sink, day))
    legs += books_leg(job, sink, cast(AccountingTarget, sink.target), day, edits)
    for one in edits:
        tally.edits.append((sink.name, one))
        if not one.decided:
            tally.codes.add(EXIT_HELD)
            tally.problems.append(Problem(one.key, sink.name, one.why, one.cure))


# ---------------------------------------------------------------- a gateway's feeds, read again


@dataclass(slots=True)
class _Seen:
    """What a feed showed when it was read again: the newest version by (type, id), and between which instants it is whole."""

    since: datetime
    until: datetime
    records: dict[tuple[str, str], Record] = field(default_factory=dict)


def _look_closer(job: Job, source: Source, legs: list[Leg], found: list[Leg], deadline: Deadline) -> None:
    """Compare id by id: first behind the last proven instant, then, where that does not explain it all, from the start."""
    bound = job.store.bindings()[source.name][0]
    stream = Stream(source.name, bound.account, bound.mode)
    as_of = next(leg.as_of for leg in legs if isinstance(leg.as_of, datetime))
    start, proven = job.rules.since(source.name), job.store.get_fact(_proven(source.name))
    windows = [max(start, from_text(proven) - _MARGIN)] if isinstance(proven, str) else []
    for since in dict.fromkeys([*windows, start]):
        findings = [
            one
            for feed in source.gateway.feeds
            if feed.posts and feed.axis == "time"
            for one in _compared(job, source, stream, feed, since, as_of, deadline)
        ]
        found[:] = [explained(leg, findings) for leg in legs]
        if not any(leg.unexplained.minor for leg in found):
            return


def _compared(
    job: Job, source: Source, stream: Stream, feed: Feed, since: datetime, as_of: datetime, deadline: Deadline
) -> list[Finding]:
    if feed.retention is not None:
        since = max(since, as_of - feed.retention + _MARGIN)  # what the gateway has forgotten is not wrong here
    seen = _again(job, source, feed, since, as_of, deadline)
    priced = {refusal.id for _, refusal in job.store.refusals(source.name) if refusal.net is not None}
    types = {feed.type} if feed.type else {type for type, _ in seen.records}
    known = {id for type in types for id in job.store.known_between(stream, type, seen.since, seen.until)}
    shown = {id for _, id in seen.records}
    posted = dict(_posted(job, stream, (known | shown) - priced))
    suspects = [record for record in _different(job, stream, seen, posted) if record.id not in priced]
    same = shown - {record.id for record in suspects}  # landed as it was shown again
    theirs = {id: one for id, one in posted.items() if id in same} | _read(job, source, stream, suspects)
    return compare(feed.type, theirs, posted, as_of, partial(_cure, job, source))


def _cure(job: Job, source: Source, reason: Reason, one: Moved) -> str:
    if reason is not Reason.MISSING:
        return f"syncjob show {one.id}"
    day = business_date(one.effective, job.rules.zone)
    return f"syncjob backfill --source {source.name} --from {day} --to {day}"


def _again(job: Job, source: Source, feed: Feed, since: datetime, as_of: datetime, deadline: Deadline) -> _Seen:
    """Up to so many records, and as long as the run has time; what was left out then is not compared."""
    seen = _Seen(since, as_of + settling_of(source) + _SECOND)
    for page in read(source.gateway, feed, Window(seen.since, seen.until), None, Clock(job.monotonic, job.sleep)):
        for record in land(page.records, source.map.keep):
            if not feed.type or record.type == feed.type:
                seen.records[record.type, record.id] = record
        if page.cursor is None and (len(seen.records) > _RECORDS_MAX or deadline.is_over):
            instants = [record.occurred for record in seen.records.values()]
            seen.since, seen.until = min(instants, default=seen.until) + _SECOND, max(instants, default=seen.until)
            break
    return seen


def _different(job: Job, stream: Stream, seen: _Seen, posted: Mapping[str, Moved]) -> Iterator[Record]:
    """The records that we have not, or in another version, or that nothing was posted from."""
    records = list(seen.records.values())
    for start in range(0, len(records), _AT_ONCE):
        batch = records[start : start + _AT_ONCE]
        known = job.store.digests(stream, [record.id for record in batch])
        for record in batch:
            if known.get((record.type, record.id)) != record.digest or record.id not in posted:
                yield record


def _posted(job: Job, stream: Stream, ids: Collection[str]) -> Iterator[tuple[str, Moved]]:
    """What we posted of these movements in the buckets of the gateway, by ledger id."""
    wanted = {movement_key(stream, id): id for id in ids}
    every = gateway_movements(job, stream.source, job.rules.since(stream.source))
    for key, lines in groupby(every, key=lambda one: one.key.removesuffix(FEES)):
        if key in wanted:
            sums: dict[tuple[str, str], int] = {}
            for one in lines:
                place, effective = (one.bucket, one.currency), one.effective
                sums[place] = sums.get(place, 0) + one.minor
            yield wanted[key], Moved(wanted[key], effective, sums)


def _read(job: Job, source: Source, stream: Stream, records: Sequence[Record]) -> dict[str, Moved]:
    """What these records say moved, each read with all else that is known of its subject."""
    found: dict[str, Moved] = {}
    by_subject: dict[str, list[Record]] = {}
    for record in records:
        by_subject.setdefault(record.subject, []).append(record)
    wanted = {record.id for record in records}
    start = job.rules.since(source.name)
    names = list(by_subject)
    for at in range(0, len(names), _AT_ONCE):
        batch = names[at : at + _AT_ONCE]
        stories = job.store.stories([Subject(source.name, name, 0) for name in batch])
        known = {story.subject.name: story.records for story in stories}
        for name in batch:
            fresh = by_subject[name]
            shown = {(one.type, one.id) for one in fresh}
            reading = source.map.read(stream, name, [*(o for o in known.get(name, ()) if (o.type, o.id) not in shown), *fresh])
            for one in reading.transactions:
                if one.id in wanted and one.effective >= start:
                    found[one.id] = Moved(one.id, one.effective, _moves(one))
            for refused in reading.problems:
                if refused.id in wanted and refused.net is not None and refused.effective is not None:
                    sums = {(refused.bucket, refused.net.currency): refused.net.minor}
                    found.setdefault(refused.id, Moved(refused.id, refused.effective, sums))
    return found


def _moves(one: Transaction) -> dict[tuple[str, str], int]:
    """What a movement does to the gateway's buckets; one that only passes from one to another stands in both."""
    sums = {(one.bucket, one.net.currency): one.net.minor}
    if one.held_in:
        place = one.held_in, one.gross.currency
        sums[place] = sums.get(place, 0) - one.gross.minor
    return sums


def _hinted(job: Job, source: Source, leg: Leg) -> Leg:
    if not leg.unexplained.minor or not isinstance(leg.as_of, datetime):
        return leg
    since = job.rules.since(source.name)
    movements = [
        one
        for one in gateway_movements(job, source.name, since)
        if (one.bucket, one.currency) == (leg.place, leg.currency) and one.effective <= leg.as_of
    ]
    return replace(leg, hints=hints(leg.unexplained, movements))

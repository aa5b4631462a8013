"""Summaries: the entries of a day or payout become one document of the books; what comes later makes a further part."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from syncjob.errors import Problem, RecordRefused
from syncjob.jobs import charts
from syncjob.jobs.job import Job, Sink, Source, Tally
from syncjob.jobs.payouts import LONG_AGO, ties
from syncjob.model import Delivery, Entry
from syncjob.moment import business_date, month_end
from syncjob.plan import made_by
from syncjob.plan.proceed import proceed
from syncjob.plan.units import Mode, Paid, Unit, facts, movement_of, named, payout_units, summary, units
from syncjob.reconcile import Ties
from syncjob.store import Plan, Subject

_LAST = 1 << 60
_NAMED_MAX = 3


def summarise(job: Job, sources: Sequence[Source], sink: Sink, tally: Tally) -> None:
    """Make the summaries of every day that has ended, or payout whose day has, of which a target's books have entries."""
    if sink.ledger.booking.mode is Mode.PER_TRANSACTION:
        return
    for key, entries in job.store.unsent_summaries(sink.name).items():
        _make_again(job, sink, key, entries, tally)
    for source in sources:
        through = _read_through(job, source)
        waiting = job.store.without_document(sink.name, source.name, through) if through is not None else []
        for unit, entries in _units(job, sink, source, waiting, through, tally).items():
            _make(job, sink, unit, entries, tally)


def _units(
    job: Job, sink: Sink, source: Source, waiting: Sequence[Entry], through: date | None, tally: Tally
) -> dict[Unit, list[Entry]]:
    if sink.ledger.booking.mode is not Mode.PER_PAYOUT or through is None:
        return units(waiting, sink.ledger.booking)
    sent: dict[str, date] = {}
    unknown: list[date] = []
    by_hand: list[str] = []
    for payout, tie in ties(job.store, source.name, LONG_AGO):
        sent[payout.id] = payout.sent
        if tie is None:
            unknown.append(payout.sent)
        elif tie.state is Ties.NOT_ITEMISED and month_end(payout.sent) > through:
            by_hand.append(payout.id)
    if by_hand and waiting:
        tally.held()
        tally.problems.append(_not_itemised(sink, source, by_hand))
    ids = [movement_of(one).removeprefix(f"{source.name}:") for one in waiting]
    out = {f"{source.name}:{id}": payout for id, payout in job.store.paid_out(source.name, ids).items() if payout in sent}
    return payout_units(waiting, sink.ledger.booking, Paid(sent, out, min(unknown, default=None)), through)


def _not_itemised(sink: Sink, source: Source, payouts: Sequence[str]) -> Problem:
    """A payout that somebody started: what it paid out waits for the document of its month."""
    names = ", ".join(payouts[:_NAMED_MAX]) + (" and more" if len(payouts) > _NAMED_MAX else "")
    why = f"{names} was started by hand, so {source.name} does not say what is in it, and {sink.name} is kept per payout"
    cure = "write mode: per_day in syncjob.yaml; else what it paid out waits for the end of its month"
    return Problem("payout", sink.name, why, cure)


def _make(job: Job, sink: Sink, unit: Unit, entries: Sequence[Entry], tally: Tally) -> None:
    subject = Subject(unit.source, unit.subject, _LAST)
    known = {one.key for story in job.store.stories([subject]) for one in story.deliveries if one.target == sink.name}
    part = 1
    while unit.key(sink.name, part) in known:
        part += 1
    _keep(job, sink, (unit, part), entries, None, tally)


def _make_again(job: Job, sink: Sink, key: str, entries: Sequence[Entry], tally: Tally) -> None:
    """A summary that no books hold yet follows today's account codes and map."""
    existing = job.store.lookup(sink.name, [key])[key]
    _keep(job, sink, named(key, entries[0].source, existing.date or entries[0].date), entries, existing, tally)


def _keep(
    job: Job, sink: Sink, what: tuple[Unit, int], entries: Sequence[Entry], existing: Delivery | None, tally: Tally
) -> None:
    (unit, part), ledger = what, sink.ledger
    at = existing.as_of if existing is not None else job.now()
    try:
        document = summary(sink.name, unit, part, entries, ledger.map, job.rules.chart, at)
    except RecordRefused as refused:
        tally.held()
        tally.problems.append(Problem(unit.subject, unit.source, str(refused), refused.cure))
        return
    delivery = proceed(sink.name, document, facts(entries), existing, made_by("", ledger.map.digest))
    if delivery is None:
        return
    chart = charts.register(job)
    coded = ((sink.name, document.key, delivery.revision, chart),) if chart else ()
    posted = tuple((sink.name, key, document.key) for key in document.entries) if existing is None else ()
    subject = Subject(unit.source, unit.subject, _LAST)
    job.store.save(Plan((subject,), (), (), posted, (delivery,), coded=coded), job.now())
    tally.add("planned")


def _read_through(job: Job, source: Source) -> date | None:
    """The last day of which every movement has been read, by the gateway's own clock; None where nothing was."""
    seen = [job.store.progress(source.name, feed.name) for feed in source.gateway.feeds if feed.posts]
    if not seen or any(one.resume is not None or one.seen_at is None for one in seen):
        return None
    read = min(one.seen_at for one in seen if one.seen_at is not None)
    return business_date(read, job.rules.zone) - timedelta(days=1)

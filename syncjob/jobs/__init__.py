"""One run: land, plan, deliver, confirm; at night also reconcile and close."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import TypeVar, cast

from syncjob.errors import (
    EXIT_BUG,
    EXIT_HELD,
    EXIT_TRANSIENT,
    Misconfigured,
    Problem,
    TryLater,
    exit_code,
)
from syncjob.jobs import charts, nights, reconciling, shadow
from syncjob.jobs.bills import post_bills
from syncjob.jobs.customers import link_by_email
from syncjob.jobs.delivery import deliver, locks_of, recover, remembered_locks
from syncjob.jobs.job import STOPS, Deadline, Intake, Job, OutOfTime, Sink, Source, Tally, guarded
from syncjob.jobs.lacks import if_offered, not_offered
from syncjob.jobs.maps import keep_counts
from syncjob.jobs.nightly import close_books, gateway_leg, missed_night, read_balances, settling_of, today
from syncjob.jobs.opening import is_open, open_books, refuse_moved_start, with_starts
from syncjob.jobs.payouts import tie_payouts
from syncjob.jobs.planning import plan_dirty
from syncjob.jobs.poll import poll
from syncjob.jobs.recognition import recognise
from syncjob.jobs.summaries import summarise
from syncjob.model import Delivery, Status, Stream
from syncjob.plan.units import Mode
from syncjob.ports import AccountingTarget, CrmTarget, Lock
from syncjob.reconcile import Edit, Leg

__all__ = ["Intake", "Job", "Report", "Sink", "Source", "chosen", "is_nightly", "run"]

Named = TypeVar("Named", Source, Sink)


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to, as values: exit code, counts, problems, and at night the legs of the reconciliation."""

    kind: str
    exit: int
    started: datetime
    ended: datetime
    counts: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    legs: tuple[Leg, ...] = ()
    day: date | None = None
    planned: tuple[Delivery, ...] = ()  # a dry run: what would be sent
    edits: tuple[tuple[str, Edit], ...] = ()  # (target, document that a person changed in its books)


_NIGHTS_AT_ONCE = 3
_LOOKS_MAX = 3
_NIGHT_AGAIN = timedelta(hours=1)


def is_nightly(job: Job) -> bool:
    """Whether this is the first run since `nightly_at` in the books' zone, or has to make up for a night that went wrong."""
    now = job.now()
    due = missed_night(job.store, job.nightly_at, job.rules.zone, now)
    if due is None:
        return False
    # Somebody was away: soon again, and where that lasts for long, no more than hourly, since a night reads deep.
    tried = [one for one in job.store.runs(20, "nightly") if one.ended is not None and one.started >= due]
    return len(tried) < _NIGHTS_AT_ONCE or now - tried[0].started >= _NIGHT_AGAIN


def run(
    job: Job,
    *,
    nightly: bool | None = None,
    source: str = "",
    target: str = "",
    seconds_max: float | None = None,
    dry: bool = False,
    keep: Callable[[Report], None] = lambda _: None,
    intake: Intake | None = None,
) -> Report:
    """Do one run and tell what it came to.

    `nightly` None: the first run after nightly_at is the nightly one. `source` and `target` restrict it to one of each; such a
    run is nightly only where that is wished for, and never stands for the night of all.
    `dry` plans in the store it is given (a throw-away copy) and sends nothing. `keep` stores what is made of the report, in
    the transaction that ends the run. `intake` reads something else than the feeds since their cursors: a backfill. Raises
    Misconfigured, Busy or StateDamaged before any work.
    """
    started = job.now()
    whole = not source and not target
    at_night = whole and is_nightly(job) if nightly is None and intake is None else bool(nightly)
    deadline = Deadline(job.monotonic, job.monotonic() + seconds_max if seconds_max is not None else None)
    sources = chosen(job.sources, source, "source")
    sinks = chosen(job.sinks, target, "target")
    tally = Tally()
    night = "nightly" if whole else "partial nightly"
    kind = "backfill" if intake is not None else night if at_night else "tick"
    _same_names(job)
    job = replace(job, rules=with_starts(job.rules, job.store, [one.name for one in job.sources]))
    refuse_moved_start(job)
    shadow.refuse_unended(job)
    with job.store.run_lock():
        number = job.store.start_run(kind, started)
        legs: list[Leg] = []
        try:
            legs = _stages(job, sources, sinks, _Way(at_night, dry, deadline, intake), tally)
        except OutOfTime as late:
            tally.codes.add(EXIT_TRANSIENT)
            tally.problems.append(Problem("the run", "", str(late)))
        except AssertionError:
            job.store.end_run(number, job.now(), EXIT_BUG, {})
            raise
        planned = _would_send(job, sinks) if dry else ()
        _standing(job, tally, dry=dry)
        if not dry:
            keep_counts(job, tally)
        code, problems = exit_code(tally.codes), tuple(tally.problems)
        edits = tuple(tally.edits)
        report = Report(kind, code, started, job.now(), dict(tally.counts), problems, tuple(legs), today(job), planned, edits)
        with job.store.together():  # a night whose page was not kept has not ended
            keep(report)
            if at_night and not dry:
                nights.note(job.store, number, today(job), legs)
            job.store.end_run(number, report.ended, code, dict(report.counts))
    return report


@dataclass(frozen=True, slots=True)
class _Way:
    """How a run goes: by night, without sending, until when, and what it reads."""

    at_night: bool
    dry: bool
    deadline: Deadline
    intake: Intake | None


def _stages(job: Job, sources: tuple[Source, ...], sinks: tuple[Sink, ...], way: _Way, tally: Tally) -> list[Leg]:
    """Land, mirror, plan, open, deliver, and by night reconcile; gives the legs."""
    bound = {one.name: stream for one in sources if (stream := _bind_source(job, one, way.at_night, tally))}
    ready = [sink for sink in sinks if way.dry or _bind_sink(job, sink, way.at_night, tally)]
    if not way.dry:
        for sink in ready:
            guarded(sink.name, tally, partial(recover, job, sink, tally))
    read = tuple(one for one in sources if one.name in bound and _take_in(job, one, bound[one.name], way, tally))
    # A backfill may have moved a cut-over back.
    job = replace(job, rules=with_starts(job.rules, job.store, [one.name for one in job.sources]))
    for sink in ready:
        if sink.ledger.books:
            guarded(sink.name, tally, partial(_mirror, job, sink, tally))
    job = replace(job, rules=replace(job.rules, locks=_locks(job, ready, tally)))
    if way.at_night:
        link_by_email(job, way.deadline, tally)
    plan_dirty(job, way.deadline, tally)
    if way.at_night and not way.dry:
        _settle_balances(job, read, bound, way.deadline, tally)
    for one in sources:
        open_books(job, one, tally, look_again=way.at_night or way.intake is not None)
        if way.at_night and one in read:
            post_bills(job, one)
            recognise(job, one)
    by_payout = any(sink.ledger.books and sink.ledger.booking.mode is Mode.PER_PAYOUT for sink in ready)
    for one in read if by_payout and way.at_night and not way.dry else ():
        guarded(one.name, tally, partial(tie_payouts, job, one, way.deadline, tally, every=True))
    for sink in ready:
        if sink.ledger.books:
            summarise(job, read, sink, tally)
    if way.dry:
        return []
    for sink in ready:
        if sink.ledger.booking.shadow:
            shadow.begin(job, sink)
            continue
        if not guarded(sink.name, tally, partial(_look_again, job, sink, way.deadline, tally)):
            continue
        guarded(sink.name, tally, partial(deliver, job, sink, way.deadline, tally))
        _bind_accounts(job, sink, tally)
        if sink.ledger.books and not way.at_night and tally.counts.get(f"{sink.name}: delivered"):
            # What arrives by day moves the balances asserted last night: they are rewritten with it.
            guarded(sink.name, tally, partial(close_books, job, sink, today(job)))
    if not way.at_night:
        return []
    for one in read:
        guarded(one.name, tally, partial(tie_payouts, job, one, way.deadline, tally))
    return _reconcile(job, sources, ready, (read, way.deadline), tally)


def chosen(all_of: tuple[Named, ...], name: str, word: str) -> tuple[Named, ...]:
    """All sources or targets, or the one of this name; Misconfigured where syncjob.yaml names none such."""
    if not name:
        return all_of
    found = tuple(one for one in all_of if one.name == name)
    if not found:
        names = ", ".join(one.name for one in all_of) or "none"
        raise Misconfigured(f"{word} {name!r} is not in syncjob.yaml; it names {names}")
    return found


def _same_names(job: Job) -> None:
    """Names and account codes with a history stay what they were. Raises Misconfigured, before any request."""
    names = {source.name for source in job.sources} | {sink.name for sink in job.sinks}
    for name, (identity, _) in sorted(job.store.bindings().items()):
        if name not in names:
            raise Misconfigured(
                f"syncjob.yaml: {name!r} is gone, but the state knows it as account {identity.account}; put its block back"
            )
    for sink in job.sinks:
        for (role, source, currency), (code, now) in charts.moved_codes(job, sink.name).items():
            raise Misconfigured(
                f"{job.rules.chart.where}: {role} of {source} in {currency} is {now}, but {sink.name} holds its entries in "
                f"{code}; put that back, or see what the change would alter: syncjob mapping preview --since DAY"
            )


def _bind_accounts(job: Job, sink: Sink, tally: Tally) -> None:
    if sink.ledger.books and tally.counts.get(f"{sink.name}: delivered"):
        used = job.store.posted_sums(sink.name, date.max, True)
        codes = {
            (role.value, source, currency): job.rules.chart.code(role, source, currency) for role, source, _, currency in used
        }
        job.store.bind_accounts(sink.name, codes)


def _bind_source(job: Job, source: Source, at_night: bool, tally: Tally) -> Stream | None:
    """Whose records these are; asked of the gateway on first use, when the key changed, and every night."""
    bound = job.store.bindings().get(source.name)
    if bound is not None and bound[1] == source.fingerprint and not at_night:
        return Stream(source.name, bound[0].account, bound[0].mode)
    try:
        identity = source.gateway.identity()
    except STOPS as error:
        tally.stopped(source.name, error)
        return None
    job.store.bind(source.name, identity, source.fingerprint, job.now())
    return Stream(source.name, identity.account, identity.mode)


def _bind_sink(job: Job, sink: Sink, at_night: bool, tally: Tally) -> bool:
    bound = job.store.bindings().get(sink.name)
    try:
        if bound is None or at_night:
            job.store.bind(sink.name, sink.target.identity(), "", job.now())
        if not sink.ledger.books:
            problems = cast(CrmTarget, sink.target).provision()
            tally.problems += problems
            return not problems
    except STOPS as error:
        tally.stopped(sink.name, error)
        return False
    return True


def _take_in(job: Job, source: Source, stream: Stream, way: _Way, tally: Tally) -> bool:
    def work() -> None:
        if way.intake is not None:
            way.intake(job, source, stream, way.deadline, tally)
            return
        if way.at_night or not is_open(job.store, source.name):
            if_offered(job, source, "balance", tally, partial(read_balances, job, source), again=way.at_night)
        poll(job, source, stream, nightly=way.at_night, deadline=way.deadline, tally=tally)

    return guarded(source.name, tally, work)


def _settle_balances(
    job: Job, sources: tuple[Source, ...], streams: Mapping[str, Stream], deadline: Deadline, tally: Tally
) -> None:
    """Where a stated balance is not ours, what settles late may be missing: wait for it once, and read the feeds past it."""
    open_ones = [one for one in sources if is_open(job.store, one.name)]
    off = [one for one in open_ones if any(leg.unexplained.minor for leg in gateway_leg(job, one))]
    left = max((settling_of(one) for one in off), default=timedelta(0)).total_seconds()
    while left > 0:
        deadline.check()  # a second at a time, so that somebody who asks for the end is heard
        job.sleep(min(left, 1))
        left -= 1
    for one in off:
        guarded(one.name, tally, partial(poll, job, one, streams[one.name], nightly=False, deadline=deadline, tally=tally))
    if off:
        plan_dirty(job, deadline, tally)


def _mirror(job: Job, sink: Sink, tally: Tally) -> None:
    books = cast(AccountingTarget, sink.target)
    for page in books.mirror(job.store.mirror_cursor(sink.name)):
        tally.add("invoices", job.store.land_mirror(sink.name, page.invoices, page.cursor, job.now()))


def _locks(job: Job, ready: Sequence[Sink], tally: Tally) -> dict[str, tuple[Lock, ...]]:
    """The closed periods of all books, as far as they answer as of now, else as they were last seen."""
    found: dict[str, tuple[Lock, ...]] = {}

    def ask(sink: Sink) -> None:
        found[sink.name] = locks_of(job, sink)

    for sink in job.sinks:
        if sink.ledger.books:
            found[sink.name] = remembered_locks(job, sink)
            if sink in ready:
                guarded(sink.name, tally, partial(ask, sink))
    return found


def _look_again(job: Job, sink: Sink, deadline: Deadline, tally: Tally) -> None:
    """Just before something is sent, ask the books whether an invoice has changed; what was matched with it is matched anew.

    Raises TryLater where that does not come to rest: nothing is sent by what may be over.
    """
    if not sink.ledger.books or not job.store.due(sink.name, job.now(), 1, None)[0]:
        return
    for _ in range(_LOOKS_MAX):
        changed = tally.counts.get("invoices", 0)
        _mirror(job, sink, tally)
        if tally.counts.get("invoices", 0) == changed:
            return
        plan_dirty(job, deadline, tally)
    raise TryLater("its invoices change faster than payments can be matched with them; the next run tries again")


def _reconcile(
    job: Job, sources: tuple[Source, ...], sinks: list[Sink], closer: tuple[tuple[Source, ...], Deadline], tally: Tally
) -> list[Leg]:
    answering, deadline = closer
    look = reconciling.Look(tuple(one.name for one in answering), deadline, closing=True)
    legs = reconciling.prove(job, sources, sinks, today(job), tally, look)
    for source in sources:
        reconciling.note_proven(job, source, legs)
    return legs


def _would_send(job: Job, sinks: tuple[Sink, ...]) -> tuple[Delivery, ...]:
    found: list[Delivery] = []
    for sink in sinks:
        place: tuple[int, str] | None = None
        while True:
            batch, place = job.store.due(sink.name, job.now(), 500, place)
            if not batch:
                break
            found += batch
    return tuple(found)


def _standing(job: Job, tally: Tally, *, dry: bool) -> None:
    """What the whole state still waits for decides the exit code, not only what this run touched."""
    if job.store.refusals() or any(not_offered(job.store, source.name) for source in job.sources):
        tally.codes.add(EXIT_HELD)
    left = job.store.unfinished()
    if left.get(Status.HELD) or left.get(Status.UNKNOWN):
        tally.codes.add(EXIT_HELD)
    in_shadow = {sink.name for sink in job.sinks if sink.ledger.booking.shadow}
    counts = job.store.counts() if in_shadow else {}
    derived = sum(n for (name, _, word), n in counts.items() if name in in_shadow and word == Status.PLANNED)
    tally.add("in shadow", derived)
    tally.add("pending", left.get(Status.PLANNED, 0) + left.get(Status.SENDING, 0) - derived)
    # What waits for something held or undone waits for a person; anything else that is left goes on by itself in the next run.
    if tally.counts.get("pending") and EXIT_HELD not in tally.codes and not dry:
        tally.codes.add(EXIT_HELD if job.store.undoing.is_waited_for else EXIT_TRANSIENT)

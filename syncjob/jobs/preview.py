"""What a changed map or account code would alter, seen in a copy of the state, and done in the state itself.

Both go the same way: the subjects of the span are planned once more, as a run plans them, with the wish to correct what was
delivered (`Rules.correct`). The preview does so in a throw-away copy and compares it with another one, so what it lists is
what a correction does, whatever the rules are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TypeAlias, cast

from syncjob.errors import Misconfigured
from syncjob.jobs import charts
from syncjob.jobs.job import Job, Sink, Source, Tally
from syncjob.jobs.known import BATCH, is_told, known_of
from syncjob.jobs.opening import with_starts
from syncjob.jobs.planning import note_maps, plan_batch
from syncjob.model import Delivery, Json, Refusal
from syncjob.moment import iso, start_of
from syncjob.plan.correcting import Correction
from syncjob.plan.locking import is_closed
from syncjob.plan.preview import Change, Held, Otherwise, Sums, change, otherwise, sums_of
from syncjob.ports import AccountingTarget, Lock
from syncjob.store import Store, Story, Subject

Difference: TypeAlias = Change | Held | Otherwise
_DAY = timedelta(days=1)
Period: TypeAlias = tuple[str, str, str, str, bool]  # target, account, currency, month, whether it is closed


@dataclass(slots=True)
class Totals:
    """What accounts hold now and would hold, by month, and how many documents of which state would be others."""

    now: dict[Period, int] = field(default_factory=dict)
    then: dict[Period, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    maps: dict[str, set[str]] = field(default_factory=dict)  # connector -> digests of the maps that made what would change
    targets: set[str] = field(default_factory=set)  # where something that was delivered would change
    later: int = 0  # subjects of which something is on its way to a target

    def count(self, one: Difference) -> None:
        """Count a difference."""
        match one:
            case Change():
                word = "closed" if one.stays else one.state
                if word == "delivered":
                    self.targets.add(one.target)
            case Held():
                word = "freed" if one.freed else "held"
            case Otherwise():
                word = "otherwise"
        self.counts[word] = self.counts.get(word, 0) + 1

    def moved(self) -> list[Period]:
        """The accounts and months of which the two differ."""
        return sorted(key for key in {*self.now, *self.then} if self.now.get(key, 0) != self.then.get(key, 0))


def span(since: date, through: date | None) -> Correction:
    """The wish for the documents from one day on, through another one. Raises Misconfigured where there is no day between."""
    if through is not None and through < since:
        raise Misconfigured(f"--until {through} is before --since {since}; write the earlier day as --since")
    return Correction(since, through + _DAY if through is not None else None)


def locks_of(job: Job) -> dict[str, tuple[Lock, ...]]:
    """The closed periods of each target that keeps books."""
    return {sink.name: tuple(cast(AccountingTarget, sink.target).locks()) for sink in job.sinks if sink.ledger.books}


# ---------------------------------------------------------------- deriving the past again


def derive(job: Job, wish: Correction) -> int:
    """Plan the subjects of a span once more, what was delivered included; gives how many have something on its way."""
    names = [source.name for source in job.sources]
    job = replace(job, rules=replace(with_starts(job.rules, job.store, names), correct=wish))
    note_maps(job)
    charts.register(job)
    tally, done, later = Tally(), 0, 0
    for batch in _batches(job, wish):
        later += len(plan_batch(job, batch, tally))
        done += len(batch)
        job.say(f"derived {done} again")
    return later


def _batches(job: Job, wish: Correction) -> Iterator[list[Subject]]:
    """Subjects some hundreds at a time, those of records before invoices."""
    batch: list[Subject] = []
    first = (wish.since, start_of(wish.since, job.rules.zone))
    last = (wish.until, start_of(wish.until, job.rules.zone)) if wish.until is not None else None
    for subject in job.store.subjects_between(first, last):
        if batch and (len(batch) == BATCH or _is_invoice(batch[0]) != _is_invoice(subject)):
            yield batch
            batch = []
        batch.append(subject)
    if batch:
        yield batch


def _is_invoice(subject: Subject) -> bool:
    return subject.name.startswith("invoice:")


# ---------------------------------------------------------------- comparing


def differences(before: Store, job: Job, wish: Correction, totals: Totals) -> Iterator[Difference]:
    """What differs between a state and the one that was derived again from it; `totals` are added up on the way."""
    sources = {source.name: source for source in job.sources}
    locks = locks_of(job)
    refused = _refused(before), _refused(job.store)
    done = 0
    for batch in _batches(job, wish):
        stories = zip(before.stories(batch), job.store.stories(batch), strict=True)
        for was, now in stories:
            found: list[Difference] = [*_documents(before, was, now, _View(job, wish, locks, totals))]
            found += [*_records(was, now, sources, refused), *_money(job, was, now, sources)]
            for one in found:
                totals.count(one)
                yield one
        done += len(batch)
        job.say(f"compared {done}")


@dataclass(frozen=True, slots=True)
class _View:
    job: Job
    wish: Correction
    locks: Mapping[str, tuple[Lock, ...]]
    totals: Totals


def _documents(before: Store, was: Story, now: Story, view: _View) -> Iterator[Change]:
    standing = {(one.target, one.key): one for one in was.deliveries}
    for target in dict.fromkeys(one.target for one in now.deliveries):  # a contact may have been another subject's before
        strangers = [one.key for one in now.deliveries if one.target == target and (target, one.key) not in standing]
        standing.update({(target, key): one for key, one in before.lookup(target, strangers).items()} if strangers else {})
    for one in now.deliveries:
        old = standing.get((one.target, one.key))
        closed = is_closed(view.locks.get(one.target, ()), one.kind, one.date)
        if view.wish.covers(one.date):
            _add_up(view.totals, old, one, closed=closed)
        found = change(old, one, closed=closed)
        if found is not None:
            _note_maps(view, old)
            yield found


def _add_up(totals: Totals, was: Delivery | None, now: Delivery, *, closed: bool) -> None:
    if now.date is None:
        return
    for sums, delivery in ((totals.now, was), (totals.then, now)):
        found: Sums = sums_of(delivery.body) if delivery is not None else {}
        for (account, currency), minor in found.items():
            place = (now.target, account, currency, now.date.isoformat()[:7], closed)
            sums[place] = sums.get(place, 0) + minor


def _note_maps(view: _View, was: Delivery | None) -> None:
    fact = cast("Mapping[str, Mapping[str, str]] | None", view.job.store.get_fact(f"map:{was.map}")) if was else None
    for name, digest in fact["maps"].items() if fact is not None else ():
        view.totals.maps.setdefault(name, set()).add(digest)


_Refused: TypeAlias = Mapping[tuple[str, str], Sequence[Refusal]]


def _refused(store: Store) -> _Refused:
    found: dict[tuple[str, str], list[Refusal]] = {}
    for subject, refusal in store.refusals():
        found.setdefault((subject.scope, subject.name), []).append(refusal)
    return found


def _records(was: Story, now: Story, sources: Mapping[str, Source], refused: tuple[_Refused, _Refused]) -> Iterator[Held]:
    scope, name = now.subject.scope, now.subject.name
    before, after = ({(one.type, one.id): one for one in side.get((scope, name), ())} for side in refused)
    if scope not in sources:
        return
    posted = {entry.origin for entry in was.entries}
    for key in dict.fromkeys([*before, *after]):
        old, new = before.get(key), after.get(key)
        if new is not None and (old is None or str(old.problem) != str(new.problem)):
            yield Held(scope, name, *key, new.problem, freed=False, posted=new.id in posted)
        elif old is not None and new is None:
            yield Held(scope, name, *key, old.problem, freed=True, posted=old.id in posted)


def _money(job: Job, was: Story, now: Story, sources: Mapping[str, Source]) -> Iterator[Otherwise]:
    if not was.entries or not now.records or not is_told(now, sources):
        return
    reading = known_of(now, sources[now.subject.scope]).reading
    refused = [one.id for one in reading.problems]
    how = job.rules.how(now.subject.scope)
    yield from otherwise(was.entries, reading.transactions, refused, job.rules.zone, job.rules.home, how)


# ---------------------------------------------------------------- applying


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person saw before deciding: the run that had ended last, the wish, and what was counted."""

    run: int
    wish: Correction
    totals: Totals
    freed: tuple[Subject, ...] = ()


def latest_run(store: Store) -> int:
    """The number of the latest run, by which a preview knows that nothing has happened since."""
    return next((one.id for one in store.runs(1)), 0)


def apply_from_now(job: Job, seen: Seen, who: str) -> int:
    """Let edited maps and codes count from now on: what was delivered stays, what was not sent or is held follows.

    Gives how many subjects the next run plans again.
    """
    with job.store.run_lock():
        _refuse_stale(job, seen)
        with job.store.together():
            note_maps(job)
            moved = charts.rebind(job)
            number = job.store.mark_unsent_dirty()
            job.store.mark_dirty(seen.freed)
            job.store.audit(job.now(), who, "mapping preview --apply from-now", _detail(job, seen, moved))
    return number + len(seen.freed)


def apply_correct(job: Job, seen: Seen, who: str) -> int:
    """Let edited maps and codes count for what was delivered, too, as the preview listed it; the next run sends it.

    Gives how many subjects have something on its way to a target and must wait. Raises Misconfigured for a target that
    cannot update what it holds.
    """
    for sink in job.sinks:
        refuse_reverse(sink, seen.totals)
    with job.store.run_lock():
        _refuse_stale(job, seen)
        what = "mapping preview --apply correct"
        with job.store.together():
            moved = charts.rebind(job)
            job.store.audit(job.now(), who, f"{what}: begun", _detail(job, seen, moved))
        later = derive(job, replace(seen.wish, locks=locks_of(job)))
        job.store.audit(job.now(), who, f"{what}: done", {"under way": later})
    return later


def refuse_reverse(sink: Sink, totals: Totals) -> None:
    """A target that can only take back and book again is not corrected here."""
    if sink.target.promises.corrects_by == "reverse" and sink.name in totals.targets:
        raise Misconfigured(
            f"{sink.name} cannot update what it holds, it can only take back and book again, which a correction does not do "
            "yet; give --apply from-now, and move the past by a journal entry there"
        )


def _refuse_stale(job: Job, seen: Seen) -> None:
    if latest_run(job.store) != seen.run:
        raise Misconfigured("a run has been at work since this preview was made; give the command again to see what is so now")


def _detail(job: Job, seen: Seen, moved: Mapping[str, Mapping[charts.Place, tuple[str, str]]]) -> dict[str, Json]:
    today: dict[str, Json] = {source.name: source.map.digest for source in job.sources}
    today |= {sink.name: sink.ledger.map.digest for sink in job.sinks}
    codes: dict[str, Json] = {
        " ".join((target, *place)): f"{old} -> {new}"
        for target, places in moved.items()
        for place, (old, new) in places.items()
    }
    until = seen.wish.until
    return {
        "since": seen.wish.since.isoformat(),
        "until": (until - _DAY).isoformat() if until is not None else None,
        "maps": today,
        "before": {name: sorted(digests) for name, digests in sorted(seen.totals.maps.items())},
        "codes": codes,
        "counts": dict(seen.totals.counts),
        "at": iso(job.now()),
    }

"""Planning what became dirty: some hundreds of subjects at a time, one statement per table, one transaction per batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncjob.errors import EXIT_BUG, Problem, RecordRefused
from syncjob.jobs import charts
from syncjob.jobs.customers import with_customers
from syncjob.jobs.job import Deadline, Job, Tally
from syncjob.jobs.known import BATCH, is_told, known_of
from syncjob.jobs.pairing import Held, pairings
from syncjob.matching import Books
from syncjob.model import Delivery, Entry, Json, Refusal, movement_key
from syncjob.moment import iso
from syncjob.money import Money
from syncjob.plan import Decided, Known, contact_keys, invoice_documents, made_by, plan, wanted_numbers
from syncjob.plan.proceed import under_way
from syncjob.store import Plan, Subject

LAST = 1 << 60  # invoices are planned after every payment


def plan_dirty(job: Job, deadline: Deadline, tally: Tally) -> None:
    """Plan every dirty subject once; what is under way at a target stays dirty for a later run.

    Payments that name no number come last, since only what all others leave open tells whether a sum explains them.
    """
    note_maps(job)
    charts.register(job)
    held = Held.of(job)
    _plan_all(job, deadline, tally, held)
    found, subjects = pairings(job, held)
    ladder = replace(job.rules.ladder, pairings=found)
    told = replace(job, rules=replace(job.rules, ladder=ladder))
    for start in range(0, len(subjects), BATCH):
        plan_batch(told, subjects[start : start + BATCH], tally)
        job.say(f"matched {min(start + BATCH, len(subjects))} of {len(subjects)} payments without a number")
        deadline.check()
    if found:
        tally.add("matched by customer", len(found))
    if subjects:
        _plan_all(job, deadline, tally, None)


def _plan_all(job: Job, deadline: Deadline, tally: Tally, held: Held | None) -> None:
    later: set[tuple[str, str]] = set()
    done = 0
    while True:
        dirty = job.store.dirty(BATCH + len(later))
        batch = [one for one in dirty if (one.scope, one.name) not in later][:BATCH]
        if not batch:
            return
        payments = [one for one in batch if not one.name.startswith("invoice:")] or batch
        later.update((one.scope, one.name) for one in plan_batch(job, payments, tally, held))
        done += len(payments)
        job.say(f"planned {done}")
        deadline.check()


def plan_batch(job: Job, subjects: Sequence[Subject], tally: Tally, held: Held | None = None) -> list[Subject]:
    """Plan some subjects, either of records or invoices, in one transaction; gives those to be planned again later.

    What `held` takes is not planned now.
    """
    if any(one.name.startswith("invoice:") for one in subjects):
        return _plan_invoices(job, subjects)
    return _plan_records(job, subjects, tally, held)


def note_maps(job: Job) -> None:
    """Remember which maps stand behind the digest that documents carry, and since when."""
    for sink in job.sinks:
        of_target: dict[str, Json] = {sink.name: sink.ledger.map.digest}
        pairs = {made_by("", sink.ledger.map.digest): of_target}
        for source in job.sources:
            pairs[made_by(source.map.digest, sink.ledger.map.digest)] = {source.name: source.map.digest, **of_target}
        for stamp, maps in pairs.items():
            if job.store.get_fact(f"map:{stamp}") is None:
                job.store.set_fact(f"map:{stamp}", {"since": iso(job.now()), "maps": maps})


def _plan_records(job: Job, subjects: Sequence[Subject], tally: Tally, held: Held | None) -> list[Subject]:
    sources = {source.name: source for source in job.sources}
    stories = [story for story in job.store.stories(subjects) if is_told(story, sources)]
    known = [known_of(story, sources[story.subject.scope]) for story in stories]
    known = with_customers(job.store, known, [sink.name for sink in job.sinks])
    waiting = [one for one, of in zip(stories, known, strict=True) if held is not None and held.take(one.subject, of)]
    if waiting:
        later = {one.subject for one in waiting}
        subjects = [one for one in subjects if one not in later]
        known = [of for one, of in zip(stories, known, strict=True) if one.subject not in later]
        stories = [one for one in stories if one.subject not in later]
    numbers = wanted_numbers(known, job.rules.ladder)
    mirrored = job.store.invoices(numbers) if numbers else []
    books = Books(mirrored, job.store.applied(numbers) if numbers else {})
    people: dict[tuple[str, str], Delivery] = {}
    for target, keys in contact_keys(known, job.rules.ledgers).items():
        found = job.store.lookup(target, keys) if keys else {}
        people.update({(target, key): delivery for key, delivery in found.items()})
    decided = [(story.subject, _safely(job, one, books, people, tally)) for story, one in zip(stories, known, strict=True)]
    numbers_of = {invoice.number: invoice.target for invoice in mirrored}
    touched = dict.fromkeys(number for _, one in decided for number in one.invoices if number in numbers_of)
    again = [subject for subject, one in decided if one.again]
    # Contacts are shared: the last word about one is what `people` holds, so each is stored once.
    deliveries = {(d.target, d.key): d for _, one in decided for d in one.deliveries}
    chart = charts.number(job)
    plan_ = Plan(
        subjects=tuple(subjects),
        entries=tuple(entry for _, one in decided for entry in one.entries),
        applications=tuple((subject, a) for subject, one in decided for a in one.applications),
        posted=tuple(row for _, one in decided for row in one.posted),
        deliveries=tuple(deliveries.values()),
        refusals=tuple((subject, refusal) for subject, one in decided for refusal in one.refusals),
        dirty=(*again, *(Subject(numbers_of[number], f"invoice:{number}", LAST) for number in touched)),
        coded=tuple((*row, chart) for _, one in decided for row in one.coded) if chart else (),
    )
    job.store.save(plan_, job.now())
    tally.add("planned", len(deliveries))
    return [*again, *(one.subject for one in waiting)]


def save_entries(job: Job, scope: str, entries: Sequence[Entry]) -> None:
    """Keep entries that no record tells, such as an opening balance, with the documents that they make."""
    for entry in entries:
        decided = plan(Known(subject=entry.subject, source=scope, entries=(entry,)), job.rules, Books([], {}), {})
        chart = charts.register(job)
        coded = tuple((*row, chart) for row in decided.coded) if chart else ()
        subject = Subject(scope, entry.subject, 0)
        job.store.save(Plan((subject,), (entry,), (), decided.posted, decided.deliveries, coded=coded), job.now())


def _safely(job: Job, known: Known, books: Books, people: dict[tuple[str, str], Delivery], tally: Tally) -> Decided:
    """Plan one subject; whatever is wrong with it holds this subject alone, with its amounts named."""
    try:
        return plan(known, job.rules, books, people)
    except RecordRefused as refused:
        problem = Problem(known.subject, known.source, str(refused), refused.cure)
    except AssertionError:
        raise  # a broken invariant stops the run
    except Exception as bug:
        tally.codes.add(EXIT_BUG)
        why = f"syncjob failed on it ({type(bug).__name__}: {bug})"
        problem = Problem(known.subject, known.source, why, "report this; nothing of it was sent")
    standing = {entry.key for entry in known.entries}
    moved = [one for one in known.reading.transactions if movement_key(one.stream, one.id) not in standing]
    priced = tuple(Refusal(one.type, one.id, problem, one.effective, one.net, one.bucket) for one in moved)
    return Decided(refusals=priced or (Refusal("subject", known.subject, problem),))


def _plan_invoices(job: Job, subjects: Sequence[Subject]) -> list[Subject]:
    numbers = [one.name.partition(":")[2] for one in subjects]
    invoices = {(invoice.target, invoice.number): invoice for invoice in job.store.invoices(numbers)}
    applied = job.store.applied(numbers)
    deliveries: list[Delivery] = []
    again: list[Subject] = []
    for story in job.store.stories(subjects):
        number = story.subject.name.partition(":")[2]
        invoice = invoices.get((story.subject.scope, number))
        if invoice is None:
            continue
        brought = sum(amount.minor for _, amount in applied.get(number, ()))
        known = {(d.target, d.key): d for d in story.deliveries}
        if any(under_way(delivery) for delivery in story.deliveries):
            again.append(story.subject)
        paid = Money(brought, invoice.total.currency)
        deliveries += invoice_documents(story.subject.scope, invoice, paid, job.rules, known)
    job.store.save(Plan(subjects=tuple(subjects), deliveries=tuple(deliveries), dirty=tuple(again)), job.now())
    return again

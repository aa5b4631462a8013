"""The end of a nightly run: the two legs of the reconciliation, and what the books close with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, tzinfo

from syncjob.errors import EXIT_HELD, EXIT_OK
from syncjob.jobs import charts
from syncjob.jobs.job import Job, Sink, Source
from syncjob.jobs.shadowed import ended
from syncjob.model import Role
from syncjob.moment import business_date, month_end
from syncjob.money import Money
from syncjob.plan.crm import state
from syncjob.ports import AccountingTarget, Assertion, Balances, Closing, Foreign, InvoiceState
from syncjob.reconcile import Edit, Leg, Movement, books_legs, gateway_legs
from syncjob.store import Store
from syncjob.timetable import night_of

_BALANCE_ROLES = (Role.CLEARING, Role.RESERVE)


def read_balances(job: Job, source: Source) -> None:
    """Ask a gateway for its balances, before its feeds are read, so that every movement up to then is seen by the poll."""
    if isinstance(source.gateway, Balances):
        job.store.note_balances(source.name, source.gateway.balances(None))


def bucket_sums(job: Job, source: str, through: datetime | None) -> dict[tuple[str, str], int]:
    """(bucket, currency) -> what the sub-ledger says the gateway holds."""
    sums: dict[tuple[str, str], int] = {}
    for (role, bucket, currency), minor in job.store.balances(source, through).items():
        if role in _BALANCE_ROLES and bucket:
            sums[bucket, currency] = sums.get((bucket, currency), 0) + minor
    return sums


def missed_night(store: Store, at: time, zone: tzinfo, now: datetime) -> datetime | None:
    """When the latest night was due, if no nightly run has come to its end since then; a killed one did not."""
    day = business_date(now, zone)
    nights = (night_of(day - timedelta(days=back), at, zone) for back in (0, 1))
    due = next((night for night in nights if night is not None and night <= now), None)
    if due is None or any(one.started >= due and one.exit in (EXIT_OK, EXIT_HELD) for one in store.runs(20, "nightly")):
        return None
    return due


def settling_of(source: Source) -> timedelta:
    """For how long a movement may still be missing from the posting feeds."""
    return max((feed.settling for feed in source.gateway.feeds if feed.posts), default=timedelta(0))


def gateway_movements(job: Job, source: str, since: datetime) -> Iterator[Movement]:
    """What was posted in a gateway's buckets from an instant on, in the order of its ledger."""
    for key, effective, role, bucket, currency, minor in job.store.movements(source, since):
        if role in _BALANCE_ROLES and bucket:
            yield Movement(key, effective, bucket, currency, minor)


def gateway_leg(job: Job, source: Source) -> list[Leg]:
    """Leg 1: what the gateway states, with its own instant, against the sub-ledger."""
    stated = job.store.noted_balances(source.name)
    as_of = stated[0].as_of if stated else None
    ours = bucket_sums(job, source.name, as_of)
    around: list[Movement] = []
    if as_of is not None:
        settling = settling_of(source)
        for movement in gateway_movements(job, source.name, as_of - settling):
            if movement.effective > as_of + settling:
                break  # the balance was read at as_of: a sum that fits far behind it would fit by chance
            around.append(movement)
    refused = [refusal for _, refusal in job.store.refusals(source.name)]
    return gateway_legs(source.name, stated, ours, around, refused, job.rules.since(source.name))


def balance_accounts(job: Job, sink: Sink, through: date) -> list[str]:
    """The accounts that stand, or stood, for a gateway's balance in these books."""
    sums = (_by_account(job, sink.name, through, delivered=delivered) for delivered in (True, False))
    return sorted({account for one in sums for account, _ in one} | _left_behind(job, sink.name, through))


def books_leg(job: Job, sink: Sink, books: AccountingTarget, through: date, edits: Sequence[Edit] = ()) -> list[Leg]:
    """Leg 2: what the books hold in the accounts that stand for a gateway, against the delivered entries."""
    delivered = _by_account(job, sink.name, through, delivered=True)
    undelivered = _by_account(job, sink.name, through, delivered=False)
    accounts = balance_accounts(job, sink, through)
    return books_legs(books.balances(accounts, through), delivered, undelivered, through, sink.name, edits)


def _by_account(job: Job, target: str, through: date, *, delivered: bool) -> dict[tuple[str, str], int]:
    """By the codes of the charts that the postings were made with: a changed code moves nothing that was delivered."""
    known = charts.standing(job)
    sums: dict[tuple[str, str], int] = {}
    for (number, role, source, _, currency), minor in job.store.posted_by_chart(target, through, delivered).items():
        if role in _BALANCE_ROLES:
            chart = job.rules.chart if number == charts.TODAY else known[number]
            account = chart.code(role, source, currency)
            sums[account, currency] = sums.get((account, currency), 0) + minor
    return sums


def _left_behind(job: Job, target: str, through: date) -> set[str]:
    known = charts.standing(job)
    if len(known) == 1:
        return set()
    sums = job.store.posted_sums(target, through, True)
    places = {(role.value, source, currency) for role, source, _, currency in sums if role in _BALANCE_ROLES}
    return charts.former(known, places)


def close_books(job: Job, sink: Sink, today: date) -> None:
    """Write the balances that must hold (each month end, and the latest night's) and what each invoice still asks for."""
    if not isinstance(sink.target, Closing):
        return
    span = job.store.entry_dates(sink.name)
    assertions: list[Assertion] = []
    if span is not None:
        days = []
        day = month_end(span[0])
        while day < today:
            days.append(day)
            day = month_end(day + timedelta(days=1))
        booked = _booked_by_people(job, sink, today)
        for day in (*days, max(span[1], today)):
            sums = _by_account(job, sink.name, day, delivered=True)
            for (account, currency), minor in sorted(sums.items()):
                theirs = sum(m for on, place, m in booked if on <= day and place == (account, currency))
                assertions.append(Assertion(day, account, Money(minor + theirs, currency)))
    states = (
        InvoiceState(one.number, one.customer, one.total, one.total - one.open + brought, state(one, brought))
        for one, brought in job.store.invoice_states(sink.name)
    )
    sink.target.close(assertions, states)


def _booked_by_people(job: Job, sink: Sink, today: date) -> list[tuple[date, tuple[str, str], int]]:
    """What people booked on these accounts before syncjob did, in books that were in shadow: it belongs to the balance."""
    since = ended(job.store, sink.name)
    if since is None or not isinstance(sink.target, Foreign):
        return []
    every = sink.target.foreign(balance_accounts(job, sink, today))
    return [
        (one.day, (account, money.currency), money.minor) for one in every if one.day < since for account, money in one.postings
    ]


def clock(job: Job) -> datetime:
    """The instant by the gateways' clocks; by our own only where none was ever heard."""
    heard = [
        seen
        for source in job.sources
        for feed in source.gateway.feeds
        if (seen := job.store.progress(source.name, feed.name).seen_at) is not None
    ]
    return max(heard, default=job.now())


def today(job: Job) -> date:
    """The company's day by the gateways' clocks."""
    return business_date(clock(job), job.rules.zone)

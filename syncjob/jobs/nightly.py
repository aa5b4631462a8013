"""The end of a nightly run: opening balances, the two legs of the reconciliation, and what the books close with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from syncjob.errors import Problem
from syncjob.jobs.job import Job, Sink, Source, Tally
from syncjob.matching import Books
from syncjob.model import Entry, Role
from syncjob.moment import business_date, month_end
from syncjob.money import Money
from syncjob.plan import Decided, Known, plan
from syncjob.plan.crm import state
from syncjob.ports import AccountingTarget, Assertion, Balances, Closing, InvoiceState
from syncjob.posting import open_balance
from syncjob.reconcile import Leg, Movement, books_legs, gateway_legs, opening_balances
from syncjob.store import Plan, Subject

_NEVER_MONEY = ("customer", "event")
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


def open_books(job: Job, source: Source, tally: Tally) -> None:
    """Bring in, once, what the gateway already held at the cut-over instant; later runs find it done."""
    name = f"opening:{source.name}"
    stated = job.store.noted_balances(source.name)
    if job.store.get_fact(name) is not None or not stated:
        return
    as_of = stated[0].as_of
    # A record held without a price may be a movement whose content was not kept: its money is no opening balance.
    refused = [refusal for _, refusal in job.store.refusals(source.name) if refusal.type not in _NEVER_MONEY]
    in_time = [one for one in refused if one.effective is None or job.rules.start <= one.effective <= as_of]
    balances = opening_balances(stated, bucket_sums(job, source.name, as_of), in_time)
    if not balances:
        tally.problems.append(
            Problem(
                "the opening balance",
                source.name,
                "a held record has no readable amount, so what the gateway held before cannot be told",
                "resolve it (syncjob held list); the next nightly run opens the books",
            )
        )
        return
    entries = [
        open_balance(source.name, balance.place, balance.amount, job.rules.start, job.rules.zone)
        for balance in balances
        if balance.amount.minor
    ]
    _save(job, source.name, entries)
    job.store.set_fact(name, {f"{b.place}:{b.amount.currency}": b.amount.minor for b in balances})


def _save(job: Job, scope: str, entries: Sequence[Entry]) -> None:
    for entry in entries:
        known = Known(subject=entry.subject, source=scope, entries=(entry,))
        decided: Decided = plan(known, job.rules, Books([], {}), {})
        subject = Subject(scope, entry.subject, 0)
        job.store.save(Plan((subject,), (entry,), (), decided.posted, decided.deliveries), job.now())


def gateway_leg(job: Job, source: Source) -> list[Leg]:
    """Leg 1: what the gateway states, with its own instant, against the sub-ledger."""
    stated = job.store.noted_balances(source.name)
    as_of = stated[0].as_of if stated else None
    ours = bucket_sums(job, source.name, as_of)
    around: list[Movement] = []
    if as_of is not None:
        settling = max((feed.settling for feed in source.gateway.feeds if feed.posts), default=timedelta(0))
        for key, effective, role, bucket, currency, minor in job.store.movements(source.name, as_of - settling):
            if effective > as_of + settling:
                break  # the balance was read at as_of: a sum that fits far behind it would fit by chance
            if role in _BALANCE_ROLES and bucket:
                around.append(Movement(key, effective, bucket, currency, minor))
    refused = [refusal for _, refusal in job.store.refusals(source.name)]
    return gateway_legs(source.name, stated, ours, around, refused, job.rules.start)


def books_leg(job: Job, sink: Sink, books: AccountingTarget, through: date) -> list[Leg]:
    """Leg 2: what the books hold in the accounts that stand for a gateway, against the delivered entries."""
    delivered = _by_account(job, sink.name, through, delivered=True)
    undelivered = _by_account(job, sink.name, through, delivered=False)
    accounts = sorted({account for account, _ in (*delivered, *undelivered)})
    return books_legs(books.balances(accounts, through), delivered, undelivered, through)


def _by_account(job: Job, target: str, through: date, *, delivered: bool) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for (role, source, _, currency), minor in job.store.posted_sums(target, through, delivered).items():
        if role in _BALANCE_ROLES:
            account = job.rules.chart.code(role, source, currency)
            sums[account, currency] = sums.get((account, currency), 0) + minor
    return sums


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
        for day in (*days, max(span[1], today)):
            for (account, currency), minor in sorted(_by_account(job, sink.name, day, delivered=True).items()):
                assertions.append(Assertion(day, account, Money(minor, currency)))
    states = [
        InvoiceState(one.number, one.customer, one.total, one.total - one.open + brought, state(one, brought))
        for one, brought in job.store.invoice_states(sink.name)
    ]
    sink.target.close(assertions, states)


def today(job: Job) -> date:
    """The company's day by the gateways' clocks; by our own only where none was ever heard."""
    heard = [
        seen
        for source in job.sources
        for feed in source.gateway.feeds
        if (seen := job.store.progress(source.name, feed.name).seen_at) is not None
    ]
    return business_date(max(heard, default=job.now()), job.rules.zone)

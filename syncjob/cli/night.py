"""What a nightly run found, gathered into its page, and the page kept in the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from itertools import product
from typing import TYPE_CHECKING, Any, cast

from syncjob.errors import Misconfigured
from syncjob.jobs import charts, maps
from syncjob.jobs.deciding import is_listed
from syncjob.jobs.lacks import not_offered
from syncjob.model import BUCKETS, Delivery, Role, Status
from syncjob.money import Money, totals
from syncjob.summary.page import (
    BALANCE,
    RESERVE,
    Books,
    Credit,
    Held,
    Invoices,
    MapCount,
    MapWarning,
    Page,
    Place,
    flow,
    order,
)
from syncjob.summary.wire import from_json, to_json

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.jobs import Report
    from syncjob.reconcile import Banked, Leg
    from syncjob.store import Store

FACT = "summary"
_INSTANT = timedelta(microseconds=1)
_NAMES = {Role.CLEARING: BALANCE, Role.RESERVE: RESERVE}
_PAYOUT_DAYS = timedelta(days=35)
_OWED = (Role.CUSTOMER_CREDIT, Role.SUSPENSE, Role.UNAPPLIED)


def kept(store: Store) -> Page | None:
    """The page of the last nightly run, or None before the first."""
    value = store.get_fact(FACT)
    return from_json(cast(Mapping[str, Any], value)) if value is not None else None


def keep(config: Config, store: Store, report: Report) -> Page:
    """Gather the page of the nightly run that has just ended, and keep it."""
    page = gather(config, store, report)
    store.set_fact(FACT, to_json(page))
    maps.page_is_kept(store)
    return page


def gather(config: Config, store: Store, report: Report) -> Page:
    """The page of a nightly run: its period reaches from the last page (else the cut-over) to the gateway's statement."""
    from syncjob.jobs.bank import banked_payouts

    before = kept(store)
    sources = [block.name for block in config.of("gateways")]
    bank = banked_payouts(store, sources)  # of all accounts at once: a line is one payout, whichever account sent it
    places: list[Place] = []
    for block in config.of("gateways"):
        places += _Account(config, store, report, before, block.name).places()
    return Page(
        made_at=report.ended,
        zone=config.zone_name,
        places=order(places),
        held=tuple(held(store)),
        credits=tuple(_credits(config, store)),
        invoices=tuple(_invoices(config, store)),
        edits=tuple((target, one.key, one.why) for target, one in report.edits if not one.decided),
        known=tuple((target, one.key, f"{one.why} ({one.decided})") for target, one in report.edits if is_listed(one)),
        undone=tuple((block.name, *one) for block in config.of("accounting") for one in _undone(store, block.name)),
        shadow=tuple((block.name, _shadow(store, block.name)) for block in config.of("accounting") if block.booking.shadow),
        payouts=tuple((name, words) for name in sources for words in _payouts(store, name, report, bank)),
        coverage=tuple((block.name, words) for block in config.of("gateways") for words in coverage(config, store, block.name)),
        not_covered=tuple((block.name, what) for block in config.of("gateways") for what in not_offered(store, block.name)),
        map_warnings=tuple(
            MapWarning(one.map, one.field, one.what, one.value, one.why, one.cure) for one in maps.warnings(store, config.home)
        ),
        map_counts=tuple(MapCount(*one) for one in maps.noticed(store)),
    )


def _undone(store: Store, target: str) -> list[tuple[str, str]]:
    """Each document that was undone and has not been sent again, with its price and what to do about it."""
    from syncjob.jobs.shadowed import ended
    from syncjob.summary.render import named

    lacking, booked = store.undoing.lacking(target), ended(store, target)
    by = {one.document: one for one in lacking if booked is None or one.day >= booked}
    said = []
    if booked is not None and len({one.document for one in lacking}) > len(by):
        number = len({one.document for one in lacking}) - len(by)
        said.append((f"{number} of before {booked}", "people have booked while these books were in shadow"))
    for key, delivery in sorted(store.lookup(target, list(by)).items()):
        amount = price(delivery)
        how = f"taken back on {by[key].day}" if by[key].by != key else "void"
        worth = f"of {named(amount)} " if amount is not None else ""
        said.append((key, f"{worth}is {how} until it is sent again: syncjob redo"))
    return said


def _shadow(store: Store, target: str) -> str:
    """How what was derived for books stands beside what people booked there."""
    from syncjob.jobs import shadow
    from syncjob.reconcile.shadow import Kind

    found = shadow.counts(store, target)
    words = ", ".join(f"{found[kind.value]} {kind.value}" for kind in Kind if found.get(kind.value))
    return f"{words or 'nothing was derived yet'}; see: syncjob shadow"


def _payouts(store: Store, source: str, report: Report, bank: Banked) -> list[str]:
    """How the payouts of the last weeks stand: how many are what they pay out, and each that is not."""
    from syncjob.jobs.bank import on_the_bank
    from syncjob.jobs.payouts import LONG_AGO, ties
    from syncjob.reconcile import Ties
    from syncjob.summary.render import named

    since = (report.day or report.ended.date()) - _PAYOUT_DAYS
    found = [(payout, tie) for payout, tie in ties(store, source, LONG_AGO) if payout.sent > since]
    counts = {state: sum(1 for _, tie in found if tie is not None and tie.state is state) for state in Ties}
    said = []
    if counts[Ties.TIES]:
        are = "payout of the last 35 days is" if counts[Ties.TIES] == 1 else "payouts of the last 35 days are"
        said.append(f"{counts[Ties.TIES]} {are} what the gateway says is in them")
    if counts[Ties.NOT_ITEMISED]:
        are = "is" if counts[Ties.NOT_ITEMISED] == 1 else "are"
        said.append(f"{counts[Ties.NOT_ITEMISED]} {are} not itemised by it: the running balance proves them")
    arrived = [payout for payout, _ in found if payout.key in bank.lines]
    if bank.through:
        said.append(f"{len(arrived)} of these {len(found)} stand on the bank's statement")
    for payout, _ in found:
        words = on_the_bank(payout, bank)
        if words and payout not in arrived:
            said.append(f"{payout.id} of {named(payout.amount)}: {words}")
    for payout, tie in found:
        if tie is not None and tie.state is Ties.DIFFERS:
            items = "1 item" if len(tie.items) == 1 else f"{len(tie.items)} items"
            said.append(f"{payout.id} of {named(payout.amount)} differs by {items}; see: syncjob payouts list")
    return said


def coverage(config: Config, store: Store, source: str) -> list[str]:
    """Up to when which of a gateway's feeds are complete, with their gaps; feeds that stand alike in one sentence."""
    from syncjob.cli.standing import feeds_of
    from syncjob.jobs.coverage import covered
    from syncjob.summary import instant

    alike: dict[str, list[str]] = {}
    for one in covered(store, source, feeds_of(config, source), config.start):
        if one.offered:
            alike.setdefault(one.words(lambda at: instant(at, config.zone)), []).append(one.feed)
    return [f"{', '.join(feeds)} {words}" for words, feeds in alike.items()]


class _Account:
    """One gateway account's balances, from the sub-ledger and from the legs of the reconciliation."""

    def __init__(self, config: Config, store: Store, report: Report, before: Page | None, source: str) -> None:
        self._config, self._store, self._source = config, store, source
        self._day: date | None = report.day
        self._gateway = [leg for leg in report.legs if leg.name == "gateway" and leg.source == source]
        self._books = [leg for leg in report.legs if leg.name == "books"]
        self._before = {(one.name, one.currency): one for one in before.places if one.source == source} if before else {}
        stated = store.noted_balances(source)
        self._until: datetime = stated[0].as_of if stated else report.started
        self._since = max((one.until for one in self._before.values()), default=config.start - _INSTANT)
        self._now = store.balances(source, None)
        self._then = store.balances(source, self._until)
        self._sums = store.day_sums(source, self._since + _INSTANT, self._until + _INSTANT)

    def places(self) -> list[Place]:
        """Each role that stands for the gateway's balance, in each currency that has anything to tell."""
        found = []
        for role, name in _NAMES.items():
            currencies = {currency for of, _, currency in self._now if of is role}
            currencies |= {leg.currency for leg in self._gateway if BUCKETS.get(leg.place) is role}
            currencies |= {currency for of, currency in self._before if of == name}
            found += [self._place(role, name, currency) for currency in sorted(currencies)]
        return [place for place in found if _tells(place)] + self._unknown_buckets()

    def _place(self, role: Role, name: str, currency: str) -> Place:
        before = self._before.get((name, currency))
        opening = _sum(self._store.balances(self._source, self._since), role, currency)
        closing = _sum(self._then, role, currency)
        legs = [leg for leg in self._gateway if BUCKETS.get(leg.place) is role and leg.currency == currency]
        stated = [leg.theirs for leg in legs if leg.theirs is not None]
        zero = Money(0, currency)
        rows, lacking = flow(self._sums, role, currency), not_offered(self._store, self._source)
        cut = sum((leg.ours for leg in legs), zero) - closing
        return Place(
            source=self._source,
            name=name,
            currency=currency,
            since=max(self._since, self._config.start),
            until=self._until,
            opening=before.closing if before else opening,
            opened="balance" not in lacking,
            late=opening - before.closing if before else zero,
            rows=tuple(row for row in rows if row.name.lower() not in lacking or row.count or row.amount.minor),
            closing=closing,
            stated=sum(stated, zero) if stated else None,
            same_second=cut if stated and cut.minor else None,
            items=tuple(item for leg in legs for item in leg.items),
            books=tuple(self._in_books(role, currency, closing)),
        )

    def _in_books(self, role: Role, currency: str, closing: Money) -> Iterable[Books]:
        if self._day is None:
            return
        later = _sum(self._now, role, currency) - closing
        for target in self._config.of("accounting"):
            try:
                place = role, self._source, currency
                accounts = charts.codes_of(self._store, self._config.chart, target.name, place, self._day)
            except Misconfigured:
                return
            if any(self._players(account, currency) - {(self._source, role)} for account in accounts):
                continue  # an account that several balances share proves none of them alone
            of_target = {leg.place: leg for leg in self._books if (leg.target, leg.currency) == (target.name, currency)}
            legs = [of_target[account] for account in accounts if account in of_target]
            if len(legs) != len(accounts):
                continue  # its books could not be asked; the run says why
            waiting = self._store.posted_sums(target.name, self._day, False)
            parts = [m for (of, source, _, code), m in waiting.items() if (of, source, code) == (role, self._source, currency)]
            stated = sum((leg.theirs for leg in legs if leg.theirs is not None), Money(0, currency))
            items = tuple(item for leg in legs for item in leg.items)
            gone = [
                one.minor
                for one in self._store.undoing.lacking(target.name)
                if (one.role, one.source, one.currency) == (role, self._source, currency) and one.day <= self._day
            ]
            undone = Money(sum(gone), currency) if gone else None
            yield Books(target.name, " + ".join(accounts), stated, later, Money(sum(parts), currency), items, undone)

    def _players(self, account: str, currency: str) -> set[tuple[str, Role]]:
        found = set()
        for chart in charts.ever(self._store, self._config.chart):
            for name, role in product((block.name for block in self._config.of("gateways")), _NAMES):
                with suppress(Misconfigured):
                    if chart.code(role, name, currency) == account:
                        found.add((name, role))
        return found

    def _unknown_buckets(self) -> list[Place]:
        legs: list[Leg] = [leg for leg in self._gateway if leg.place not in BUCKETS]
        return [
            Place(
                source=self._source,
                name=leg.place,
                currency=leg.currency,
                since=max(self._since, self._config.start),
                until=self._until,
                opening=leg.ours,
                late=Money(0, leg.currency),
                rows=(),
                closing=leg.ours,
                stated=leg.theirs,
            )
            for leg in legs
            if leg.theirs is not None and (leg.theirs.minor or leg.ours.minor)
        ]


def _sum(sums: Mapping[tuple[Role, str, str], int], role: Role, currency: str) -> Money:
    return Money(sum(minor for (of, _, code), minor in sums.items() if of is role and code == currency), currency)


def _tells(place: Place) -> bool:
    amounts = [place.opening, place.closing, place.difference, *(row.amount for row in place.rows)]
    return any(amount.minor for amount in amounts) or any(row.count for row in place.rows)


# ---------------------------------------------------------------- what waits


def held(store: Store) -> list[Held]:
    """Everything that waits for a person: records that could not be read or posted, and documents that were not taken."""
    found = [
        Held(subject.scope, refusal.problem.what, refusal.problem.why, refusal.problem.cure, refusal.net)
        for subject, refusal in store.refusals()
    ]
    for delivery in store.held():
        problem = delivery.problem
        why = problem.why if problem else "whether it arrived is not known yet; the next run asks"
        found.append(Held(delivery.target, delivery.key, why, problem.cure if problem else "", price(delivery)))
    return found


def price(delivery: Delivery) -> Money | None:
    """What a document is about: the turnover of its postings, else its amount; None where it has no single one."""
    body: Mapping[str, Any] = delivery.body
    postings: Sequence[Mapping[str, str]] = body.get("postings") or ()
    sums = totals(
        amount for one in postings if (amount := Money.of(one["amount"], one["currency"])).minor > 0
    )
    if postings:
        return next(iter(sums.values())) if len(sums) == 1 else None
    text, currency = body.get("amount"), body.get("currency")
    return Money.of(text, currency) if isinstance(text, str) and isinstance(currency, str) else None


def waits(store: Store) -> dict[str, int]:
    """How many deliveries of each target are planned or under way."""
    found: dict[str, int] = {}
    for (target, _, status), number in store.counts().items():
        if status in (Status.PLANNED, Status.SENDING):
            found[target] = found.get(target, 0) + number
    return found


def _credits(config: Config, store: Store) -> Iterable[Credit]:
    sums: dict[tuple[Role, str], int] = {}
    for block in config.of("gateways"):
        for (role, _, currency), minor in store.balances(block.name, None).items():
            if role in _OWED or role is Role.PAYOUTS_IN_TRANSIT:
                signed = -minor if role in _OWED else minor
                sums[role, currency] = sums.get((role, currency), 0) + signed
    for (role, currency), minor in sorted(sums.items()):
        if minor:
            yield Credit(role, Money(minor, currency))


def _invoices(config: Config, store: Store) -> Iterable[Invoices]:
    from syncjob.plan.crm import state

    for block in config.of("accounting"):
        words = {"paid": 0, "part paid": 0, "open": 0}
        brought: dict[str, Money] = {}
        left: dict[str, Money] = {}
        for invoice, paid in store.invoice_states(block.name):
            words[state(invoice, paid)] += 1
            code = paid.currency
            brought[code] = brought.get(code, Money(0, code)) + paid
            left[code] = left.get(code, Money(0, code)) + Money(max((invoice.open - paid).minor, 0), code)
        yield Invoices(
            block.name,
            words["paid"],
            words["part paid"],
            words["open"],
            tuple(amount for amount in brought.values() if amount.minor),
            tuple(amount for amount in left.values() if amount.minor),
        )

"""A month as its close pack needs it, gathered from the state alone: no gateway and no books are asked, nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from syncjob.errors import Misconfigured
from syncjob.jobs import charts
from syncjob.jobs.bank import banked_payouts
from syncjob.jobs.lacks import not_offered
from syncjob.jobs.nights import nights
from syncjob.jobs.opening import is_open
from syncjob.jobs.payouts import state_of
from syncjob.model import BUCKETS, UNDONE, Kind, Refusal, Role
from syncjob.moment import business_date, from_text, month_end, start_of
from syncjob.money import Money
from syncjob.ports import Balance, Feed
from syncjob.reconcile import Movement, gateway_legs
from syncjob.store.closing import Crossing, Sent
from syncjob.summary import closing as pack
from syncjob.summary.page import BALANCE, RESERVE, flow

if TYPE_CHECKING:
    from syncjob.config import Config
    from syncjob.store import Store

_NAMES = {Role.CLEARING: BALANCE, Role.RESERVE: RESERVE}
_DAY, _MICROSECOND = timedelta(days=1), timedelta(microseconds=1)
BankLines = Mapping[tuple[str, str], pack.BankLine]  # (gateway account, payout id) -> what the bank says of it


@dataclass(frozen=True, slots=True)
class _Month:
    """The month's two ends as days of the books and as instants, and where everything is looked up."""

    config: Config
    store: Store
    feeds: Mapping[str, Sequence[Feed]]
    first: date
    last: date
    end: datetime
    nights: tuple[pack.Night, ...]

    def start(self, source: str) -> datetime:
        """The cut-over of a source: nothing older is posted."""
        moved = self.store.get_fact(f"start:{source}")
        return from_text(moved) if isinstance(moved, str) else self.config.start

    def account(self, role: Role, source: str, currency: str) -> str:
        """The account codes in which it stands, "" where accounts.csv has none."""
        found: dict[str, None] = {}
        try:
            for block in self.config.of("accounting"):
                place = role, source, currency
                found |= dict.fromkeys(charts.codes_of(self.store, self.config.chart, block.name, place, self.last))
        except Misconfigured:
            return ""
        return " + ".join(found)


def bank_lines(store: Store, sources: Sequence[str]) -> BankLines:
    """What the bank's statements say of each payout of these gateway accounts."""
    found = banked_payouts(store, sources)
    return {(source, id): pack.BankLine(line.day, line.amount, line.text) for (source, id, _), (_, line) in found.lines.items()}


def gather(
    config: Config, store: Store, feeds: Mapping[str, Sequence[Feed]], first: date, bank: BankLines | None = None
) -> pack.Pack:
    """The pack of the month that begins on a day; `feeds` are those of each configured gateway account."""
    last = month_end(first)
    end = start_of(last + _DAY, config.zone)
    with store.steady():
        known = tuple(nights(store))
        month = _Month(config, store, feeds, first, last, end, known)
        sources = sorted({*feeds, *(source for source, _, _ in store.sums_through(last))})
        before = store.crossing(first - _DAY, start_of(first, config.zone))
        after = store.crossing(last, end)
        stated = {source: _statement(known, source, end) for source in sources}
        ties = [tie for source in sources for tie in _ties(month, source, stated[source])]
        lacks = {source: not_offered(store, source) for source in feeds}
        return pack.Pack(
            first=first,
            last=last,
            zone=config.zone_name,
            end=end,
            heard=_heard(store, feeds),
            begins=tuple((source, business_date(month.start(source), config.zone)) for source in feeds),
            missing_nights=tuple(_missing(known, first, last, _heard(store, feeds), config)),
            unread=tuple(source for source in feeds if not stated[source] and _owes_statement(known, source, last)),
            unopened=tuple(source for source in feeds if not is_open(store, source) and "balance" not in lacks[source]),
            not_covered=tuple((source, what) for source in feeds for what in lacks[source]),
            rolls=tuple(_rolls(month, after)),
            ties=tuple(ties),
            crossed=(*_crossed(before, first - _DAY), *_crossed(after, last)),
            waiting=tuple(_waiting(month, ties)),
            aged=tuple(_aged(month)),
            payouts=tuple(_payouts(month, bank or {})),
            trial=tuple(_trial(month)),
            nights=tuple(_of_the_month(known, first, last)),
        )


# ---------------------------------------------------------------- which nights count


def _heard(store: Store, feeds: Mapping[str, Sequence[Feed]]) -> datetime | None:
    """Where the slowest of the gateways' clocks stood last; None where one was never heard."""
    heard = []
    for source, of in feeds.items():
        seen = [at for feed in of if (at := store.progress(source, feed.name).seen_at) is not None]
        if not seen:
            return None
        heard.append(max(seen))
    return min(heard, default=None)


def _missing(known: Sequence[pack.Night], first: date, last: date, heard: datetime | None, config: Config) -> Iterable[date]:
    """The days of the month, since the first night of all, whose next night did not come to its end with all there."""
    if not known or heard is None:
        return
    whole = {night.day for night in known if night.is_whole}
    day = max(first, known[0].day)
    while day <= last and day + _DAY <= business_date(heard, config.zone):
        if day + _DAY not in whole:
            yield day
        day += _DAY


def _of_the_month(known: Sequence[pack.Night], first: date, last: date) -> Iterable[pack.Night]:
    """The nights that stood after a day of the month, up to the first whole one after its end."""
    for night in known:
        if night.day > first:
            yield night
        if night.day > last and night.is_whole:
            return


def _statement(known: Sequence[pack.Night], source: str, end: datetime) -> list[Balance]:
    """What a gateway stated in the first night that read its balance after the month."""
    for night in known:
        stated = [
            Balance(leg.place, leg.theirs, leg.as_of)
            for leg in night.legs
            if leg.name == "gateway" and leg.source == source and leg.theirs is not None and isinstance(leg.as_of, datetime)
        ]
        if stated and min(one.as_of for one in stated) >= end:
            return stated
    return []


def _owes_statement(known: Sequence[pack.Night], source: str, last: date) -> bool:
    """Whether a balance may still come; a gateway that states none in the whole night after the month never will."""
    after = next((night for night in known if night.day > last and night.is_whole), None)
    return after is None or any(leg.name == "gateway" and leg.source == source and leg.theirs for leg in after.legs)


# ---------------------------------------------------------------- gateway and sub-ledger


def _rolls(month: _Month, crossing: Sequence[Crossing]) -> Iterable[pack.Roll]:
    store = month.store
    opening, closing = store.sums_through(month.first - _DAY), store.sums_through(month.last)
    kinds = store.kind_sums(month.first, month.last)
    for source, role, currency in sorted(closing, key=lambda place: (place[0], place[1].value, place[2])):
        if role not in _NAMES:
            continue
        moved = store.balances(source, month.end - _MICROSECOND)
        sums = [(kind, code, where, number, minor) for of, kind, code, where, number, minor in kinds if of == source]
        across = [one for one in crossing if (one.source, one.role, one.currency) == (source, role, currency)]
        yield pack.Roll(
            source=source,
            name=_NAMES[role],
            account=month.account(role, source, currency),
            currency=currency,
            opening=Money(opening.get((source, role, currency), 0), currency),
            rows=flow(sums, role, currency),
            closing=Money(closing[source, role, currency], currency),
            moved=Money(sum(m for (of, _, code), m in moved.items() if (of, code) == (role, currency)), currency),
            crossing=Money(sum(one.minor if one.date <= month.last else -one.minor for one in across), currency),
        )


def _buckets(store: Store, source: str, through: datetime) -> dict[tuple[str, str], int]:
    sums: dict[tuple[str, str], int] = {}
    for (role, bucket, currency), minor in store.balances(source, through).items():
        if role in _NAMES and bucket:
            sums[bucket, currency] = sums.get((bucket, currency), 0) + minor
    return sums


def _ties(month: _Month, source: str, stated: Sequence[Balance]) -> Iterable[pack.Tie]:
    """Each balance of a gateway at the month's end: by our entries, and by what it stated afterwards."""
    ours = _buckets(month.store, source, month.end - _MICROSECOND)
    if not stated:
        for (bucket, currency), minor in sorted(ours.items()):
            yield pack.Tie(source=source, place=bucket, currency=currency, ours=Money(minor, currency))
        return
    as_of = stated[0].as_of
    refused = [one for _, one in month.store.refusals(source) if one.effective is not None and one.net is not None]
    since = month.start(source)
    sums = _buckets(month.store, source, as_of)
    around = _around(month, source, as_of)
    told: set[tuple[str, str]] = set()
    for leg in gateway_legs(source, stated, sums, around, refused, since):
        zero = Money(0, leg.currency)
        then = Money(ours.get((leg.place, leg.currency), 0), leg.currency)
        after = {f"{one.type} {one.id}" for one in refused if one.effective is not None and one.effective >= month.end}
        later = sum((item.amount for item in leg.items if item.name in after), zero)
        place = leg.place, leg.currency
        if leg.theirs is not None and place not in ours and not (leg.theirs.minor or leg.ours.minor or leg.items):
            continue  # a balance that never held anything
        told.add(place)
        yield pack.Tie(
            source=source,
            place=leg.place,
            currency=leg.currency,
            ours=then,
            as_of=leg.as_of if isinstance(leg.as_of, datetime) else None,
            stated=leg.theirs,
            since=leg.ours - then + later if leg.theirs is not None else None,
            items=tuple(item for item in leg.items if item.name not in after),
        )
    at = {one.place: one.as_of for one in stated}
    for bucket, currency in sorted(ours.keys() - told):
        if bucket in at:  # nothing is left of it, so the gateway does not name the currency any more
            now, zero = Money(ours[bucket, currency], currency), Money(0, currency)
            gone = Money(sums.get((bucket, currency), 0), currency) - now
            yield pack.Tie(source=source, place=bucket, currency=currency, ours=now, as_of=at[bucket], stated=zero, since=gone)


def _around(month: _Month, source: str, as_of: datetime) -> list[Movement]:
    feeds = month.feeds.get(source, ())
    settling = max((feed.settling for feed in feeds if feed.posts), default=timedelta(0))
    found: list[Movement] = []
    for key, effective, role, bucket, currency, minor in month.store.movements(source, as_of - settling):
        if effective > as_of + settling:
            break
        if role in _NAMES and bucket:
            found.append(Movement(key, effective, bucket, currency, minor))
    return found


# ---------------------------------------------------------------- what crosses the end, waits, or is open


def _crossed(lines: Sequence[Crossing], boundary: date) -> Iterable[pack.Crossed]:
    for one in lines:
        early = one.date <= boundary
        yield pack.Crossed(
            boundary=boundary,
            what="dated before, moved after" if early else "moved before, dated after",
            key=one.key,
            source=one.source,
            kind=one.kind,
            date=one.date,
            effective=one.effective,
            role=one.role,
            bucket=one.bucket,
            amount=Money(one.minor, one.currency),
        )


def _waiting(month: _Month, ties: Sequence[pack.Tie]) -> Iterable[pack.Waiting]:
    for tie in ties:
        if BUCKETS.get(tie.place) is Role.CLEARING and tie.ours.minor:
            yield pack.Waiting(what=pack.AWAITS_PAYOUT, source=tie.source, role="clearing", bucket=tie.place, amount=tie.ours)
    for subject, refusal in month.store.refusals():
        if refusal.effective is None or month.start(subject.scope) <= refusal.effective < month.end:
            yield _held(subject.scope, refusal, month)
    for block in month.config.of("accounting"):
        yield from _not_in_books(month, block.name)
        yield from _came_late(month, block.name)


def _held(source: str, one: Refusal, month: _Month) -> pack.Waiting:
    return pack.Waiting(
        what=pack.HELD,
        source=source,
        key=one.id,
        kind=one.type,
        date=business_date(one.effective, month.config.zone) if one.effective else None,
        effective=one.effective,
        bucket=one.bucket,
        amount=one.net,
        why=one.problem.why,
        cure=one.problem.cure,
    )


def _not_in_books(month: _Month, target: str) -> Iterable[pack.Waiting]:
    for one in month.store.missing_lines(target, month.last):
        undone = one.status == UNDONE
        yield pack.Waiting(
            what=pack.NOT_IN_BOOKS,
            source=one.source,
            target=target,
            key=one.key,
            kind=one.kind,
            date=one.date,
            effective=one.effective,
            role=one.role.value,
            bucket=one.bucket,
            amount=Money(one.minor, one.currency),
            document=one.document,
            status=one.status or "no document",
            why=one.problem.why if one.problem else "it was undone" if undone else "",
            cure=one.problem.cure if one.problem else f"syncjob redo --document {one.document}" if undone else "",
        )


def _came_late(month: _Month, target: str) -> Iterable[pack.Waiting]:
    """By day of arrival: most of the last day's entries come to the books in the night after it."""
    sums: dict[tuple[date, str, Role, str], tuple[int, int]] = {}
    for source, role, currency, at, number, minor in month.store.late_sums(target, month.last, month.end):
        place = business_date(at, month.config.zone), source, role, currency
        before = sums.get(place, (0, 0))
        sums[place] = before[0] + number, before[1] + minor
    for (day, source, role, currency), (number, minor) in sorted(sums.items()):
        yield pack.Waiting(
            what=pack.CAME_LATE,
            source=source,
            target=target,
            date=day,
            role=role.value,
            amount=Money(minor, currency),
            number=number,
            status="delivered",
        )


def _aged(month: _Month) -> Iterable[pack.Aged]:
    for one in month.store.open_items(month.last):
        minor = -one.minor if one.role in pack.OWED else one.minor
        days = (month.last - one.since).days
        yield pack.Aged(one.role, one.source, one.subject, one.since, days, Money(minor, one.currency))


def _payouts(month: _Month, bank: BankLines) -> Iterable[pack.Payout]:
    found: dict[tuple[str, str, str], list[Sent]] = {}
    for line in month.store.sent_payouts(month.first, month.last):
        found.setdefault((line.source, line.subject, line.currency), []).append(line)
    for (source, subject, currency), lines in found.items():
        inside = [one for one in lines if month.first <= one.date <= month.last]
        gone = {one.key.removesuffix(":undo") for one in lines if one.key.endswith(":undo")}
        standing = [one for one in lines if one.key not in gone and not one.key.endswith(":undo")]

        def total(part: Iterable[Sent], code: str = currency) -> Money:
            return Money(sum(one.minor for one in part), code)

        moves = (Kind.PAYOUT, Kind.PAYOUT_FAILURE)
        id = subject.partition(":")[2] or subject
        yield pack.Payout(
            source=source,
            id=id,
            sent_on=min((one.date for one in standing if one.kind == Kind.PAYOUT), default=None),
            arrived_on=max((one.date for one in standing if one.kind not in moves), default=None),
            before=total(one for one in lines if one.date < month.first),
            sent=total(one for one in inside if one.kind == Kind.PAYOUT),
            returned=total(one for one in inside if one.kind == Kind.PAYOUT_FAILURE),
            arrived=total(one for one in inside if one.kind not in moves),
            after=total(one for one in lines if one.date <= month.last),
            later=total(one for one in lines if one.date > month.last),
            tie=str(state_of(month.store, source, id, currency) or ""),
            bank=bank.get((source, id)),
        )


def _trial(month: _Month) -> Iterable[pack.Trial]:
    opening, closing = month.store.sums_through(month.first - _DAY), month.store.sums_through(month.last)
    sides = month.store.side_sums(month.first, month.last)
    for place in sorted(closing, key=lambda one: (one[0], one[1].value, one[2])):
        source, role, currency = place
        debit, credit = sides.get(place, (0, 0))
        yield pack.Trial(
            role=role,
            source=source,
            account=month.account(role, source, currency),
            opening=Money(opening.get(place, 0), currency),
            debit=Money(debit, currency),
            credit=Money(credit, currency),
            closing=Money(closing[place], currency),
        )

"""A month's close pack as values: what is computed twice, from flow and from balance, must agree, or the pack says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from syncjob.errors import EXIT_HELD, EXIT_OK
from syncjob.model import Role
from syncjob.money import Money, totals
from syncjob.reconcile import Item, Leg, Ties
from syncjob.summary.page import Row

NOT_IN_BOOKS = "not in the books"
HELD = "held"
CAME_LATE = "in the books after the month"
AWAITS_PAYOUT = "awaits a payout"
AGES = ("0-30", "31-60", "61-90", "older")
_AGE_DAYS = (30, 60, 90)


@dataclass(frozen=True, slots=True)
class Night:
    """One nightly run: its number, the day on which it stood (in the books' zone, by the gateways' clocks), and its legs."""

    number: int
    kind: str
    started: datetime
    exit: int
    day: date
    legs: tuple[Leg, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, with all gateways and books there."""
        return self.kind == "nightly" and self.exit in (EXIT_OK, EXIT_HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """One account that stands for a gateway's balance, through the month by posting date: opening + rows = closing.

    `moved` is what the gateway's own ledger had moved by the end of the month; `crossing` lies between the two, line by line.
    """

    source: str
    name: str
    account: str
    currency: str
    opening: Money
    rows: tuple[Row, ...]
    closing: Money
    moved: Money
    crossing: Money

    @property
    def total(self) -> Money:
        """What the rows lead to."""
        return sum((row.amount for row in self.rows), self.opening)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """What a gateway stated for one of its balances in the first night after the month, brought back to the month's end.

    `since` is what moved from the month's end to the statement, held records included.
    """

    source: str
    place: str
    currency: str
    ours: Money  # by the gateway's ledger, at the end of the month
    as_of: datetime | None = None
    stated: Money | None = None  # None: no night since, or the gateway states no balance
    since: Money | None = None
    items: tuple[Item, ...] = ()

    @property
    def theirs(self) -> Money | None:
        """What the gateway held at the end of the month."""
        return self.stated - self.since if self.stated is not None and self.since is not None else None

    @property
    def unexplained(self) -> Money:
        """What no item explains of the difference."""
        zero = Money(0, self.currency)
        return zero if self.theirs is None else self.theirs - self.ours - sum((one.amount for one in self.items), zero)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """A line that is dated on one side of the month's end (or of its beginning) and moved on the other."""

    boundary: date  # the last day before it
    what: str
    key: str
    source: str
    kind: str
    date: date
    effective: datetime
    role: Role
    bucket: str
    amount: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Something of the month that was, or is, not where it belongs: awaiting a payout, held, or not in the books."""

    what: str
    source: str
    target: str = ""
    key: str = ""
    kind: str = ""
    date: date | None = None
    effective: datetime | None = None
    role: str = ""
    bucket: str = ""
    amount: Money | None = None
    number: int = 1
    document: str = ""
    status: str = ""
    why: str = ""
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Aged:
    """What of one payment or payout stands open at the end of the month, as a positive amount, and since when."""

    role: Role
    source: str
    subject: str
    since: date
    days: int
    amount: Money

    @property
    def age(self) -> str:
        """The class of its age in days."""
        return next((name for name, most in zip(AGES, _AGE_DAYS, strict=False) if self.days <= most), AGES[-1])


@dataclass(frozen=True, slots=True)
class BankLine:
    """What the bank says of a payout."""

    date: date
    amount: Money
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Payout:
    """A payout's way through the month: in transit before + sent + returned + arrived = in transit after."""

    source: str
    id: str
    sent_on: date | None
    arrived_on: date | None
    before: Money
    sent: Money
    returned: Money
    arrived: Money
    after: Money
    later: Money  # what came of it after the month, as far as it is known
    tie: str = ""  # whether it is what it pays out; "": that was not looked at yet
    bank: BankLine | None = None  # None: no line of the bank is known for it

    @property
    def closes(self) -> bool:
        """Whether its four movements lead from before to after."""
        return self.before + self.sent + self.returned + self.arrived == self.after

    @property
    def state(self) -> str:
        """Where it is at the end of the month."""
        if self.after.minor:
            return "in transit, arrived after the month" if self.arrived_on is not None else "in transit"
        return "arrived" if self.arrived_on is not None else "returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One line of the trial balance: a role of a gateway account in one currency."""

    role: Role
    source: str
    account: str
    opening: Money
    debit: Money
    credit: Money
    closing: Money

    @property
    def closes(self) -> bool:
        """Whether debits and credits lead from the opening to the closing."""
        return self.opening + self.debit + self.credit == self.closing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Everything about one month, from `first` to `last`, both included, in the books' zone; `end` is the instant after it."""

    first: date
    last: date
    zone: str
    end: datetime
    heard: datetime | None  # where the gateways' clocks stood last
    begins: tuple[tuple[str, date], ...] = ()  # (gateway account, the day of its cut-over)
    missing_nights: tuple[date, ...] = ()  # the days that no night has proven
    unread: tuple[str, ...] = ()  # gateway accounts whose balance no night has read since the month ended
    unopened: tuple[str, ...] = ()  # gateway accounts of which it is not known yet what they held at the cut-over
    not_covered: tuple[tuple[str, str], ...] = ()  # (gateway account, what it does not offer)
    rolls: tuple[Roll, ...] = ()
    ties: tuple[Tie, ...] = ()
    crossed: tuple[Crossed, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    aged: tuple[Aged, ...] = ()
    payouts: tuple[Payout, ...] = ()
    trial: tuple[Trial, ...] = ()
    nights: tuple[Night, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether every gateway's clock has passed the end of the month."""
        return self.heard is not None and self.heard >= self.end

    @property
    def complaints(self) -> tuple[str, ...]:
        """Why the month cannot be closed with this, one sentence each; none: it can."""
        return (*_unproven(self), *_not_closing(self), *_not_done(self))


# ---------------------------------------------------------------- what is wrong with it


def _unproven(pack: Pack) -> Iterator[str]:
    if not pack.is_over:
        yield "the month is not over by the gateways' clocks: what is here may still change"
    for source, begins in pack.begins:
        if begins > pack.last:
            yield f"{source}: its entries begin on {begins.isoformat()}, after this month"
    for source in pack.unread if pack.is_over else ():
        yield f"{source}: no night has read its balance since the month ended; run: syncjob run --nightly"
    for source in pack.unopened:
        yield f"{source}: what it held at the cut-over is not known yet, so every balance may still change; see: syncjob status"
    for source, what in pack.not_covered:
        yield f"{source} does not offer {what}: that is not covered"
    if pack.missing_nights:
        days = ", ".join(day.isoformat() for day in pack.missing_nights)
        yield f"no whole night has proven {days}"
    for tie in pack.ties:
        if tie.unexplained.minor:
            yield (
                f"{tie.source} {tie.place}: the gateway held {tie.theirs}, we have {tie.ours}; "
                f"no item explains {tie.unexplained}; see: syncjob reconcile"
            )


def _not_closing(pack: Pack) -> Iterator[str]:
    for roll in pack.rolls:
        name = f"{roll.source} {roll.name}"
        if roll.total != roll.closing:
            yield f"{name}: the rows lead to {roll.total}, the sub-ledger holds {roll.closing}"
        if roll.closing - roll.crossing != roll.moved:
            yield f"{name}: {roll.closing} by date and {roll.moved} by the gateway's ledger, but {roll.crossing} crosses"
    for payout in pack.payouts:
        if not payout.closes:
            yield f"payout {payout.id}: its movements do not lead to {payout.after}"
        if payout.tie == Ties.DIFFERS:
            yield f"payout {payout.id} is not what it pays out; see: syncjob payouts show {payout.id}"
    for one in pack.trial:
        if not one.closes:
            yield f"{one.source} {one.role.value}: debits and credits do not lead to {one.closing}"
    for currency, left in totals(one.closing for one in pack.trial).items():
        if left.minor:
            yield f"the trial balance in {currency} is {left}, not zero"
    for words, parts in (("open items", open_sums(pack.aged)), ("payouts", _transit(pack.payouts))):
        for place, stands in _standing(pack.trial, words).items():
            if parts.get(place, 0) != stands:
                yield f"{place[0]} {place[1].value} in {place[2]}: the {words} do not sum to what stands there"


def open_sums(aged: Sequence[Aged]) -> dict[tuple[str, Role, str], int]:
    """(source, role, currency) -> what is open, positive."""
    sums: dict[tuple[str, Role, str], int] = {}
    for one in aged:
        place = one.source, one.role, one.amount.currency
        sums[place] = sums.get(place, 0) + one.amount.minor
    return sums


def _transit(payouts: Sequence[Payout]) -> dict[tuple[str, Role, str], int]:
    sums: dict[tuple[str, Role, str], int] = {}
    for one in payouts:
        place = one.source, Role.PAYOUTS_IN_TRANSIT, one.after.currency
        sums[place] = sums.get(place, 0) + one.after.minor
    return sums


OWED = (Role.UNAPPLIED, Role.CUSTOMER_CREDIT, Role.SUSPENSE)  # a credit there is what customers are owed


def _standing(trial: Sequence[Trial], words: str) -> dict[tuple[str, Role, str], int]:
    roles = (Role.PAYOUTS_IN_TRANSIT,) if words == "payouts" else (*OWED, Role.PAYOUTS_IN_TRANSIT)
    return {
        (one.source, one.role, one.closing.currency): -one.closing.minor if one.role in OWED else one.closing.minor
        for one in trial
        if one.role in roles
    }


def _not_done(pack: Pack) -> Iterator[str]:
    held = [one for one in pack.waiting if one.what == HELD]
    if held:
        records = "record is" if len(held) == 1 else "records are"
        yield f"{len(held)} {records} held and not posted ({_sums(held)}); see: syncjob held list"
    targets = dict.fromkeys(one.target for one in pack.waiting if one.what == NOT_IN_BOOKS)
    for target in targets:
        lines = [one for one in pack.waiting if one.what == NOT_IN_BOOKS and one.target == target]
        number = len({one.key for one in lines})
        entries = "entry is" if number == 1 else "entries are"
        yield f"{number} {entries} not in the books of {target}; see: syncjob status"


def _sums(waiting: Sequence[Waiting]) -> str:
    known = totals(one.amount for one in waiting if one.amount is not None)
    said = [str(amount) for amount in known.values()]
    return ", ".join([*said, "amount unknown"] if any(one.amount is None for one in waiting) else said)

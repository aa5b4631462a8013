"""A month's close pack as files: README.txt for people, CSV for the rest. The same pack gives the same bytes."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from syncjob.csvfile import write
from syncjob.model import Role
from syncjob.moment import iso, zone
from syncjob.money import Money, plain, totals
from syncjob.reconcile import Leg
from syncjob.summary.closing import AGES, AWAITS_PAYOUT, Aged, Pack, Roll, Tie
from syncjob.summary.render import WIDTH, amount, day, instant

README = "README.txt"
Cells = Sequence[object]
_AMOUNT = 16
_COUNT = 8
_LABEL = WIDTH - _AMOUNT - _COUNT - 2


@dataclass(frozen=True, slots=True)
class _Sheet:
    """One CSV file of the pack."""

    name: str
    told: str
    columns: tuple[str, ...]
    numbers: tuple[str, ...]
    rows: Callable[[Pack], Iterable[Cells]]


def files(pack: Pack) -> dict[str, str]:
    """Every file of the pack, by name."""
    found = {README: _readme(pack)}
    for sheet in _SHEETS:
        out = io.StringIO(newline="")
        write(out, sheet.columns, frozenset(sheet.numbers), sheet.rows(pack))
        found[sheet.name] = out.getvalue()
    return found


def _plain(money: Money | None) -> str | None:
    return plain(money.minor, money.currency) if money is not None else None


def _at(at: datetime | date | None) -> str | None:
    if at is None:
        return None
    return iso(at) if isinstance(at, datetime) else at.isoformat()


# ---------------------------------------------------------------- the sheets


def _roll_forward(pack: Pack) -> Iterable[Cells]:
    for roll in pack.rolls:
        head = (roll.source, roll.name, roll.account, roll.currency)
        yield *head, "opening", None, _plain(roll.opening)
        for row in roll.rows:
            yield *head, row.name, row.count, _plain(row.amount)
        yield *head, "closing", None, _plain(roll.closing)
        yield *head, "moved on another side of the month's end", None, _plain(-roll.crossing)
        yield *head, "closing by the gateway's ledger", None, _plain(roll.moved)


def _gateway(pack: Pack) -> Iterable[Cells]:
    for tie in pack.ties:
        explained = sum((item.amount for item in tie.items), Money(0, tie.currency))
        yield (
            *(tie.source, tie.place, tie.currency, _plain(tie.ours), _at(tie.as_of), _plain(tie.stated), _plain(tie.since)),
            _plain(tie.theirs),
            _plain(tie.theirs - tie.ours) if tie.theirs is not None else None,
            _plain(explained),
            _plain(tie.unexplained) if tie.theirs is not None else None,
            " | ".join(f"{item.name} {item.amount}" for item in tie.items),
        )


def _cut_off(pack: Pack) -> Iterable[Cells]:
    for one in pack.crossed:
        yield (
            *(one.boundary.isoformat(), one.what, one.key, one.source, one.kind, one.date.isoformat(), iso(one.effective)),
            *(one.role.value, one.bucket, _plain(one.amount), one.amount.currency),
        )


def _waiting(pack: Pack) -> Iterable[Cells]:
    for one in pack.waiting:
        yield (
            *(one.what, one.target, one.source, one.key, one.kind, _at(one.date), _at(one.effective), one.role, one.bucket),
            *(one.number, _plain(one.amount), one.amount.currency if one.amount else None),
            *(one.document, one.status, one.why, one.cure),
        )


def _ageing(pack: Pack) -> Iterable[Cells]:
    groups: dict[tuple[str, str, str], list[Aged]] = {}
    for one in pack.aged:
        groups.setdefault((one.role.value, one.source, one.amount.currency), []).append(one)
    for (role, source, currency), items in sorted(groups.items()):
        by_age = [sum((one.amount for one in items if one.age == age), Money(0, currency)) for age in AGES]
        whole = sum(by_age, Money(0, currency))
        yield role, source, currency, len(items), *(_plain(part) for part in by_age), _plain(whole)


def _open_items(pack: Pack) -> Iterable[Cells]:
    for one in pack.aged:
        yield (
            *(one.role.value, one.source, one.subject, one.since.isoformat(), one.days, one.age),
            *(_plain(one.amount), one.amount.currency),
        )


def _payouts(pack: Pack) -> Iterable[Cells]:
    for one in pack.payouts:
        line = one.bank
        yield (
            *(one.source, one.id, one.before.currency, one.state, one.tie, _at(one.sent_on), _at(one.arrived_on)),
            *(_plain(part) for part in (one.before, one.sent, one.returned, one.arrived, one.after, one.later)),
            *((line.date.isoformat(), _plain(line.amount), line.text) if line is not None else (None, None, None)),
        )


def _nights(pack: Pack) -> Iterable[Cells]:
    for night in pack.nights:
        head = (night.day.isoformat(), night.number, night.kind, iso(night.started), night.exit)
        for leg in night.legs:
            yield *head, *_leg(leg)
        if not night.legs:
            yield *head, *(None,) * 11


def _leg(leg: Leg) -> Cells:
    explained = sum((item.amount for item in leg.items), Money(0, leg.currency))
    stated = leg.theirs is not None
    return (
        *(leg.name, leg.source or leg.target, leg.place, leg.currency, _at(leg.as_of), _plain(leg.theirs), _plain(leg.ours)),
        _plain(leg.difference) if stated else None,
        _plain(explained),
        _plain(leg.unexplained) if stated else None,
        " | ".join(f"{item.name} {item.amount}" for item in leg.items),
    )


def _trial(pack: Pack) -> Iterable[Cells]:
    for one in pack.trial:
        amounts = (one.opening, one.debit, one.credit, one.closing)
        yield one.source, one.role.value, one.account, one.closing.currency, *(_plain(part) for part in amounts)


_SHEETS = (
    _Sheet(
        "roll-forward.csv",
        "each clearing and reserve account by posting date: opening, what moved, closing",
        ("source", "balance", "account", "currency", "line", "count", "amount"),
        ("count", "amount"),
        _roll_forward,
    ),
    _Sheet(
        "gateway.csv",
        "what each gateway held at the end of the month, by its own first statement after it",
        (
            *("source", "bucket", "currency", "sub_ledger", "stated_at", "stated", "moved_since", "gateway", "difference"),
            *("explained", "unexplained", "items"),
        ),
        ("sub_ledger", "stated", "moved_since", "gateway", "difference", "explained", "unexplained"),
        _gateway,
    ),
    _Sheet(
        "cut-off.csv",
        "lines dated on one side of the month's end (or beginning) that moved on the other",
        ("last_day", "what", "entry", "source", "kind", "date", "effective", "role", "bucket", "amount", "currency"),
        ("amount",),
        _cut_off,
    ),
    _Sheet(
        "waiting.csv",
        "what awaits a payout, is held, is not in the books, or came to them after the month",
        (
            *("what", "target", "source", "key", "kind", "date", "effective", "role", "bucket", "number", "amount"),
            *("currency", "document", "status", "why", "cure"),
        ),
        ("number", "amount"),
        _waiting,
    ),
    _Sheet(
        "ageing.csv",
        "money that waits for its purpose and payouts in transit, by age in days",
        ("role", "source", "currency", "items", *(f"days_{age.replace('-', '_to_')}" for age in AGES), "total"),
        ("items", *(f"days_{age.replace('-', '_to_')}" for age in AGES), "total"),
        _ageing,
    ),
    _Sheet(
        "open-items.csv",
        "the same, payment by payment and payout by payout",
        ("role", "source", "subject", "since", "days", "age", "amount", "currency"),
        ("days", "amount"),
        _open_items,
    ),
    _Sheet(
        "payouts.csv",
        "each payout through the month, whether it is what it pays out, and the bank's line where its statement was read",
        (
            *("source", "payout", "currency", "state", "tie", "sent_on", "arrived_on", "before", "sent", "returned"),
            *("arrived", "after", "later", "bank_date", "bank_amount", "bank_text"),
        ),
        ("before", "sent", "returned", "arrived", "after", "later", "bank_amount"),
        _payouts,
    ),
    _Sheet(
        "nights.csv",
        "what each night compared, up to the first whole one after the month",
        (
            *("day", "run", "kind", "started", "exit", "leg", "name", "place", "currency", "as_of", "theirs", "ours"),
            *("difference", "explained", "unexplained", "items"),
        ),
        ("run", "exit", "theirs", "ours", "difference", "explained", "unexplained"),
        _nights,
    ),
    _Sheet(
        "trial-balance.csv",
        "every account of the sub-ledger: opening, debits, credits, closing",
        ("source", "role", "account", "currency", "opening", "debit", "credit", "closing"),
        ("opening", "debit", "credit", "closing"),
        _trial,
    ),
)


# ---------------------------------------------------------------- the page for people


def _readme(pack: Pack) -> str:
    where = zone(pack.zone)
    heard = instant(pack.heard, where) if pack.heard is not None else "never heard"
    lines = [f"Close pack of {pack.first:%Y-%m}", ""]
    lines += _wrapped(
        f"{day(pack.first)} to {day(pack.last)} in {pack.zone}; the gateways' clocks stood at {heard}. Amounts are "
        "those of the sub-ledger, debit positive. The same state gives the same files, byte for byte."
    )
    for source, begins in pack.begins:
        if begins > pack.first:
            lines += _wrapped(f"The entries of {source} begin on {day(begins)}.")
    lines += ["", *_verdict(pack), ""]
    for roll in pack.rolls:
        lines += [*_roll(pack, roll), ""]
    lines += [*_owed(pack), *_files()]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _verdict(pack: Pack) -> list[str]:
    if not pack.complaints:
        return ["COMPLETE: everything closes, and nothing waits for a person."]
    lines = ["NOT COMPLETE:"]
    for one in pack.complaints:
        lines += _wrapped(one, first="  * ", then="    ")
    return lines


def _roll(pack: Pack, roll: Roll) -> list[str]:
    head = f"{roll.source} {roll.name}, {roll.currency}"
    lines = [f"{head} ({roll.account})" if roll.account and len(head) + len(roll.account) + 3 <= WIDTH else head]
    lines.append(_row(f"{day(pack.first)}, opening", roll.opening))
    lines += [_row(row.name, row.amount, row.count) for row in roll.rows if row.count or row.amount.minor]
    lines.append(_row(f"{day(pack.last)}, closing", roll.closing))
    if roll.crossing.minor or roll.moved != roll.closing:
        lines.append(_row("dated on another side of the month's end", -roll.crossing))
        lines.append(_row("closing by the gateway's ledger", roll.moved))
    ties = [tie for tie in pack.ties if (tie.source, tie.currency, _name(tie)) == (roll.source, roll.currency, roll.name)]
    for tie in ties:
        lines += _tie(pack, tie)
    return lines if ties else [*lines, "  the gateway states no balance for it"]


def _name(tie: Tie) -> str:
    return "balance" if tie.place == "payments" else "reserve"


def _tie(pack: Pack, tie: Tie) -> list[str]:
    if tie.stated is None or tie.theirs is None or tie.as_of is None:
        return [f"  {tie.place}: not stated by the gateway since the month ended"]
    stated = f"{tie.place}: gateway states, {instant(tie.as_of, zone(pack.zone))}"
    lines = [_row(stated, tie.stated)]
    if tie.since is not None and tie.since.minor:
        lines += [_row("less what moved since the month's end", -tie.since), _row("gateway, at the month's end", tie.theirs)]
    lines += [_row(f"held: {item.name}", item.amount) for item in tie.items]
    word = "NOT EXPLAINED" if tie.unexplained.minor else "ties to the last cent" if not tie.items else "explained whole"
    return [*lines, _row(word, tie.unexplained) if tie.unexplained.minor else f"  {word}"]


def _owed(pack: Pack) -> list[str]:
    lines = []
    for role in (Role.UNAPPLIED, Role.CUSTOMER_CREDIT, Role.SUSPENSE, Role.PAYOUTS_IN_TRANSIT):
        for money in totals(one.amount for one in pack.aged if one.role is role).values():
            lines.append(_row(f"{role.value.replace('_', ' ')}, {money.currency}", money))
    for one in pack.waiting:
        if one.what == AWAITS_PAYOUT and one.amount is not None:
            lines.append(_row(f"awaits a payout at {one.source}, {one.amount.currency}", one.amount))
    return ["Open at the end of the month", *lines, ""] if lines else []


def _row(label: str, money: Money, count: int | None = None) -> str:
    number = "" if count is None else f"{count:,}"
    name = label if len(label) <= _LABEL else f"{label[: _LABEL - 3]}..."
    return f"  {name:<{_LABEL}}{number:>{_COUNT}}{amount(money):>{_AMOUNT}}"


def _files() -> list[str]:
    lines = ["Files"]
    for sheet in _SHEETS:
        lines += _wrapped(sheet.told, first=f"  {sheet.name:<20}", then=" " * 22)
    return lines


def _wrapped(words: str, first: str = "", then: str = "") -> list[str]:
    return textwrap.wrap(
        words, WIDTH, initial_indent=first, subsequent_indent=then, break_on_hyphens=False, break_long_words=False
    )

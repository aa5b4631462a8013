"""What a movement or fact means in the sub-ledger: balanced entries over account roles.

A receipt posts clearing / unapplied; what it is *for* is an entry of its own (unapplied / receivable), so a late match never
edits a posted entry. Amounts are the gateway's own minor units, never percentages or its rounded exchange rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

from syncjob.errors import Problem, RecordRefused
from syncjob.model import BUCKETS, Application, Entry, Fact, FactKind, Kind, Line, Role, Transaction, movement_key
from syncjob.moment import business_date
from syncjob.moment import zone as zone_named
from syncjob.money import Money

# The role on the other side of the gateway's balance, and the role that the movement's own fees go to.
AGAINST: dict[Kind, tuple[Role, Role]] = {
    Kind.PAYMENT: (Role.UNAPPLIED, Role.FEES),
    Kind.PAYMENT_FAILURE: (Role.UNAPPLIED, Role.FEES),
    Kind.REFUND: (Role.UNAPPLIED, Role.FEES),
    Kind.REFUND_FAILURE: (Role.UNAPPLIED, Role.FEES),
    Kind.DISPUTE: (Role.DISPUTED, Role.DISPUTE_FEES),
    Kind.DISPUTE_REVERSAL: (Role.DISPUTED, Role.DISPUTE_FEES),
    Kind.FEE: (Role.FEES, Role.FEES),
    Kind.PAYOUT: (Role.PAYOUTS_IN_TRANSIT, Role.FEES),
    Kind.PAYOUT_FAILURE: (Role.PAYOUTS_IN_TRANSIT, Role.FEES),
    Kind.TOPUP: (Role.BANK, Role.FEES),
    Kind.RESERVE: (Role.RESERVE, Role.FEES),
    Kind.TRANSFER: (Role.SELLER_LIABILITY, Role.FEES),
    Kind.CONVERSION: (Role.FX_CONVERSION, Role.FEES),
    Kind.ADJUSTMENT: (Role.SUSPENSE, Role.FEES),  # the vendor gives no reason that a rule could read
}
_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)  # how far zones lie behind and ahead of UTC
APPLIED = (Kind.PAYMENT, Kind.PAYMENT_FAILURE, Kind.REFUND, Kind.REFUND_FAILURE)


def post(transaction: Transaction, zone: tzinfo, home: str) -> Entry:
    """The entry of one money movement; `zone` makes the company's day, `home` is the books' currency.

    Raises RecordRefused for a balance bucket that no rule knows.
    """
    balance = BUCKETS.get(transaction.bucket)
    if balance is None:
        raise RecordRefused(
            f"balance bucket is {transaction.bucket!r}, which the posting rules do not know",
            transaction.id,
            "post it by hand and report the bucket",
        )
    against, fees = AGAINST[transaction.kind]
    lines = [Line(balance, transaction.net, bucket=transaction.bucket)]
    for fee in transaction.fees:
        lines.append(Line(Role.FEE_TAX if fee.type == "tax" else fees, fee.amount))
    lines += _counter(transaction, against, home)
    return Entry(
        key=movement_key(transaction.stream, transaction.id),
        source=transaction.stream.source,
        subject=transaction.subject,
        origin=transaction.id,
        kind=transaction.kind.value,
        effective=transaction.effective,
        date=posted_on(transaction, zone),
        lines=tuple(line for line in lines if line.amount.minor),
    )


def posted_on(transaction: Transaction, zone: tzinfo) -> date:
    """The business date of a movement: when the balance moved or, where its map says so, another instant and zone."""
    where = zone_named(transaction.date_zone) if transaction.date_zone else zone
    return business_date(transaction.dated or transaction.effective, where)


def _counter(transaction: Transaction, against: Role, home: str) -> list[Line]:
    gross, presented = transaction.gross, transaction.presented
    if presented is None or presented.currency == gross.currency or transaction.kind not in APPLIED:
        return [Line(against, -gross, bucket=transaction.held_in)]
    # The claim is in the customer's currency, the balance in ours: both amounts are stated, so no rate is ever multiplied.
    worth = gross if gross.currency == home else None
    rate = transaction.rate_source
    return [
        Line(Role.FX_CONVERSION, -gross, home=-worth if worth else None, rate_source=rate),
        Line(Role.FX_CONVERSION, presented, home=worth, rate_source=rate),
        Line(against, -presented, home=-worth if worth else None, rate_source=rate),
    ]


def claim(transaction: Transaction) -> Money:
    """What a payment or refund settles, in the customer's currency, signed as the balance moved."""
    presented = transaction.presented
    return presented if presented is not None and presented.currency != transaction.gross.currency else transaction.gross


def apply(transaction: Transaction, application: Application, day: date) -> Entry:
    """The entry of an application: from unapplied to the invoices it pays and to the customer's credit."""
    lines = [Line(Role.UNAPPLIED, claim(transaction))]
    for part in application.parts:
        role = Role.RECEIVABLE if part.invoice else Role.CUSTOMER_CREDIT
        lines.append(Line(role, -part.amount, reference=part.invoice))
    return Entry(
        key=f"{application.movement}:application:{application.version}",
        source=transaction.stream.source,
        subject=transaction.subject,
        origin=transaction.id,
        kind="application",
        effective=transaction.effective,
        date=day,
        lines=tuple(line for line in lines if line.amount.minor),
    )


def undo(entry: Entry, day: date) -> Entry:
    """The opposite of an entry, on its own key; the entry itself stays as it was posted."""
    return Entry(
        key=f"{entry.key}:undo",
        source=entry.source,
        subject=entry.subject,
        origin=entry.origin,
        kind=entry.kind,
        effective=entry.effective,
        date=day,
        lines=tuple(
            Line(line.role, -line.amount, line.bucket, line.reference, -line.home if line.home else None, line.rate_source)
            for line in entry.lines
        ),
    )


def post_facts(
    facts: Sequence[Fact], transactions: Sequence[Transaction], posted: Sequence[Entry], zone: tzinfo
) -> list[Entry]:
    """New entries that a subject's life-cycle facts ask for, and undo entries for those that are no longer true.

    A payout that has arrived moves from payouts in transit to the bank; a lost dispute becomes a loss. A fact that turns back
    (a paid payout that fails later) undoes its entry, and may post it again under the next number.
    """
    wanted: dict[tuple[str, str], tuple[Fact, tuple[Line, ...]]] = {}
    for fact in facts:
        lines = _fact_lines(fact, transactions)
        if lines:
            wanted[fact.id, fact.kind.value] = (fact, lines)
    standing: dict[tuple[str, str], list[Entry]] = {}
    for entry in posted:
        if entry.kind in _POSTING_FACTS:
            standing.setdefault((entry.origin, entry.kind), []).append(entry)
    new: list[Entry] = []
    for (origin, kind), entries in standing.items():
        undone = {entry.key.removesuffix(":undo") for entry in entries if entry.key.endswith(":undo")}
        open_ones = [entry for entry in entries if not entry.key.endswith(":undo") and entry.key not in undone]
        fact_lines = wanted.get((origin, kind))
        if open_ones and fact_lines and open_ones[-1].lines == fact_lines[1]:
            del wanted[origin, kind]
        elif open_ones:
            said = [fact.occurred for fact in facts if fact.id == origin]
            if said:  # a record that cannot be read today says nothing, and silence undoes nothing
                new.append(undo(open_ones[-1], max(open_ones[-1].date, business_date(max(said), zone))))
    for (origin, kind), (fact, lines) in wanted.items():
        number = 1 + sum(1 for entry in standing.get((origin, kind), ()) if not entry.key.endswith(":undo"))
        # An arrival date is a day written as midnight UTC: in a western zone it would slip to the day before.
        day = business_date(fact.occurred, UTC if fact.kind is FactKind.PAYOUT_PAID else zone)
        new.append(
            Entry(
                key=f"{fact.stream.source}:{origin}:{kind}:{number}",
                source=fact.stream.source,
                subject=fact.subject,
                origin=origin,
                kind=kind,
                effective=fact.occurred,
                date=day,
                lines=lines,
            )
        )
    return new


_POSTING_FACTS = (FactKind.PAYOUT_PAID.value, FactKind.DISPUTE_LOST.value)


def _fact_lines(fact: Fact, transactions: Sequence[Transaction]) -> tuple[Line, ...]:
    if fact.kind is FactKind.PAYOUT_PAID:
        kinds, debit, credit = (Kind.PAYOUT, Kind.PAYOUT_FAILURE), Role.BANK, Role.PAYOUTS_IN_TRANSIT
    elif fact.kind is FactKind.DISPUTE_LOST:
        kinds, debit, credit = (Kind.DISPUTE, Kind.DISPUTE_REVERSAL), Role.DISPUTE_LOSS, Role.DISPUTED
    else:
        return ()
    # What moved before the cut-over is part of the opening balance: without its movement there is nothing to settle.
    moved = [-one.gross for one in transactions if one.origin == fact.id and one.kind in kinds]
    if not moved:
        return ()
    amount = sum(moved[1:], moved[0])
    return (Line(debit, amount), Line(credit, -amount)) if amount.minor else ()


def open_balance(source: str, bucket: str, amount: Money, start: datetime, zone: tzinfo, part: str = "") -> Entry:
    """The entry that brings in what the gateway already held at the cut-over instant; `part` tells a correction of it."""
    return Entry(
        key=f"{source}:opening:{bucket}:{amount.currency}{part}",
        source=source,
        subject=f"opening:{bucket}:{amount.currency}",
        origin=f"opening:{bucket}:{amount.currency}",
        kind="opening",
        effective=start,
        date=business_date(start, zone),
        lines=(Line(BUCKETS[bucket], amount, bucket=bucket), Line(Role.OPENING, -amount)),
    )


def changed(entry: Entry, known: Entry, transaction: Transaction | None = None) -> Problem | None:
    """Whether the same ledger id now says something else: money that was posted never changes by itself, nor does its date.

    The gateway's words are compared, not ours: another zone in syncjob.yaml, another rule of the date in a map, or fees listed
    in another order, change nothing.
    """
    dates_hold = transaction is None or transaction.dated is None or _explains(transaction, known.date)
    if entry.effective == known.effective and _amounts(entry) == _amounts(known) and dates_hold:
        return None
    return Problem(
        f"movement {entry.origin}",
        entry.source,
        "its amount, fee, currency or date is no longer what was posted under this ledger id",
        "compare it with the gateway's own page; correct the difference by hand and tell the gateway",
    )


def _explains(transaction: Transaction, day: date) -> bool:
    """Whether one of the movement's instants, in any zone on earth, still lies on the day that was posted."""
    instants = (transaction.effective, transaction.occurred, transaction.available, transaction.paid_out)
    return any(one is not None and (one - _WEST).date() <= day <= (one + _EAST).date() for one in instants)


def _amounts(entry: Entry) -> dict[tuple[Role, str, str], int]:
    sums: dict[tuple[Role, str, str], int] = {}
    for line in entry.lines:
        key = (line.role, line.bucket, line.amount.currency)
        sums[key] = sums.get(key, 0) + line.amount.minor
    return {key: minor for key, minor in sums.items() if minor}

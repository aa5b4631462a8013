"""What a movement or fact means in the sub-ledger: balanced entries over account roles.

A receipt posts clearing / unapplied; what it is *for* is an entry of its own (unapplied / receivable), so a late match never
edits a posted entry. Amounts are the gateway's own minor units, never percentages or its rounded exchange rate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo

from syncjob.errors import Problem, RecordRefused
from syncjob.model import BUCKETS, Application, Entry, Fact, FactKind, Kind, Line, Role, Transaction, movement_key
from syncjob.moment import business_date, start_of
from syncjob.moment import zone as zone_named
from syncjob.money import Money, share
from syncjob.posting.recognition import Share, split
from syncjob.posting.rules import APPLIED, FEE_ROLES, Fees, PostingRules, Sales, Settles, Treatment, standard, usual

_WEST, _EAST = timedelta(hours=12), timedelta(hours=14)  # how far zones lie behind and ahead of UTC
REVERSE_CHARGE = "reverse charge"  # the reference of lines that no movement of money makes
FEES = ":fees"  # ends the key of the entry that a movement's fees have where they are an expense of their own
_CLAIMS = (Role.UNAPPLIED, Role.CONTROL)
_SOLD = (Role.REVENUE, Role.DEFERRED_REVENUE)
_RETURNS = (Kind.REFUND, Kind.REFUND_FAILURE)


def post(
    transaction: Transaction, zone: tzinfo, home: str, how: Treatment | None = None, payment: Entry | None = None
) -> Entry:
    """The entry of one money movement; `zone` makes the company's day, `home` is the books' currency.

    `payment` is what was posted of the payment that a refund belongs to: it gives back where that one was booked, whatever
    syncjob.yaml says of sales by then. Raises RecordRefused for a balance bucket that no rule knows, and for a movement that
    the posting rules hold for a person.
    """
    how = how or usual()
    balance = BUCKETS.get(transaction.bucket)
    if balance is None:
        raise RecordRefused(
            f"balance bucket is {transaction.bucket!r}, which the posting rules do not know",
            transaction.id,
            "post it by hand and report the bucket",
        )
    accounts = how.of(transaction)
    against, bill = accounts.against, how.fees is Fees.MONTHLY_BILL
    if transaction.kind in APPLIED:
        against = _claimed(payment) or (Role.CONTROL if how.sales is Sales.RECORDED_ELSEWHERE else Role.UNAPPLIED)
    lines = [Line(balance, transaction.net, bucket=transaction.bucket)]
    for fee in transaction.fees:
        lines.append(_fee(Role.FEE_TAX if fee.type == "tax" else accounts.fees, fee.amount, bill=bill))
    if against in FEE_ROLES and not transaction.held_in:
        lines.append(_fee(against, -transaction.gross, bill=bill))
    else:
        lines += _counter(transaction, against, home)
    taxes = () if bill else _reverse_charge(lines, how)
    return Entry(
        key=movement_key(transaction.stream, transaction.id),
        source=transaction.stream.source,
        subject=transaction.subject,
        origin=transaction.id,
        kind=transaction.kind.value,
        effective=transaction.effective,
        date=posted_on(transaction, zone),
        lines=tuple(line for line in (*lines, *taxes) if line.amount.minor),
    )


def _fee(role: Role, amount: Money, *, bill: bool) -> Line:
    """A line for a fee; one that a monthly bill brings to its account is prepaid until then, and says which that is."""
    waits = bill and role is not Role.FEES_PREPAID  # a rule that names it means an account that somebody else clears
    return Line(Role.FEES_PREPAID, amount, reference=role.value) if waits else Line(role, amount)


def _reverse_charge(lines: Sequence[Line], how: Treatment) -> tuple[Line, ...]:
    """The tax on the fees among these lines that the company owes itself, and deducts: of their sum, as syncjob.yaml says."""
    if how.reverse_charge is None:
        return ()
    charged = [line.amount for line in lines if line.role in FEE_ROLES]
    if not charged or any(line.role is Role.FEE_TAX for line in lines):
        return ()
    tax = how.reverse_charge.on(sum(charged[1:], charged[0]))
    return (Line(Role.FEE_TAX, tax, reference=REVERSE_CHARGE), Line(Role.TAX, -tax, reference=REVERSE_CHARGE))


def bill(
    source: str, last: date, prepaid: Mapping[tuple[str, str], Money], part: int, zone: tzinfo, how: Treatment
) -> Entry:
    """The fees of a month on its last day: from prepaid to the accounts that each of them is for, by (currency, role).

    Tax under reverse charge is that of the month's sum, as a bill has it.
    """
    lines: list[Line] = []
    charged: dict[str, list[Line]] = {}
    for (currency, role), amount in sorted(prepaid.items()):
        fee = Line(Role(role), amount)
        lines += [fee, Line(Role.FEES_PREPAID, -amount, reference=role)]
        charged.setdefault(currency, []).append(fee)
    for fees in charged.values():
        lines += _reverse_charge(fees, how)
    subject = f"fees:{last:%Y-%m}"
    return Entry(
        key=f"{source}:{subject}:{part}",
        source=source,
        subject=subject,
        origin=subject,
        kind="fee_bill",
        effective=start_of(last, zone),
        date=last,
        lines=tuple(line for line in lines if line.amount.minor),
    )


def apart(entry: Entry, how: Treatment) -> tuple[Entry, ...]:
    """The entry as it is kept: whole, or with its fees in one of their own where these are an expense by themselves."""
    fees = [line for line in entry.lines if line.role in FEE_ROLES or line.reference == REVERSE_CHARGE]
    rest = [line for line in entry.lines if line not in fees and not line.bucket]
    balances = [line for line in entry.lines if line.bucket]
    if how.fees is not Fees.OWN_EXPENSE or not fees or not rest or len(balances) != 1:
        return (entry,)
    (balance,) = balances
    charged = [line.amount for line in fees]
    total = sum(charged[1:], charged[0])
    main = (Line(balance.role, balance.amount + total, balance.bucket), *rest)
    cost = (Line(balance.role, -total, balance.bucket), *fees)
    parts = replace(entry, lines=main), replace(entry, key=f"{entry.key}{FEES}", kind="fees", lines=cost)
    return tuple(replace(one, lines=tuple(line for line in one.lines if line.amount.minor)) for one in parts)


def together(entry: Entry, fees: Entry | None) -> Entry:
    """What was posted of one movement, its fees included where they are an entry of their own."""
    return entry if fees is None else replace(entry, lines=(*entry.lines, *fees.lines))


def _claimed(payment: Entry | None) -> Role | None:
    """Where a posted payment stands: as unapplied money, or on the control account."""
    return next((line.role for line in payment.lines if line.role in _CLAIMS), None) if payment is not None else None


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


def apply(
    transaction: Transaction,
    application: Application,
    day: date,
    tax: Money | None = None,
    parts: Sequence[Share] = (),
) -> Entry:
    """The entry of an application: from unapplied to the invoices it pays and to the customer's credit.

    With `tax` (the share of what no invoice gets, signed alike) that share is a sale recorded here, or one given back; `parts`
    says how it is split by the times that it is for, if it is.
    """
    lines = [Line(Role.UNAPPLIED, claim(transaction))]
    sale = parts or (Share(Role.RETURNS if transaction.kind in _RETURNS else Role.REVENUE, "", 1),)
    for part in application.parts:
        if part.invoice:
            lines.append(Line(Role.RECEIVABLE, -part.amount, reference=part.invoice))
        elif tax is None:
            lines.append(Line(Role.CUSTOMER_CREDIT, -part.amount))
        else:
            lines += [*split(tax - part.amount, sale), Line(Role.TAX, -tax)]
    if application.written_off is not None:
        lines.append(Line(Role.WRITE_OFF, application.written_off))
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


def tax_of_sale(transaction: Transaction, application: Application, how: Treatment, country: str, day: date) -> Money | None:
    """The tax in what a payment is for, where it is a sale that is recorded here; None: it waits as the customer's credit.

    The gateway's own word about the tax counts, else a rule of mappings/posting.yaml. Unknown tax makes no revenue.
    """
    if how.sales is not Sales.RECORDED_HERE or transaction.kind is not Kind.PAYMENT or not application.sellable:
        return None
    if any(part.invoice for part in application.parts):
        return None
    amount = claim(transaction)
    stated = [tax.amount for tax in transaction.taxes]
    if stated and {one.currency for one in stated} == {amount.currency}:
        return sum(stated[1:], stated[0])
    rule = how.rules.tax(country, transaction.product, day) if not stated else None
    return rule.rate.within(amount) if rule is not None else None


def tax_given_back(amount: Money, paid: Entry | None, back: Sequence[Entry]) -> Money | None:
    """The tax in a refund (negative) or its failure of a sale that was recorded here, in the proportion of the sale.

    `paid` is the payment's own application as it stands, `back` those of its other refunds: with the last cent of the sale
    the last cent of its tax is given back. None where the payment was no such sale.
    """
    sold = [line.amount for line in paid.lines if line.role in (*_SOLD, Role.TAX)] if paid is not None else []
    if paid is None or not any(line.role in _SOLD for line in paid.lines) or sold[0].currency != amount.currency:
        return None
    gross, tax = -_total(paid, *_SOLD, Role.TAX), -_total(paid, Role.TAX)
    returned = sum(_total(entry, Role.RETURNS, *_SOLD, Role.TAX) for entry in back) - amount.minor
    given = sum(_total(entry, Role.TAX) for entry in back)
    return Money(given - share(Money(tax, amount.currency), returned, gross).minor, amount.currency)


def _total(entry: Entry, *roles: Role) -> int:
    return sum(line.amount.minor for line in entry.lines if line.role in roles)


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
    facts: Sequence[Fact],
    transactions: Sequence[Transaction],
    posted: Sequence[Entry],
    zone: tzinfo,
    rules: PostingRules | None = None,
    open_day: Callable[[date], date] = lambda day: day,
) -> list[Entry]:
    """New entries that a subject's life-cycle facts ask for, and undo entries for those that are no longer true.

    A payout that has arrived moves from payouts in transit to the bank; a lost dispute becomes a loss. A fact that turns back
    (a paid payout that fails later) undoes its entry, and may post it again under the next number. Another rule undoes none.
    """
    rules = rules or standard()
    wanted: dict[tuple[str, str], tuple[Fact, tuple[Line, ...]]] = {}
    for fact in facts:
        lines = _fact_lines(fact, transactions, rules)
        if lines:
            wanted[fact.id, fact.kind.value] = (fact, lines)
    standing: dict[tuple[str, str], list[Entry]] = {}
    for entry in posted:
        if entry.kind in _FACTS:
            standing.setdefault((entry.origin, entry.kind), []).append(entry)
    new: list[Entry] = []
    for (origin, kind), entries in standing.items():
        undone = {entry.key.removesuffix(":undo") for entry in entries if entry.key.endswith(":undo")}
        open_ones = [entry for entry in entries if not entry.key.endswith(":undo") and entry.key not in undone]
        fact_lines = wanted.get((origin, kind))
        if open_ones and fact_lines and _settled(open_ones[-1].lines) == _settled(fact_lines[1]):
            del wanted[origin, kind]
        elif open_ones:
            said = [fact.occurred for fact in facts if fact.id == origin]
            stays = rules.facts[FactKind(kind)] is None and any((fact.id, fact.kind.value) == (origin, kind) for fact in facts)
            if said and not stays:  # a record that cannot be read today says nothing, and silence undoes nothing
                day = max(open_ones[-1].date, business_date(max(said), zone))
                new.append(undo(open_ones[-1], open_day(day)))
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
                date=open_day(day),
                lines=lines,
            )
        )
    return new


_FACTS = frozenset(kind.value for kind in FactKind)


def _fact_lines(fact: Fact, transactions: Sequence[Transaction], rules: PostingRules) -> tuple[Line, ...]:
    rule = rules.facts[fact.kind]
    if not isinstance(rule, Settles):
        return ()
    # What moved before the cut-over is part of the opening balance: without its movement there is nothing to settle.
    moved = [-one.gross for one in transactions if one.origin == fact.id and one.kind in rule.kinds]
    if not moved:
        return ()
    amount = sum(moved[1:], moved[0])
    return (Line(rule.to, amount), Line(rule.source, -amount)) if amount.minor else ()


def _settled(lines: Sequence[Line]) -> list[Money]:
    return [line.amount for line in lines]


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


def changed(entry: Entry, known: Entry, transaction: Transaction | None = None, *, moved: bool = False) -> Problem | None:
    """Whether the same ledger id now says something else: money that was posted never changes by itself, nor does its date.

    The gateway's words are compared, not ours: another zone in syncjob.yaml, another rule of the date in a map, other
    accounts in the posting rules, or fees listed in another order, change nothing. `moved`: its day may have been closed, so
    that a later one was posted.
    """
    dates_hold = moved or transaction is None or transaction.dated is None or _explains(transaction, known.date)
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


def _amounts(entry: Entry) -> tuple[dict[tuple[str, str, str], int], list[tuple[str, int]]]:
    """What the gateway said of money: per balance, in fees, and what stands across from them, whichever accounts they have."""
    said: dict[tuple[str, str, str], int] = {}
    across: dict[tuple[Role, str], int] = {}
    for line in entry.lines:
        if line.reference == REVERSE_CHARGE:
            continue  # ours, not the gateway's
        role, currency = line.role, line.amount.currency
        if line.bucket or role in FEE_ROLES:
            place = ("" if line.bucket else "fees", line.bucket, currency)
            said[place] = said.get(place, 0) + line.amount.minor
        else:
            across[role, currency] = across.get((role, currency), 0) + line.amount.minor
    rest = sorted((currency, minor) for (_, currency), minor in across.items() if minor)
    return {place: minor for place, minor in said.items() if minor}, rest

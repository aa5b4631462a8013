"""What the field maps cost: reading 100,000 transactions through Stripe's map, writing them through those of books and CRM.

Nothing is asked, landed, matched or delivered here; everything is measured in this process, in CPU seconds, a batch at a time.
Beside it runs a loop that picks the same values by hand, without a check: python benchmarks/maps.py [--transactions N].
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from syncjob import chart
from syncjob.landing import land
from syncjob.mapping import GatewayMap, TargetMap, load_gateway, load_target
from syncjob.model import (
    Application,
    DocumentKind,
    Entry,
    Json,
    Kind,
    Part,
    Raw,
    Reading,
    Record,
    Role,
    Stream,
    movement_key,
)
from syncjob.moment import iso, zone
from syncjob.plan import books, crm
from syncjob.posting import apply, claim, post

CPU_SECONDS_MOST = 8  # for 100,000 transactions
WHOLE = 100_000
BATCH = 800  # subjects at a time, as planning takes them
START = 1_791_072_000  # 2026-10-04T00:00:00Z
DAY = 86_400
SHOP = Stream("shop", "acct_1Example", "test")
ZONE = zone("Europe/Berlin")
CURRENCIES = ("eur", "eur", "eur", "eur", "eur", "eur", "eur", "usd", "gbp", "jpy")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class Subject:
    """One payment or payout with all that was landed of it."""

    name: str
    records: Sequence[Record]


@dataclass(slots=True)
class Spent:
    """CPU seconds of each step, and how much it was about."""

    transactions: int = 0
    records: int = 0
    documents: int = 0
    reading: float = 0.0
    writing_books: float = 0.0
    writing_crm: float = 0.0
    planning: float = 0.0  # the same documents as planning makes them whole, with postings and keys
    by_hand: float = 0.0
    held: list[str] = field(default_factory=list)

    @property
    def maps(self) -> float:
        """Reading and writing together."""
        return self.reading + self.writing_books + self.writing_crm

    @property
    def per_whole(self) -> float:
        """What 100,000 transactions cost at this rate."""
        return self.maps * WHOLE / self.transactions

    @property
    def ratio(self) -> float:
        """How much dearer the maps are than picking the same values by hand."""
        return self.maps / self.by_hand


# ---------------------------------------------------------------- what the gateway showed


def subjects(transactions: int, keep: Mapping[str, Any]) -> Iterator[list[Subject]]:
    """Batches of landed subjects with so many movements: of a hundred, nine are refunded, one disputed, three payouts."""
    number = made = 0
    batch: list[Subject] = []
    while made < transactions:
        place = number % 100
        bodies = _payout(number) if place in (20, 50, 80) else _payment(number, refunded=place % 11 == 5, disputed=place == 99)
        name = f"payout:po_{number}" if place in (20, 50, 80) else f"payment:pi_{number}"
        made += sum(body["object"] == "balance_transaction" for body in bodies)
        batch.append(Subject(name, land([_raw(body, name) for body in bodies], keep)))
        number += 1
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _raw(body: dict[str, Any], subject: str) -> Raw:
    created = datetime.fromtimestamp(body["created"], UTC)
    return Raw(body["object"], body["id"], created, datetime.fromtimestamp(body["created"] + 600, UTC), subject, body)


def _movement(number: int, part: str, type: str, amount: int, fee: int, source: str) -> dict[str, Any]:
    currency, created = CURRENCIES[number % 10], START + 97 * number
    details = [
        {"amount": fee, "application": None, "currency": currency, "description": "Stripe fee", "type": "stripe_fee"},
        {"amount": 0, "application": None, "currency": currency, "description": "VAT", "type": "tax"},
    ]
    return {
        "id": f"txn_{part}{number}Example",
        "object": "balance_transaction",
        "amount": amount,
        "available_on": created + 2 * DAY,
        "balance_type": "payments",
        "created": created,
        "currency": currency,
        "description": None,
        "exchange_rate": None,
        "fee": fee,
        "fee_details": details if fee else [],
        "net": amount - fee,
        "reporting_category": type,
        "source": source,
        "status": "available",
        "type": {"charge": "payment", "refund": "payment_refund", "dispute": "adjustment"}.get(type, type),
    }


def _payment(number: int, *, refunded: bool, disputed: bool) -> list[dict[str, Any]]:
    currency, created = CURRENCIES[number % 10], START + 97 * number
    amount = 1_000 + 7 * (number % 5_000)
    charge, intent, who = f"ch_{number}Example", f"pi_{number}", f"cus_{number % 3_000}Example"
    address = {"city": "Example City", "country": "DE", "line1": f"{number % 90} Example Street", "line2": None}
    address |= {"postal_code": f"{10_000 + number % 80_000}", "state": None}
    shared = {"created": created - 3, "currency": currency, "metadata": {}}
    bodies = [
        _movement(number, "", "charge", amount, 25 + amount * 14 // 1_000, charge),
        shared
        | {
            "id": charge,
            "object": "charge",
            "amount": amount,
            "amount_captured": amount,
            "amount_refunded": 0,
            "balance_transaction": f"txn_{number}Example",
            "billing_details": {
                "address": address,
                "email": f"customer{number % 3_000}@example.com",
                "name": f"Example Customer {number % 3_000}",
                "phone": None,
            },
            "captured": True,
            "customer": who if number % 4 else None,
            "description": f"Order {number} for invoice INV-{number}",
            "failure_code": None,
            "failure_message": None,
            "outcome": {"reason": None, "seller_message": "Payment complete.", "type": "authorized"},
            "paid": True,
            "payment_intent": intent,
            "payment_method_details": {"type": "card"},
            "receipt_email": None,
            "status": "succeeded",
        },
        shared | {"id": intent, "object": "payment_intent", "latest_charge": charge, "status": "succeeded"},
    ]
    if number % 4:
        bodies.append(
            {
                "id": who,
                "object": "customer",
                "address": address,
                "business_name": f"Example Ltd {number % 3_000}" if number % 3 == 0 else None,
                "created": START - DAY,
                "email": f"customer{number % 3_000}@example.com",
                "name": f"Example Customer {number % 3_000}",
                "phone": "+49 30 000000",
            }
        )
    if refunded:
        bodies.append(_movement(number, "r", "refund", -amount // 2, 0, f"re_{number}Example"))
        more = {"id": f"re_{number}Example", "object": "refund", "amount": amount - amount // 2, "charge": charge}
        bodies.append(shared | more | {"payment_intent": intent, "status": "succeeded", "reason": None})
    if disputed:
        bodies.append(_movement(number, "d", "dispute", -amount, 1_500, f"du_{number}Example"))
        more = {"id": f"du_{number}Example", "object": "dispute", "amount": amount, "charge": charge, "reason": "fraudulent"}
        more |= {"payment_intent": intent, "status": "needs_response", "network_reason_code": "10.4"}
        bodies.append(shared | more | {"evidence_details": {"due_by": created + 14 * DAY, "has_evidence": False}})
    return bodies


def _payout(number: int) -> list[dict[str, Any]]:
    body: dict[str, Any] = {
        "id": f"po_{number}Example",
        "object": "payout",
        "amount": 50_000,
        "arrival_date": START + 97 * number + 2 * DAY,
        "automatic": True,
        "created": START + 97 * number,
        "currency": CURRENCIES[number % 10],
        "description": "STRIPE PAYOUT",
        "metadata": {},
        "method": "standard",
        "status": "paid",
    }
    return [_movement(number, "p", "payout", -50_000, 0, body["id"]), body]


# ---------------------------------------------------------------- what is measured


@dataclass(frozen=True, slots=True)
class Told:
    """One subject as planning has it in hand when it turns to the targets' maps."""

    subject: Subject
    reading: Reading
    applications: Mapping[str, Application]
    entries: Sequence[Entry]
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Noting:
    """A target's map that notes what planning asks it for."""

    real: TargetMap
    asked: list[tuple[DocumentKind, Mapping[str, object]]]

    @property
    def digest(self) -> str:
        """The real map's."""
        return self.real.digest

    def body(self, kind: DocumentKind, happening: Mapping[str, object]) -> dict[str, Json]:
        """The real map's body."""
        self.asked.append((kind, happening))
        return self.real.body(kind, happening)


def measure(transactions: int, repeat: int = 1) -> Spent:
    """Read and write so many transactions; each batch is done `repeat` times, of which the cheapest counts."""
    stripe, plain, sales = load_gateway("stripe"), load_target("accounting", "beancount"), load_target("crm", "sqlite")
    accounts = _chart()
    spent = Spent()
    for batch in subjects(transactions, stripe.keep):
        gc.collect()  # what it took to make the batch up is not paid for below
        seconds, read = _least(repeat, partial(_read, stripe, batch))
        spent.reading += seconds
        told = [_told(subject, reading) for subject, reading in zip(batch, read, strict=True)]
        spent.transactions += sum(len(one.reading.transactions) for one in told)
        spent.records += sum(len(one.records) for one in batch)
        spent.held += [str(refusal.problem) for one in told for refusal in one.reading.problems]
        to_books, to_crm = Noting(plain, []), Noting(sales, [])
        _documents(told, to_books, to_crm, accounts)
        spent.documents += len(to_books.asked) + len(to_crm.asked)
        spent.writing_books += _least(repeat, partial(_write, plain, to_books.asked))[0]
        spent.writing_crm += _least(repeat, partial(_write, sales, to_crm.asked))[0]
        spent.planning += _least(repeat, partial(_documents, told, plain, sales, accounts))[0]
        spent.by_hand += _least(repeat, partial(_by_hand, batch))[0]
    return spent


def _least(repeat: int, work: Callable[[], _Made]) -> tuple[float, _Made]:
    """The least CPU seconds of so many times, since other work only adds to them, and what the last one made."""
    least = float("inf")
    for _ in range(repeat):
        begun = time.process_time()
        made = work()
        least = min(least, time.process_time() - begun)
    return least, made


def _read(stripe: GatewayMap, batch: Sequence[Subject]) -> list[Reading]:
    return [stripe.read(SHOP, one.name, one.records) for one in batch]


def _write(target: TargetMap, asked: Sequence[tuple[DocumentKind, Mapping[str, object]]]) -> list[dict[str, Json]]:
    return [target.body(kind, happening) for kind, happening in asked]


def _told(subject: Subject, reading: Reading) -> Told:
    applications: dict[str, Application] = {}
    entries: list[Entry] = []
    for one in reading.transactions:
        key = movement_key(one.stream, one.id)
        entries.append(post(one, ZONE, "EUR"))
        if one.kind is Kind.PAYMENT:
            part = Part(one.references[0].text if one.references else "", claim(one))
            applications[key] = Application(movement=key, version=1, parts=(part,), rule="document number")
            entries.append(apply(one, applications[key], entries[-1].date))
    return Told(subject, reading, applications, entries, max(record.as_of for record in subject.records))


def _documents(told: Sequence[Told], plain: Any, sales: Any, accounts: chart.Chart) -> None:
    for one in told:
        movements = one.reading.transactions
        tale = books.Tale(SHOP.source, movements, one.reading.people, one.applications, one.as_of)
        books.documents("books", plain, accounts, tale, one.entries, {})
        story = crm.Tale(SHOP.source, one.subject.name, movements, one.reading, one.applications, one.as_of)
        crm.documents("sales", sales, story)


def _chart() -> chart.Chart:
    rows = "".join(f"{role.value},,,Assets:Example:{role.value.title().replace('_', '')}\n" for role in Role)
    return chart.read(f"role,source,currency,account\n{rows}")


# ---------------------------------------------------------------- the same by hand


def _by_hand(batch: Sequence[Subject]) -> list[dict[str, Any]]:
    """What a script would do that knows Stripe, the books and the CRM, trusts all three, and checks nothing."""
    made: list[dict[str, Any]] = []
    for subject in batch:
        known = {(record.type, record.id): record for record in subject.records}
        for (type, _), record in known.items():
            if type == "balance_transaction":
                made += _pair_by_hand(record.body, known)
    return made


def _pair_by_hand(body: Any, known: Mapping[tuple[str, str], Any]) -> list[dict[str, Any]]:
    source = body["source"]
    origin = next((known[type, source] for type in ("charge", "refund", "dispute", "payout") if (type, source) in known), None)
    person = origin.personal.get("billing_details", {}) if origin is not None else {}
    day = datetime.fromtimestamp(body["created"], UTC).astimezone(ZONE).date()
    amount, net, fee = body["amount"], body["net"], body["fee"]
    description = (origin.body.get("description") if origin is not None else None) or body["description"] or ""
    who = person.get("name") or person.get("email") or SHOP.source
    receipt = {
        "payee": who,
        "narration": f"{body['reporting_category'].title()}: {description}",
        "links": [source],
        "meta": {"gateway": SHOP.source, "ledger-id": body["id"], "type": body["type"]},
        "date": day.isoformat(),
    }
    payment = {
        "amount": _decimal(amount, body["currency"]),
        "fee": _decimal(fee, body["currency"]),
        "net": _decimal(net, body["currency"]),
        "currency": body["currency"].upper(),
        "status": "paid",
        "paid_at": iso(datetime.fromtimestamp(body["created"], UTC)),
        "description": description,
    }
    contact = {"name": person.get("name"), "email": person.get("email"), "phone": person.get("phone")}
    return [receipt, payment, contact]


def _decimal(minor: int, currency: str) -> str:
    return str(minor) if currency == "jpy" else f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02d}"


# ---------------------------------------------------------------- told


def table(spent: Spent) -> str:
    """The measurements as plain text."""
    per = WHOLE / spent.transactions
    rows = [
        f"{spent.transactions:,} transactions in {spent.records:,} records, {spent.documents:,} documents",
        "",
        f"{'':44}{'CPU s':>8}{'per 100k':>10}",
    ]
    for what, seconds in (
        ("reading through gateways/stripe", spent.reading),
        ("writing through accounting/beancount", spent.writing_books),
        ("writing through crm/sqlite", spent.writing_crm),
        ("the three together", spent.maps),
        ("the same values picked by hand", spent.by_hand),
        ("documents as planning makes them whole", spent.planning),
    ):
        rows.append(f"{what:44}{seconds:8.2f}{seconds * per:10.2f}")
    rows += ["", f"{spent.ratio:.2f} times what picking the same values by hand costs"]
    word = "reached" if spent.per_whole <= CPU_SECONDS_MOST else "MISSED "
    return "\n".join([*rows, f"{word}  {spent.per_whole:.2f} of at most {CPU_SECONDS_MOST} s CPU for {WHOLE:,} transactions"])


def main() -> int:
    """Measure, print, and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", type=int, default=WHOLE, help="how many movements are read and written (100000)")
    parser.add_argument("--repeat", type=int, default=1, help="do each batch so often and take the best (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there as well")
    parser.add_argument("--assert", dest="strict", action="store_true", help="exit 1 when the goal is missed")
    wish = parser.parse_args()
    spent = measure(wish.transactions, max(1, wish.repeat))
    sys.stdout.write(table(spent) + "\n")
    if wish.json is not None:
        report = {**asdict(spent), "maps": spent.maps, "per_whole": spent.per_whole, "ratio": spent.ratio}
        wish.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if spent.held:
        sys.stdout.write(f"{len(spent.held)} held, such as: {spent.held[0]}\n")
        return 1
    return 1 if wish.strict and spent.per_whole > CPU_SECONDS_MOST else 0


if __name__ == "__main__":
    sys.exit(main())

"""Values to keep in a store: one of each kind with sane defaults, so that a test writes out only what matters."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

from syncjob.model import (
    Action,
    Application,
    Delivery,
    DocumentKind,
    Entry,
    Invoice,
    Line,
    Part,
    Record,
    Remote,
    Role,
    Status,
    Stream,
    digest,
    idempotency_key,
)
from syncjob.money import Money
from syncjob.ports import Call, Member
from syncjob.store import Landed, Plan, Store, Subject

SHOP = Stream("shop", "acct_1", "test")
NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
DAY = date(2026, 11, 3)


def eur(minor: int) -> Money:
    """Cents of a euro."""
    return Money(minor, "EUR")


def record(id: str, text: str = "first", minutes: int = 0, **more: Any) -> Record:
    """A charge that says something, as of some minutes after noon."""
    told: dict[str, Any] = {
        "type": "charge",
        "id": id,
        "occurred": NOON,
        "as_of": NOON + timedelta(minutes=minutes),
        "subject": f"payment:{id}",
        "body": {"text": text},
        "personal": {},
        "person": "",
        "digest": digest(text),
    }
    return Record(**{**told, **more})


def subject(id: str) -> Subject:
    """The payment that `record` is about."""
    return Subject("shop", f"payment:{id}", 1_793_707_200_000_000)


def entry(id: str, minor: int = 1000, **more: Any) -> Entry:
    """A receipt of some cents into clearing."""
    told: dict[str, Any] = {
        "key": f"shop:{id}",
        "source": "shop",
        "subject": f"payment:{id}",
        "origin": f"ch_of_{id}",
        "kind": "payment",
        "effective": NOON,
        "date": DAY,
        "lines": (Line(Role.CLEARING, eur(minor), "payments"), Line(Role.UNAPPLIED, eur(-minor), reference=id)),
    }
    return Entry(**{**told, **more})


def delivery(id: str, target: str = "books", **more: Any) -> Delivery:
    """A planned receipt."""
    told: dict[str, Any] = {
        "target": target,
        "key": f"{target}:shop:{id}:receipt",
        "kind": DocumentKind.RECEIPT,
        "subject": f"payment:{id}",
        "action": Action.CREATE,
        "revision": 1,
        "generation": 1,
        "status": Status.PLANNED,
        "as_of": NOON,
        "body": {"amount": "10.00", "currency": "EUR"},
        "digest": digest(id),
        "facts": "",
        "date": DAY,
    }
    return Delivery(**{**told, **more})


def application(id: str, *parts: Part, version: int = 1, wanted: str = "") -> Application:
    """What a movement is for."""
    return Application(movement=f"shop:{id}", version=version, parts=parts, rule="document number", wanted=wanted)


def invoice(number: str, still_open: int = 1000, target: str = "books", **more: Any) -> Invoice:
    """An invoice over ten euros."""
    told: dict[str, Any] = {
        "target": target,
        "id": f"id-{number}",
        "number": number,
        "customer": "Example Bakery",
        "email": "bakery@example.com",
        "total": eur(1000),
        "open": eur(still_open),
        "issued": DAY,
        "due": None,
        "as_of": NOON,
    }
    return Invoice(**{**told, **more})


def call(*deliveries: Delivery, request: bytes = b"bytes") -> Call:
    """One request that carries these deliveries."""
    members = tuple(Member(one.key, one.revision, one.generation) for one in deliveries)
    return Call(idempotency_key([(m.key, m.revision, m.generation) for m in members]), members, request)


def sent(one: Delivery, carrier: Call) -> Delivery:
    """A delivery under way."""
    return one._replace(status=Status.SENDING, call=carrier.key, attempts=one.attempts + 1)


def arrived(one: Delivery) -> Delivery:
    """A delivery that its target holds."""
    return one._replace(
        status=Status.DELIVERED,
        call="",
        remote=Remote(f"remote of {one.key}", "1"),
        delivered_revision=one.revision,
        delivered_digest=one.digest,
        delivered_as_of=one.as_of,
    )


def names(store: Store) -> list[str]:
    """What is to be planned, in order."""
    return [one.name for one in store.dirty(100)]


class _Undo(Exception):
    pass


@contextmanager
def undone(store: Store) -> Iterator[None]:
    """A transaction that is read inside and never kept."""
    with suppress(_Undo), store.together():
        yield
        raise _Undo


def land(store: Store, *records: Record) -> Landed:
    """Land records without any progress."""
    return store.land(SHOP, "charges", records, None, NOON)


def planned(store: Store, *ids: str, **more: Any) -> None:
    """Save entries, documents and deliveries of some payments, as a plan would."""
    store.save(
        Plan(
            subjects=tuple(subject(id) for id in ids),
            entries=tuple(entry(id) for id in ids),
            posted=tuple(("books", f"shop:{id}", f"books:shop:{id}:receipt") for id in ids),
            deliveries=tuple(delivery(id) for id in ids),
            **more,
        ),
        NOON,
    )


def deliver(store: Store, *ids: str) -> None:
    """Deliver planned receipts in one call."""
    on_the_way = call(*(delivery(id) for id in ids))
    going = [sent(delivery(id), on_the_way) for id in ids]
    store.commit_calls("books", [on_the_way], going, NOON)
    store.settle("books", [on_the_way.key], [arrived(one) for one in going], LATER)

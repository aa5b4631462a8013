"""Example documents for the CRM in one SQLite file, and what stands in it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from syncjob.crm import sqlite
from syncjob.model import Action, DocumentKind, Remote, digest
from syncjob.ports import (
    Options,
    Outcome,
    Put,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def bare(home: Path) -> sqlite.Sqlite:
    return sqlite.connect(Options("crm", home, {}), clock=lambda: NOON, busy_seconds=0)


def crm_in(home: Path) -> sqlite.Sqlite:
    crm = bare(home)
    assert crm.provision() == []
    return crm


def put(kind: DocumentKind, id: str, *, action: Action = Action.CREATE, revision: int = 1, **body: Any) -> Put:
    key = f"crm:shop:{id}:{kind}"
    links = {role: Remote(body.pop(role)) for role in ("contact", "payment") if role in body}
    if kind is not DocumentKind.CONTACT and "company" in body:
        links["company"] = Remote(body.pop("company"))
    return Put(key, kind, action, revision, 1, digest(key), body, links)


def contact(id: str = "cus_1", **body: Any) -> Put:
    return put(DocumentKind.CONTACT, id, **{"name": "Example Bakery", "email": "bakery@example.com"} | body)


def payment(id: str = "ch_1", amount: str = "48.25", currency: str = "EUR", **body: Any) -> Put:
    facts = {"amount": amount, "currency": currency, "status": "paid", "paid_at": "2026-11-03T06:00:00Z", "invoice": "R-17"}
    return put(DocumentKind.PAYMENT, id, **facts | body)


CUS_1 = "crm:shop:cus_1:contact"


def deliver(crm: sqlite.Sqlite, *puts: Put) -> dict[str, Outcome]:
    return {outcome.key: outcome for call in crm.prepare(puts) for outcome in crm.send(call)}


def only(crm: sqlite.Sqlite, one: Put) -> Outcome:
    return deliver(crm, one)[one.key]


def rows(home: Path, select: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(home / "crm.sqlite")
    try:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        return db.execute(select).fetchall()
    finally:
        db.close()


def everything(home: Path) -> list[str]:
    """All rows of the file, in an order of their own."""
    db = sqlite3.connect(home / "crm.sqlite")
    try:
        return sorted(db.iterdump())
    finally:
        db.close()

"""Example documents for the plain-text books, and what Beancount loads from them."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core import data

from syncjob.accounting import beancount
from syncjob.model import Action, DocumentKind, Remote, digest
from syncjob.ports import (
    Delivered,
    Options,
    Outcome,
    Put,
    Refused,
)

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
CLEARING, RECEIVABLE = "Assets:Stripe", "Assets:Receivable"


def books_in(home: Path, **more: str) -> beancount.Books:
    return beancount.connect(Options("books", home, {"title": "Example Ltd", "currency": "EUR", **more}), clock=lambda: NOON)


def receipt(
    id: str,
    day: str = "2026-11-03",
    amount: str = "48.25",
    currency: str = "EUR",
    *,
    action: Action = Action.CREATE,
    revision: int = 1,
    expected: Remote | None = None,
    **body: Any,
) -> Put:
    key = f"books:shop:{id}:receipt"
    other = amount[1:] if amount.startswith("-") else f"-{amount}"
    content: dict[str, Any] = {
        "date": day,
        "payee": "Example Bakery",
        "narration": f"Payment {id}",
        "links": [id],
        "meta": {"invoice": "R-17"},
        "postings": [
            {"account": CLEARING, "amount": amount, "currency": currency},
            {"account": RECEIVABLE, "amount": other, "currency": currency},
        ],
    }
    return Put(
        key, DocumentKind.RECEIPT, action, revision, 1, digest(key), content | body, {}, expected, date.fromisoformat(day)
    )


def deliver(books: beancount.Books, *puts: Put) -> dict[str, Outcome]:
    return {outcome.key: outcome for call in books.prepare(puts) for outcome in books.send(call)}


def remote(books: beancount.Books, put: Put) -> Remote:
    outcome = deliver(books, put)[put.key]
    assert isinstance(outcome, Delivered), outcome
    return outcome.remote


def refusal(books: beancount.Books, put: Put) -> str:
    outcome = deliver(books, put)[put.key]
    assert isinstance(outcome, Refused), outcome
    return str(outcome.problem)


def files(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((home / "books").iterdir())}


def load(home: Path, extra: str = "") -> list[Any]:
    """The books as Beancount loads them, which must be without a single error."""
    main = home / "books" / "main.beancount"
    if extra:
        main.write_text(main.read_text() + extra)
    entries, errors, _ = loader.load_file(str(main))
    assert errors == []
    return list(entries)


def transactions(home: Path) -> list[Any]:
    return [entry for entry in load(home) if isinstance(entry, data.Transaction)]


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


def misfortune(monkeypatch: pytest.MonkeyPatch, at: int, what: Callable[[], BaseException], *, after: bool) -> list[int]:
    """Something happens at the n-th fsync or rename, before or after it was done; the list counts them."""
    seen = [0]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            seen[0] += 1
            if seen[0] == at and not after:
                raise what()
            result = real(*arguments, **more)
            if seen[0] == at:
                raise what()
            return result

        return call

    monkeypatch.setattr(os, "fsync", wrapped(os.fsync))
    monkeypatch.setattr(os, "replace", wrapped(os.replace))
    return seen

"""What is remembered of books in shadow: since when, how the last night found them, and from which day on they are ours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, cast

from syncjob.store import Store


def name_of(target: str) -> str:
    """Under which name it is remembered."""
    return f"shadow:{target}"


def known(store: Store, target: str) -> Mapping[str, Any]:
    """What is remembered of one target; empty where it never was in shadow."""
    return cast("Mapping[str, Any]", store.get_fact(name_of(target)) or {})


def ended(store: Store, target: str) -> date | None:
    """The day from which on documents are sent; what is dated before it people have booked. None: it never was in shadow."""
    day = known(store, target).get("before")
    return date.fromisoformat(day) if isinstance(day, str) else None

"""Misfortunes that a test switches on by name; what is not switched on costs nothing.

Seconds and milliseconds are real ones here: they are waits on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STALL_SECONDS_MAX = 5
MEGABYTES_MAX = 1_024
BURST_COUNT = 30
# How often each happens unless told otherwise; None is always.
TIMES: Mapping[str, int | None] = {
    "429": 1,
    "500": 1,
    "timeout": 1,
    "reset": 1,
    "truncated": 1,
    "malformed_json": 1,
    "wrong_content_type": 1,
    "oversized": 1,
    "gzip_bomb": 1,
    "drip": 1,
    "duplicate_rows": None,
    "late_rows": None,
    "endless": None,
    "same_second": 1,
    "object_edited": 1,
    "object_deleted": 1,
    "event_retention": None,
    "mixed_versions": None,
    "card_numbers": None,
    "card_in_id": 1,
    "slow": None,
}
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "429": {"retry_after": int},
    "timeout": {"seconds": (int, float)},
    "malformed_json": {"how": ("trailing_comma", "duplicate_key", "not_a_number", "not_utf8", "too_deep")},
    "wrong_content_type": {"how": ("html_header", "login_page")},
    "oversized": {"megabytes": int},
    "gzip_bomb": {"megabytes": int},
    "drip": {"seconds": (int, float)},
    "late_rows": {"seconds": int},
    "endless": {"how": ("repeat", "empty")},
    "same_second": {"count": int},
    "event_retention": {"days": int},
    "slow": {"ms": (int, float)},
}
# Where each strikes unless told otherwise; the others strike everywhere.
_PATHS: Mapping[str, str] = {
    "same_second": "/v1/charges",
    "object_edited": "/v1/customers",
    "object_deleted": "/v1/customers",
}
OF_ANSWERS = (
    "429",
    "500",
    "timeout",
    "reset",
    "truncated",
    "malformed_json",
    "wrong_content_type",
    "oversized",
    "gzip_bomb",
    "drip",
)
CARD_ID = "txn_4242424242424242"


@dataclass
class Quirk:
    """One misfortune: where it strikes, how often still, and its details."""

    name: str
    times: int | None
    path: str
    details: Mapping[str, Any]

    def strikes(self, path: str) -> bool:
        """Whether it strikes this path, counting it if it does."""
        if not path.startswith(self.path) or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Quirks:
    """The misfortunes that are switched on."""

    def __init__(self) -> None:
        self.active: list[Quirk] = []

    def add(self, wish: Mapping[str, Any]) -> Quirk:
        """Switch one on; ValueError for a name or a detail that nobody knows."""
        details = dict(wish)
        name = str(details.pop("name", ""))
        if name not in TIMES:
            raise ValueError(f"no quirk is called {name!r}; there are {', '.join(TIMES)}")
        path = str(details.pop("path", _PATHS.get(name, "/v1/")))
        times = details.pop("times", TIMES[name])
        known = _PARAMETERS.get(name, {})
        for detail, value in details.items():
            if detail not in known or not _fits(value, known[detail]):
                raise ValueError(f"{name} does not understand {detail}={value!r}")
        if details.get("megabytes", 0) > MEGABYTES_MAX:
            raise ValueError(f"{name} makes no more than {MEGABYTES_MAX} megabytes")
        if times is not None and (not isinstance(times, int) or isinstance(times, bool) or times < 0):
            raise ValueError(f"times is {times!r}, a whole number is needed")
        quirk = Quirk(name, times, path, details)
        self.active.append(quirk)
        return quirk

    def clear(self) -> None:
        """Switch all off."""
        self.active.clear()

    def of_answer(self, path: str) -> Quirk | None:
        """The one misfortune that this answer meets, if any."""
        return next((q for q in self.active if q.name in OF_ANSWERS and q.strikes(path)), None)

    def seconds_slow(self, path: str) -> float:
        """How long every answer here takes."""
        waits = [float(q.details.get("ms", 50)) for q in self.active if q.name == "slow" and q.strikes(path)]
        return sum(waits) / 1000

    def late_seconds(self, path: str) -> int:
        """How young a row must be to be still invisible here (seconds of the simulated clock)."""
        return max((q.details.get("seconds", 60) for q in self.active if q.name == "late_rows" and q.strikes(path)), default=0)

    def repeats(self, path: str) -> bool:
        """Whether a page here begins with the last row of the one before."""
        return self.first("duplicate_rows", path) is not None

    def endless(self, path: str) -> str:
        """How a list here goes on behind its end, or ""."""
        quirk = self.first("endless", path)
        return "" if quirk is None else str(quirk.details.get("how", "repeat"))

    def first(self, name: str, path: str) -> Quirk | None:
        """The first misfortune of this name that strikes here, if any."""
        return next((quirk for quirk in self.active if quirk.name == name and quirk.strikes(path)), None)


def _fits(value: object, wanted: Any) -> bool:
    if isinstance(wanted, tuple) and isinstance(wanted[0], str):
        return value in wanted
    return isinstance(value, wanted) and not isinstance(value, bool) and value >= 0


def with_card_numbers(charge: dict[str, Any]) -> dict[str, Any]:
    """A charge into which somebody typed a card number, in one of the ways in which people do that."""
    place = sum(charge["id"].encode()) % 5
    description = charge["description"] or "Order"
    if place == 0:
        charge["description"] = f"{description} card 4242 4242 4242 4242"
    elif place == 1:
        charge["description"] = f"{description} 4242-4242-4242-4242"
    elif place == 2:
        charge["metadata"]["note"] = "\uff14\uff12" * 8
    elif place == 3:
        charge["metadata"]["form"] = json.dumps({"payment": {"card": {"number": "4242424242424242", "cvc": "123"}}})
    else:
        charge["billing_details"]["name"] = "Example 4242 4242 4242 4242"
    return charge

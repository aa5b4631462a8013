"""Misfortunes that a test switches on by name; what is not switched on costs nothing.

Seconds and milliseconds are real ones here: they are waits on the wire.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STALL_SECONDS_MAX = 5
# How often each happens unless told otherwise; None is always.
_TIMES: Mapping[str, int | None] = {
    "429": 1,
    "500": 1,
    "timeout": 1,
    "reset": 1,
    "truncated": 1,
    "duplicate_rows": None,
    "late_rows": None,
    "card_numbers": None,
    "card_in_id": 1,
    "slow": None,
}
_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "429": {"retry_after": int},
    "timeout": {"seconds": (int, float)},
    "late_rows": {"seconds": int},
    "slow": {"ms": (int, float)},
}
OF_ANSWERS = ("429", "500", "timeout", "reset", "truncated")
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
        name, path = str(details.pop("name", "")), str(details.pop("path", "/v1/"))
        if name not in _TIMES:
            raise ValueError(f"no quirk is called {name!r}; there are {', '.join(_TIMES)}")
        times = details.pop("times", _TIMES[name])
        known = _PARAMETERS.get(name, {})
        for detail, value in details.items():
            if detail not in known or isinstance(value, bool) or not isinstance(value, known[detail]) or value < 0:
                raise ValueError(f"{name} does not understand {detail}={value!r}")
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
        return any(q.name == "duplicate_rows" and q.strikes(path) for q in self.active)


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

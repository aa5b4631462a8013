"""Acmepay: one list of balance entries, oldest first, paged by `after`.

Acmepay is invented: replace it by your vendor. Say here what the next reader must know: how the list is ordered and
paged, how far back an entry may still change, how the vendor counts its money, what surprised you.

Entries are immutable: a refund is an entry of its own. `amount`, `fee` and `net` are whole minor units.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from syncjob import strictjson
from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, Problem, RecordRefused
from syncjob.http import Answer, Http, path
from syncjob.model import Raw
from syncjob.moment import Window, from_text, iso
from syncjob.money import from_gateway
from syncjob.ports import Balance, Feed, Identity, Options, Page
from syncjob.redact import has_card

# Every setting that syncjob.yaml may hold here, each with one sentence; docs/connectors/acmepay.md repeats them.
SETTINGS: Mapping[str, str] = {
    "base_url": "Where Acmepay's API is; leave it out, except for a sandbox (default https://api.acmepay.example).",
}
_BASE_URL = "https://api.acmepay.example"
_PAGE = 100
_PAGES_MAX = 100_000
# The posting feed: the list in which every movement of the gateway's balance stands once. Say how it behaves in time:
# overlap, lookback, settling, retention and cap are explained at syncjob.ports.Feed.
_ENTRIES = Feed("entries", posts=True)


def connect(options: Options, http: Http) -> Acmepay:
    """Acmepay with the key of one account. Raises Misconfigured where no key is given."""
    if options.secret is None:
        raise Misconfigured(f"{options.name}: no key is given; add a line key: env:ACMEPAY_KEY")
    place = f"key: of {options.name} in syncjob.yaml"
    return Acmepay(options.name, http.at(options.settings.get("base_url", _BASE_URL), secret=options.secret, key_place=place))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Progress inside a window: after which entry to go on, and the ceiling that the whole window has."""

    after: str
    ceiling: str

    @classmethod
    def read(cls, text: str | None) -> _Walk | None:
        """Progress as a page wrote it; what cannot be read means from the beginning, which is always right, only longer."""
        try:
            body = strictjson.read(text.encode()) if text is not None else None
        except strictjson.BadJson:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("after"), str) or not isinstance(body.get("ceiling"), str):
            return None
        return cls(str(body["after"]), str(body["ceiling"]))

    def text(self) -> str:
        """Progress as it is kept."""
        return json.dumps({"after": self.after, "ceiling": self.ceiling})


class Acmepay:
    """One Acmepay account, read only."""

    feeds: tuple[Feed, ...] = (_ENTRIES,)

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http

    # ------------------------------------------------------------ who and whether

    def identity(self) -> Identity:
        """Whose account the key opens: the name in syncjob.yaml is bound to it at the first run."""
        account = self._group(self._http.get("/v1/account"), "id", "mode")
        return Identity(str(account["id"]), str(account["mode"]), str(account.get("name", "")))

    def check(self) -> list[Problem]:
        """One small request for each right that the key needs."""
        try:
            self.identity()
            self._http.get("/v1/entries", [("limit", "1")])
            self._http.get("/v1/balance")
        except (NeedsPerson, RecordRefused) as wrong:
            return [Problem("the key", self.name, str(wrong))]
        return []

    # ------------------------------------------------------------ reading

    def pages(self, feed: Feed, window: Window, resume: str | None) -> Iterator[Page]:
        """Read one window of the list; the cursor stands on the last page only."""
        if not isinstance(window.since, datetime):
            raise TypeError(f"the window of {feed.name} is over time, not over {window.since!r}")
        asked = [("limit", str(_PAGE)), ("created_from", iso(window.since))]
        if isinstance(window.until, datetime):
            asked.append(("created_before", iso(window.until)))
        walk = _Walk.read(resume)
        safe = walk.after if walk else ""
        for _ in range(_PAGES_MAX):
            answer = self._http.get(f"/v1/{feed.name}", [*asked, *([("after", walk.after)] if walk and walk.after else [])])
            rows, more = self._rows(answer)
            # Fixed by the first answer, on the vendor's own clock, less the time in which new rows may still be missing:
            # what comes later belongs to the next window.
            settled = answer.seen_at - feed.settling
            first = min(window.until, settled) if isinstance(window.until, datetime) else settled
            ceiling = from_text(walk.ceiling) if walk else first
            records = tuple(self._raw(row, answer.seen_at) for row in rows)
            if not more:
                yield Page(records, None, ceiling, ceiling, answer.seen_at)
                return
            following = _Walk(records[-1].id if records else "", iso(ceiling))
            if not records or (walk is not None and following.after == walk.after):
                raise ConnectorDown(f"{self.name}: the list of {feed.name} does not move on; nothing was skipped")
            walk = following
            # Progress is kept on disk, so it never stands on an id in which a card number could be read.
            safe = next((one.id for one in reversed(records) if not has_card(one.id)), safe)
            yield Page(records, _Walk(safe, walk.ceiling).text(), None, ceiling, answer.seen_at)
        raise ConnectorDown(f"{self.name}: {feed.name} has more than {_PAGES_MAX} pages; narrow the window")

    def fetch(self, kind: str, id: str) -> Raw:
        """Read one object again by its id. Raises RecordRefused where there is no such object."""
        if kind != "entry":
            raise RecordRefused(f"{kind} {id} cannot be read by its id here; the only kind is entry")
        answer = self._http.get(path("v1", "entries", id))
        return self._raw(self._group(answer, "id", "created_at"), answer.seen_at)

    def balances(self, wish: datetime | None) -> list[Balance]:  # noqa: ARG002 - answered for now, whatever is wished
        """Each currency as of the answer's own instant; leave this method out where your vendor states no balance."""
        answer = self._http.get("/v1/balance")
        found = []
        for one in self._group(answer, "available")["available"]:
            found.append(Balance("payments", from_gateway("acmepay", one["amount"], one["currency"]), answer.seen_at))
        return found

    # ------------------------------------------------------------ what an answer must be

    def _raw(self, row: Mapping[str, Any], as_of: datetime) -> Raw:
        """A row as a record, all its fields as they came: the map says what is kept of it and what it means."""
        # Everything about one payment shares one subject, so that payment, refund and dispute meet each other.
        subject = f"payment:{row['payment']}" if row.get("payment") else f"entry:{row['id']}"
        return Raw("entry", str(row["id"]), from_text(str(row["created_at"])), as_of, subject, row)

    def _rows(self, answer: Answer) -> tuple[list[dict[str, Any]], bool]:
        body = self._group(answer, "entries", "more")
        rows, more = body["entries"], body["more"]
        if not isinstance(rows, list) or not isinstance(more, bool):
            raise ConnectorDown(f"{self.name}: Acmepay's answer is no list of entries; look at base_url")
        if not all(isinstance(row, dict) and row.get("id") and row.get("created_at") for row in rows):
            raise ConnectorDown(f"{self.name}: an entry has no id or no time; look at base_url")
        return rows, more

    def _group(self, answer: Answer, *names: str) -> dict[str, Any]:
        body = answer.body
        if not isinstance(body, dict) or not all(name in body for name in names):
            raise ConnectorDown(f"{self.name}: Acmepay's answer has no {' and '.join(names)}; look at base_url")
        return body

"""What an answer of Stripe's must be before it is believed: the pinned version, a list or the object that was asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from syncjob.errors import ConnectorDown, NotOffered
from syncjob.gateways.stripe.objects import within
from syncjob.http import Answer, Http
from syncjob.ports import Feed
from syncjob.redact import clean

VERSION = "2026-10-28.endive"
_RESTARTS_MAX = 3


class Answers:
    """Reads from one account and refuses what is no answer to the question."""

    def __init__(self, name: str, http: Http) -> None:
        self.name = name
        self._http = http

    def get(self, path: str, params: Sequence[tuple[str, str]] = (), expect: Collection[int] = ()) -> Answer:
        """One answer in the pinned version; statuses in `expect` are answered as they are."""
        answer = self._http.get(path, params, expect)
        seen = answer.headers.get("stripe-version", VERSION)
        if seen != VERSION:
            raise ConnectorDown(f"{self.name}: Stripe answers in API version {clean(seen)}, but {VERSION} was asked for")
        return answer

    def rows(self, answer: Answer) -> tuple[list[dict[str, Any]], bool]:
        """The rows of a list, and whether there are more."""
        body = answer.body
        rows, more = (body.get("data"), body.get("has_more")) if isinstance(body, dict) else (None, None)
        if not isinstance(rows, list) or not isinstance(more, bool):
            raise ConnectorDown(f"{self.name}: Stripe's answer is no list with data and has_more; look at base_url")
        if not all(isinstance(row, dict) and isinstance(row.get("id"), str) and row["id"] for row in rows):
            raise ConnectorDown(f"{self.name}: a row of Stripe's list has no id; look at base_url")
        return rows, more

    def object(self, answer: Answer, kind: str) -> dict[str, Any]:
        """The one object that was asked for; it may be marked as deleted."""
        body = answer.body
        if not isinstance(body, dict) or body.get("object") != kind or not isinstance(body.get("id", ""), str):
            raise ConnectorDown(f"{self.name}: Stripe's answer is no {kind}; look at base_url")
        return body

    def refuse_unless_offered(self, what: str, answer: Answer) -> None:
        """Raises NotOffered where the server does not know the place that was asked."""
        if answer.status == 404:
            raise NotOffered(what, f"{what} is not offered: the server answers 404, so it is not covered; look at base_url")

    def refuse_unless_gone(self, feed: Feed, answer: Answer, after: str, restarts: int) -> None:
        """A list that is refused says why, unless only the row to go on after is gone."""
        code, said = within(answer.body, "error", "code"), clean(str(within(answer.body, "error", "message") or ""))
        if code != "resource_missing" or not after:
            raise ConnectorDown(f"{self.name}: Stripe refuses to list {feed.name}: {said[:200]}")
        if restarts > _RESTARTS_MAX:
            raise ConnectorDown(f"{self.name}: {feed.name}: the row to go on after vanished {restarts} times; try again later")

    def refuse_standstill(self, feed: Feed, ids: Sequence[str], before: Sequence[str], cursors: set[str]) -> None:
        """A list that does not move on is left, and no cursor moves."""
        if not ids or ids[-1] in cursors or set(ids) <= set(before):
            last = clean(ids[-1]) if ids else "nothing"
            raise ConnectorDown(f"{self.name}: the list of {feed.name} goes round in circles at {last}; nothing was skipped")

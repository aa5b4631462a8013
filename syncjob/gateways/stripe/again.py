"""Objects read again by their ids, at the pinned version: many at once where one page of a list covers them, else one by one.

Stripe takes no list of ids. But ids come with the instant their object was created, lists can be asked for a window of those,
and a page of 100 rows costs what one object costs. How long a page reaches is learnt from the pages themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncjob.errors import RecordRefused
from syncjob.gateways.stripe.answers import Answers
from syncjob.gateways.stripe.feeds import ALSO, PAGE
from syncjob.gateways.stripe.objects import DELETABLE, EXPANDED, PLACES, Objects, tombstone, within
from syncjob.http import Answer, path
from syncjob.model import Raw
from syncjob.redact import clean

_PAYMENTS_PAGES_MAX = 100
_LINKED_MAX = 10_000
Params = list[tuple[str, str]]


class Again:
    """Reads objects of one account again."""

    def __init__(self, answers: Answers, objects: Objects) -> None:
        self._answers = answers
        self._objects = objects
        self._reach: dict[str, int] = {}  # seconds that a full page covers, as the last one told, by kind
        self._linked: dict[str, None] = {}  # invoices whose payments were shown, oldest first

    def linked(self, invoice: str) -> bool:
        """Whether an invoice's payments were lately shown."""
        return invoice in self._linked

    def link(self, invoice: str) -> None:
        """Remember that an invoice's payments were shown."""
        self._linked[invoice] = None
        if len(self._linked) > _LINKED_MAX:
            del self._linked[next(iter(self._linked))]

    def one(self, kind: str, id: str) -> Raw:
        """The object as it is now, or its tombstone. Raises RecordRefused where there is no such object."""
        answer = self._asked(kind, id, EXPANDED.get(kind))
        body = self._answers.object(answer, kind) if answer.status == 200 else {"deleted": True}
        if body.get("deleted") is True:
            return tombstone(kind, id, answer.seen_at)
        if kind == "balance_transaction":
            return self._objects.movements([body], answer.seen_at)[0]
        return self._objects.raw(body, answer.seen_at)

    def many(self, kind: str, wanted: Mapping[str, int | None]) -> Iterator[Raw]:
        """Objects by id, each with the Unix seconds it was created at where that is known; who is gone for good is left out.

        An invoice brings the links to its payments with it.
        """
        created = {id: at for id, at in wanted.items() if at is not None}
        alone = [id for id in wanted if id not in created]
        order = sorted(created, key=lambda id: (created[id], id), reverse=True)
        while order:
            # A page that begins at the newest shows at least that one, so until its reach is known a list costs nothing.
            newest = created[order[0]]
            reach = self._reach.get(kind, newest)
            near = len(order) > 1 and created[order[1]] >= newest - reach
            if not near or kind not in PLACES:
                alone.append(order.pop(0))
                continue
            answer, rows, reached = self._page(kind, created[order[-1]], newest)
            found = {row["id"]: row for row in rows}
            for id in order:
                if id in found:
                    yield from self._shown(kind, found[id], answer)
            # What a list passes over is deleted, hidden or was never there; its own address tells.
            alone += [id for id in order if id not in found and created[id] > reached]
            left = [id for id in order if id not in found and created[id] <= reached]
            if len(left) == len(order):  # more than a page in one second, and ours not among them
                alone += [id for id in left if created[id] == newest]
                left = [id for id in left if created[id] < newest]
            order = left
        for id in alone:
            yield from self._alone(kind, id)

    def _page(self, kind: str, oldest: int, newest: int) -> tuple[Answer, list[dict[str, Any]], int]:
        """A page of a list, and the second that it reaches down to but does not cover."""
        bounds = [("created[gte]", str(oldest)), ("created[lte]", str(newest))]
        also = _PAYMENTS_OF_ALL if kind == "invoice" else ALSO.get(PLACES[kind], ())
        answer = self._answers.get(f"/v1/{PLACES[kind]}", [("limit", str(PAGE)), *bounds, *also])
        rows, more = self._answers.rows(answer)
        last = rows[-1].get("created") if rows and more else None
        if type(last) is not int:
            self._reach[kind] = max(1, (newest - oldest) * PAGE // max(1, len(rows)))
            return answer, rows, oldest - 1
        self._reach[kind] = max(1, newest - last)
        return answer, rows, last

    def _alone(self, kind: str, id: str) -> Iterator[Raw]:
        try:
            if kind != "invoice":
                yield self.one(kind, id)
                return
            answer = self._asked(kind, id, "payments")
        except RecordRefused:
            return  # what was done for it stays
        body = self._answers.object(answer, kind) if answer.status == 200 else {"deleted": True}
        if body.get("deleted") is True:
            yield tombstone(kind, id, answer.seen_at)
        else:
            yield from self._shown(kind, body, answer)

    def _shown(self, kind: str, body: Mapping[str, Any], answer: Answer) -> Iterator[Raw]:
        if kind != "invoice":
            yield self._objects.raw(body, answer.seen_at)
            return
        invoice = {name: value for name, value in body.items() if name != "payments"}
        yield self._objects.raw(invoice, answer.seen_at)
        self.link(invoice["id"])
        payments = body.get("payments")
        rows = within(payments, "data")
        for row in rows if isinstance(rows, list) else ():
            yield self._objects.raw({**row, "invoice": invoice}, answer.seen_at)
        if within(payments, "has_more") is True:
            yield from self._rest(invoice)

    def _rest(self, invoice: Mapping[str, Any]) -> Iterator[Raw]:
        """The payments of an invoice that has more of them than an object shows."""
        after: Params = []
        for _ in range(_PAYMENTS_PAGES_MAX):
            params = [("limit", str(PAGE)), ("invoice", str(invoice["id"])), *after]
            answer = self._answers.get("/v1/invoice_payments", params)
            rows, more = self._answers.rows(answer)
            for row in rows:
                yield self._objects.raw({**row, "invoice": invoice}, answer.seen_at)
            if not more or not rows:
                return
            after = [("starting_after", rows[-1]["id"])]

    def _asked(self, kind: str, id: str, expand: str | None) -> Answer:
        """One object's own address; 404 is answered only where it means that the object was deleted."""
        place = PLACES.get(kind)
        if place is None:
            raise RecordRefused(f"{kind} {id} cannot be read by its id here; the kinds are {', '.join(PLACES)}")
        params: Sequence[tuple[str, str]] = [("expand[]", expand)] if expand else []
        answer = self._answers.get(path("v1", place, id), params, expect=(404,) if kind in DELETABLE else ())
        if answer.status == 404:
            said = clean(str(within(answer.body, "error", "message") or "nothing more"))[:200]
            # "A similar object exists in live mode" means the wrong key, and an unknown address the wrong base_url.
            if within(answer.body, "error", "code") != "resource_missing" or "similar object" in said:
                raise RecordRefused(f"{kind} {clean(id)} was answered with 404: {said}")
        return answer


_PAYMENTS_OF_ALL: Sequence[tuple[str, str]] = (("expand[]", "data.payments"),)

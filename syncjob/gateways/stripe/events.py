"""Pages of events turned into records: what happened, and the objects as they are since.

An event shows its object as it was, in the API version in force when the event was made. In our version it is taken as it
stands; in any other it is only a hint, and the object is read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from syncjob.gateways.stripe.again import Again
from syncjob.gateways.stripe.answers import VERSION
from syncjob.gateways.stripe.event_types import DELETIONS
from syncjob.gateways.stripe.objects import Objects, id_in, instant, tombstone, within
from syncjob.http import Answer
from syncjob.model import Raw
from syncjob.moment import seconds

_SHOWN_MAX = 50_000
_INVOICES_MAX = 500  # an invoice and its payment come in one moment, so few need be remembered
_Hints = dict[str, dict[str, int | None]]  # kind -> id -> when it was created (Unix seconds)


class Events:
    """One walk through a feed of events; shows each object once, as the newest of its events has it."""

    def __init__(self, again: Again, objects: Objects, account: str = "") -> None:
        """`account` is the connected account that is read, "" for the key's own."""
        self._again, self._objects, self._account = again, objects, account
        self._seen: dict[tuple[str, str], None] = {}
        self._invoices: dict[str, Mapping[str, Any]] = {}

    def records(self, rows: Sequence[Mapping[str, Any]], answer: Answer) -> list[Raw]:
        """The events of a page, then their objects."""
        events: list[Raw] = []
        shown: list[Raw] = []
        links: list[Raw] = []
        hints: _Hints = {}
        for row in rows:
            body = within(row, "data", "object")
            if not isinstance(body, dict) or not isinstance(body.get("id"), str) or self._foreign(row):
                continue  # an upcoming invoice, say, is no object yet
            snapshot = self._objects.raw(body, instant(row.get("created"), answer.seen_at))
            events.append(self._objects.raw(_event(row, snapshot), snapshot.as_of, snapshot.subject))
            if not self._first(snapshot.type, snapshot.id):
                continue
            if row.get("type") in DELETIONS or body.get("deleted") is True:
                shown.append(tombstone(snapshot.type, snapshot.id, snapshot.as_of, snapshot.occurred))
            elif row.get("api_version") != VERSION:
                self._hint(snapshot, hints)
            elif snapshot.type == "invoice_payment":
                links.append(snapshot)
            else:
                shown.append(snapshot)
                self._remember(snapshot)
        shown += self._told(hints)
        for named in self._named(links):
            self._again.link(id_in(named.body.get("invoice")))
            shown.append(named)
        return events + shown

    def _foreign(self, row: Mapping[str, Any]) -> bool:
        """Whether an event is of another account: a platform may be shown those of its connected accounts."""
        return row.get("account") not in (None, "", self._account)

    def _first(self, kind: str, id: str) -> bool:
        # Older snapshots are old news. Two of one second could not even be put in order, so the first, newest, one counts.
        if (kind, id) in self._seen:
            return False
        self._seen[kind, id] = None
        if len(self._seen) > _SHOWN_MAX:
            del self._seen[next(iter(self._seen))]
        return True

    # ------------------------------------------------------------ other versions

    def _hint(self, snapshot: Raw, hints: _Hints) -> None:
        hints.setdefault(snapshot.type, {})[snapshot.id] = seconds(snapshot.occurred)
        # Before 2025 a charge named its invoice itself, and there was no object for the link: the invoice brings it now.
        body = snapshot.body
        invoice = id_in(body.get("invoice")) if snapshot.type == "charge" and body.get("status") != "failed" else ""
        if invoice and not self._again.linked(invoice) and self._first("invoice", invoice):
            hints.setdefault("invoice", {})[invoice] = None

    def _told(self, hints: _Hints) -> Iterator[Raw]:
        """The objects that hints are about; invoices first, since they bring the links to their payments."""
        for kind in sorted(hints, key=lambda kind: kind != "invoice"):
            wanted = hints[kind]
            if kind == "invoice":
                for one in self._again.many(kind, wanted):
                    if one.type == kind:
                        self._remember(one)
                    elif not self._first(one.type, one.id):
                        hints.get(one.type, {}).pop(one.id, None)
                    yield one
            elif wanted:
                yield from self._again.many(kind, wanted)

    # ------------------------------------------------------------ an invoice's payment

    def _remember(self, shown: Raw) -> None:
        if shown.type != "invoice" or shown.body.get("deleted") is True:
            return
        self._invoices[shown.id] = shown.body
        if len(self._invoices) > _INVOICES_MAX:
            del self._invoices[next(iter(self._invoices))]

    def _named(self, links: Sequence[Raw]) -> Iterator[Raw]:
        """Links with their invoice in them: the one that an event has just shown, else as they are read again."""
        unknown: dict[str, int | None] = {}
        for link in links:
            invoice = link.body.get("invoice")
            known = self._invoices.get(id_in(invoice))
            if isinstance(invoice, Mapping):
                yield link
            elif known is not None:
                yield self._objects.raw({**link.body, "invoice": known}, link.as_of)
            else:
                unknown[link.id] = seconds(link.occurred)
        yield from self._again.many("invoice_payment", unknown)


def _event(row: Mapping[str, Any], snapshot: Raw) -> dict[str, Any]:
    """An event without its object, which is a record of its own."""
    kept = {name: row.get(name) for name in ("id", "object", "type", "created", "api_version", "livemode")}
    return {**kept, "data": {"object": {"id": snapshot.id, "object": snapshot.type}}}

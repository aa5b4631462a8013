"""The nightly page as JSON and back: amounts as plain decimal text beside their currency, instants as ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from syncjob.model import Json, Role
from syncjob.moment import from_text, iso
from syncjob.money import Money, plain
from syncjob.reconcile import Item
from syncjob.summary.page import Books, Credit, Held, Invoices, MapCount, MapWarning, Page, Place, Row

VERSION = 1


def money(amount: Money) -> Json:
    """An amount for machines: {"amount": "48.25", "currency": "EUR"}."""
    return {"amount": plain(amount.minor, amount.currency), "currency": amount.currency}


def to_json(page: Page) -> dict[str, Json]:
    """The page as plain JSON, with the conclusions that it draws itself beside the figures."""
    return {
        "version": VERSION,
        "made_at": iso(page.made_at),
        "zone": page.zone,
        "agrees": page.agrees,
        "complaints": list(page.complaints),
        "edits": [{"target": target, "document": key, "why": why} for target, key, why in page.edits],
        "known": [{"target": target, "document": key, "why": why} for target, key, why in page.known],
        "undone": [{"target": target, "document": key, "why": why} for target, key, why in page.undone],
        "shadow": [{"target": target, "words": words} for target, words in page.shadow],
        "payouts": [{"source": source, "words": words} for source, words in page.payouts],
        "coverage": [{"source": source, "words": words} for source, words in page.coverage],
        "not_covered": [{"source": source, "what": what} for source, what in page.not_covered],
        "balances": [_place(place) for place in page.places],
        "held": [
            {
                "place": one.place,
                "what": one.what,
                "why": one.why,
                "cure": one.cure,
                "amount": money(one.amount) if one.amount else None,
            }
            for one in page.held
        ],
        "waiting": [{"role": one.role.value, "amount": money(one.amount)} for one in page.credits],
        "invoices": [
            {
                "target": one.target,
                "paid": one.paid,
                "part_paid": one.part_paid,
                "open": one.open,
                "brought": [money(amount) for amount in one.brought],
                "still_open": [money(amount) for amount in one.still_open],
            }
            for one in page.invoices
        ],
        "maps": {
            "warnings": [asdict(one) for one in page.map_warnings],
            "counts": [asdict(one) for one in page.map_counts],
        },
    }


def item_json(item: Item) -> Json:
    """One named reason for a difference; what was not said of it is left out."""
    more = {"reason": item.reason, "cure": item.cure, "decided": item.decided}
    said: dict[str, Json] = {"name": item.name, "amount": money(item.amount), "why": item.why}
    return said | {name: str(words) for name, words in more.items() if words}


def _place(place: Place) -> Json:
    return {
        "source": place.source,
        "name": place.name,
        "currency": place.currency,
        "since": iso(place.since),
        "until": iso(place.until),
        "opening": money(place.opening) if place.opened else None,
        "late": money(place.late),
        "rows": [{"name": row.name, "count": row.count, "amount": money(row.amount)} for row in place.rows],
        "closing": money(place.closing),
        "closes": place.closes,
        "gateway": {
            "provable": place.stated is not None,
            "stated": money(place.stated) if place.stated is not None else None,
            "same_second": money(place.same_second) if place.same_second else None,
            "difference": money(place.difference) if place.stated is not None else None,
            "items": [item_json(item) for item in place.items],
            "unexplained": money(place.unexplained) if place.stated is not None else None,
        },
        "books": [
            {
                "target": one.target,
                "account": one.account,
                "stated": money(one.stated),
                "later": money(one.later),
                "undelivered": money(one.undelivered),
                "undone": money(one.undone) if one.undone is not None else None,
                "items": [item_json(item) for item in one.items],
                "difference": money(place.books_difference(one)),
                "unexplained": money(place.books_unexplained(one)),
            }
            for one in place.books
        ],
    }


def from_json(value: Mapping[str, Any]) -> Page:
    """The page that `to_json` wrote."""
    maps = value.get("maps", {})  # a page of before there was this part
    return Page(
        made_at=from_text(value["made_at"]),
        zone=value["zone"],
        places=tuple(_read_place(one) for one in value["balances"]),
        held=tuple(Held(one["place"], one["what"], one["why"], one["cure"], _maybe(one["amount"])) for one in value["held"]),
        credits=tuple(Credit(Role(one["role"]), _money(one["amount"])) for one in value["waiting"]),
        invoices=tuple(
            Invoices(
                one["target"],
                one["paid"],
                one["part_paid"],
                one["open"],
                tuple(_money(amount) for amount in one["brought"]),
                tuple(_money(amount) for amount in one["still_open"]),
            )
            for one in value["invoices"]
        ),
        edits=tuple((one["target"], one["document"], one["why"]) for one in value.get("edits", ())),
        known=tuple((one["target"], one["document"], one["why"]) for one in value.get("known", ())),
        undone=tuple((one["target"], one["document"], one["why"]) for one in value.get("undone", ())),
        shadow=tuple((one["target"], one["words"]) for one in value.get("shadow", ())),
        payouts=tuple((one["source"], one["words"]) for one in value.get("payouts", ())),
        coverage=tuple((one["source"], one["words"]) for one in value.get("coverage", ())),
        not_covered=tuple((one["source"], one["what"]) for one in value.get("not_covered", ())),
        map_warnings=tuple(MapWarning(**one) for one in maps.get("warnings", ())),
        map_counts=tuple(MapCount(**one) for one in maps.get("counts", ())),
    )


def _read_place(one: Mapping[str, Any]) -> Place:
    gateway = one["gateway"]
    return Place(
        source=one["source"],
        name=one["name"],
        currency=one["currency"],
        since=from_text(one["since"]),
        until=from_text(one["until"]),
        opening=_maybe(one["opening"]) or Money(0, one["currency"]),
        opened=one["opening"] is not None,
        late=_money(one["late"]),
        rows=tuple(Row(row["name"], row["count"], _money(row["amount"])) for row in one["rows"]),
        closing=_money(one["closing"]),
        stated=_maybe(gateway["stated"]),
        same_second=_maybe(gateway["same_second"]),
        items=_items(gateway["items"]),
        books=tuple(
            Books(
                *(b["target"], b["account"], _money(b["stated"]), _money(b["later"]), _money(b["undelivered"])),
                items=_items(b.get("items", ())),  # a page of before documents in the books were looked at has none
                undone=_maybe(b.get("undone")),
            )
            for b in one["books"]
        ),
    )


def _items(told: Iterable[Mapping[str, Any]]) -> tuple[Item, ...]:
    return tuple(
        Item(one["name"], _money(one["amount"]), one["why"], *(one.get(word, "") for word in ("reason", "cure", "decided")))
        for one in told
    )


def _money(value: Mapping[str, str]) -> Money:
    return Money.of(value["amount"], value["currency"])


def _maybe(value: Mapping[str, str] | None) -> Money | None:
    return _money(value) if value is not None else None

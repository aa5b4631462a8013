"""What the YAML language cannot say: named conversions from a gateway's raw fields to typed values, each exact or refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

from syncjob.errors import RecordRefused
from syncjob.mapping.paths import Read, Scope, dig
from syncjob.model import Fee, Service, digest
from syncjob.moment import from_day, from_local, from_seconds, from_text
from syncjob.money import Money, from_decimal, from_gateway

FEE_PARTS = ("amount", "currency", "type")
SERVICE_PARTS = ("amount", "period.start", "period.end")
ITEM_PARTS = ("quantity", "price.unit_amount", "price.currency")
_NUMBERS_MAX = 20
_TEXT_MAX = 5000


def kind_of(raw: object) -> str:
    """What a raw value is, for a complaint that must not repeat its content."""
    if isinstance(raw, dict):
        return "a group of fields"
    if isinstance(raw, (list, tuple)):
        return "a list"
    return "a yes or no" if isinstance(raw, bool) else "a number" if isinstance(raw, int) else "something else"


def word(name: str, raw: object) -> str:
    """A raw value as a lookup or condition compares it: text, or true and false."""
    if type(raw) is str:
        return raw
    if type(raw) is bool:
        return "true" if raw else "false"
    raise RecordRefused(f"{name} is {kind_of(raw)}, not a word")


def text(name: str, read: Read) -> Callable[[Scope], str | None]:
    """Text as it stands; empty text counts as absent."""

    def converted(scope: Scope) -> str | None:
        raw = read(scope)
        if type(raw) is str:
            return raw or None
        if raw is None:
            return None
        raise RecordRefused(f"{name} is {kind_of(raw)}, not text")

    return converted


def text_or(name: str, read: Read, default: str, defaulted: Callable[[], None]) -> Callable[[Scope], str | None]:
    """Text as it stands, and what the map says where there is none; `defaulted` is told each time."""
    as_it_stands = text(name, read)

    def converted(scope: Scope) -> str | None:
        found = as_it_stands(scope)
        if found is None:
            defaulted()
            return default
        return found

    return converted


def unix_seconds(name: str, read: Read) -> Callable[[Scope], datetime | None]:
    """An instant from whole Unix seconds."""

    def converted(scope: Scope) -> datetime | None:
        raw = read(scope)
        try:
            return None if raw is None else from_seconds(raw)
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}") from None

    return converted


def iso_instant(name: str, read: Read) -> Callable[[Scope], datetime | None]:
    """An instant from ISO 8601 text with its offset."""
    return _time(name, read, from_text)


def local_time(name: str, read: Read, where: tzinfo, *, later: bool) -> Callable[[Scope], datetime | None]:
    """An instant from a clock's time without an offset; in the hour that comes twice its first or its later pass."""
    return _time(name, read, lambda raw: from_local(raw, where, later=later))


def day(name: str, read: Read, where: tzinfo) -> Callable[[Scope], datetime | None]:
    """The instant at which a calendar day begins in a zone."""
    return _time(name, read, lambda raw: from_day(raw, where))


def _time(name: str, read: Read, parse: Callable[[str], datetime]) -> Callable[[Scope], datetime | None]:
    def converted(scope: Scope) -> datetime | None:
        raw = read(scope)
        if raw is None or raw == "":
            return None
        if type(raw) is not str:
            raise RecordRefused(f"{name} is {kind_of(raw)}, not a time in text")
        try:
            return parse(raw)
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}") from None

    return converted


def money(gateway: str, name: str, amount: Read, currency: Read) -> Callable[[Scope], Money | None]:
    """An amount in the gateway's whole numbers with the currency that stands beside it."""

    def converted(scope: Scope) -> Money | None:
        raw = amount(scope)
        if raw is None:
            return None
        try:
            return from_gateway(gateway, raw, currency(scope))
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}", cure=refused.cure) from None

    return converted


def decimal(name: str, amount: Read, currency: Read) -> Callable[[Scope], Money | None]:
    """An amount with a decimal point, as text or as an exactly read number, with the currency that stands beside it."""

    def converted(scope: Scope) -> Money | None:
        raw = amount(scope)
        if raw is None or raw == "":
            return None
        try:
            return from_decimal(raw, currency(scope))
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}", cure=refused.cure) from None

    return converted


def fees(gateway: str, name: str, read: Read) -> Callable[[Scope], tuple[Fee, ...]]:
    """The single fees of a movement: type, amount, and for a fee of type tax the amount once more as its tax."""

    def one(raw: object) -> Fee:
        if not isinstance(raw, dict) or type(raw.get("type")) is not str:
            raise RecordRefused(f"{name} holds a fee without its type")
        try:
            amount = from_gateway(gateway, raw.get("amount"), raw.get("currency"))
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}", cure=refused.cure) from None
        return Fee(raw["type"], amount, amount if raw["type"] == "tax" else None)

    def converted(scope: Scope) -> tuple[Fee, ...]:
        raw = read(scope)
        if raw is None:
            return ()
        if not isinstance(raw, (list, tuple)):
            raise RecordRefused(f"{name} is {kind_of(raw)}, not a list of fees")
        return tuple(map(one, raw))

    return converted


def items_total(gateway: str, name: str, read: Read) -> Callable[[Scope], Money | None]:
    """Quantity times unit price over all items; None where any item is priced otherwise or currencies differ."""

    def one(raw: object) -> Money | None:
        quantity, price = dig(raw, ("quantity",)), dig(raw, ("price", "unit_amount"))
        if quantity is None or price is None:
            return None
        if type(quantity) is not int or type(price) is not int:
            raise RecordRefused(f"{name} holds a quantity or unit price that is not a whole number")
        try:
            return from_gateway(gateway, quantity * price, dig(raw, ("price", "currency")))
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}", cure=refused.cure) from None

    def converted(scope: Scope) -> Money | None:
        raw = read(scope)
        if raw is None:
            return None
        if not isinstance(raw, (list, tuple)):
            raise RecordRefused(f"{name} is {kind_of(raw)}, not a list of items")
        amounts = [one(item) for item in raw]
        known = [amount for amount in amounts if amount is not None]
        if not known or len(known) < len(amounts) or len({amount.currency for amount in known}) > 1:
            return None
        return sum(known[1:], known[0])

    return converted


def service_periods(gateway: str, name: str, read: Read) -> Callable[[Scope], tuple[Service, ...]]:  # noqa: ARG001 - called like the others
    """For which time each line of an invoice is, and its amount as a weight; none where a line does not say."""

    def one(raw: object) -> Service:
        amount, start, end = (dig(raw, tuple(part.split("."))) for part in SERVICE_PARTS)
        if type(amount) is not int:
            raise RecordRefused(f"{name} holds an amount that is not a whole number")
        try:
            return Service(from_seconds(start), from_seconds(end), amount)
        except RecordRefused as refused:
            raise RecordRefused(f"{name}: {refused}") from None

    def converted(scope: Scope) -> tuple[Service, ...]:
        raw = read(scope)
        if raw is None:
            return ()
        if not isinstance(raw, (list, tuple)):
            raise RecordRefused(f"{name} is {kind_of(raw)}, not a list of lines")
        said = all(dig(item, ("period", word)) is not None for item in raw for word in ("start", "end"))
        return tuple(map(one, raw)) if said else ()

    return converted


LISTS: Mapping[str, Callable[[str, str, Read], Callable[[Scope], object]]] = {
    "fees": fees,
    "items_total": items_total,
    "service_periods": service_periods,
}
PARTS: Mapping[str, tuple[str, ...]] = {"fees": FEE_PARTS, "items_total": ITEM_PARTS, "service_periods": SERVICE_PARTS}


def guest(index: int, name: str, email: Read, full_name: Read | None) -> Callable[[Scope], str | None]:
    """The id of somebody who paid without a customer record, known by an e-mail address.

    It is the id under which landing keeps their personal fields, and stays when those are purged; only a record that was
    landed without one gets a digest of account, e-mail and name.
    """

    def converted(scope: Scope) -> str | None:
        raw = email(scope)
        record = scope[index]
        known: str = record.person if record is not None else ""
        if not known.startswith("guest-"):
            known = ""
        if raw is None or raw == "":
            # Who never gave an address is kept under the record's own id, which says nothing about them.
            return known if known and known != "guest-" + digest(record.type, record.id) else None
        called = full_name(scope) if full_name is not None else None
        if type(raw) is not str or not (called is None or type(called) is str):
            raise RecordRefused(f"{name} is {kind_of(raw)}, not an e-mail address")
        return known or "guest-" + digest(scope[0].source, raw.lower(), called or "")

    return converted


def document_numbers(prefixes: Sequence[str]) -> Callable[[str], list[str]]:
    """Document numbers inside free text: a listed prefix (in any case), then letters and digits with single - / . _ between.

    Linear in the text, of which the first 5,000 characters are read; at most 20 numbers are found.
    """
    spelling = {prefix.lower(): prefix for prefix in prefixes}
    begins = "|".join(map(re.escape, sorted(prefixes, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![A-Za-z0-9])({begins})([A-Za-z0-9]+(?:[-/._][A-Za-z0-9]+)*)", re.IGNORECASE | re.ASCII)

    def find(raw: str) -> list[str]:
        found: dict[str, None] = {}
        for match in pattern.finditer(raw[:_TEXT_MAX]):
            if any(letter.isdigit() for letter in match[2]):
                found[spelling[match[1].lower()] + match[2]] = None
                if len(found) == _NUMBERS_MAX:
                    break
        return list(found)

    return find


def whole_text(raw: str) -> list[str]:
    """A field that holds nothing but one document number or id."""
    stripped = raw.strip()
    return [stripped] if stripped else []

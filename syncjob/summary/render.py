"""The nightly page as text in 80 columns: a table per gateway account, then what waits, in a bookkeeper's words.

Babel writes numbers and dates here and nowhere else; others ask for text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, tzinfo
from itertools import groupby

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from syncjob.model import Role
from syncjob.money import Money, decimals, plain, totals
from syncjob.reconcile import Reason
from syncjob.summary.page import ALWAYS, BALANCE, Page, Place, Row

WIDTH = 80
LOCALE = "en"
HELD_LINES_MAX = 10
_LABEL = 21
_COUNT = 6
_COLUMN = 9  # an amount's least width, with the space before it
_NOT_STATED = "not stated"
_NOT_COVERED = "not covered"
_DEFAULTED = "defaulted"
_ALTERED = {
    "cut": "cut",
    "replaced": "with other characters",
    "otherwise": "not in its list",
    _DEFAULTED: "defaulted",
}
_WAITING = {
    Role.CUSTOMER_CREDIT: "customer credit",
    Role.SUSPENSE: "suspense",
    Role.UNAPPLIED: "not applied",
    Role.PAYOUTS_IN_TRANSIT: "payouts on their way",
}


def amount(money: Money, locale: str = LOCALE) -> str:
    """An amount as people read it, without its currency: 1,234.50."""
    places = decimals(money.currency)
    pattern = "#,##0." + "0" * places if places else "#,##0"
    return format_decimal(plain(money.minor, money.currency), format=pattern, locale=locale)


def named(money: Money, locale: str = LOCALE) -> str:
    """An amount with its currency: 1,234.50 EUR."""
    return f"{amount(money, locale)} {money.currency}"


def day(value: date, locale: str = LOCALE) -> str:
    """A day: 3 Nov 2026."""
    return format_date(value, "d MMM y", locale=locale)


def instant(value: datetime, zone: tzinfo, locale: str = LOCALE) -> str:
    """An instant in a zone: 3 Nov 2026, 07:00."""
    return format_datetime(value.astimezone(zone), "d MMM y, HH:mm", locale=locale)


def render(
    page: Page, zone: tzinfo, *, locale: str = LOCALE, held_lines_max: int = HELD_LINES_MAX, brief: bool = False
) -> str:
    """The page as text, each line at most 80 columns wide.

    `brief` folds what is rare into one row and each sentence into one line, so that the page fits on a screen.
    """
    places = [_folded(place) for place in page.places if place.name == BALANCE] if brief else list(page.places)
    lines: list[str] = []
    for _, group in groupby(places, key=lambda place: (place.source, place.name)):
        lines += _tables(list(group), zone, locale, brief=brief)
    if not page.places:
        lines.append("No gateway account has moved or stated a balance yet.")
    said = [*_verdict(page, locale, brief=brief), *_lacks(page)]
    said += [*_edits("Changed by hand in", page.edits, held_lines_max), *_edits("Known in", page.known, held_lines_max)]
    said += _edits("Undone in", page.undone, held_lines_max)
    said += [(f"Shadow of {target}:", f"{words}.") for target, words in page.shadow]
    said += [] if brief else [("Payouts:", f"{source}: {words}.") for source, words in page.payouts]
    said += [] if brief else [("Coverage:", f"{source}: {words}.") for source, words in page.coverage]
    said += _held(page, locale, held_lines_max, brief=brief)
    for head, words in (*said, *_invoices(page, locale), *_waiting(page, locale), *_maps(page, locale)):
        lines += [_one_line(head, words)] if brief else _wrapped(head, words)
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _folded(place: Place) -> Place:
    """The place with its rare rows as one."""
    rare = [row for row in place.rows if row.name not in ALWAYS]
    if not rare:
        return place
    other = Row("Other", sum(row.count for row in rare), sum((row.amount for row in rare), Money(0, place.currency)))
    return replace(place, rows=(*(row for row in place.rows if row.name in ALWAYS), other))


# ---------------------------------------------------------------- the tables


def _tables(places: list[Place], zone: tzinfo, locale: str, *, brief: bool) -> list[str]:
    lines: list[str] = []
    first = places[0]
    name = first.source if first.name == BALANCE else f"{first.source} ({first.name})"
    period = f"{instant(first.since, zone, locale)} to {instant(first.until, zone, locale)}"
    room = WIDTH - len(period) - 2
    if len(name) > room:
        lines.append(name[:WIDTH])
        name = ""
    lines.append(f"{name:<{WIDTH - len(period)}}{period}")
    for part in _fitting(places, locale):
        lines += _table(part, locale, brief=brief)
    return lines if brief else lines + _explained(places, locale)


def _fitting(places: list[Place], locale: str) -> Iterable[list[Place]]:
    """As many currencies beside one another as fit on a line."""
    part: list[Place] = []
    used = _LABEL + _COUNT
    for place in places:
        width = _width(place, locale)
        if part and used + width > WIDTH:
            yield part
            part, used = [], _LABEL + _COUNT
        part.append(place)
        used += width
    if part:
        yield part


def _figures(place: Place) -> list[Money]:
    figures = [place.opening, place.late, place.closing, place.difference, *(row.amount for row in place.rows)]
    figures += [place.stated] if place.stated is not None else []
    return figures + [one for books in place.books for one in (books.stated, place.books_difference(books))]


def _width(place: Place, locale: str) -> int:
    words = [amount(figure, locale) for figure in _figures(place)]
    words += ([] if place.stated is not None else [_NOT_STATED]) + ([] if place.opened else [_NOT_COVERED])
    return max(_COLUMN, 2 + max(map(len, words)))


def _table(places: Sequence[Place], locale: str, *, brief: bool) -> list[str]:
    widths = [_width(place, locale) for place in places]

    def line(label: str, count: int | None, cells: Sequence[str]) -> str:
        number = "" if count is None else format_decimal(count, locale=locale)
        return f"{label:<{_LABEL}}{number:>{_COUNT}}" + "".join(
            f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)
        )

    lines = [line("", None, [place.currency for place in places])]
    opened = [amount(place.opening, locale) if place.opened else _NOT_COVERED for place in places]
    lines.append(line("Opening balance", None, opened))
    if any(place.late.minor for place in places):
        lines.append(line("Learned later", None, [amount(place.late, locale) for place in places]))
    names = list(dict.fromkeys(row.name for place in places for row in place.rows))
    for name in names:
        found = [next((row for row in place.rows if row.name == name), None) for place in places]
        count = sum(row.count for row in found if row)
        cells = [amount(row.amount, locale) if row else "" for row in found]
        lines.append(line(name, count or None, cells))
    lines.append(line("Closing balance", None, [amount(place.closing, locale) for place in places]))
    if any(place.same_second for place in places):
        seconds = [amount(place.same_second, locale) if place.same_second else "" for place in places]
        lines.append(line("In the same second", None, seconds))
    stated = [amount(place.stated, locale) if place.stated is not None else _NOT_STATED for place in places]
    lines.append(line("Gateway states", None, stated))
    targets = list(dict.fromkeys(books.target for place in places for books in place.books))
    for target in targets:
        found_books = [next((books for books in place.books if books.target == target), None) for place in places]
        label = "Books state" if len(targets) == 1 else f"{target} states"
        lines.append(line(label[: _LABEL - 1], None, [amount(b.stated, locale) if b else "" for b in found_books]))
    lines += [line(label, None, cells) for label, cells in _differences(places, locale, brief=brief)]
    return lines


def _differences(places: Sequence[Place], locale: str, *, brief: bool) -> list[tuple[str, list[str]]]:
    """One row where everybody agrees, else one for the gateway and one for each books."""
    gateway = [amount(place.difference, locale) if place.stated is not None else "" for place in places]
    in_books = [place.books_difference(books) for place in places for books in place.books]
    if not any(one.minor for one in in_books) and (brief or not any(place.difference.minor for place in places)):
        return [("Difference", gateway)] if any(gateway) else []
    rows = [("Gateway's difference", gateway)]
    for target in dict.fromkeys(books.target for place in places for books in place.books):
        found = [next((p.books_difference(b) for b in p.books if b.target == target), None) for p in places]
        rows.append(("Books' difference", [amount(one, locale) if one else "" for one in found]))
    return rows


def _explained(places: Sequence[Place], locale: str) -> list[str]:
    """Each named reason for a difference, with its amount."""
    lines: list[str] = []
    for place in places:
        for item in place.items:
            what = "is held" if item.reason in ("", Reason.HELD) else item.reason
            lines += _wrapped(f"  {named(item.amount, locale)}", f"{what}: {item.name}: {item.why}")
        for books in place.books:
            if books.later.minor:
                lines.append(f"  {named(books.later, locale)} moved after the gateway's statement and is booked already")
            left = books.undelivered - books.undone if books.undone is not None else books.undelivered
            if books.undone is not None and books.undone.minor:
                lines.append(f"  {named(books.undone, locale)} was undone in {books.target}")
            if left.minor:
                lines.append(f"  {named(left, locale)} is not yet in {books.target}")
            for item in books.items:
                what = Reason.FOREIGN.value if item.reason == Reason.FOREIGN else "by hand"
                decided = f", {item.decided}" if item.decided else ""
                lines += _wrapped(f"  {named(item.amount, locale)}", f"{what} in {books.target}{decided}: {item.name}")
    return lines


# ---------------------------------------------------------------- the sentences

Paragraph = tuple[str, str]  # a head and its words


def _verdict(page: Page, locale: str, *, brief: bool) -> list[Paragraph]:
    if page.complaints:
        return [("THIS PAGE DOES NOT CLOSE:", ""), *(("  -", f"{complaint}.") for complaint in page.complaints)]
    if not page.places:
        return []
    unstated = [f"{place.source} {place.name} {named(place.closing, locale)}" for place in page.not_provable]
    proven = [place for place in page.places if place.stated is not None]
    off = any(place.difference.minor or any(place.books_difference(b).minor for b in place.books) for place in page.places)
    words = "Gateway, sub-ledger and books differ only by named items." if off else ""
    if proven and not off:
        words = "Gateway, sub-ledger and books agree to the last cent in every currency."
        if unstated:
            words = "All that the gateway states agrees to the last cent."
    if unstated and brief:
        words = f"{words or 'The rows close.'} Not provable: {len(unstated)}."
    elif unstated:
        words += f" Balance not provable, for the gateway states none: {', '.join(unstated)}."
    return [("", words.strip())]


def _lacks(page: Page) -> list[Paragraph]:
    """What a gateway does not offer is not covered by this page, which is something else than zero."""
    found = []
    for source, group in groupby(page.not_covered, key=lambda one: one[0]):
        names = ", ".join(what for _, what in group)
        found.append(("Not covered:", f"{source} does not offer {names}."))
    return found


def _edits(words: str, edits: Sequence[tuple[str, str, str]], lines_max: int) -> list[Paragraph]:
    """What somebody changed in the books or undid there, also where no balance of a gateway shows it."""
    found = []
    for target, group in groupby(edits, key=lambda one: one[0]):
        documents = list(group)
        found.append((f"{words} {target}:", f"{len(documents)}."))
        found += [("  -", f"{key} {why}") for _, key, why in documents[:lines_max]]
        if len(documents) > lines_max:
            found.append(("  -", f"and {len(documents) - lines_max} more"))
    return found


def _held(page: Page, locale: str, lines_max: int, *, brief: bool) -> list[Paragraph]:
    if not page.held:
        return [("Held:", "nothing waits for a person.")]
    sums = totals(one.amount for one in page.held if one.amount is not None)
    unpriced = sum(one.amount is None for one in page.held)
    priced = [named(money, locale) for money in sums.values()] + ([f"{unpriced} without a price"] if unpriced else [])
    found = [("Held:", f"{len(page.held)} wait for a person ({', '.join(priced)}).")]
    for one in page.held[:lines_max]:
        price = f"{named(one.amount, locale)}  " if one.amount is not None else ""
        found.append(("  -", f"{price}{one.why}" if brief else f"{price}{one.what}: {one.why}"))
    if len(page.held) > lines_max:
        found.append(("  -", f"and {len(page.held) - lines_max} more: syncjob held list"))
    return found


def _invoices(page: Page, locale: str) -> list[Paragraph]:
    found = []
    for one in page.invoices:
        if one.paid + one.part_paid + one.open:
            left = ", ".join(named(money, locale) for money in one.still_open if money.minor) or "nothing"
            words = f"{one.paid} paid, {one.part_paid} part paid, {one.open} open; still asked for: {left}."
            found.append((f"Invoices in {one.target}:", words))
    return found


def _waiting(page: Page, locale: str) -> list[Paragraph]:
    found = []
    for role, words in _WAITING.items():
        amounts = [named(one.amount, locale) for one in page.credits if one.role is role and one.amount.minor]
        if amounts:
            found.append((f"{words.capitalize()}:", ", ".join(amounts) + "."))
    return found


def _maps(page: Page, locale: str) -> list[Paragraph]:
    """What has changed about the field maps, and how often they wrote something else than they were shown.

    A default that stands in for an absent field is what the map says it means: alone it is no news.
    """
    if not page.map_warnings and all(one.what == _DEFAULTED for one in page.map_counts):
        return []
    number = len(page.map_warnings)
    parts = [f"{number} {'warning' if number == 1 else 'warnings'}"] if number else []
    for map, of_map in groupby(page.map_counts, key=lambda one: one.map):
        told = ", ".join(f"{one.field} {_ALTERED[one.what]} {format_decimal(one.number, locale=locale)}" for one in of_map)
        parts.append(f"{map.rpartition('/')[2]}: {told}")
    found = [("Maps:", f"{'; '.join(parts)}.")]
    found += [("  -", f"{one.map.rpartition('/')[2]}: {one.why}; {one.cure}.") for one in page.map_warnings]
    return found


def _wrapped(head: str, words: str) -> list[str]:
    """A head and its words, continued with a hanging indent."""
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    text = f"{head} {words}" if head else words
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _one_line(head: str, words: str) -> str:
    """A head and as many of its words as fit on its line; an amount is never cut in two."""
    text = f"{head} {words}".strip() if head.strip() == head else f"{head} {words}"
    if len(text) <= WIDTH:
        return text
    room = text[: WIDTH - 3]
    cut = room.rfind(", ") if text.startswith(tuple(f"{one.capitalize()}:" for one in _WAITING.values())) else room.rfind(" ")
    return f"{room[:cut]}..."

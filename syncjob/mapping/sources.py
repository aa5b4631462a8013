"""Which of a vendor's fields may be read how, and into which of ours: checked by their types when the map is read."""

from __future__ import annotations

from collections.abc import Sequence

from syncjob.mapping.paths import Paths
from syncjob.mapping.vendor import OURS, Holds, unlisted
from syncjob.yamlfile import Node

_WORDED = ("text", "enum", "flag", "id", "currency", "country", "subdivision")  # what a lookup or a condition compares
_TEXTS = ("text", "enum", "id", "currency", "country", "subdivision", "iso", "local", "day", "decimal")
READS = {  # conversion -> what it may be made of
    "id": ("id",),
    "guest": ("email",),
    "money": ("money",),
    "decimal": ("decimal",),
    "unix_seconds": ("seconds",),
    "iso_instant": ("iso",),
    "local_time": ("local",),
    "day": ("day",),
    "document_numbers": ("text", "id"),
}
_INTO = {  # our field -> what may stand there
    "type": ("enum",),
    "name": ("text",),
    "company": ("text",),
    "email": ("email",),
    "phone": ("phone",),
    "country": ("country",),
    "subdivision": ("subdivision", "text"),
    **dict.fromkeys(("line1", "line2", "postal_code", "city"), ("text",)),
}
_PARTS = {"amount": "money", "currency": "currency", "type": "enum", "quantity": "number"}
_PARTS |= {"period.start": "seconds", "period.end": "seconds"}  # of the items of a list
_CURES = {
    "money": "as: money",
    "decimal": "as: decimal",
    "seconds": "as: unix_seconds",
    "iso": "as: iso_instant",
    "local": "as: local_time",
    "day": "as: day",
}


def readable(paths: Paths, node: Node, conversion: str, field: str) -> None:
    """Complain about a path whose field is of another type than its conversion, or our field, wants."""
    into = field.rpartition(".")[2]
    wanted = READS.get(conversion) or _INTO.get(into, _TEXTS)
    if not field and conversion not in READS:
        return  # asked once more by somebody who explains
    for one in node.one_or_more():
        for record, held in paths.what(one):
            if held is None:
                continue
            if held.type not in wanted:
                way = f"as: {conversion}" if conversion in READS else into
                why = f"{one.text()!r} of {record} is {held}, and {way} wants {_listed(wanted)}"
                raise one.wrong(why, _cure(paths, one, held, wanted))
            _whose(paths, one, record, held, into)


def _whose(paths: Paths, node: Node, record: str, held: Holds, into: str) -> None:
    """An amount, an instant, a part of an address goes where it belongs, and so does an id."""
    if not held.of or not into:
        return
    if held.type == "id":
        _owned(paths, node, record, held, into)
    elif into not in held.of and (held.type != "text" or into in OURS["text"]):  # a name may stand in a description
        why = f"{node.text()!r} of {record} is for {' or '.join(held.of)} alone, and stands here as {into}"
        raise node.wrong(why, f"name the field of its own{_such(paths, node, (held.type,), into)}")


def _owned(paths: Paths, node: Node, record: str, held: Holds, into: str) -> None:
    whose = {"id": paths.record, "customer": "customer"}.get(into)
    if whose is not None and whose not in held.of:
        why = f"{node.text()!r} of {record} is {held}, and {into} wants that of a {whose}"
        raise node.wrong(why, f"name a field that holds it{_such(paths, node, ('id',), whose)}")
    if into in ("origin", "parent") and held.of in (("customer",), (paths.record,)):
        raise node.wrong(f"{node.text()!r} of {record} is {held}, and {into} wants that of what moved the money", "see joins:")


def currency(paths: Paths, amount: Node, node: Node) -> None:
    """Complain about a currency that is read from a field of another type, or that is another amount's.

    Of several currencies in a record an amount goes with that of its own group of fields, or of the nearest one around it.
    """
    own = {name for one in amount.one_or_more() for name in _currencies(paths, one)}
    for one in node.one_or_more():
        for record, held in paths.what(one):
            if held is not None and held.type != "currency":
                cure = f"name the field that holds the amount's currency{_such(paths, one, ('currency',))}"
                raise one.wrong(f"{one.text()!r} of {record} is {held}, and not a currency", cure)
            if held is not None and own and one.text() not in own:
                why = f"{one.text()!r} of {record} is the currency of another amount than {amount.one_or_more()[0].text()!r}"
                raise one.wrong(why, f"write currency: {' or '.join(sorted(own))}")


def _currencies(paths: Paths, amount: Node) -> list[str]:
    """The currencies that stand nearest to an amount."""
    known = [name for name, one in paths.beside(amount) if one.type == "currency"]
    group = amount.text().split(".")
    while group:
        group.pop()
        if near := [name for name in known if name.split(".")[:-1] == group]:
            return near
    return []


def listing(paths: Paths, node: Node, parts: Sequence[str]) -> None:
    """Complain about a list whose items hold other things than single fees, or priced items, do."""
    for part in parts:
        wanted = _PARTS.get(part, "currency" if part.endswith(".currency") else "money")
        for record, held in paths.what(node, part):
            if held is not None and held.type not in (wanted, "text" if wanted == "enum" else wanted):
                why = f"{node.text()}.{part} of {record} is {held}, and a list of amounts needs {Holds(wanted)} there"
                raise node.wrong(why, "name another list, or correct the schema")


def worded(paths: Paths, node: Node) -> None:
    """Complain about a lookup of something that is no word: an amount, an instant."""
    for one in node.one_or_more():
        for record, held in paths.what(one):
            if held is not None and held.type not in _WORDED:
                why = f"{one.text()!r} of {record} is {held}, and only words can be looked up or compared"
                raise one.wrong(why, _CURES.get(held.type, "") and f"read it {_CURES[held.type]}")


def compared(paths: Paths, node: Node, words: Sequence[Node]) -> None:
    """Complain about a word that the field at a path never holds."""
    worded(paths, node)
    held = [one for _, one in paths.what(node)]
    for word in words:
        unlisted(word, held)


def listed(paths: Paths, node: Node, table: Node) -> None:
    """Complain about a word of a lookup that none of the fields looked up ever holds."""
    held = [one for path in node.one_or_more() for _, one in paths.what(path)]
    for word in table.mapping():
        unlisted(Node(table.key_place(word), word, quoted=True), held)


def joined(paths: Paths, node: Node, types: Sequence[str]) -> None:
    """Complain about a join by something that is no id, or the id of something else."""
    for one in node.one_or_more():
        for record, held in paths.what(one):
            if held is None or held.type == "text":
                continue
            if held.type != "id":
                why = f"{one.text()!r} of {record} is {held}, and a join looks for an id"
                raise one.wrong(why, f"name a field that holds one{_such(paths, one, ('id',))}")
            if held.of and types and not set(held.of) & set(types):
                why = f"{one.text()!r} of {record} is {held}, and this join looks for a {' or '.join(types)}"
                raise one.wrong(why, "name another field, or another type at record:")


def _listed(types: Sequence[str]) -> str:
    return " or ".join(str(Holds(one)) for one in types[:3])


def _cure(paths: Paths, node: Node, held: Holds, wanted: Sequence[str]) -> str:
    if such := _such(paths, node, wanted):
        return f"name a field of that type{such}"
    return f"read it {_CURES[held.type]}" if held.type in _CURES else "name another field"


def _such(paths: Paths, node: Node, types: Sequence[str], whose: str = "") -> str:
    fitting = [(name, one) for name, one in paths.beside(node) if one.type in types]
    if whose:  # an id must say whose it is; anything else that says nothing may be any
        own = [(name, one) for name, one in fitting if whose in one.of]
        fitting = own or [(name, one) for name, one in fitting if one.type != "id" and not one.of]
    return f": {', '.join(name for name, _ in fitting[:8])}" if fitting else ""

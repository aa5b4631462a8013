"""What a map may say word by word and still cannot mean: found when it is read, so that no record has to show it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from syncjob import moment
from syncjob.errors import RecordRefused
from syncjob.yamlfile import Node

_CODE = re.compile(r"[A-Z]{3}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}", re.ASCII)
_IDS = ("id", "origin", "parent", "customer")
_TIMES = ("occurred", "effective", "available")
_AMOUNTS = ("gross", "fee", "net")


def distinct(node: Node) -> None:
    """Complain about an item that a list names twice."""
    seen: set[str] = set()
    for one in node.one_or_more():
        if isinstance(one.content, str):
            if one.content in seen:
                raise one.wrong(f"{one.content!r} stands twice in this list", "keep one of them")
            seen.add(one.content)


def some(node: Node, what: str) -> Mapping[str, Node]:
    """The keys of a group that must have one."""
    keys = node.mapping()
    if not keys:
        raise node.wrong(f"no {what} is written here", "write one, or leave the line out")
    return keys


def is_read(node: Node) -> None:
    """A currency is the path of a field: a constant one would be right until the first payment in another."""
    cure = "write the path of the field that holds the amount's currency"
    for one in node.one_or_more():
        if not isinstance(one.content, str) or _CODE.fullmatch(one.content) or one.content.startswith("landed."):
            raise one.wrong("a currency is read from a field, never written into a map", cure)


def valid_from(node: Node) -> datetime:
    """The instant from which on a rule counts: the beginning of a day in UTC, or an instant with its offset."""
    text = node.text()
    try:
        return moment.from_text(text) if "T" in text else moment.from_day(text, UTC)
    except RecordRefused:
        cure = "write a day such as 2026-01-31, or an instant such as 2026-01-31T00:00:00+01:00"
        raise node.wrong(f"{text!r} is neither a calendar day nor an instant with its offset", cure) from None


def reachable(rules: Sequence[Node]) -> None:
    """Complain about a rule of a list that can never count, since one above it always has a value first."""
    for place, later in enumerate(rules):
        for earlier in rules[:place]:
            if _covers(earlier.mapping(), later.mapping()):
                why = f"this rule is never reached: the one in line {earlier.place.line} has a value whenever it would have one"
                raise later.wrong(why, "remove it, put it first, or give the other one a when: or a valid_from:")


def ids_are_read(name: str, node: Node) -> None:
    """Ids come from fields: a fixed one would make all records the same."""
    for rule in node.one_or_more() if name in _IDS else ():
        for word in ("value", "lookup", "default", "otherwise"):
            if word in rule.mapping():
                why = f"{name} is an id, which {word}: would make the same for different records"
                raise rule.mapping()[word].wrong(why, "read it from a field with from:")


def never_written(node: Node, what: str, words: Sequence[str] = ("value", "default")) -> None:
    """Complain about a rule that writes what only a record can know: a fixed word would be everybody's."""
    for rule in node.one_or_more():
        for word in words:
            if word in rule.mapping():
                why = f"{what} is read from a field, never written into a map"
                raise rule.mapping()[word].wrong(why, "read it with from:")


def amounts_agree(words: Mapping[str, Node]) -> None:
    """Gross, fee and net of a movement are in one currency and are three fields, not one read twice."""
    currencies = _paths(words["gross"], "currency")
    for name in ("fee", "net"):
        if name in words and (other := _paths(words[name], "currency")) and other.keys() != currencies.keys():
            why = f"{name} has its currency from {' or '.join(other)}, and gross from {' or '.join(currencies)}"
            cure = "one movement has one currency: name the same field at gross, fee and net"
            raise next(iter(other.values())).wrong(why, cure)
    for place, name in enumerate(_AMOUNTS):
        for before in _AMOUNTS[:place]:
            if not (_always(words, name) and _always(words, before) and ("fees" in words or "fee" in words)):
                continue
            first, second = _paths(words[before], "from"), _paths(words[name], "from")
            for path in second:
                if path in first:
                    odd, at = (before, first) if path == name else (name, second)  # a fee that reads fee is not the wrong one
                    why = f"{odd} is read from {path}, and so is {name if odd == before else before}"
                    raise at[path].wrong(why, "gross less fees is net: name the field of its own")


def times_are_the_gateways(words: Mapping[str, Node]) -> None:
    """A movement's times are in its record; the instant of landing would be another one after a backfill."""
    for name in _TIMES:
        for rule in words[name].one_or_more() if name in words else ():
            path = rule.mapping().get("from")
            if path is not None and path.content == "landed.as_of":
                raise path.wrong(f"{name} is when money moved, not when it was seen", "name a field of the record")


def words_are_listed(words: Mapping[str, Node], table: Callable[[Node], Node]) -> None:
    """A condition names a word that the kind's lookup lists: with any other the record is held, so the rule never counts."""
    kinds = [rule.mapping() for rule in words["kind"].one_or_more()]
    if any("lookup" not in kind or "otherwise" in kind for kind in kinds):
        return
    firsts = {kind["from"].one_or_more()[0].text() for kind in kinds}  # where it stands it decides; others stand in for it
    if len(firsts) > 1:
        return
    (first,) = firsts
    listed = [word for kind in kinds for word in table(kind["lookup"]).mapping()]
    for name, node in words.items():
        if name in ("record", "joins", "kind", "when", "needs", "date"):
            continue
        rules = node.mapping().values() if name == "detail" else node.one_or_more()
        for condition in [rule.mapping()["when"] for rule in rules if "when" in rule.mapping()]:
            allowed = condition.mapping()[first].one_or_more() if first in condition.mapping() else ()
            if allowed and not any(word.text() in listed for word in allowed):
                allowed[0].choice(dict.fromkeys(listed))


def joinable(node: Node, name: str, fields: Iterable[Sequence[str]]) -> None:
    """A join has a name of its own: neither `landed` nor the beginning of one of the record's own paths."""
    place = Node(node.key_place(name), name)
    if not _NAME.fullmatch(name) or name == "landed":
        raise place.wrong(f"{name!r} cannot name a join", "write small letters, digits and _, and not landed")
    for field in sorted(map(tuple, fields)):
        if len(field) > 1 and field[0] == name:
            why = f"{name!r} is also a group of the record's own fields, such as {'.'.join(field)}"
            raise place.wrong(why, "choose another name")


def _covers(earlier: Mapping[str, Node], later: Mapping[str, Node]) -> bool:
    for word in ("when", "needs"):
        if word in earlier and (word not in later or _said(earlier[word]) != _said(later[word])):
            return False
    if "valid_from" in earlier:
        since = valid_from(earlier["valid_from"])
        if "valid_from" not in later or valid_from(later["valid_from"]) < since:
            return False
    if "value" in earlier or "lookup" in earlier or "default" in earlier:
        return True
    if earlier["from"].content == "landed.as_of":
        return True
    read = {one.text() for one in later["from"].one_or_more()} if "from" in later else set()
    same = ("as" in earlier) == ("as" in later) and ("as" not in later or _said(earlier["as"]) == _said(later["as"]))
    return bool(read) and same and "lookup" not in later and read <= {one.text() for one in earlier["from"].one_or_more()}


def _said(node: Node) -> object:
    if isinstance(node.content, str):
        return node.content
    if isinstance(node.content, tuple):
        return tuple(_said(one) for one in node.content)
    return tuple(sorted((key, repr(_said(one))) for key, one in node.content.items()))


def _paths(node: Node, word: str) -> dict[str, Node]:
    rules = [rule.mapping() for rule in node.one_or_more()]
    return {path.text(): path for rule in rules if word in rule for path in rule[word].one_or_more()}


def _always(words: Mapping[str, Node], name: str) -> bool:
    """Whether a field has rules, and none of them waits for a condition."""
    rules = [rule.mapping() for rule in words[name].one_or_more()] if name in words else []
    return bool(rules) and not any("when" in rule or "needs" in rule for rule in rules)

"""Which rule of a field's list can never count, since one above it has a value whenever it would have one. For target maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from syncjob.mapping.conditions import valid_from
from syncjob.yamlfile import Node


def reachable(rules: Sequence[Node]) -> None:
    """Complain about a rule that is never reached."""
    for place, later in enumerate(rules):
        for earlier in rules[:place]:
            if _covers(earlier.mapping(), later.mapping()):
                why = f"this rule is never reached: the one in line {earlier.place.line} has a value whenever it would have one"
                raise later.wrong(why, "remove it, put it first, or give the other one a when: or a valid_from:")


def _covers(earlier: Mapping[str, Node], later: Mapping[str, Node]) -> bool:
    if not _counts_whenever(earlier, later):
        return False
    if _has_always(earlier):
        return True
    if "from" not in earlier or "from" not in later or "default" in later:
        return False
    if "same_currency" in earlier and "same_currency" not in later:
        return False
    read = {one.text() for one in later["from"].one_or_more()}
    return read <= {one.text() for one in earlier["from"].one_or_more()}


def _counts_whenever(earlier: Mapping[str, Node], later: Mapping[str, Node]) -> bool:
    """Whether the earlier rule counts wherever the later one does."""
    since = valid_from(earlier["valid_from"]) if "valid_from" in earlier else None
    if since is not None and ("valid_from" not in later or valid_from(later["valid_from"]) < since):
        return False
    if "when" not in earlier:
        return True
    asked = later["when"].mapping() if "when" in later else {}
    for name, words in earlier["when"].mapping().items():
        allowed = {one.text() for one in words.one_or_more()}
        if name not in asked or not {one.text() for one in asked[name].one_or_more()} <= allowed:
            return False
    return True


def _has_always(rule: Mapping[str, Node]) -> bool:
    if "value" in rule or "default" in rule or "role" in rule:
        return True
    return "join" in rule and any(
        {"value", "default"} & part.mapping().keys() and not {"when", "valid_from"} & part.mapping().keys()
        for part in rule["join"].sequence()
    )

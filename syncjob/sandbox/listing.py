"""List requests as Stripe answers them: newest first, cursors that are ids, filters, has_more, expand.

Times are Unix seconds.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from syncjob.sandbox.objects import Customer, Event, Subscription
from syncjob.sandbox.resources import RESOURCES, Resource
from syncjob.sandbox.shelf import Shelf
from syncjob.sandbox.world import World
from syncjob.sandbox.writer import EXPANDABLE, Writer, branches, to_bytes

TYPES_MAX = 20
EXPAND_DEPTH_MAX = 4
_NAME = re.compile(r"([a-z_]+)(?:\[([a-z_]*|\d+)\])?")
_BOUNDS = ("gt", "gte", "lt", "lte")


class Refusal(Exception):
    """An error that Stripe would answer with."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param

    def body(self) -> dict[str, Any]:
        """Stripe's error body."""
        error = {"code": self.code, "message": self.message, "param": self.param, "type": "invalid_request_error"}
        return {"error": {name: value for name, value in error.items() if value is not None}}


class Request(NamedTuple):
    """A list request, understood: page, cursors, bounds of time by field, equal fields, types, expansions."""

    limit: int
    starting_after: str | None
    ending_before: str | None
    bounds: Mapping[str, Mapping[str, int]]
    equal: Mapping[str, str]
    types: Sequence[str]
    expand: Sequence[str]


def _whole(text: str, param: str) -> int:
    if not re.fullmatch(r"-?\d{1,15}", text):
        raise Refusal(400, f"Invalid integer: {text}", "parameter_invalid_integer", param)
    return int(text)


def _limit(text: str) -> int:
    limit = _whole(text, "limit")
    if limit < 1:
        message = "This value must be greater than or equal to 1."
        raise Refusal(400, message, "parameter_invalid_integer", "limit")
    if limit > 100:
        raise Refusal(400, "This value must be less than or equal to 100.", "parameter_invalid_integer", "limit")
    return limit


def understood(resource: Resource, query: str) -> Request:
    """Read a query string as Stripe does: unknown parameters are refused, lists may be numbered."""
    limit, plain, types, expand = 10, {}, [], []
    bounds: dict[str, dict[str, int]] = {}
    known = {*resource.indexed, *resource.fields, "starting_after", "ending_before"}
    known |= {"Movement": {"payout"}, "Event": {"type"}, "Subscription": {"status"}}.get(resource.type.__name__, set())
    for name, text in parse_qsl(query, keep_blank_values=True):
        match = _NAME.fullmatch(name)
        head, inner = (match[1], match[2]) if match else (name, None)
        if head == "limit" and inner is None:
            limit = _limit(text)
        elif head == "expand" and inner is not None and (inner == "" or inner.isdigit()):
            expand.append(text)
        elif head == "types" and resource.type is Event and inner is not None:
            types.append(text)
        elif head == "created" or head in resource.times:
            if inner is None:
                bounds.setdefault(head, {}).update(gte=_whole(text, head), lte=_whole(text, head))
            elif inner in _BOUNDS:
                bounds.setdefault(head, {})[inner] = _whole(text, name)
            else:
                raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        elif name in known:
            plain[name] = text
        else:
            raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
    after, before = plain.pop("starting_after", None), plain.pop("ending_before", None)
    if after is not None and before is not None:
        message = "You may only specify one of these parameters: starting_after, ending_before."
        raise Refusal(400, message, "parameters_exclusive")
    if len(types) > TYPES_MAX:
        raise Refusal(400, f"Array types exceeded maximum {TYPES_MAX} allowed elements.", None, "types")
    if types and "type" in plain:
        message = "You may only specify one of these parameters: type, types."
        raise Refusal(400, message, "parameters_exclusive")
    return Request(limit, after, before, bounds, plain, types, expand)


def expansion(resource: Resource, paths: Iterable[str], prefix: str) -> list[str]:
    """The paths to expand inside one object; what Stripe cannot expand is refused."""
    inside = []
    for path in paths:
        parts = path.split(".")
        if len(parts) > EXPAND_DEPTH_MAX:
            raise Refusal(400, f"You cannot expand more than {EXPAND_DEPTH_MAX} levels of a property.", None, "expand")
        if prefix and parts[0] != prefix:
            message = f"This property cannot be expanded ({path}). You may want to try expanding 'data.{path}' instead."
            raise Refusal(400, message, None, "expand")
        path = path[len(prefix) + 1 :] if prefix else path
        names = EXPANDABLE[resource.type]
        if not any(path == name or path.startswith(name + ".") for name in names):
            raise Refusal(400, f"This property cannot be expanded ({path}).", None, "expand")
        inside.append(path)
    return inside


class Lists:
    """Answers list and single requests about one world, as JSON bytes."""

    def __init__(self, world: World, writer: Writer) -> None:
        self._world, self._writer = world, writer

    def one(self, path: str, id: str, query: str) -> bytes:
        """One object by its id."""
        resource = RESOURCES[path]
        expand = []
        for name, text in parse_qsl(query, keep_blank_values=True):
            if not re.fullmatch(r"expand\[\d*\]", name):
                raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
            expand.append(text)
        shelf = resource.shelf(self._world)
        place = self._place(resource, shelf, id)
        if place is None and resource.type is Customer:
            place = shelf.place.get(id)  # a deleted customer is still told of, in three words
        if place is None:
            raise Refusal(404, f"No such {resource.noun}: '{id}'", "resource_missing", "id")
        tree = branches(expansion(resource, expand, ""))
        return self._writer.row(shelf.rows[place], shelf.version.get(place, 0), tree)

    def inner(self, path: str, id: str, field: str, query: str) -> bytes:
        """One page of a list that stands inside an object, newest first; only cursors and a limit are understood."""
        outer = json.loads(self.one(path, id, "expand[]=refunds" if path == "charges" else ""))
        rows = outer[field]["data"]
        asked = dict(parse_qsl(query, keep_blank_values=True))
        for name in asked.keys() - {"limit", "starting_after", "ending_before"}:
            raise Refusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        limit = _limit(asked.get("limit", "10"))
        places = {row["id"]: place for place, row in enumerate(rows)}
        for name in ("starting_after", "ending_before"):
            if name in asked and asked[name] not in places:
                raise Refusal(400, f"No such object: '{asked[name]}'", "resource_missing", name)
        if "ending_before" in asked:
            rows = rows[: places[asked["ending_before"]]]
            shown = rows[-limit:]
        else:
            rows = rows[places[asked["starting_after"]] + 1 :] if "starting_after" in asked else rows
            shown = rows[:limit]
        page = {"object": "list", "data": shown, "has_more": len(rows) > limit, "url": outer[field]["url"]}
        return to_bytes(page)

    def page(self, path: str, query: str, late_seconds: int = 0, repeat: bool = False, endless: str = "") -> bytes:
        """One page of a list; `late_seconds` hides what is younger, `repeat` shows the cursor's row once more.

        An `endless` list always promises more: behind its end it shows the last row again ("repeat") or nothing ("empty").
        """
        resource = RESOURCES[path]
        request = understood(resource, query)
        tree = branches(expansion(resource, request.expand, "data"))
        shelf = resource.shelf(self._world)
        low, high = self._span(resource, shelf, request, self._world.clock - late_seconds)
        upward = request.ending_before is not None
        cursor = request.ending_before if upward else request.starting_after
        limit = request.limit
        if cursor is not None:
            place = self._place(resource, shelf, cursor)
            if place is None:
                param = "ending_before" if upward else "starting_after"
                raise Refusal(400, f"No such {resource.noun}: '{cursor}'", "resource_missing", param)
            if upward:
                low = max(low, place if repeat else place + 1)
            else:
                high = min(high, place + 1 if repeat else place)
            # A page of one row that is the cursor's row again would never end.
            limit += 1 if repeat and limit == 1 else 0
        places = self._places(resource, shelf, request, low, max(low, high), upward)
        found = list(islice(places, limit + 1))
        shown = found[:limit]
        if upward:
            shown.reverse()
        if endless == "repeat" and not shown and cursor is not None:
            shown = [shelf.place[cursor]]
        rows, versions, row = shelf.rows, shelf.version, self._writer.row
        data = b",".join([row(rows[place], versions.get(place, 0), tree) for place in shown])
        return b'{"object":"list","data":[%b],"has_more":%b,"url":"/v1/%b"}' % (
            data,
            b"true" if endless or len(found) > limit else b"false",
            path.encode(),
        )

    def _place(self, resource: Resource, shelf: Shelf[Any], id: str) -> int | None:
        place = shelf.place.get(id)
        if place in shelf.gone:
            return None
        if place is not None and resource.type is Event and self._aged(shelf.created[place]):
            return None
        return place

    def _aged(self, created: int) -> bool:
        return created < self._world.kept_since()

    def _span(self, resource: Resource, shelf: Shelf[Any], request: Request, until: int) -> tuple[int, int]:
        bounds = request.bounds.get("created", {})
        since = [bounds[name] + (name == "gt") for name in ("gte", "gt") if name in bounds]
        if resource.type is Event:
            since.append(self._world.kept_since())
        untils = [until] + [bounds[name] - (name == "lt") for name in ("lte", "lt") if name in bounds]
        return shelf.span(max(since) if since else None, min(untils))

    def _places(
        self, resource: Resource, shelf: Shelf[Any], request: Request, low: int, high: int, upward: bool
    ) -> Iterator[int]:
        lists = [shelf.places(index, request.equal[name]) for name, index in resource.indexed.items() if name in request.equal]
        if "payout" in request.equal:
            lists.append(self._members(request.equal["payout"]))
        walk: Iterable[int]
        if resource.type is Event and (request.types or "type" in request.equal):
            walk = self._of_types(shelf, request, low, high, upward)
        elif lists:
            lists.sort(key=len)
            walk = _cut(lists[0], low, high, upward)
            for other in lists[1:]:
                # The longer list may be the whole ledger, so it is searched and never copied.
                walk = _both(walk, other)
        else:
            walk = range(low, high) if upward else range(high - 1, low - 1, -1)
        tests = self._tests(resource, request)
        rows = shelf.rows
        if shelf.gone:
            gone = shelf.gone
            return (place for place in walk if place not in gone and all(test(rows[place]) for test in tests))
        return (place for place in walk if all(test(rows[place]) for test in tests))

    def _members(self, id: str) -> Sequence[int]:
        place = self._world.payouts.place.get(id)
        if place is None:
            raise Refusal(400, f"No such payout: '{id}'", "resource_missing", "payout")
        if not self._world.payouts.rows[place].automatic:
            message = "Balance transaction history can only be filtered on automatic transfers, not manual."
            raise Refusal(400, message, None, "payout")
        return self._world.ledger.members[id]

    def _of_types(self, shelf: Shelf[Any], request: Request, low: int, high: int, upward: bool) -> Iterable[int]:
        wanted: set[str] = set()
        for name in request.types or [request.equal["type"]]:
            known = shelf.index["type"]
            if name.endswith("*"):
                wanted.update(type for type in known if type.startswith(name[:-1]))
            else:
                wanted.add(name)
        cuts = [_cut(shelf.places("type", name), low, high, upward) for name in sorted(wanted)]
        return merge(*cuts, reverse=not upward)

    def _tests(self, resource: Resource, request: Request) -> list[Callable[[Any], bool]]:
        tests: list[Callable[[Any], bool]] = []
        for name, field in resource.fields.items():
            if name in request.equal:
                tests.append(lambda it, field=field, value=request.equal[name]: field(it) == value)  # type: ignore[misc]
        for name, time in resource.times.items():
            for bound, limit in request.bounds.get(name, {}).items():
                tests.append(_bounded(time, bound, limit))
        if resource.type is Subscription:
            status = request.equal.get("status")
            if status is None:
                # Cancelled subscriptions are hidden unless asked for.
                tests.append(lambda it: it.status != "canceled")
            elif status != "all":
                ended = {"canceled"} if status == "ended" else {status}
                tests.append(lambda it: it.status in ended)
        return tests


def _bounded(time: Callable[[Any], int | None], bound: str, limit: int) -> Callable[[Any], bool]:
    def test(it: Any) -> bool:
        at = time(it)
        if at is None:
            return False
        return {"gt": at > limit, "gte": at >= limit, "lt": at < limit, "lte": at <= limit}[bound]

    return test


def _cut(places: Sequence[int], low: int, high: int, upward: bool) -> Iterator[int]:
    first, last = bisect_left(places, low), bisect_left(places, high)
    order = range(first, last) if upward else range(last - 1, first - 1, -1)
    return (places[index] for index in order)


def _both(walk: Iterable[int], other: Sequence[int]) -> Iterator[int]:
    for place in walk:
        at = bisect_left(other, place)
        if at < len(other) and other[at] == place:
            yield place

"""A second server that speaks Stripe's API, and that others wrote: localstripe, behind a layer that lists as Stripe does.

localstripe knows most objects but lists them oldest first and knows few filters. The layer changes lists and nothing else:
newest first, `created` and `types[]` filters, pages by `limit` and `starting_after`. Whatever localstripe lacks is lacking here
too, with localstripe's own answer. Each runs on a loopback port; localstripe is a program of its own and is only started here.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

PACKAGE = "localstripe"
KEY = "sk_test_sandbox"
_SECONDS_MAX = 30
_LIST = re.compile(r"/v1/[a-z_]+")
_PAGE, _PAGE_MAX = 10, 100
_CREATED = re.compile(r"created(?:\[(gte?|lte?)\])?")
_OURS = re.compile(rf"limit|starting_after|types\[\]|{_CREATED.pattern}")
# Started as it is, localstripe would listen on every address and write all it holds into one file that every copy shares.
_PROGRAM = """
import socket
from aiohttp import web
from localstripe import resources, server

resources.Store.dump_to_disk = lambda self: None
door = socket.create_server(("127.0.0.1", 0))
print("ready", door.getsockname()[1], flush=True)
web.run_app(server.app, sock=door, print=None, access_log=None)
"""

Params = Sequence[tuple[str, str]]


def is_installed() -> bool:
    """Whether localstripe is there; it is not imported for that, since it runs in its own process."""
    return importlib.util.find_spec(PACKAGE) is not None


@dataclass(frozen=True)
class Answer:
    """What came back, as it was sent."""

    status: int
    kind: str
    content: bytes

    @property
    def body(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Server:
    """Something that speaks Stripe's API at a base URL. `asked` are the paths that were asked of the layer, in their order."""

    url: str
    asked: list[str] = field(default_factory=list)
    _opener: OpenerDirector = field(default_factory=lambda: build_opener(ProxyHandler({})))

    def answer(
        self, method: str, target: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request, and what came back whatever its status."""
        wish = Request(f"{self.url}{target}", content, dict(headers or {}), method=method)  # noqa: S310 - our own loopback
        try:
            with self._opener.open(wish, timeout=_SECONDS_MAX) as came:
                return Answer(came.status, came.headers["Content-Type"], came.read())
        except HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.headers["Content-Type"], refused.read())

    def make(self, place: str, **fields: str) -> Any:
        """Create or change something, as an integration of the shop would; `metadata__number` stands for metadata[number]."""
        named = [(re.sub(r"__(\w+?)(?=__|$)", r"[\1]", name), text) for name, text in fields.items()]
        answer = self.answer("POST", f"/v1/{place}", urlencode(named).encode(), _HEADERS)
        assert answer.status == 200, f"{place}: {answer.status} {answer.content!r}"
        return answer.body

    def rows(self, place: str, **filters: str) -> list[Any]:
        """The first page of a list."""
        found: list[Any] = self.answer("GET", f"/v1/{place}?{urlencode(filters)}", headers=_HEADERS).body["data"]
        return found


_HEADERS = {"Authorization": f"Bearer {KEY}"}


# ---------------------------------------------------------------- the layer


def page_of(rows: Sequence[Any], place: str, params: Params) -> Answer:
    """The page of a list that Stripe would give: newest first, filtered, from where it was asked to go on."""
    found = sorted(rows, key=lambda row: row["created"])  # those of one second stand as they were made, in all its lists
    found.reverse()
    told = dict(params)
    if after := told.get("starting_after"):
        ids = [row["id"] for row in found]
        if after not in ids:
            return _refusal(400, f"No such object: '{after}'", code="resource_missing", param="starting_after")
        found = found[ids.index(after) + 1 :]
    for name, text in params:
        if (filtered := _CREATED.fullmatch(name)) is not None:
            found = [row for row in found if _fits(row["created"], filtered[1], int(text))]
    if types := [text for name, text in params if name == "types[]"]:
        found = [row for row in found if row["type"] in types]
    size = min(int(told.get("limit", _PAGE)), _PAGE_MAX)
    return _json(200, {"object": "list", "url": place, "has_more": len(found) > size, "data": found[:size]})


def _fits(created: int, word: str | None, bound: int) -> bool:
    match word:
        case "gt":
            return created > bound
        case "gte":
            return created >= bound
        case "lt":
            return created < bound
        case "lte":
            return created <= bound
    return created == bound


def _json(status: int, body: Any) -> Answer:
    return Answer(status, "application/json", json.dumps(body).encode())


def _refusal(status: int, message: str, **more: str) -> Answer:
    return _json(status, {"error": {"type": "invalid_request_error", "message": message, **more}})


class _Layer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: Server, asked: list[str], without: Sequence[str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.asked, self.without = behind, asked, without


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Layer

    def do_GET(self) -> None:
        place, params = urlsplit(self.path).path, parse_qsl(urlsplit(self.path).query, keep_blank_values=True)
        self.server.asked.append(place)
        if place.rpartition("/")[2] in self.server.without:
            self._say(self._behind("GET", f"{place}/no/such/place"))
            return
        theirs = [(name, text) for name, text in params if not _OURS.fullmatch(name)]
        answer = self._behind("GET", _target(place, theirs if _LIST.fullmatch(place) else params))
        if _LIST.fullmatch(place) and _is_list(answer):
            whole = [*theirs, ("limit", str(max(1, answer.body["total_count"])))]
            answer = page_of(self._behind("GET", _target(place, whole)).body["data"], place, params)
        self._say(answer)

    def do_POST(self) -> None:
        self._say(self._behind("POST", self.path, self.rfile.read(int(self.headers.get("Content-Length", "0")))))

    def do_DELETE(self) -> None:
        self._say(self._behind("DELETE", self.path))

    def _behind(self, method: str, target: str, content: bytes | None = None) -> Answer:
        kept = {name: text for name in ("Authorization", "Content-Type") if (text := self.headers.get(name))}
        return self.server.behind.answer(method, target, content, kept)

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _target(place: str, params: Params) -> str:
    return f"{place}?{urlencode(params)}" if params else place


def _is_list(answer: Answer) -> bool:
    return answer.status == 200 and answer.body.get("object") == "list"


# ---------------------------------------------------------------- both, running


@contextmanager
def second_server(without: Sequence[str] = ()) -> Iterator[Server]:
    """An empty account of localstripe's behind the layer; `without` are lists that it shall lack besides its own lacks."""
    with _behind() as behind:
        asked: list[str] = []
        with _Layer(behind, asked, without) as layer:
            thread = threading.Thread(target=layer.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield Server(f"http://127.0.0.1:{layer.server_address[1]}", asked)
            finally:
                layer.shutdown()
                thread.join()


@contextmanager
def _behind() -> Iterator[Server]:
    child = subprocess.Popen([sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        line = child.stdout.readline()
        if not line.startswith("ready "):
            raise AssertionError(f"localstripe did not start: {line}{child.communicate(timeout=_SECONDS_MAX)[1]}")
        yield Server(f"http://127.0.0.1:{int(line.split()[1])}")
    finally:
        child.terminate()
        child.communicate(timeout=_SECONDS_MAX)

"""A vendor played in this process: a function from request to reply, in the place where connections would be opened.

Everything above the connection is the real client: paths, headers, retries, strict answers. No socket is opened, nobody
waits, and every request is written down, so that a test can say what was asked and that nothing was written.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from syncjob.http import Http, Meter

_READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Request:
    """What a connector asked: `path` without the query, `params` as they came, header names in lower case."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    target: str  # path and query as they were sent

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor answers: JSON (or bytes as they are), with further headers."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Vendor: TypeAlias = Callable[[Request], Reply]


class Silence(Exception):
    """Raised by a played vendor: the connection breaks and no answer comes."""


class Wire:
    """The connection to a played vendor; `requests` are all that came, `now` (UTC) is the vendor's clock."""

    def __init__(self, vendor: Vendor, now: datetime) -> None:
        self.vendor = vendor
        self.now = now
        self.requests: list[Request] = []

    def http(self) -> Http:
        """A client whose every connection, to whatever origin, leads to the vendor."""
        meter = Meter()
        meter.add("free retries", requests=100_000)  # a test that breaks answers must not run out of them
        return _Played(
            "https://localhost",
            player=_Player(self),
            sleep=lambda _: None,
            monotonic=lambda: 0.0,
            now=lambda: self.now,
            random=lambda: 0.0,
            meter=meter,
        )

    def writes(self, stand_in: object = None) -> list[Request]:
        """The requests that are more than a question; a stand-in's READS are paths that only read, though by POST."""
        reads = getattr(stand_in, "READS", ())
        return [one for one in self.requests if one.method not in _READING and one.path not in reads]

    def answer(self, request: Request) -> Reply:
        """Write a request down and let the vendor answer it."""
        self.requests.append(request)
        return self.vendor(request)


class _Played(Http):
    def __init__(self, base_url: str, *, player: HTTPAdapter, **settings: Any) -> None:
        super().__init__(base_url, **settings)
        self._player = player
        _mount(self, player)

    def at(self, base_url: str, **settings: Any) -> Http:
        """The same vendor at another origin."""
        return _mount(super().at(base_url, **settings), self._player)


def _mount(http: Http, player: HTTPAdapter) -> Http:
    http._session.mount("https://", player)
    http._session.mount("http://", player)
    return http


class _Player(HTTPAdapter):
    """What requests takes for a connection."""

    def __init__(self, wire: Wire) -> None:
        super().__init__()
        self._wire = wire

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Answer one request; a vendor's Silence is a broken connection."""
        parts = urlsplit(str(request.url))
        body = request.body or b""
        asked = Request(
            str(request.method),
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name.lower(): str(value) for name, value in request.headers.items()},
            body if isinstance(body, bytes) else str(body).encode(),
            parts.path + (f"?{parts.query}" if parts.query else ""),
        )
        try:
            reply = self._wire.answer(asked)
        except Silence as silence:
            raise requests.ConnectionError(str(silence)) from None
        content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            "Date": format_datetime(self._wire.now, usegmt=True),
            **reply.headers,
        }
        raw = urllib3.HTTPResponse(io.BytesIO(content), headers, reply.status, preload_content=False)
        return self.build_response(request, raw)

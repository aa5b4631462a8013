"""The client: one vendor's API at one origin, strict about what it sends and what it takes for an answer.

Two tables say what a status means, one for reading and one for writing; tenacity repeats what passes by itself. Every wait,
clock and random number is an argument. Bytes, time and attempts are bounded, redirects are not followed, certificates are
always checked, and proxy settings come from the configuration only.
"""

from __future__ import annotations

import re
import threading
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import requests
import tenacity

from syncjob import strictjson
from syncjob.errors import ConnectorDown, Misconfigured, NeedsPerson, NotSent, OutcomeUnknown, SyncjobError, TryLater
from syncjob.http import wire
from syncjob.http.verdicts import (
    READING,
    WAIT_SECONDS_MAX,
    WRITING,
    Refusal,
    Table,
    backoff_seconds,
    message,
    retry_after_seconds,
    said,
    sentence,
    verdict,
)
from syncjob.model import Json
from syncjob.moment import from_http
from syncjob.redact import Secret, clean

ATTEMPTS_MAX = 5
RETRIES_FLOOR = 10  # of a run, before its share counts
RETRIES_PERCENT = 20
BYTES_MAX = 32 * 1024 * 1024
_ERROR_BYTES_MAX = 64 * 1024
_CHUNK_BYTES = 256 * 1024
_CODINGS = {"": 0, "identity": 0, "gzip": 31}  # to zlib's window bits
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class _Asked(TryLater):
    """The other side said how long to wait."""

    wait_seconds: float = 0.0


class _Garbled(SyncjobError):
    """An answer came that is no answer: not JSON, half of it, a page of somebody else's."""


class _TooLong(ConnectorDown):
    """An answer without end."""


class _Final(TryLater):
    """Would pass by itself, but the other side says that repeating does not help."""


# ---------------------------------------------------------------- what is counted


@dataclass(slots=True)
class Count:
    """Requests, bytes received and retries of one part of a vendor's API."""

    requests: int = 0
    bytes: int = 0
    retries: int = 0


@dataclass(slots=True)
class Meter:
    """Counts one run's requests by host and first two parts of the path, and tells whether it may still repeat any."""

    counts: dict[str, Count] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, place: str, *, requests: int = 0, bytes: int = 0, retries: int = 0) -> None:
        """Count something, from any thread."""
        with self._lock:
            count = self.counts.setdefault(place, Count())
            count.requests += requests
            count.bytes += bytes
            count.retries += retries

    def total(self) -> Count:
        """Everything together."""
        with self._lock:
            every = tuple(self.counts.values())
        return Count(sum(one.requests for one in every), sum(one.bytes for one in every), sum(one.retries for one in every))

    def may_retry(self) -> bool:
        """Whether the run's retries are within their share of its requests, so that an outage is not made worse."""
        total = self.total()
        return total.retries < max(RETRIES_FLOOR, total.requests * RETRIES_PERCENT // 100)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `body` is the JSON, `seen_at` the other side's own clock (UTC), header names are lower case."""

    status: int
    body: Json
    seen_at: datetime
    headers: Mapping[str, str]


def path(*parts: str) -> str:
    """A path from its parts, each percent-encoded, so that an id with a slash in it stays one part."""
    return "".join("/" + quote(part, safe="") for part in parts)


# ---------------------------------------------------------------- the client


class Http:
    """One vendor's API at one origin; keeps its connections open. Safe for several threads."""

    def __init__(
        self,
        base_url: str,
        *,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
        now: Callable[[], datetime],
        random: Callable[[], float],
        meter: Meter,
        secret: Secret | None = None,
        headers: Mapping[str, str] | None = None,
        proxy: str = "",
        ca_bundle: str = "",
        key_place: str = "the key in syncjob.yaml",
        retry_header: str = "",
    ) -> None:
        self.base_url = _checked(base_url)
        self.meter = meter
        self._sleep, self._monotonic, self._now, self._random = sleep, monotonic, now, random
        if ca_bundle and not Path(ca_bundle).is_file():
            raise Misconfigured(f"ca_bundle is {ca_bundle!r}, and there is no such file")
        self._secret, self._headers = secret, dict(headers or {})
        self._proxy, self._ca_bundle = proxy, ca_bundle
        self._key_place, self._retry_header = key_place, retry_header
        self._session = wire.session(proxy, ca_bundle)
        self._host = urlsplit(self.base_url).netloc

    def at(
        self,
        base_url: str,
        *,
        secret: Secret | None = None,
        headers: Mapping[str, str] | None = None,
        key_place: str = "",
        retry_header: str = "",
    ) -> Http:
        """The same clocks, meter and proxy for another origin and key; nothing of this one's key goes there."""
        return Http(
            base_url,
            sleep=self._sleep,
            monotonic=self._monotonic,
            now=self._now,
            random=self._random,
            meter=self.meter,
            secret=secret,
            headers=headers,
            proxy=self._proxy,
            ca_bundle=self._ca_bundle,
            key_place=key_place or self._key_place,
            retry_header=retry_header,
        )

    def get(self, path: str, params: Sequence[tuple[str, str]] = (), expect: Collection[int] = ()) -> Answer:
        """Read. Answers 200 and, as they are, the statuses in `expect`.

        Raises TryLater when it did not work for now, ConnectorDown when the answers make no sense, NeedsPerson for the key,
        RecordRefused for what the vendor refuses (400, 404, 410, 422).
        """
        target = path + ("?" + urlencode(params) if params else "")
        try:
            return self._repeated(lambda: self._attempt(READING, "GET", target, None, {}, expect), target, _READ_AGAIN)
        except _Garbled as wrong:
            raise ConnectorDown(str(wrong)) from wrong
        except (NotSent, OutcomeUnknown) as wrong:
            raise TryLater(str(wrong)) from wrong

    def post(
        self,
        path: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        replayable: bool = False,
        expect: Collection[int] = (),
        method: str = "POST",
    ) -> Answer:
        """Write these exact bytes; repeats by itself only what never left, what was put off, or all if `replayable`.

        Raises NotSent, TryLater, RecordRefused, NeedsPerson where nothing was done, and OutcomeUnknown where nobody can tell.
        """
        extra = {"Content-Type": "application/json", **(headers or {})}
        again = _REPLAY if replayable else _WRITE_AGAIN
        try:
            return self._repeated(lambda: self._attempt(WRITING, method, path, body, extra, expect), path, again)
        except (_Garbled, _TooLong) as wrong:
            raise OutcomeUnknown(str(wrong)) from wrong

    def _repeated(self, attempt: Callable[[], Answer], target: str, again: tuple[Refusal, ...]) -> Answer:
        place = self._place(target)
        retrying = tenacity.Retrying(
            sleep=self._sleep,
            stop=lambda state: state.attempt_number >= ATTEMPTS_MAX or not self.meter.may_retry(),
            wait=lambda state: self._wait_seconds(state.attempt_number, state.outcome.exception() if state.outcome else None),
            retry=tenacity.retry_if_exception(lambda wrong: _passes(wrong, again)),
            before_sleep=lambda _: self.meter.add(place, retries=1),
            reraise=True,
        )
        return retrying(attempt)

    def _wait_seconds(self, attempt: int, wrong: BaseException | None) -> float:
        backoff = backoff_seconds(attempt, self._random())
        return max(backoff, wrong.wait_seconds) if isinstance(wrong, _Asked) else backoff

    def _place(self, target: str) -> str:
        return self._host + "/".join(target.partition("?")[0].split("/")[:3])

    # ------------------------------------------------------------ one attempt

    def _attempt(
        self, table: Table, method: str, target: str, body: bytes | None, extra: Mapping[str, str], expect: Collection[int]
    ) -> Answer:
        if not target.startswith("/") or target.startswith("//"):
            raise ValueError(f"{target!r} is no path under {self.base_url}")
        place, asked = self._place(target), f"{method} {self.base_url}{target.partition('?')[0]}"
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "syncjob", **self._headers, **extra}
        if self._secret is not None:
            headers["Authorization"] = f"Bearer {self._secret.reveal()}"
        ends = self._monotonic() + wire.REQUEST_SECONDS_MAX
        wire.LIMIT.seconds_left = lambda: ends - self._monotonic()
        self.meter.add(place, requests=1)
        try:
            with self._session.request(
                method,
                self.base_url + target,
                data=body,
                headers=headers,
                timeout=(wire.CONNECT_SECONDS, wire.READ_SECONDS),
                allow_redirects=False,
                stream=True,
            ) as response:
                refusal = None if response.status_code in expect else verdict(table, response.status_code)
                content = self._content(response, place, asked) if refusal is None else self._reason(response, place, asked)
        except wire.FAILURES as wrong:
            raise wire.silence(wrong, asked, self._proxy) from None
        found = {name.lower(): text for name, text in response.headers.items()}
        seen_at = from_http(found.get("date", "")) or self._now()
        if refusal is not None:
            raise self._refusal(refusal, response.status_code, found, content, asked, seen_at)
        if response.status_code >= 400:  # it was expected: the status is the answer, whatever else is said
            return Answer(response.status_code, _if_json(content), seen_at, found)
        understood = _understood(content, found, asked, response.status_code, self._without_key)
        return Answer(response.status_code, understood, seen_at, found)

    def _reason(self, response: requests.Response, place: str, asked: str) -> bytes:
        """What a refusal says; the status alone is definite, so what cannot be read of the rest is nothing."""
        try:
            return self._content(response, place, asked, _ERROR_BYTES_MAX)
        except (_Garbled, _TooLong, *wire.FAILURES):
            return b""

    def _content(self, response: requests.Response, place: str, asked: str, bytes_max: int = BYTES_MAX) -> bytes:
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding not in _CODINGS:
            raise _Garbled(sentence(f"{asked}: the answer is encoded as {coding!r}, which was not asked for"))
        bits = _CODINGS[coding]
        inflate = zlib.decompressobj(bits) if bits else None
        received, size, pieces = 0, 0, []
        for chunk in response.raw.stream(_CHUNK_BYTES, decode_content=False):
            received += len(chunk)
            try:
                piece = inflate.decompress(chunk, bytes_max + 1 - size) if inflate else chunk
            except zlib.error as wrong:
                raise _Garbled(sentence(f"{asked}: the answer cannot be unpacked: {wrong}")) from None
            size += len(piece)
            pieces.append(piece)
            if received > bytes_max or size > bytes_max:
                raise _TooLong(sentence(f"{asked}: the answer is longer than {bytes_max} bytes"))
        self.meter.add(place, bytes=received)
        declared = response.headers.get("Content-Length", "")
        short = declared.isdecimal() and int(declared) != received
        if short or (inflate and (not inflate.eof or inflate.unused_data)):
            raise _Garbled(sentence(f"{asked}: the answer broke off after {received} bytes"))
        return b"".join(pieces)

    def _without_key(self, text: str) -> str:
        """What the other side said, without our own key, whatever shape that has: some repeat it in their refusal."""
        own = self._secret.reveal() if self._secret is not None else ""
        return text.replace(own, "[secret removed]") if own else text

    def _refusal(
        self, kind: Refusal, status: int, headers: Mapping[str, str], content: bytes, asked: str, seen_at: datetime
    ) -> SyncjobError:
        reason = self._without_key(said(content))
        told = f"{asked} was answered with {status}" + (f": {reason}" if reason else "")
        if kind is NeedsPerson:
            right = _RIGHT.search(reason)
            cure = f"give the key the right {right[1]}" if right else "give the key that right"
            cure = cure if status == 403 else "the key is wrong, expired or revoked: renew it"
            return NeedsPerson(sentence(told, f"{cure} ({self._key_place})"))
        if kind is TryLater and self._retry_header and headers.get(self._retry_header) == "false":
            return _Final(sentence(told))
        if kind is TryLater:
            return self._put_off(told, headers.get("retry-after", ""), seen_at)
        if 300 <= status < 400:
            return kind(sentence(f"{told}: a redirect, which is never followed", "look at base_url"))
        return kind(sentence(told))

    def _put_off(self, told: str, asked: str, seen_at: datetime) -> TryLater:
        seconds = retry_after_seconds(asked, seen_at)
        if seconds is None:
            return TryLater(sentence(told))
        later = _Asked(sentence(f"{told}, and asks to wait {seconds:.0f} s"), self._now() + timedelta(seconds=seconds))
        later.wait_seconds = seconds
        return later


_READ_AGAIN: tuple[Refusal, ...] = (TryLater, NotSent, OutcomeUnknown, _Garbled)
_WRITE_AGAIN: tuple[Refusal, ...] = (TryLater, NotSent)
_REPLAY: tuple[Refusal, ...] = (TryLater, NotSent, OutcomeUnknown, _Garbled)
_RIGHT = re.compile(r"'([\w.:-]+)' (?:permission|scope)")


def _passes(wrong: BaseException, again: tuple[Refusal, ...]) -> bool:
    """Whether it may pass within seconds."""
    if isinstance(wrong, _Final) or (isinstance(wrong, _Asked) and wrong.wait_seconds > WAIT_SECONDS_MAX):
        return False
    return isinstance(wrong, again)


def _understood(
    content: bytes, headers: Mapping[str, str], asked: str, status: int, without_key: Callable[[str], str]
) -> Json:
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status == 204 and not content:
        return None
    if not content:
        raise _Garbled(sentence(f"{asked}: the answer {status} is empty"))
    if kind != "application/json" and not kind.endswith("+json"):
        seen = kind or "of no type"
        raise _Garbled(sentence(f"{asked}: the answer {status} is {seen}, not JSON", "look at base_url and proxy"))
    try:
        body = strictjson.read(content, BYTES_MAX)
    except strictjson.BadJson as wrong:
        raise _Garbled(sentence(f"{asked}: {wrong}")) from None
    if status < 300 and isinstance(body, dict) and body.get("error"):
        raise _Garbled(sentence(f"{asked}: the answer {status} is an error: {without_key(message(body))}"))
    return body


def _if_json(content: bytes) -> Json:
    try:
        return strictjson.read(content, BYTES_MAX)
    except strictjson.BadJson:
        return None


def _checked(base_url: str) -> str:
    """A base URL that may be used: https, or http on this machine only; an origin and perhaps a path, nothing more."""
    parts = urlsplit(base_url)
    where = f"base_url is {clean(base_url)!r}"
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Misconfigured(f"{where}, which is no web address; write one like https://api.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise Misconfigured(f"{where}; write scheme, host and path only, and the key under key:")
    if parts.scheme == "http" and parts.netloc.rpartition(":")[0] not in _LOOPBACK and parts.netloc not in _LOOPBACK:
        raise Misconfigured(f"{where}: plain http would show the key to everybody on the way; write https://")
    return base_url.rstrip("/")

"""Stripe's read API over real HTTP, in a process of its own: python -m syncjob.sandbox.stripe --scenario tidy.

Serves 127.0.0.1 only; the clock is simulated and stands still until told to advance.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from itertools import count
from queue import Empty, SimpleQueue
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, NamedTuple

from syncjob.sandbox import bodies, scenarios
from syncjob.sandbox.control import Control
from syncjob.sandbox.fronts import Front, Fronts
from syncjob.sandbox.listing import Refusal
from syncjob.sandbox.quirks import BURST_COUNT, STALL_SECONDS_MAX, Quirk
from syncjob.sandbox.resources import INNER, RESOURCES
from syncjob.sandbox.shapes_connect import account
from syncjob.sandbox.world import World
from syncjob.sandbox.writer import API_VERSION, to_bytes

SECRET_KEY = "sk_test_sandbox"  # noqa: S105 - it opens nothing but this
RESTRICTED_KEY = "rk_test_sandbox"
LIMITED_KEY = "rk_test_limited"
KEYS: Mapping[str, str] = {SECRET_KEY: "secret", RESTRICTED_KEY: "restricted", LIMITED_KEY: "limited"}
# What the limited key may not read -> the permission that Stripe would name.
_FORBIDDEN = {"events": "rak_event_read", "account": "rak_account_read"}
MAX_SECONDS = 24 * 3_600
_BODY_BYTES_MAX = 1_000_000
_CURSOR = re.compile(r"(?:starting_after|ending_before)=(\w+)")


class Answer(NamedTuple):
    """A response, not sent yet; a quirk may still hit it on the way."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    quirk: Quirk | None = None


class Sandbox:
    """A simulated Stripe account, and those connected to it, behind its routes; one request at a time touches the world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.fronts = Fronts(world)
        self.control = Control(self.fronts)
        self._lock = threading.Lock()
        self._request_count = count(1)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answer one request; what is not the simulator's own goes into the journal."""
        path, _, query = target.partition("?")
        if path.startswith("/_sandbox/"):
            with self._lock:
                status, value = self.control.answer(
                    method, path.removeprefix("/_sandbox/"), body, headers.get("Stripe-Account")
                )
            return Answer(status, to_bytes(value), self._usual_headers({}))
        quirks = self.control.quirks
        if quirks.active and (seconds := quirks.seconds_slow(path)):
            time.sleep(min(seconds, STALL_SECONDS_MAX))
        with self._lock:
            key, kind = _key(headers.get("Authorization"))
            struck = quirks.of_answer(path) if quirks.active else None
            whose = headers.get("Stripe-Account")
            answer = self._struck(struck) or self._answered(method, path, query, key, kind, whose)
            if struck is not None and answer.status == 200:
                mangled, extra = bodies.mangled(struck, answer.body)
                answer = answer._replace(body=mangled, headers={**answer.headers, **extra})
            answer = answer._replace(headers={**self._usual_headers(headers), **answer.headers}, quirk=struck)
            line = {"method": method, "path": target, "key": kind, "status": answer.status}
            self.control.journal.append({**line, "quirk": struck.name if struck else None})
        if struck is not None and struck.name == "timeout":
            time.sleep(min(struck.details.get("seconds", 2), STALL_SECONDS_MAX))
        return answer

    def _usual_headers(self, asked: Mapping[str, str]) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "Date": formatdate(self.world.clock, usegmt=True),
            "Request-Id": f"req_Sbx{next(self._request_count):06d}",
            "Stripe-Version": asked.get("Stripe-Version") or API_VERSION,
            **({"Stripe-Account": asked["Stripe-Account"]} if asked.get("Stripe-Account") else {}),
        }

    def _struck(self, quirk: Quirk | None) -> Answer | None:
        if quirk is None or quirk.name not in {"429", "500"}:
            return None
        if quirk.name == "500":
            error = {"message": "An unknown error occurred", "type": "api_error"}
            return Answer(500, to_bytes({"error": error}))
        wait = quirk.details.get("retry_after")
        error = {
            "code": "rate_limit",
            "message": "Request rate limit exceeded.",
            "type": "invalid_request_error",
        }
        return Answer(429, to_bytes({"error": error}), {} if wait is None else {"Retry-After": str(wait)})

    def _answered(self, method: str, path: str, query: str, key: str | None, kind: str, whose: str | None) -> Answer:
        try:
            self._admit(method, path, key, kind)
            front = self._front(whose, key)
            return Answer(200, self._read(front, path.removeprefix("/v1/"), path, query))
        except Refusal as refusal:
            headers = {"WWW-Authenticate": 'Basic realm="Stripe"'} if refusal.status == 401 else {}
            return Answer(refusal.status, to_bytes(refusal.body()), headers)

    def _admit(self, method: str, path: str, key: str | None, kind: str) -> None:
        if not path.startswith("/v1/"):
            raise Refusal(404, f"Unrecognized request URL ({method}: {path}).")
        if key is None:
            raise Refusal(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, "
                "using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        masked = _masked(key)
        if kind == "unknown":
            raise Refusal(401, f"Invalid API Key provided: {masked}")
        needed = _FORBIDDEN.get(path.split("/")[2])
        if kind == "limited" and needed is not None:
            raise Refusal(
                403,
                f"The provided key '{masked}' does not have the required permissions for this endpoint on account "
                f"'{self.world.account}'. Having the '{needed}' permission would allow this request to continue.",
                "more_permissions_required_for_application",
            )
        if method != "GET":
            raise Refusal(405, f"The sandbox only reads: {method} {path} is not offered.")

    def _front(self, whose: str | None, key: str | None) -> Front:
        """The account that is asked about. Raises Refusal where the key has no access to it."""
        if whose and whose != self.world.account and whose not in self.world.connected:
            raise Refusal(
                403,
                f"The provided key '{_masked(key or '')}' does not have access to account '{whose}' "
                "(or that account does not exist). Application access may have been revoked.",
                "account_invalid",
            )
        return self.fronts.of(whose)

    def _read(self, front: Front, route: str, path: str, query: str) -> bytes:
        head, _, id = route.partition("/")
        if head == "reserve":
            kind, _, id = id.partition("/")
            head = f"reserve/{kind}"
        if route == "balance":
            return to_bytes(_balance(front.world))
        if route == "account" or (head == "accounts" and id == front.world.account):
            return to_bytes(account(front.world.about))
        outer, _, field = id.partition("/")
        if (head, field) in INNER:
            return front.lists.inner(head, outer, field, query)
        if head not in RESOURCES or "/" in id or route.endswith("/"):
            raise Refusal(404, f"Unrecognized request URL (GET: {path}).")
        if id:
            return front.lists.one(head, id, query)
        quirks = self.control.quirks
        if not quirks.active:
            return front.lists.page(head, query)
        cursor = _CURSOR.search(query)
        if cursor is not None:
            self.control.meddle(path, front.world, cursor[1])
        repeats = cursor is not None and quirks.repeats(path)
        page = front.lists.page(head, query, quirks.late_seconds(path), repeats, quirks.endless(path))
        burst = quirks.first("same_second", path)
        if burst is not None:
            # The second is not over yet: as many again come right behind the back of whoever has just read.
            self.control.burst(burst.details.get("count", BURST_COUNT))
        return page


def _balance(world: World) -> dict[str, Any]:
    pending = world.ledger.pending(world.clock)
    totals = world.balances()
    available = {currency: total - pending.get(currency, 0) for currency, total in totals.items()}
    balance: dict[str, Any] = {"object": "balance", "available": [_money(available[currency], currency) for currency in totals]}
    if world.ledger.connect_reserved:
        balance["connect_reserved"] = [_money(*reserved) for reserved in _by_currency(world.ledger.connect_reserved)]
    # It overlaps with `available`: whoever adds the two has money that is not there.
    balance["instant_available"] = [_money(max(0, available.get(currency, 0)), currency) for currency in ("eur", "usd")]
    elsewhere = world.ledger.elsewhere
    if "issuing" in elsewhere:
        balance["issuing"] = {"available": [_money(*amount) for amount in _by_currency(elsewhere["issuing"])]}
    balance["livemode"] = False
    balance["pending"] = [_money(pending.get(currency, 0), currency) for currency in totals]
    for name in ("refund_and_dispute_prefunding", "risk_reserved"):
        if name in elsewhere:
            amounts = _by_currency(elsewhere[name])
            none = [_money(0, currency) for _, currency in amounts]
            balance[name] = {"available": [_money(*amount) for amount in amounts], "pending": none}
    return balance


def _by_currency(amounts: Mapping[str, int]) -> list[tuple[int, str]]:
    return [(amounts[currency], currency) for currency in sorted(amounts)]


def _money(amount: int, currency: str) -> dict[str, Any]:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _masked(key: str) -> str:
    return key[:8] + "*" * max(0, len(key) - 12) + key[-4:] if len(key) > 12 else "****"


def _key(authorization: str | None) -> tuple[str | None, str]:
    """The key of a request and its kind: secret, restricted, limited, unknown, none."""
    scheme, _, rest = (authorization or "").partition(" ")
    key = rest.strip()
    if scheme.lower() == "basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return "****", "unknown"
    elif scheme.lower() != "bearer":
        return None, "none"
    return (key, KEYS.get(key, "unknown")) if key else (None, "none")


class _Server(ThreadingMixIn, TCPServer):
    # werkzeug's server closes every connection after one answer; a client that keeps them open is what we want to see.
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox = sandbox
        self.broken: set[Any] = set()
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        if request in self.broken:
            # Closing without a farewell, and with nothing to linger for, is a reset.
            self.broken.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that hangs up is no news; anything else is our own bug and shows.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """End the connections that clients keep open, so that their threads end too."""
        for request in list(self._open):
            with suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > _BODY_BYTES_MAX:
            self.close_connection = True
            self._send(Answer(400, to_bytes({"error": {"message": "Invalid request body"}})))
            return
        body = self.rfile.read(int(length))
        self._send(
            self.server.sandbox.answer(
                self.command, self.path, {name.title(): text for name, text in self.headers.items()}, body
            )
        )

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = do_OPTIONS = _serve

    def _send(self, answer: Answer) -> None:
        quirk, body = answer.quirk, answer.body
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        lines.append(f"Content-Length: {bodies.length(quirk, body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if quirk is None:
            self.wfile.write(head + body)
        elif quirk.name != "reset":
            self.wfile.write(head)
            for piece, seconds in bodies.pieces(quirk, body):
                time.sleep(seconds)
                self.wfile.write(piece)
        else:
            self.wfile.write(head + body[: len(body) // 2])
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.server.broken.add(self.connection)
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the journal knows."""


@contextmanager
def running(world: World, port: int = 0) -> Iterator[str]:
    """Serve a world in a thread of this process for as long as the block lasts; gives the base URL."""
    with _Server(Sandbox(world), port) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.hang_up()
            thread.join()


def main(
    port: int = 0,
    scenario: str = "tidy",
    seed: int = 1,
    charges: int | None = None,
    clock: int | None = None,
    announce: Callable[[str], None] | None = None,
    max_seconds: float = MAX_SECONDS,
) -> int:
    """Serve a scenario until SIGTERM, SIGINT or `max_seconds` (real ones); OSError if the port is taken."""
    stop: SimpleQueue[None] = SimpleQueue()  # unlike an Event it may be filled by a handler that interrupts its own wait
    before: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for name in (signal.SIGTERM, signal.SIGINT):
            before[name] = signal.signal(name, lambda *_: stop.put(None))
    try:
        with running(World(scenario, seed, charges, clock), port) as url:
            (announce or _say)(f"ready {url}")
            with suppress(Empty):
                stop.get(timeout=max_seconds)
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
    return 0


def _say(line: str) -> None:
    # The one line that a parent process waits for.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--scenario", choices=scenarios.NAMES, default="tidy")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--charges", type=int, help='size of the scenario "bulk"')
    parser.add_argument("--clock", type=int, help="where the simulated clock stands, in Unix seconds")
    parser.add_argument("--max-seconds", type=float, default=MAX_SECONDS, help="stop by itself after so long")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main(**vars(_arguments())))
    except OSError as error:
        sys.exit(f"sandbox: {error}")

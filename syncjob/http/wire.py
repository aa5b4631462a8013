"""Connections that keep to the time limit of the whole request, and what it means when one fails."""

from __future__ import annotations

import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http import client
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from syncjob.errors import ConnectorDown, NotSent, OutcomeUnknown, SyncjobError
from syncjob.http.verdicts import sentence

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
REQUEST_SECONDS_MAX = 60.0
FAILURES = (requests.RequestException, urllib3.exceptions.HTTPError, client.HTTPException, OSError)


def silence(wrong: Exception, asked: str, proxy: str) -> SyncjobError:
    """What a failed exchange means: not sent, or nobody knows; a wrong certificate is final."""
    chain = list(_causes(wrong))
    origin = "/".join(asked.split("/")[:3]).partition(" ")[2]
    look = "look at the proxy setting" if proxy else "look at base_url, the network and the firewall"
    certificate = next((one for one in chain if isinstance(one, ssl.SSLCertVerificationError)), None)
    if certificate is not None:
        why = f"the certificate of {origin} is not valid here: {certificate.verify_message}"
        return ConnectorDown(sentence(why, "look at base_url, the clock of this machine and the CA bundle"))
    if any(isinstance(one, (urllib3.exceptions.NameResolutionError, socket.gaierror)) for one in chain):
        return NotSent(sentence(f"{origin} cannot be reached: its name is not known", look))
    if any(isinstance(one, ConnectionRefusedError) for one in chain):
        return NotSent(sentence(f"{origin} cannot be reached: connection refused", look))
    unsent = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError, requests.ConnectTimeout)
    if any(isinstance(one, unsent) for one in chain):
        return NotSent(sentence(f"{origin} cannot be reached: no connection within {CONNECT_SECONDS:.0f} s", look))
    if any(isinstance(one, (TimeoutError, requests.Timeout, urllib3.exceptions.TimeoutError)) for one in chain):
        return OutcomeUnknown(sentence(f"{asked}: no whole answer in time"))
    return OutcomeUnknown(sentence(f"{asked}: the connection broke ({type(chain[-1]).__name__})"))


def _causes(wrong: BaseException) -> Iterator[BaseException]:
    """An exception and all that stands behind it: in its cause, its context, its reason or its arguments."""
    waiting: list[Any] = [wrong]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]


class _Limit(threading.local):
    """How many seconds the request of this thread still has."""

    seconds_left: Callable[[], float] = staticmethod(lambda: REQUEST_SECONDS_MAX)


LIMIT = _Limit()


class _Bounded(io.RawIOBase):
    """A socket's bytes, each wait for which is cut to what is left of the whole request: a byte a second is not enough."""

    def __init__(self, connection: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._connection, self._raw, self._left = connection, raw, LIMIT.seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._left()
        if left <= 0:
            raise TimeoutError("the request's time is used up")
        self._connection.settimeout(min(left, READ_SECONDS))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(client.HTTPResponse):
    def __init__(self, connection: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(connection, *args, **kwargs)
        self.fp = io.BufferedReader(_Bounded(connection, self.fp.detach()))


class _Plain(HTTPConnection):
    response_class = _Response


class _Secure(HTTPSConnection):
    response_class = _Response


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    """requests' own adapter, whose connections keep to the time limit of the request."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager


def session(proxy: str, ca_bundle: str) -> requests.Session:
    """A session that takes nothing from the environment and always checks certificates."""
    opened = requests.Session()
    opened.trust_env = False  # neither proxies nor .netrc nor CA bundles from the environment
    opened.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    opened.verify = ca_bundle or True
    opened.proxies = {"http": proxy, "https": proxy} if proxy else {}
    opened.mount("https://", _Adapter(pool_maxsize=8))
    opened.mount("http://", _Adapter(pool_maxsize=8))
    return opened

"""Requests: what a status means, what is tried again and how long, and what is never taken for an answer."""

import gzip
import os
import shutil
import socket
import ssl
import subprocess
import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
import responses

from syncjob.errors import (
    ConnectorDown,
    Misconfigured,
    NeedsPerson,
    NotSent,
    OutcomeUnknown,
    RecordRefused,
    SyncjobError,
    TryLater,
)
from syncjob.http import READING, WRITING, Http, Meter, path, verdict
from syncjob.redact import Secret

NOON = datetime(2026, 11, 3, 12, tzinfo=UTC)
DATE = "Tue, 03 Nov 2026 12:00:00 GMT"
URL = "https://api.example.com"
JSON = {"Content-Type": "application/json", "Date": DATE}


class House:
    """A client whose clock moves only when it waits, and the waits it made."""

    def __init__(self, base_url: str = URL, chance: float = 1.0, tick: float = 0.0, **settings: object) -> None:
        self.waits: list[float] = []
        self.passed = 0.0
        self.tick = tick
        self.meter = Meter()
        self.http = Http(
            base_url,
            sleep=self.sleep,
            monotonic=self.monotonic,
            now=lambda: NOON + timedelta(seconds=self.passed),
            random=lambda: chance,
            meter=self.meter,
            **settings,  # type: ignore[arg-type]
        )

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.passed += seconds

    def monotonic(self) -> float:
        self.passed += self.tick
        return self.passed


@pytest.fixture
def vendor() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


def script(vendor: responses.RequestsMock, *answers: object, method: str = responses.GET) -> None:
    """The vendor's next answers: a status, a (status, headers) pair, an exception, or a body."""
    for answer in answers:
        if isinstance(answer, Exception):
            vendor.add(method, f"{URL}/v1/things", body=answer)
        elif isinstance(answer, bytes):
            vendor.add(method, f"{URL}/v1/things", body=answer, headers=JSON)
        else:
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            vendor.add(method, f"{URL}/v1/things", body=b'{"ok":true}', status=status, headers={**JSON, **headers})


# ---------------------------------------------------------------- the tables


def test_every_status_of_a_reading_has_one_meaning() -> None:
    meaning = {status: verdict(READING, status) for status in range(100, 700)}
    assert [status for status, kind in meaning.items() if kind is None] == [200]
    assert {status for status, kind in meaning.items() if kind is NeedsPerson} == {401, 403}
    assert {status for status, kind in meaning.items() if kind is RecordRefused} == {400, 404, 410, 422}
    later = {*range(201, 300), 408, 409, 425, 429, *range(500, 600)}
    assert {status for status, kind in meaning.items() if kind is TryLater} == later
    down = {*range(100, 200), *range(300, 400), *range(600, 700), *range(400, 500)} - later - {400, 401, 403, 404, 410, 422}
    assert {status for status, kind in meaning.items() if kind is ConnectorDown} == down


def test_every_status_of_a_writing_has_one_meaning() -> None:
    meaning = {status: verdict(WRITING, status) for status in range(200, 600)}
    assert {status for status, kind in meaning.items() if kind is None} == set(range(200, 300)) - {202}
    assert {status for status, kind in meaning.items() if kind is NeedsPerson} == {401, 403}
    assert {status for status, kind in meaning.items() if kind is TryLater} == {425, 429}
    unknown = {202, 408, 409, *range(300, 400), *range(500, 600)}
    assert {status for status, kind in meaning.items() if kind is OutcomeUnknown} == unknown
    refused = set(range(400, 500)) - {401, 403, 408, 409, 425, 429}
    assert {status for status, kind in meaning.items() if kind is RecordRefused} == refused


# ---------------------------------------------------------------- reading


def test_an_answer_brings_its_body_its_status_and_the_other_clock(vendor: responses.RequestsMock) -> None:
    script(vendor, b'{"amount": 1200, "rate": 1.05}')
    house = House(secret=Secret("sk_" + "test_x"), headers={"Stripe-Version": "1"})
    answer = house.http.get("/v1/things", [("created[gte]", "5"), ("expand[]", "data.source")])
    assert answer.body == {"amount": 1200, "rate": "1.05"}
    assert (answer.status, answer.seen_at) == (200, NOON)
    request = vendor.calls[0].request
    assert request.url == f"{URL}/v1/things?created%5Bgte%5D=5&expand%5B%5D=data.source"
    assert request.headers["Authorization"] == "Bearer sk_test_x"
    assert request.headers["Stripe-Version"] == "1"
    assert request.headers["Accept-Encoding"] == "gzip"


@pytest.mark.parametrize(
    "trouble", [500, 502, 503, 504, 408, 425, 429, 409, 204, requests.ConnectionError("reset"), requests.ReadTimeout()]
)
def test_what_passes_by_itself_is_tried_again(vendor: responses.RequestsMock, trouble: object) -> None:
    script(vendor, trouble, trouble, 200)
    house = House()
    assert house.http.get("/v1/things").status == 200
    assert house.waits == [0.5, 1.0]
    assert house.meter.counts["api.example.com/v1/things"].retries == 2


def test_waits_double_from_half_a_second_and_are_shared_out_by_chance(vendor: responses.RequestsMock) -> None:
    script(vendor, 500)
    house = House(chance=0.5)
    with pytest.raises(TryLater, match="answered with 500"):
        house.http.get("/v1/things")
    assert house.waits == [0.25, 0.5, 1.0, 2.0]
    assert len(vendor.calls) == 5


@pytest.mark.parametrize(
    ("asked", "waited"),
    [("7", 7.0), ("0", 0.5), ("-1", 0.5), ("soon", 0.5), ("", 0.5), ("Tue, 03 Nov 2026 12:00:09 GMT", 9.0), ("1e9", 0.5)],
)
def test_a_sensible_retry_after_is_kept_to(vendor: responses.RequestsMock, asked: str, waited: float) -> None:
    script(vendor, (429, {"Retry-After": asked}), 200)
    house = House()
    house.http.get("/v1/things")
    assert house.waits == [waited]


@pytest.mark.parametrize(
    ("asked", "hours"),
    [
        ("7200", 2),
        ("86400", 24),
        ("999999999", 24),
        ("Tue, 03 Nov 2026 15:00:00 GMT", 3),
        ("Wed, 03 Nov 2027 12:00:00 GMT", 24),
    ],
)
def test_a_longer_wait_is_left_to_the_next_run(vendor: responses.RequestsMock, asked: str, hours: int) -> None:
    script(vendor, (503, {"Retry-After": asked}))
    house = House()
    with pytest.raises(TryLater, match="asks to wait") as later:
        house.http.get("/v1/things")
    assert later.value.not_before == NOON + timedelta(hours=hours)
    assert house.waits == []


def test_a_run_repeats_a_fifth_of_its_requests_and_ten_at_least(vendor: responses.RequestsMock) -> None:
    script(vendor, 500)
    house = House()
    for _ in range(20):
        with pytest.raises(TryLater):
            house.http.get("/v1/things")
    assert house.meter.total().retries == 10
    house.meter.add("elsewhere", requests=1000)
    with pytest.raises(TryLater):
        house.http.get("/v1/things")
    assert house.meter.total().retries == 14


def test_the_other_side_may_say_that_repeating_does_not_help(vendor: responses.RequestsMock) -> None:
    script(vendor, (500, {"Stripe-Should-Retry": "false"}))
    with pytest.raises(TryLater):
        House(retry_header="stripe-should-retry").http.get("/v1/things")
    assert len(vendor.calls) == 1


@pytest.mark.parametrize(
    ("body", "headers", "sentence"),
    [
        (b"", JSON, "empty"),
        (b"<html>Welcome to the hotel</html>", {"Content-Type": "text/html"}, "text/html, not JSON"),
        (b'{"error": {"message": "not really"}}', JSON, "is an error: not really"),
        (b'{"a":1', JSON, "malformed"),
        (b'{"a":NaN}', JSON, "NaN"),
        (b'{"a":1,"a":2}', JSON, "twice"),
        (b"[" * 100_000, JSON, "deeper"),
        (gzip.compress(b'{"a":1}')[:-9], {**JSON, "Content-Encoding": "gzip"}, "broke off"),
        (gzip.compress(b'{"a":1}') + b"more", {**JSON, "Content-Encoding": "gzip"}, "broke off"),
        (b"no gzip at all", {**JSON, "Content-Encoding": "gzip"}, "cannot be unpacked"),
        (zlib.compress(b"{}"), {**JSON, "Content-Encoding": "deflate"}, "encoded as 'deflate'"),
        (gzip.compress(gzip.compress(b"{}")), {**JSON, "Content-Encoding": "gzip, gzip"}, "encoded as 'gzip, gzip'"),
    ],
)
def test_what_is_no_answer_is_tried_again_and_then_ends_the_connector(
    vendor: responses.RequestsMock, body: bytes, headers: dict[str, str], sentence: str
) -> None:
    vendor.add(responses.GET, f"{URL}/v1/things", body=body, headers=headers)
    with pytest.raises(ConnectorDown, match=sentence):
        House().http.get("/v1/things")
    assert len(vendor.calls) == 5


def test_a_packed_answer_is_unpacked(vendor: responses.RequestsMock) -> None:
    vendor.add(responses.GET, f"{URL}/v1/things", body=gzip.compress(b"[1]"), headers={**JSON, "Content-Encoding": "gzip"})
    house = House()
    assert house.http.get("/v1/things").body == [1]
    assert house.meter.total().bytes == len(gzip.compress(b"[1]"))


@pytest.mark.parametrize("packed", [True, False])
def test_an_answer_without_end_is_not_read_to_its_end(vendor: responses.RequestsMock, packed: bool) -> None:
    body = b'"' + b"0" * (33 * 1024 * 1024) + b'"'
    headers = {**JSON, "Content-Encoding": "gzip"} if packed else JSON
    vendor.add(responses.GET, f"{URL}/v1/things", body=gzip.compress(body) if packed else body, headers=headers)
    with pytest.raises(ConnectorDown, match="longer than 33554432 bytes"):
        House().http.get("/v1/things")
    assert len(vendor.calls) == 1


def test_a_bomb_does_not_go_off_in_memory(vendor: responses.RequestsMock) -> None:
    packing = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packing.compress(b"0" * 2**20) for _ in range(200)) + packing.flush()
    vendor.add(responses.GET, f"{URL}/v1/things", body=bomb, headers={**JSON, "Content-Encoding": "gzip"})
    house = House()
    tracemalloc.start()
    try:
        with pytest.raises(ConnectorDown, match="longer than"):
            house.http.get("/v1/things")
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20  # 200 MiB are inside
    finally:
        tracemalloc.stop()


# ---------------------------------------------------------------- refusals


def refused(vendor: responses.RequestsMock, status: int, body: str) -> SyncjobError:
    vendor.add(responses.GET, f"{URL}/v1/things", body=body, status=status, headers=JSON)
    with pytest.raises(SyncjobError) as wrong:
        House(key_place="key: of shop in syncjob.yaml").http.get("/v1/things")
    assert len(vendor.calls) == 1
    return wrong.value


def test_a_wrong_key_needs_a_person_and_is_not_tried_twice(vendor: responses.RequestsMock) -> None:
    wrong = refused(vendor, 401, '{"error": {"message": "Invalid API Key provided: sk_' + 'live_abcdefgh"}}')
    assert isinstance(wrong, NeedsPerson)
    assert str(wrong) == (
        "GET https://api.example.com/v1/things was answered with 401: Invalid API Key provided: [secret removed]; "
        "the key is wrong, expired or revoked: renew it (key: of shop in syncjob.yaml)"
    )


def test_a_missing_right_is_named(vendor: responses.RequestsMock) -> None:
    wrong = refused(vendor, 403, '{"error": {"message": "Having the \'rak_event_read\' permission would help."}}')
    assert isinstance(wrong, NeedsPerson)
    assert str(wrong).endswith("give the key the right rak_event_read (key: of shop in syncjob.yaml)")


def test_a_long_refusal_is_cut_and_its_card_numbers_are_gone(vendor: responses.RequestsMock) -> None:
    wrong = refused(vendor, 404, '{"error": {"message": "No 4242 4242 4242 4242\\n' + "x" * 1000 + '"}}')
    assert isinstance(wrong, RecordRefused)
    assert len(str(wrong)) == 300
    assert "No [card number removed] xxx" in str(wrong)


def test_a_refusal_that_says_nothing_readable_is_still_a_refusal(vendor: responses.RequestsMock) -> None:
    assert isinstance(refused(vendor, 422, "<html>"), RecordRefused)


def test_a_definite_no_stays_one_even_if_its_reason_cannot_be_unpacked(vendor: responses.RequestsMock) -> None:
    headers = {**JSON, "Content-Encoding": "br"}
    vendor.add(responses.POST, f"{URL}/v1/things", body=b"?", status=422, headers=headers)
    with pytest.raises(RecordRefused):
        House().http.post("/v1/things", b"{}")


def test_an_expected_refusal_is_an_answer(vendor: responses.RequestsMock) -> None:
    script(vendor, 400)
    assert House().http.get("/v1/things", expect=(400,)).status == 400


@pytest.mark.parametrize(("status", "error"), [(401, NeedsPerson), (200, ConnectorDown)])
def test_a_key_of_no_known_shape_that_is_echoed_stands_in_no_message(
    vendor: responses.RequestsMock, status: int, error: type[Exception]
) -> None:
    vendor.assert_all_requests_are_fired = False
    for _ in range(5):
        vendor.get(f"{URL}/v1/things", json={"error": {"message": "no such key: opensesame-77"}}, status=status)
    with pytest.raises(error) as caught:
        House(secret=Secret("opensesame" + "-77")).http.get("/v1/things")
    assert "no such key: [secret removed]" in str(caught.value)
    assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_the_key_goes_nowhere(vendor: responses.RequestsMock, status: int) -> None:
    vendor.add(responses.GET, f"{URL}/v1/things", status=status, headers={"Location": "https://evil.example.net/"})
    with pytest.raises(ConnectorDown, match="never followed"):
        House(secret=Secret("sk_" + "test_x")).http.get("/v1/things")
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("target", ["//evil.example.net/x", "https://evil.example.net/x", "@evil.example.net/x", ""])
def test_nothing_outside_the_origin_is_asked(target: str) -> None:
    with pytest.raises(ValueError, match="no path under"):
        House().http.get(target)


def test_an_id_stays_one_part_of_the_path() -> None:
    assert path("v1", "charges", "../x/%41?y") == "/v1/charges/..%2Fx%2F%2541%3Fy"


# ---------------------------------------------------------------- writing


@pytest.mark.parametrize("trouble", [500, 503, 408, 409, requests.ReadTimeout(), requests.ConnectionError("reset"), b"{", b""])
def test_a_write_that_may_have_been_done_is_not_repeated(vendor: responses.RequestsMock, trouble: object) -> None:
    script(vendor, trouble, method=responses.POST)
    with pytest.raises(OutcomeUnknown):
        House().http.post("/v1/things", b"{}")
    assert len(vendor.calls) == 1


@pytest.mark.parametrize("trouble", [500, 408, requests.ReadTimeout(), b"{"])
def test_a_replayable_write_is_repeated_with_the_same_bytes_and_key(vendor: responses.RequestsMock, trouble: object) -> None:
    script(vendor, trouble, 200, method=responses.POST)
    House().http.post("/v1/things", b'{"a":1}', headers={"Idempotency-Key": "k1"}, replayable=True)
    assert [call.request.body for call in vendor.calls] == [b'{"a":1}', b'{"a":1}']
    assert [call.request.headers["Idempotency-Key"] for call in vendor.calls] == ["k1", "k1"]


def test_a_write_that_was_put_off_is_repeated(vendor: responses.RequestsMock) -> None:
    script(vendor, (429, {"Retry-After": "3"}), 201, method=responses.POST)
    house = House()
    assert house.http.post("/v1/things", b"{}").status == 201
    assert house.waits == [3.0]


def test_a_definite_no_to_a_write_is_not_repeated(vendor: responses.RequestsMock) -> None:
    script(vendor, 422, method=responses.POST)
    with pytest.raises(RecordRefused):
        House().http.post("/v1/things", b"{}", replayable=True)
    assert len(vendor.calls) == 1


def test_an_answer_without_content_to_a_write_is_done(vendor: responses.RequestsMock) -> None:
    vendor.add(responses.DELETE, f"{URL}/v1/things", status=204)
    assert House().http.post("/v1/things", b"", method="DELETE").body is None


# ---------------------------------------------------------------- on the wire


@contextmanager
def wire(*pieces: bytes) -> Iterator[str]:
    """A server that sends these bytes, one piece after the other, to whoever asks, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    try:
                        connection.recv(65536)
                        for piece in pieces:
                            connection.sendall(piece)
                    except OSError:
                        continue

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def test_a_connection_that_is_refused_names_the_place_and_where_to_look() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    house = House(f"http://127.0.0.1:{port}")
    sentence = f"http://127.0.0.1:{port} cannot be reached: connection refused; look at base_url, the network and the firewall"
    with pytest.raises(TryLater) as later:
        house.http.get("/v1/things")
    assert str(later.value) == sentence
    assert house.meter.total().requests == 5
    with pytest.raises(NotSent):
        house.http.post("/v1/things", b"{}")


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b"HTTP/1.1 200 OK\r\nContent-"],
        [HEAD + b'Content-Length: 50\r\n\r\n{"a"'],
        [HEAD + b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n'],
        [HEAD + b'\r\n{"a":1'],
        [b"SSH-2.0-OpenSSH\r\n"],
    ],
)
def test_a_connection_that_breaks_off_is_no_answer(pieces: list[bytes]) -> None:
    with wire(*pieces) as url, pytest.raises((TryLater, ConnectorDown)):
        House(url).http.get("/v1/things")
    with wire(*pieces) as url, pytest.raises(OutcomeUnknown):
        House(url).http.post("/v1/things", b"{}")


@pytest.mark.parametrize(
    "pieces",
    [
        [HEAD[at : at + 1] for at in range(len(HEAD))],
        [HEAD + b"Content-Length: 90\r\n\r\n", *([b" "] * 80)],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *([b"1\r\n \r\n"] * 80)],
    ],
)
def test_a_byte_now_and_then_does_not_stretch_the_time_limit(pieces: list[bytes]) -> None:
    # Each look at the clock takes 61 seconds of it, so the limit of 60 is over before the first byte is taken.
    with wire(*pieces) as url:
        house = House(url, tick=61.0)
        with pytest.raises(TryLater, match="no whole answer in time"):
            house.http.get("/v1/things")


def test_proxies_and_netrc_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login trap password trap\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    body = HEAD + b"Content-Length: 2\r\n\r\n{}"
    with wire(body) as url:
        assert House(url).http.get("/v1/things").body == {}
    assert os.environ["HTTP_PROXY"]


def test_a_proxy_from_the_configuration_is_used() -> None:
    with wire(HEAD + b"Content-Length: 9\r\n\r\n{\"via\":1}") as url:
        assert House("http://localhost:1", proxy=url).http.get("/v1/things").body == {"via": 1}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for localhost that nobody vouches for, with its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed here")
    made = tmp_path / "certificate.pem"
    command = (
        f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=DNS:localhost -keyout {made} -out {made}.crt"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    made.write_text(made.read_text() + Path(f"{made}.crt").read_text())
    return made


@contextmanager
def secure(certificate: Path) -> Iterator[tuple[int, list[bytes]]]:
    """A server behind TLS: its port, and what it was sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    plain, _ = server.accept()
                except OSError:
                    return
                with suppress(OSError), plain, context.wrap_socket(plain, server_side=True) as connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(HEAD + b"Content-Length: 2\r\n\r\n{}")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1], heard
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)


def test_a_certificate_that_nobody_vouches_for_gets_no_key_and_is_not_asked_again(certificate: Path) -> None:
    with secure(certificate) as (port, heard):
        house = House(f"https://localhost:{port}", secret=Secret("sk_" + "test_x"))
        with pytest.raises(ConnectorDown, match=r"certificate of https://localhost:.* self-signed.*the CA bundle"):
            house.http.get("/v1/things")
    assert house.meter.total().requests == 1
    assert heard == []


def test_a_certificate_of_another_host_gets_no_key(certificate: Path) -> None:
    with secure(certificate) as (port, heard):
        house = House(f"https://127.0.0.1:{port}", ca_bundle=f"{certificate}.crt")
        with pytest.raises(ConnectorDown, match="certificate of"):
            house.http.get("/v1/things")
    assert heard == []


def test_a_private_authority_is_trusted_when_its_bundle_is_configured(certificate: Path) -> None:
    with secure(certificate) as (port, heard):
        house = House(f"https://localhost:{port}", ca_bundle=f"{certificate}.crt", secret=Secret("sk_" + "test_x"))
        assert house.http.get("/v1/things").body == {}
    assert b"Authorization: Bearer sk_test_x" in heard[0]
    with pytest.raises(Misconfigured, match="no such file"):
        House(ca_bundle="/no/such/bundle.pem")


@pytest.mark.parametrize(
    ("base_url", "sentence"),
    [
        ("http://api.example.com", "plain http"),
        ("http://127.0.0.1.example.com", "plain http"),
        ("ftp://api.example.com", "no web address"),
        ("api.example.com", "no web address"),
        ("https://anna:geheim@api.example.com", "the key under key:"),
        ("https://api.example.com?x=1", "scheme, host and path only"),
    ],
)
def test_a_base_url_that_would_give_the_key_away_is_refused(base_url: str, sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence) as wrong:
        House(base_url)
    assert "geheim" not in str(wrong.value)


def test_plain_http_is_fine_on_this_machine() -> None:
    bases = ("http://127.0.0.1:12111", "http://localhost", "http://[::1]:80/")
    assert [House(base_url).meter.total().requests for base_url in bases] == [0, 0, 0]


def test_another_origin_gets_nothing_of_the_first_ones_key(vendor: responses.RequestsMock) -> None:
    vendor.add(responses.GET, "https://other.example.com/v1/x", body=b"{}", headers=JSON)
    house = House(secret=Secret("sk_" + "test_x"), headers={"X-Own": "1"})
    house.http.at("https://other.example.com").get("/v1/x")
    assert "Authorization" not in vendor.calls[0].request.headers
    assert "X-Own" not in vendor.calls[0].request.headers
    assert house.meter.total().requests == 1

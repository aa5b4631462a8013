"""JSON is read strictly: what two programs could understand in two ways is refused with a sentence."""

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob.strictjson import DEPTH_MAX, BadJson, Exact, read


def nested(depth: int) -> bytes:
    return b'{"a":' * (depth - 1) + b"[" + b"]" + b"}" * (depth - 1)


def test_an_ordinary_answer_is_read_whole() -> None:
    assert read(b' {"id": "ch_1", "amount": -1200, "paid": true, "left": null, "parts": [1, "\xc3\xa9"]} \n') == {
        "id": "ch_1",
        "amount": -1200,
        "paid": True,
        "left": None,
        "parts": [1, "é"],
    }


@pytest.mark.parametrize("text", ["0.89", "9007199254740993.0", "1E5", "-0.0", "1e-7"])
def test_a_number_with_a_fraction_stays_the_text_that_was_sent(text: str) -> None:
    value = read(text.encode())
    assert value == text
    assert type(value) is Exact


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'{"amount":100,"amount":999}', "key 'amount' twice"),
        (b'{"a":{"b":1,"c":2,"b":1}}', "key 'b' twice"),
        (b"[NaN]", "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "-Infinity"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"{} {}", "malformed at character 3"),
        (b'{"a":1', "malformed"),
        (b"", "malformed"),
        (b"[1,]", "malformed"),
        (b"['a']", "malformed"),
        (b"[01]", "malformed"),
        (b"[1_000]", "malformed"),
        ("[\uff11\uff12]".encode(), "malformed"),
        (b'["\x01"]', "malformed"),
        (b'["\xff"]', "not UTF-8 at byte 2"),
        ('{"a":1}'.encode("utf-16"), "not UTF-8"),
        (b"[" + b"9" * 5000 + b"]", "5000 digits"),
        (b"[12345678901234567890]", "20 digits"),
        (b"[9223372036854775808]", "64 bits"),
        (b"[-9223372036854775808]", "64 bits"),
        (b"[0." + b"1" * 100 + b"]", "102 characters"),
        (b"[" * 200_000 + b"]" * 200_000, "deeper than 64"),
    ],
)
def test_doubtful_text_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(BadJson, match=sentence):
        read(data)


def test_the_largest_whole_number_and_long_digits_inside_text_are_fine() -> None:
    data = b'[9223372036854775807, -9223372036854775807, "' + b"1" * 100 + b'"]'
    assert read(data) == [2**63 - 1, -(2**63 - 1), "1" * 100]


def test_sixty_four_levels_are_read_and_sixty_five_are_not() -> None:
    read(nested(DEPTH_MAX))
    with pytest.raises(BadJson, match="deeper than 64"):
        read(nested(DEPTH_MAX + 1))


def test_brackets_inside_text_do_not_count_as_depth() -> None:
    assert read(json.dumps(["[" * 500 + "{" * 500]).encode()) == ["[" * 500 + "{" * 500]


def test_brackets_inside_text_do_not_hide_depth() -> None:
    hidden = b'["]",' * 70 + b"1" + b',"["]' * 70
    with pytest.raises(BadJson, match="deeper than 64"):
        read(hidden)


def test_more_bytes_than_allowed_are_not_even_looked_at() -> None:
    with pytest.raises(BadJson, match="11 bytes, more than the 10 allowed"):
        read(b"[" + b" " * 9 + b"]", bytes_max=10)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_whatever_the_standard_library_writes_without_floats_is_read_back_the_same(value: object) -> None:
    assert read(json.dumps(value).encode()) == value


@given(plain, st.integers(0, 200))
def test_a_prefix_of_an_answer_is_never_taken_for_the_answer(value: object, cut: int) -> None:
    data = json.dumps({"data": value}).encode()
    if cut < len(data):
        with pytest.raises(BadJson):
            read(data[:cut])


def least(work: Callable[[bytes], object], data: bytes) -> float:
    """The CPU seconds of the quickest of some runs."""
    spent = []
    for _ in range(4):
        started = time.process_time()
        work(data)
        spent.append(time.process_time() - started)
    return min(spent)


def test_a_big_page_takes_no_longer_than_three_times_the_lax_reader() -> None:
    row = {"id": "ch_1Example", "amount": 1234, "metadata": {"order": "A-1"}, "parts": [{"type": "fee", "amount": 3}] * 3}
    data = json.dumps({"data": [row] * 20_000}).encode()
    # The least of some runs: other work on the machine only adds to it.
    assert least(read, data) < 3 * least(json.loads, data) + 0.2

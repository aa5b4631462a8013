"""YAML is read as the text that was written; what is odd about a file is said with its file, line and column."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.yamlfile import Node, load


def complaint(text: str) -> str:
    with pytest.raises(Misconfigured) as refused:
        load(text, "x.yaml")
    return str(refused.value)


def node(text: str) -> Node:
    return load(f"it: {text}", "x.yaml").mapping()["it"]


@pytest.mark.parametrize("written", ["NO", "on", "0123", "1:30", "1_000", ".inf", "1e3", "2026-11-03", "12345678901234567890"])
def test_a_value_stays_the_text_that_was_written(written: str):
    assert node(written).text() == written


def test_every_node_knows_where_it_was_written():
    root = load("a:\n  - b\n  - {c: d}\n", "x.yaml")
    assert str(root.key_place("a")) == "x.yaml:1:1"
    inner = root.mapping()["a"].sequence()[1]
    assert (str(inner.place), str(inner.mapping()["c"].place)) == ("x.yaml:3:5", "x.yaml:3:9")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3", "x.yaml:3:1: 'a' stands twice, first in line 1; keep one of them"),
        ("a: &x 1", "x.yaml:1:4: &x is an anchor, which is not read here; write the value out where it is needed"),
        ("a: *x", "x.yaml:1:4: *x is an alias, which is not read here; write the value out"),
        ("a: !x 1", "x.yaml:1:4: !x is a tag, which is not read here; remove it: the rules name each conversion"),
        ("<<: {a: 1}", "x.yaml:1:1: << would merge other keys in, which is not read here; write them out"),
        ("? [a]\n: b", "x.yaml:1:3: a key must be a text; write one word before the colon"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document begins here; keep one document in a file: remove the ---"),
        ("", "x.yaml:1:1: the file is empty; fill it, or restore it"),
        ("# nothing", "x.yaml:1:1: the file is empty; fill it, or restore it"),
        ("[" * 30 + "]" * 30, "x.yaml:1:21: this is nested deeper than 20 levels; flatten it"),
    ],
)
def test_what_a_reader_could_misunderstand_is_refused(text: str, says: str):
    assert complaint(text) == says


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: [1", "x.yaml:2:1"), ("a:\n\t- b", "x.yaml:2:1"), ("a: 'b", "x.yaml:1:6"), ("%YAML 2.0\n---\na", "x.yaml:1:1")],
)
def test_what_is_no_yaml_is_refused_at_its_place(text: str, place: str):
    assert complaint(text).startswith(f"{place}: this is not YAML: ")


@pytest.mark.parametrize(
    ("text", "place", "code"),
    [
        ("a: 1\nb: \0", "2:4", "0000"),
        ("a: 1\x7f", "1:5", "007F"),
        ("a: \x85b: 2", "1:4", "0085"),  # YAML would begin a new line here, and no editor does
        ("a: 1\u2028b: 2", "1:5", "2028"),
        ("a: 1\rb: 2", "1:5", "000D"),
        ("a: 1\u202e2", "1:5", "202E"),  # the rest is shown from right to left
        ("char\u200bge: payment", "1:5", "200B"),
        ("a: 1\r\n\ufeffb: 2", "2:1", "FEFF"),
        ("a: \ud800", "1:4", "D800"),
        ("\ufeff\ufeffa: 1", "1:1", "FEFF"),
    ],
)
def test_a_character_that_nobody_sees_is_refused_where_it_stands(text: str, place: str, code: str):
    assert complaint(text) == f"x.yaml:{place}: the character U+{code} stands here, which nobody sees; remove it"


def test_a_control_character_is_refused_behind_an_escape_too():
    assert complaint('a: "b\\0"') == "x.yaml:1:4: the character U+0000 is in this text, which no text has; remove it"
    assert complaint('"\\e": b').startswith("x.yaml:1:1: the character U+001B is in this text")
    assert node('"b\\tc\\n\\u00e4"').text() == "b\tc\nä"


@pytest.mark.parametrize("written", ["🍞", "日本語", "\u0646\u0627\u0645\u200c\u0647", "a\u00a0b", "x" * 100_000])
def test_letters_of_any_language_and_long_lines_are_read(written: str):
    assert node(written).text() == written


@pytest.mark.parametrize(
    "text",
    [*("[" * 2**20, "- " * 2**19, "? " * 2**19, "a: [" * 2**18, '"' + "a\n" * 2**18, ":" * 2**20, "a: |\n" + " \n" * 2**18)],
)
def test_a_mebibyte_of_trouble_costs_no_time(text: str):
    began = time.process_time()
    with pytest.raises(Misconfigured):
        load(text, "x.yaml").text()
    assert time.process_time() - began < 1


def test_a_bomb_of_aliases_is_refused_at_its_first_anchor():
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert complaint(bomb).startswith("x.yaml:1:4: &a is an anchor")


def test_a_file_above_a_mebibyte_is_refused(tmp_path: Path):
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: " + b"x" * yamlfile.SIZE_MAX_BYTES)
    says = "big.yaml:1:1: the file is larger than 1 MiB; split it, or look whether it is the right file"
    with pytest.raises(Misconfigured) as refused:
        load(path, "big.yaml")
    assert str(refused.value) == says
    assert complaint("a: " + "x" * yamlfile.SIZE_MAX_BYTES) == says.replace("big", "x")


def test_a_file_is_read_as_utf8_with_any_line_ends(tmp_path: Path):
    path = tmp_path / "bakery.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: B\xc3\xa4ckerei\r\ncity: K\xc3\xb6ln\r\n")
    assert {key: one.text() for key, one in load(path).mapping().items()} == {"name": "Bäckerei", "city": "Köln"}


def test_a_file_that_is_not_utf8_is_refused_at_its_first_odd_byte(tmp_path: Path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: K\xf6ln\n")
    with pytest.raises(Misconfigured, match=r"latin\.yaml:2:5: this is not UTF-8 text; save the file as UTF-8"):
        load(path, "latin.yaml")


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path: Path):
    with pytest.raises(Misconfigured, match=r"^here\.yaml:1:1: there is no such file; look for a typing error in its name$"):
        load(tmp_path / "here.yaml", "here.yaml")
    with pytest.raises(Misconfigured, match=r"^here:1:1: it cannot be read: Is a directory; check its permissions$"):
        load(tmp_path, "here")


def test_each_kind_of_value_is_asked_for_by_name():
    assert node("yes").flag() is True
    assert node("false").flag() is False
    assert node("25").whole(1, 100) == 25
    assert node("-3").whole() == -3
    assert [node(text).duration() for text in ("90s", "10m", "72h", "35d", "2w")] == [
        timedelta(seconds=90),
        timedelta(minutes=10),
        timedelta(hours=72),
        timedelta(days=35),
        timedelta(weeks=2),
    ]
    assert node("b").choice(["a", "b"]) == "b"
    assert [one.text() for one in node("a").one_or_more()] == [one.text() for one in node("[a]").one_or_more()] == ["a"]
    assert node("''").text(empty=True) == ""
    assert node("'null'").text() == "null"


NOT_LISTED = "is not one of the words allowed here; did you mean"
NO_DURATION = "is not a length of time; write a number and a unit, such as 90s, 10m, 72h, 35d or 2w"
ASKED = [
    (lambda it: it.text(), "[a]", "a text is wanted here, this is a list"),
    (lambda it: it.text(), "", "nothing is written here; write a value, or leave the line out"),
    (lambda it: it.text(), "~", "~ is no value; leave the line out, or write the text in quotes"),
    (lambda it: it.text(), "null", "null is no value; leave the line out, or write the text in quotes"),
    (lambda it: it.sequence(), "a", "a list is wanted here, this is the text 'a'; write [a, b] or a line with - per item"),
    (lambda it: it.one_or_more(), "[]", "the list is empty; write at least one item"),
    (lambda it: it.mapping(), "", "keys with values are wanted here, this is empty; write key: value"),
    (lambda it: it.mapping(["zone"], ["zone"]), "{}", "'zone' is missing here; add a line zone: ..."),
    (lambda it: it.choice(["weekly", "daily"]), "dialy", f"'dialy' {NOT_LISTED} 'daily'? Allowed: weekly, daily"),
    (lambda it: it.flag(), "True", f"'True' {NOT_LISTED} 'true'? Allowed: yes, no, true, false"),
    (lambda it: it.whole(), "1_000", "'1_000' is not a whole number; write digits only, such as 25"),
    (lambda it: it.whole(), "٣", "'٣' is not a whole number; write digits only, such as 25"),
    (lambda it: it.whole(1), "0", "0 is out of bounds; write at least 1"),
    (lambda it: it.whole(1, 100), "101", "101 is out of bounds; write at least 1 and at most 100"),
    (lambda it: it.duration(), "10", f"'10' {NO_DURATION}"),
    (lambda it: it.duration(), "1.5h", f"'1.5h' {NO_DURATION}"),
]


@pytest.mark.parametrize(("ask", "written", "says"), ASKED)
def test_another_value_than_asked_for_is_refused_as_it_was_written(ask, written: str, says: str):
    with pytest.raises(Misconfigured) as refused:
        ask(node(written))
    assert str(refused.value).partition(": ")[2] == says
    assert str(refused.value).startswith("x.yaml:1:")


def test_an_unknown_key_is_refused_where_it_stands():
    with pytest.raises(Misconfigured) as refused:
        load("zone: a\n\nzoen: b", "x.yaml").mapping(["zone", "home"])
    assert str(refused.value) == "x.yaml:3:1: 'zoen' is not known here; did you mean 'zone'? Allowed: zone, home"


@given(st.text(st.characters()) | st.text(st.sampled_from(list("ab:-?[]{},&*!|>'\"%@#\\ \n\r\t\0\ufeff\u2028\ud800<"))))
def test_any_text_is_read_or_refused_and_nothing_else(text: str):
    try:
        load(text, "x.yaml")
    except Misconfigured as refused:
        said = str(refused)
    else:
        return
    assert said.startswith("x.yaml:")

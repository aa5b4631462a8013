"""Card numbers, security codes, track data and secrets are taken out of text; ids, times and amounts are not harmed."""

import json
import pickle
import random
import string
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob.redact import CARD, CODE, SECRET, TRACK, Secret, clean, has_card, names_code, suspect

# Numbers that card schemes publish for tests: nobody's card.
CARDS = [
    "4242424242424242", "4000056655665556", "4222222222222", "5555555555554444", "2223003122003222", "378282246310005",
    "6011111111111117", "3056930009020004", "36227206271667", "6555900000604105", "3566002020360505", "6200000000000005",
    "6205500000000000004", "6759649826438453",
]  # fmt: skip
FULL_WIDTH = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")
ARABIC = str.maketrans("0123456789", "\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669")
JOINERS = ["", " ", "-", ".", "  ", " - ", "_", "/", "\n", "\t", "\u00a0", "\u2013", "\u2011", "\u200b", "\u2060", "\ufeff"]
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "full-width": lambda text: text.translate(FULL_WIDTH),
    "arabic digits": lambda text: text.translate(ARABIC),
    "percent escapes": lambda text: "".join(f"%{ord(letter):02X}" if letter.isascii() else quote(letter) for letter in text),
    "url text": quote,
    "url text twice": lambda text: quote(quote(text)),
    "backslash escapes": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "html entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text),
    "JSON in text": lambda text: json.dumps({"note": text}),
    "JSON in JSON in text": lambda text: json.dumps({"note": json.dumps({"pan": text})}),
}


def grouped(card: str, joiner: str, sizes: list[int]) -> str:
    parts, at = [], 0
    for size in sizes:
        parts.append(card[at : at + size])
        at += size
    return joiner.join(part for part in [*parts, card[at:]] if part)


@given(
    card=st.sampled_from(CARDS),
    joiner=st.sampled_from(JOINERS),
    sizes=st.sampled_from([[4, 4, 4, 4], [4, 6, 5], [8], [6], [1] * 19, [3, 5, 2]]),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    before=st.sampled_from(["", "card ", "Nr. 12 ", "a", "\u00fc", "paid 12.50 with:"]),
    after=st.sampled_from(["", " thanks", " 123", ";12/28", "x", "\u00fc", '"}']),
)
def test_a_planted_card_number_is_gone_in_any_spelling(
    card: str, joiner: str, sizes: list[int], spelling: str, before: str, after: str
) -> None:
    planted = SPELLINGS[spelling](grouped(card, joiner, sizes))
    text = before + planted + after
    assert suspect(text)
    assert has_card(text)
    assert CARD in clean(text)
    assert not has_card(clean(text))
    assert card not in "".join(letter for letter in clean(text) if letter.isdigit())


def test_what_stands_around_a_card_number_stays() -> None:
    assert clean("Order 12, card 4242 4242 4242 4242, exp 12/28.") == f"Order 12, card {CARD}, exp 12/28."
    assert clean('{"n":"4242\\n4242 42424242"}') == f'{{"n":"{CARD}"}}'
    assert clean("two: 4242424242424242 and 5555555555554444") == f"two: {CARD} and {CARD}"


@pytest.mark.parametrize(
    "text",
    [
        "", "Order 2026-1234", "4242424242424241", "1762150000", "1762150000123", "1762150000123456", "pi_3Example2345678901",
        "424242424242424212281234", "DE89 3704 0044 0532 0130 00", "+49 30 123456 7890", "INV-2026-00012",
        "2026-11-03T06:00:00Z", "2026-11-03 2026-11-04", "the cvv check passed", "100% sure", "C:\\users\\new", "a=b",
        "csc 12345",
    ],
)  # fmt: skip
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert clean(text) == text


def test_random_ids_and_times_are_never_harmed() -> None:
    chance = random.Random(7)  # noqa: S311 - the same ids each time
    for _ in range(20_000):
        name = "ch_3" + "".join(chance.choices(string.ascii_letters + string.digits, k=23))
        assert clean(name) == name
        moment = str(chance.randrange(1_500_000_000, 2_000_000_000))
        assert clean(moment + "," + moment) == moment + "," + moment


def test_of_random_numbers_with_sixteen_digits_about_one_in_thirty_is_taken_for_a_card() -> None:
    chance = random.Random(7)  # noqa: S311 - the same numbers each time
    hits = sum(has_card(str(chance.randrange(10**15, 10**16))) for _ in range(20_000))
    assert 0.028 < hits / 20_000 < 0.036  # Luhn alone would take 10 %


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("cvv: 123", f"cvv: {CODE}"),
        ("my CVC2 is 1234", f"my CVC2 is {CODE}"),
        ('{"cvc":"123"}', f'{{"cvc":"{CODE}"}}'),
        ('{\\"cvc\\":\\"123\\"}', f'{{\\"cvc\\":\\"{CODE}\\"}}'),
        ("security code 999 please", f"security code {CODE} please"),
        ("Pr\u00fcfziffer: 321", f"Pr\u00fcfziffer: {CODE}"),
        ("cvv=\uff11\uff12\uff13", f"cvv={CODE}"),
    ],
)
def test_a_security_code_beside_its_name_is_gone(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


def test_a_field_is_known_by_its_name_to_hold_a_security_code() -> None:
    assert all(map(names_code, ["cvv", "CVC2", "card_cvc", "security-code", "Card Verification Value", "cvv_code"]))
    assert not any(map(names_code, ["cvc_check", "security", "code", "invoice_number", "csc_region"]))


@pytest.mark.parametrize(
    "text",
    [
        "%B4242424242424242^EXAMPLE/A^28121010000000000000?",
        ";4242424242424242=28121010000000000000?",
        "4242424242424242D2812101123456789",
    ],
)
def test_the_track_of_a_card_is_gone_whole(text: str) -> None:
    assert clean(f"swiped {text} ok") == f"swiped {TRACK} ok"


@pytest.mark.parametrize(
    "secret",
    [
        "sk_live_" + "a1B2c3D4e5", "rk_test_" + "a1B2c3D4e5", "whsec_" + "a1B2c3D4e5f6", "AKIA" + "A2B3C4D5E6F7G8H9",
        "ghp_" + "a1" * 12, "xoxb-" + "1" * 12, "eyJ" + "hbGciOiJ9." + "eyJ" + "zdWIiOiIx.c2ln",
        "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_a_secret_of_a_known_shape_is_gone(secret: str) -> None:
    assert clean(f"key {secret} !") == f"key {SECRET} !"


def test_a_password_in_an_address_and_a_bearer_token_are_gone() -> None:
    assert clean("https://anna:hunter2@example.com/x") == f"https://{SECRET}@example.com/x"
    assert clean("Authorization: Bearer abcdefghijklmnop") == f"Authorization: Bearer {SECRET}"


@given(st.text())
def test_any_text_can_be_cleaned_and_stays_clean(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


@given(st.lists(st.text(max_size=20) | st.sampled_from(CARDS) | st.sampled_from(["cvv: 123", "sk_live_" + "abcdef"])))
def test_one_look_at_a_whole_record_finds_whatever_a_look_at_each_text_would(texts: list[str]) -> None:
    record = json.dumps(texts, ensure_ascii=False)
    assert suspect(record) or not any(clean(text) != text for text in texts)


def test_a_secret_shows_itself_to_nobody() -> None:
    secret = Secret("sk_" + "live_abc")
    assert f"{secret} {secret!r} {[secret]}" == "*** *** [***]"
    assert secret.reveal() == "sk_" + "live_abc"
    with pytest.raises(TypeError, match="never written down"):
        pickle.dumps(secret)

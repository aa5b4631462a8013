"""Countries and their parts are known exactly or not at all, and an address on one line loses nothing."""

from __future__ import annotations

import subprocess
import sys

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncjob import places
from syncjob.model import Address
from syncjob.places import country, country_code3, country_name, lines, one_line, subdivision, subdivision_name

CODES = sorted(one.alpha_2 for one in pycountry.countries)
PARTS = sorted(one.code for one in pycountry.subdivisions)


# ---------------------------------------------------------------- countries


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("DE", "DE"), ("de", "DE"), ("DEU", "DE"), ("276", "DE"), ("Germany", "DE"), ("Federal Republic of Germany", "DE")),
        *(("UK", "GB"), ("u.k.", "GB"), ("Great Britain", "GB"), ("England", "GB"), ("GBR", "GB"), ("United Kingdom", "GB")),
        *(("USA", "US"), ("U.S.", "US"), ("United States", "US"), ("the United States of America", "US")),
        *(("South Korea", "KR"), ("Korea, Republic of", "KR"), ("Republic of Korea", "KR"), ("Côte d\u2019Ivoire", "CI")),
        *(
            ("Cote d'Ivoire", "CI"),
            ("Ivory Coast", "CI"),
            ("Turkey", "TR"),
            ("Türkiye", "TR"),
            ("Turkiye", "TR"),
            ("Czechia", "CZ"),
        ),
        *(
            ("Czech Republic", "CZ"),
            ("  The Netherlands ", "NL"),
            ("St. Lucia", "LC"),
            ("Trinidad & Tobago", "TT"),
            ("EL", "GR"),
        ),
        *(("Kosovo", "XK"), ("XKX", "XK"), ("NO", "NO"), ("Congo (Kinshasa)", "CD"), ("VIETNAM", "VN"), ("Russia", "RU")),
    ],
)
def test_a_country_is_known_by_its_codes_and_by_its_english_names(text: str, code: str) -> None:
    assert country(text) == code


@pytest.mark.parametrize(
    "text", ["", " ", "Germny", "Korea", "Deutschlan", "XX", "ZZ", "America", "Virgin Islands", "0", "D", "DE-BY"]
)
def test_what_is_only_close_to_a_country_is_not_known(text: str) -> None:
    assert country(text) is None


def test_every_code_leads_to_its_names_and_back() -> None:
    for code in [*CODES, "XK"]:
        name, code3 = country_name(code), country_code3(code)
        assert name is not None
        assert code3 is not None
        assert country(code) == country(name) == country(name.upper()) == country(code3) == code
    assert (country_name("QQ"), country_code3("QQ"), country_name("")) == (None, None, None)


def test_no_spelling_means_two_countries() -> None:
    found: dict[str, str] = {}
    for spelling, code in places._spellings():
        assert found.setdefault(spelling, code) == code, f"{spelling} is {found[spelling]} and {code}"


def test_names_are_those_that_people_say() -> None:
    assert [country_name(code) for code in ("KR", "BO", "CD", "VG", "NL", "TW", "BQ")] == [
        *("South Korea", "Bolivia", "Democratic Republic of the Congo", "British Virgin Islands", "Netherlands", "Taiwan"),
        "Bonaire, Sint Eustatius and Saba",
    ]


# ---------------------------------------------------------------- their parts


@pytest.mark.parametrize(
    ("where", "text", "code"),
    [
        *(("US", "CA", "US-CA"), ("us", "california", "US-CA"), ("USA", "US-CA", "US-CA"), ("US", " Calif", None)),
        *(("CA", "Québec", "CA-QC"), ("CA", "Quebec", "CA-QC"), ("AU", "NSW", "AU-NSW"), ("DE", "Bayern", "DE-BY")),
        *(
            ("ES", "Cataluña", "ES-CT"),
            ("ES", "Comunidad de Madrid", "ES-MD"),
            ("PH", "Cagayan Valley", "PH-02"),
            ("GB", "Kent", "GB-KEN"),
        ),
        *(
            ("DE", "US-CA", None),
            ("", "US-CA", None),
            ("XK", "CA", None),
            ("QQ", "CA", None),
            ("US", "", None),
            ("US", "-", None),
        ),
        ("ES", "La Rioja", None),  # a province and the region around it
    ],
)
def test_a_part_of_a_country_is_known_by_its_code_or_whole_name(where: str, text: str, code: str | None) -> None:
    assert subdivision(where, text) == code


def test_every_part_of_every_country_is_found_by_its_code_and_never_taken_for_another() -> None:
    for one in pycountry.subdivisions:
        assert subdivision(one.country_code, one.code) == one.code
        assert subdivision(one.country_code, one.code.partition("-")[2].lower()) == one.code
        assert subdivision(one.country_code, one.name) in (one.code, None)
        assert subdivision_name(one.code) == one.name
    assert (subdivision_name("US-XX"), subdivision_name("US"), subdivision_name("")) == (None, None, None)


# ---------------------------------------------------------------- addresses

STREET = "1 Example Street"


@pytest.mark.parametrize(
    ("address", "line"),
    [
        (Address(STREET, "", "12345", "Example City", "", "DE"), "1 Example Street, 12345 Example City, DE"),
        (Address(STREET, "", "12345", "Example City", "DE-BY", "DE"), "1 Example Street, 12345 Example City, DE-BY, DE"),
        (Address(STREET, "", "12345", "Springfield", "US-IL", "US"), "1 Example Street, Springfield, IL 12345, US"),
        (
            Address(STREET, "Flat 2", "12345", "Springfield", "Illinois", "US"),
            f"{STREET}, Flat 2, Springfield, Illinois 12345, US",
        ),
        (Address(STREET, "", "12345", "", "US-IL", "US"), "1 Example Street, IL 12345, US"),
        (Address(STREET, "", "", "Springfield", "US-IL", "US"), "1 Example Street, Springfield, IL, US"),
        (Address(STREET, "", "12345", "Springfield", "", "US"), "1 Example Street, Springfield 12345, US"),
        (Address(STREET, "", "AB1 2CD", "Exampleton", "", "GB"), "1 Example Street, Exampleton AB1 2CD, GB"),
        (Address(STREET, "", "AB1 2CD", "Exampleton", "GB-KEN", "GB"), "1 Example Street, Exampleton, GB-KEN AB1 2CD, GB"),
        (Address("", "", "", "東京", "", "JP"), "東京, JP"),
        (Address("", "", "12345", "", "", ""), "12345"),
        (Address("", "", "", "", "", "IE"), "IE"),
        (Address(f" {STREET},\r\n\tback  yard, ", " , ", "", "", "", ""), "1 Example Street, back yard"),
        (Address(), ""),
    ],
)
def test_an_address_on_one_line_follows_the_habit_of_its_country(address: Address, line: str) -> None:
    assert one_line(address) == line


def test_an_address_is_lines_for_a_letter() -> None:
    address = Address(STREET, "Flat 2", "12345", "Springfield", "US-IL", "US")
    assert lines(address) == (STREET, "Flat 2", "Springfield, IL 12345", "US")


PART = st.text(max_size=12)
WORDS = st.text(st.sampled_from("aé東1-'#/ "), max_size=12)
COUNTRY = st.one_of(st.sampled_from(["", *CODES]), WORDS)
SUBDIVISION = st.one_of(st.sampled_from(["", *PARTS]), WORDS)


@given(PART, PART)
def test_any_text_is_known_or_not_and_nothing_else(first: str, second: str) -> None:
    assert country(first) in (None, "XK", *CODES)
    assert subdivision(first, second) in (None, *PARTS)
    assert subdivision("US", second) in (None, *PARTS)
    for named in (country_name, country_code3, subdivision_name):
        assert named(first) is None or named(first)


@given(st.builds(Address, WORDS, WORDS, WORDS, WORDS, SUBDIVISION, COUNTRY))
def test_no_part_of_an_address_is_lost_and_none_leaves_a_stray_comma(address: Address) -> None:
    line = one_line(address)
    state = address.subdivision.strip().removeprefix(f"{address.country.strip()}-")  # IL behind US says all of US-IL
    for part in (address.line1, address.line2, address.postal_code, address.city, state):
        assert " ".join(part.split()) in line
    assert " ".join(address.country.split()).strip(",") in line
    assert ", ," not in line
    assert ",," not in line
    assert line == line.strip(" ,")
    assert "\n" not in line


# ---------------------------------------------------------------- what it costs


def test_the_tables_are_loaded_by_the_first_look_up_only() -> None:
    asks = (
        "import sys; from syncjob import places; from syncjob.model import Address;"
        "places.one_line(Address(city='Example City', country='DE')); assert 'pycountry' not in sys.modules;"
        "assert places.country('DE') == 'DE'; assert 'pycountry' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", asks], check=True)

"""The only module that makes and computes money: whole minor units with a currency, exact or refused.

Inside syncjob every currency has ONE exponent, that of ISO 4217. Gateways differ (Stripe writes ISK in hundredths and MGA
without decimals), so each gateway's own exponents are listed here and amounts are converted exactly as they come in.
Facts: vendors' currency tables; the ISO table for the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from syncjob.errors import RecordRefused

_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP"
    " CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD"
    " KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK"
    " NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS"
    " TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_ISO = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}

# Where a gateway's whole numbers have other decimals than ISO; None: the vendor does not document it, so it is refused.
_GATEWAY: dict[str, dict[str, int | None]] = {
    "stripe": {"ISK": 2, "UGX": 2, "MGA": 0, "IQD": None, "LYD": None, "CLF": None, "UYI": None, "UYW": None},
}
_BUNDLED = frozenset(_GATEWAY)
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
_LARGEST = 2**63 - 1  # what the store's 64-bit columns hold


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """An amount in whole minor units (ISO 4217 exponent) of one currency: Money(4825, "EUR") is 48.25 EUR."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        """Refuse what is not a whole number in range, or not a known currency."""
        if type(self.minor) is not int or not -_LARGEST <= self.minor <= _LARGEST:
            raise RecordRefused(f"amount is {self.minor!r}, not a whole number of minor units in 64 bits")
        if self.currency not in _ISO:
            raise _unknown(self.currency)

    @classmethod
    def of(cls, text: str, currency: str) -> Money:
        """Read a plain decimal such as "48.25" exactly; more decimals than the currency has are refused, not rounded."""
        if not isinstance(text, str) or not isinstance(currency, str):
            decimals(currency)
            raise RecordRefused(f"amount is {text!r}, not a plain decimal such as 48.25")
        return cls(_minor(text, currency), currency)

    def __add__(self, other: Money) -> Money:
        """Sum in one currency; two currencies are an error of the program."""
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        """Difference in one currency."""
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __neg__(self) -> Money:
        """The same amount the other way."""
        return Money(-self.minor, self.currency)

    def __str__(self) -> str:
        """Plain decimal and currency, for machines and messages: 48.25 EUR."""
        return f"{plain(self.minor, self.currency)} {self.currency}"

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self} and {other} are of two currencies and cannot be added")


def is_currency(code: str) -> bool:
    """Whether ISO 4217 lists a code (upper case) with its decimals."""
    return code in _ISO


def decimals(currency: str) -> int:
    """How many decimals ISO 4217 gives a currency (upper case); an unknown one is refused, never taken as 2."""
    exponent = _ISO.get(currency)
    if exponent is None:
        raise _unknown(currency)
    return exponent


@lru_cache(maxsize=8192)  # an amount is read and spelled several times on its way, within a batch of documents
def _minor(text: str, currency: str) -> int:
    exponent = decimals(currency)
    if not _PLAIN.fullmatch(text):
        raise RecordRefused(f"amount is {text!r}, not a plain decimal such as 48.25")
    whole, _, fraction = text.partition(".")
    if len(fraction) > exponent and fraction[exponent:].strip("0"):
        raise RecordRefused(f"amount is {text!r}, which has more decimals than {currency} ({exponent})")
    sign = -1 if whole.startswith("-") else 1
    digits = (whole.lstrip("-") + fraction[:exponent].ljust(exponent, "0")).lstrip("0") or "0"
    if len(digits) > 19:
        raise RecordRefused(f"amount is {text!r}, too large for 64 bits of minor units")
    return sign * int(digits)


@lru_cache(maxsize=8192)
def plain(minor: int, currency: str) -> str:
    """Minor units as a plain decimal without grouping: plain(-5, "EUR") is -0.05."""
    exponent = decimals(currency)
    if exponent == 0:
        return str(minor)
    digits = str(abs(minor)).rjust(exponent + 1, "0")
    return f"{'-' if minor < 0 else ''}{digits[:-exponent]}.{digits[-exponent:]}"


def from_gateway(gateway: str, amount: object, currency: object) -> Money:
    """Turn a gateway's whole number and currency code into Money by that gateway's own exponents, exactly or not at all."""
    code = currency.upper() if isinstance(currency, str) and currency.isascii() else currency
    if not isinstance(code, str) or code not in _ISO:
        raise _unknown(currency)
    if type(amount) is not int:
        raise RecordRefused(f"amount is {amount!r}, not a whole number of {code} minor units")
    theirs = _GATEWAY[gateway].get(code, _ISO[code])
    if theirs is None:
        raise RecordRefused(f"currency {code} has no documented decimals at {gateway}; ask the vendor before using it")
    shift = theirs - _ISO[code]
    if shift <= 0:
        return Money(amount * 10**-shift, code)
    minor, rest = divmod(amount, 10**shift)
    if rest:
        raise RecordRefused(f"amount is {amount} {code}, but {gateway} writes {code} with {shift} trailing zeros")
    return Money(minor, code)


def from_decimal(amount: object, currency: object) -> Money:
    """Turn an amount that a gateway writes with a decimal point ("12.34", or such a JSON number) into Money, exactly or not."""
    code = currency.upper() if isinstance(currency, str) and currency.isascii() else currency
    if not isinstance(code, str) or code not in _ISO:
        raise _unknown(currency)
    if type(amount) is int:  # a JSON number without a point, in whole units of the currency
        return Money(amount * 10 ** _ISO[code], code)
    if not isinstance(amount, str):
        raise RecordRefused(f"amount is {amount!r}, not a plain decimal such as 48.25")
    return Money.of(amount, code)


def declare_gateway(gateway: str, exponents: Mapping[str, int | None]) -> None:
    """Learn where another package's gateway has other decimals than ISO (None: not documented); a table of ours stays."""
    if gateway in _BUNDLED:
        raise RecordRefused(f"the decimals of {gateway!r} are listed in money.py", cure="leave decimals: out of its schema")
    for code in exponents:
        decimals(code)
    _GATEWAY[gateway] = dict(exponents)


def allocate(total: Money, weights: Sequence[int]) -> list[Money]:
    """Split an amount by weights so that the parts sum to it exactly (largest remainder; ties go to the first)."""
    whole = sum(weights)
    if whole <= 0 or min(weights) < 0:
        raise ValueError(f"weights {list(weights)} must be non-negative with a positive sum")
    sign = -1 if total.minor < 0 else 1
    shares = [divmod(abs(total.minor) * weight, whole) for weight in weights]
    missing = abs(total.minor) - sum(share for share, _ in shares)
    largest = sorted(range(len(shares)), key=lambda place: -shares[place][1])[:missing]
    parts = [share + (place in largest) for place, (share, _) in enumerate(shares)]
    return [Money(sign * part, total.currency) for part in parts]


@dataclass(frozen=True, slots=True)
class Percent:
    """An exact rate in percent: 7.7 % is 77 of 10."""

    numerator: int
    denominator: int

    @classmethod
    def of(cls, text: str) -> Percent:
        """Read "19" or "7.7"; refuses what is no plain number from 0 to under 100, or has more than six decimals."""
        whole, _, fraction = text.partition(".")
        if not _PLAIN.fullmatch(text) or text.startswith("-") or len(whole) > 2 or len(fraction) > 6:
            raise RecordRefused(f"rate is {text!r}, not a plain number of percent from 0 to under 100")
        return cls(int(whole + fraction), 10 ** len(fraction))

    def on(self, amount: Money) -> Money:
        """So much percent of an amount, rounded half away from zero."""
        return share(amount, self.numerator, 100 * self.denominator)

    def within(self, amount: Money) -> Money:
        """The part of an amount that a tax of so much percent makes up when it is included, rounded half away from zero."""
        return share(amount, self.numerator, 100 * self.denominator + self.numerator)


def share(amount: Money, part: int, whole: int) -> Money:
    """part/whole of an amount, rounded half away from zero."""
    sign = -1 if (amount.minor < 0) != (part < 0) else 1
    return Money(sign * ((2 * abs(amount.minor * part) + whole) // (2 * whole)), amount.currency)


def totals(amounts: Iterable[Money]) -> dict[str, Money]:
    """Sum amounts per currency, currencies in alphabetical order."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    return {currency: Money(sums[currency], currency) for currency in sorted(sums)}


def _unknown(currency: object) -> RecordRefused:
    return RecordRefused(f"currency is {currency!r}, which ISO 4217 does not list with its decimals; it is never guessed")

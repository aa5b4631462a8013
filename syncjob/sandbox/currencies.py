"""What Stripe knows about currencies: decimals, smallest steps, settlement, fees; amounts in minor units."""

from __future__ import annotations

# Stripe's own table (docs "Supported currencies"); it differs from ISO 4217 for ISK, UGX and MGA.
# It is written down here a second time on purpose: a wrong table must not be able to agree with itself.
_ZERO = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
_TWO = "aud cad chf czk dkk eur gbp huf isk nok nzd pln sek twd ugx usd"
_THREE = "bhd jod kwd omr tnd"
EXPONENT: dict[str, int] = {
    **dict.fromkeys(_ZERO.split(), 0),
    **dict.fromkeys(_TWO.split(), 2),
    **dict.fromkeys(_THREE.split(), 3),
}
_STEP: dict[str, int] = {"isk": 100, "ugx": 100, **dict.fromkeys(_THREE.split(), 10)}

BALANCES = ("eur", "usd", "jpy", "kwd", "isk")
HOME = "eur"
MICRO = 1_000_000
# Minor units of euro per minor unit, in millionths, before the day's movement.
_TO_HOME = {"gbp": 1_154_700, "chf": 1_062_300, "sek": 88_900, "dkk": 134_000, "nok": 85_100, "pln": 234_500}

_BALANCE_TO_HOME = {"usd": 921_400, "jpy": 610_000, "kwd": 300_000, "isk": 6_700}

# Settlement currency -> (basis points, fixed part) of a card payment.
_TARIFF = {"eur": (150, 25), "usd": (290, 30), "jpy": (360, 0), "kwd": (290, 100), "isk": (290, 3_000)}
_SEPA_FEE = 35
_FX_BASIS_POINTS = 200
_DISPUTE_FEE = {"eur": 2_000, "usd": 1_500, "jpy": 1_500, "kwd": 5_000, "isk": 200_000}


def stepped(numerator: int, denominator: int, currency: str) -> int:
    """Round half up to the smallest step that Stripe moves in this currency: 100 for ISK, 10 for KWD, else 1."""
    step = _STEP.get(currency, 1)
    return (2 * numerator + denominator * step) // (2 * denominator * step) * step


def settlement_of(currency: str) -> str:
    """The currency in which a payment reaches the balance."""
    return currency if currency in BALANCES or currency not in _TO_HOME else HOME


def rate_micro(currency: str, settled: str, day: int) -> int | None:
    """The day's rate in millionths of minor unit per minor unit, or None where nothing is converted."""
    if currency == settled:
        return None
    return _TO_HOME.get(currency, MICRO) + (day * 7_919 % 13 - 6) * 700


def converted(amount: int, rate: int | None, settled: str) -> int:
    """An amount in the settlement currency's minor units."""
    return amount if rate is None else stepped(amount * rate, MICRO, settled)


def payment_fees(amount: int, settled: str, method: str, rate: int | None) -> tuple[tuple[str, int], ...]:
    """What Stripe keeps of a payment: (description, amount in settlement minor units) for each part."""
    if method == "sepa_debit":
        parts = [("Stripe processing fees", _SEPA_FEE)]
    else:
        basis_points, fixed = _TARIFF.get(settled, (290, 30))
        parts = [("Stripe processing fees", stepped(amount * basis_points + fixed * 10_000, 10_000, settled))]
    if rate is not None:
        parts.append(("Stripe currency conversion fee", stepped(amount * _FX_BASIS_POINTS, 10_000, settled)))
    return tuple(parts)


def rate_between(currency: str, to: str, day: int) -> int:
    """The day's rate from one balance to another, in millionths of minor unit per minor unit."""
    if currency == HOME:
        return MICRO * MICRO // rate_between(to, HOME, day)
    first = _TO_HOME.get(currency) or _BALANCE_TO_HOME[currency]
    second = MICRO if to == HOME else _TO_HOME.get(to) or _BALANCE_TO_HOME[to]
    return first * MICRO // second + (day * 7_919 % 13 - 6) * 700


def instant_payout_fee(amount: int, currency: str) -> int:
    """What Stripe takes for a payout that arrives within the half hour: one percent."""
    return stepped(amount * 100, 10_000, currency)


def dispute_fee(settled: str) -> int:
    """What Stripe takes when a dispute is opened, and gives back when it is won."""
    return _DISPUTE_FEE.get(settled, 1_500)


def major(amount: int, currency: str) -> str:
    """An amount as a decimal text in major units, as a merchant's own books write it: 12000 EUR is "120.00"."""
    # ISK has two implied decimals at Stripe, but a book in krona shows none.
    if currency in {"isk", "ugx"}:
        return str(amount // 100)
    places = EXPONENT[currency]
    if places == 0:
        return str(amount)
    whole, rest = divmod(amount, 10**places)
    return f"{whole}.{rest:0{places}d}"

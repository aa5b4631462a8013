"""What a key must be allowed to read: asked for once each, and told in the words that a person clicks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncjob.errors import NeedsPerson, Problem, RecordRefused
from syncjob.gateways.stripe.answers import Answers
from syncjob.gateways.stripe.event_types import HANDLED, NOT_NEEDED
from syncjob.gateways.stripe.feeds import ALSO
from syncjob.gateways.stripe.objects import within
from syncjob.http import Answer
from syncjob.redact import clean

# A list (or object), how to ask it for little, and the read rights that a restricted key needs for it.
_ONE = (("limit", "1"),)
_RIGHTS: Sequence[tuple[str, Sequence[tuple[str, str]], str]] = (
    ("account", (), "Accounts (without it a changed key cannot be told from another account's key)"),
    ("balance", (), "Balance"),
    (
        "balance_transactions",
        _ONE,
        "Balance transaction sources, Charges and refunds, Disputes, Payouts, Top-ups and Transfers",
    ),
    ("events", (("limit", "100"),), "Events"),
    ("customers", _ONE, "Customers"),
    ("subscriptions", _ONE, "Subscriptions"),
    ("invoices", _ONE, "Invoices"),
    ("invoice_payments", _ONE, "Invoices"),
    ("credit_notes", _ONE, "Credit notes"),
    ("charges", _ONE, "Charges and refunds"),
    ("refunds", _ONE, "Charges and refunds"),
    ("disputes", _ONE, "Disputes"),
    ("payouts", _ONE, "Payouts"),
    ("topups", _ONE, "Top-ups"),
)


def problems(answers: Answers, account: str, *, may_move_money: bool) -> list[Problem]:
    """One small request for each right: what is missing and where to click, and event types that nobody has decided about."""
    found: list[Problem] = []
    for place, params, rights in _RIGHTS:
        try:
            answer = answers.get(f"/v1/{place}", [*params, *ALSO.get(place, ())], expect=(403, 404))
        except NeedsPerson as wrong:
            return [Problem("the key", answers.name, str(wrong))]  # no key, no rights: one line is enough
        except RecordRefused as wrong:
            found.append(Problem(f"/v1/{place}", answers.name, str(wrong), "look at base_url"))
            continue
        if answer.status == 404 or (place == "balance" and answer.status == 200 and within(answer.body, "object") != place):
            why = f"not offered: {'the server answers 404' if answer.status == 404 else 'what it answers is no balance'}"
            found.append(Problem(f"/v1/{place}", answers.name, why, "what it would tell is not covered; look at base_url"))
        elif answer.status != 403:
            found += _unknown_types(answers, answer) if place == "events" else ()
        elif account and is_closed(answer):
            return [closed(answers.name, account, answer)]  # nor may it read anything else of it
        else:
            cure = f"give the restricted key Read on {rights}"
            found.append(Problem(f"/v1/{place}", answers.name, _said(answer) or "the key may not read this", cure))
    if may_move_money:
        cure = "use a restricted key that only reads (docs/connectors/stripe.md lists its rights)"
        found.append(Problem("the key", answers.name, "it is a secret key, which may also move money", cure))
    return found


def is_closed(answer: Answer) -> bool:
    """Whether a refusal is about the connected account as a whole, not about one right."""
    return within(answer.body, "error", "code") == "account_invalid" or "does not have access to account" in _said(answer)


def closed(name: str, account: str, answer: Answer) -> Problem:
    """A connected account that the platform's key may not read."""
    cure = "look at account: in syncjob.yaml, and whether the account is still connected to the platform whose key this is"
    return Problem(f"account {account}", name, _said(answer) or "the key may not read this account", cure)


def _unknown_types(answers: Answers, answer: Answer) -> Iterator[Problem]:
    rows, _ = answers.rows(answer)
    types = {row["type"] for row in rows if isinstance(row.get("type"), str)}
    for name in sorted(types - HANDLED - NOT_NEEDED.keys()):
        why = "this version of syncjob does not know it, so nobody has decided whether it matters here"
        yield Problem(f"event type {clean(name)}", answers.name, why, "report it; everything else is read as before")


def _said(answer: Answer) -> str:
    return clean(str(within(answer.body, "error", "message") or ""))[:200]

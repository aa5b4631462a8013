"""The closed list of words that a map may use: each with what it says and an example. `docs/mapping.md` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Word:
    """A word of maps: where it stands, what it says in one sentence, and one line of YAML that uses it."""

    word: str
    of: Literal["gateway", "conversion", "target", "field type"]
    says: str
    example: str


_WORDS = (
    Word(
        "from",
        "gateway",
        "Read this path; of several, the first where something stands.",
        "description: {from: [origin.description, description]}",
    ),
    Word(
        "as",
        "gateway",
        "Convert what was read by a named conversion; without it, it is text.",
        "effective: {from: created, as: unix_seconds}",
    ),
    Word(
        "currency",
        "gateway",
        "Where the currency of an amount stands; no amount goes without.",
        "gross: {from: amount, as: money, currency: currency}",
    ),
    Word(
        "lookup",
        "gateway",
        "Turn a vendor's word into ours; a word that is not listed holds the record.",
        "bucket: {from: balance_type, lookup: {payments: payments, issuing: issuing}}",
    ),
    Word(
        "refuse",
        "gateway",
        "Words that are known and not booked, each with the reason that people read.",
        "bucket: {from: balance_type, lookup: {payments: payments}, refuse: {issuing: cards have books of their own}}",
    ),
    Word(
        "default",
        "gateway",
        "What an absent field means, said in the map and nowhere else.",
        "bucket: {from: balance_type, lookup: {payments: payments}, default: payments}",
    ),
    Word(
        "value",
        "gateway",
        "A fixed text.",
        "bucket: {value: payments}",
    ),
    Word(
        "when",
        "gateway",
        "The rule counts only where these fields hold one of these words.",
        "description: {when: {type: [charge, payment]}, from: description}",
    ),
    Word(
        "needs",
        "gateway",
        "The rule counts only where these fields are there.",
        "description: {needs: source, from: description}",
    ),
    Word(
        "prefixes",
        "gateway",
        "How document numbers begin that are looked for in free text.",
        "references: [{from: description, as: document_numbers, prefixes: [INV-, RE-]}]",
    ),
    Word(
        "with",
        "gateway",
        "A second path that a conversion reads: the name of a guest.",
        "customer: {from: origin.billing_details.email, as: guest, with: origin.billing_details.name}",
    ),
    Word(
        "text",
        "conversion",
        "Text as it stands; empty text counts as absent.",
        "description: {from: description, as: text}",
    ),
    Word(
        "id",
        "conversion",
        "An id: text that is kept byte by byte, so a card number in it holds the record.",
        "origin: {from: source, as: id}",
    ),
    Word(
        "guest",
        "conversion",
        "The id of somebody without a customer record, made from their e-mail address.",
        "customer: {from: origin.receipt_email, as: guest}",
    ),
    Word(
        "money",
        "conversion",
        "A whole number in the gateway's own decimals with the currency beside it.",
        "net: {from: net, as: money, currency: currency}",
    ),
    Word(
        "items_total",
        "conversion",
        "Quantity times unit price over all items; absent where an item is priced otherwise.",
        "amount: {from: items.data, as: items_total}",
    ),
    Word(
        "fees",
        "conversion",
        "The list of single fees with their types; a fee of type tax is tax.",
        "fees: {from: fee_details, as: fees}",
    ),
    Word(
        "unix_seconds",
        "conversion",
        "An instant from whole Unix seconds.",
        "available: {from: available_on, as: unix_seconds}",
    ),
    Word(
        "iso_instant",
        "conversion",
        "An instant from ISO 8601 text with its offset.",
        "available: {from: description, as: iso_instant}",
    ),
    Word(
        "document_numbers",
        "conversion",
        "Every document number inside free text that begins with a listed prefix.",
        "references: [{from: description, as: document_numbers, prefixes: [INV-]}]",
    ),
    Word(
        "from",
        "target",
        "Take this part of what happened; of several, the first that is there.",
        "payee: {from: [customer_name, customer_email]}",
    ),
    Word(
        "value",
        "target",
        "A fixed text.",
        "payee: {value: Stripe}",
    ),
    Word(
        "join",
        "target",
        "Put several parts into one text; absent parts are left out.",
        "narration: {join: [{value: Payment}, {from: invoices}]}",
    ),
    Word(
        "between",
        "target",
        "What stands between joined parts; a space if nothing is said.",
        'narration: {join: [{from: kind}, {from: description}], between: ": "}',
    ),
    Word(
        "lookup",
        "target",
        "Turn one of our words into the target's; a word that is not listed holds the document.",
        "stage: {from: state, lookup: {open: open, part paid: open, paid: won}}",
    ),
    Word(
        "as",
        "target",
        "as: words writes dispute_reversal as Dispute reversal.",
        "narration: {from: kind, as: words}",
    ),
    Word(
        "default",
        "target",
        "What is written where nothing is there.",
        "narration: {from: description, default: no description}",
    ),
    Word(
        "when",
        "target",
        "The rule counts only where these parts of what happened are one of these words.",
        "narration: {when: {kind: [fee]}, from: description}",
    ),
    Word(
        "cut",
        "target",
        "cut: yes shortens a text that is too long with …; without it, it is refused.",
        "narration: {from: description, cut: yes}",
    ),
    Word(
        "same_currency",
        "target",
        "same_currency: yes leaves an amount out whose currency is not the one beside it.",
        "fee: {from: fee, same_currency: yes}",
    ),
    Word(
        "text",
        "field type",
        "Text on one line, up to its length.",
        "narration: {type: text, most: 200}",
    ),
    Word(
        "id",
        "field type",
        "An id: never shortened.",
        "number: {type: id, most: 40}",
    ),
    Word(
        "email",
        "field type",
        "An e-mail address.",
        "email: {type: email, most: 254}",
    ),
    Word(
        "enum",
        "field type",
        "One of the listed words.",
        "stage: {type: enum, values: [open, won]}",
    ),
    Word(
        "money",
        "field type",
        "An amount as plain decimal text; the field of its currency is named.",
        "amount: {type: money, currency: currency}",
    ),
    Word(
        "currency",
        "field type",
        "The currency of the amounts that name it.",
        "currency: {type: currency}",
    ),
    Word(
        "date",
        "field type",
        "A calendar day of the company.",
        "booked: {type: date}",
    ),
    Word(
        "instant",
        "field type",
        "An instant in UTC.",
        "paid_at: {type: instant}",
    ),
    Word(
        "list",
        "field type",
        "Several texts.",
        "links: {type: list, most: 200}",
    ),
    Word(
        "texts",
        "field type",
        "Texts under names that the map chooses.",
        "meta: {type: texts, most: 500}",
    ),
)


def words() -> tuple[Word, ...]:
    """Every word that a map may use, with an example each."""
    return _WORDS

"""The closed list of words that a map may use: each with what it says and an example. `docs/mapping.md` prints it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Word:
    """A word of maps: where it stands, what it says in one sentence, and one line of YAML that uses it."""

    word: str
    of: Literal["gateway", "conversion", "target", "spelling", "field type", "schema"]
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
        "zone",
        "gateway",
        "The zone of a local time or a day that comes without an offset.",
        "effective: {from: origin.metadata.paid_at, as: local_time, zone: Europe/Berlin}",
    ),
    Word(
        "fold",
        "gateway",
        "fold: later means the second pass of the hour that comes twice when clocks go back; the first is usual.",
        "effective: {from: origin.metadata.paid_at, as: local_time, zone: Europe/Berlin, fold: later}",
    ),
    Word(
        "lookup",
        "gateway",
        "Turn a vendor's word into ours, by words in place or a table's name; an unlisted word holds the record.",
        "bucket: {from: balance_type, lookup: {payments: payments, issuing: issuing}}",
    ),
    Word(
        "otherwise",
        "gateway",
        "What a word becomes that the lookup does not list; each time is counted in the summary.",
        "bucket: {from: balance_type, lookup: {payments: payments}, otherwise: issuing}",
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
        "valid_from",
        "gateway",
        "The rule counts only for records from this day (UTC) or instant on; the newest rule stands first.",
        "description: [{valid_from: 2026-01-01, from: description}, {from: origin.description}]",
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
        "decimal",
        "conversion",
        "An amount with a decimal point, as text or as a number, with the currency beside it; exact, or held.",
        "presented: {from: origin.metadata.total, as: decimal, currency: origin.currency}",
    ),
    Word(
        "items_total",
        "conversion",
        "Quantity times unit price over all items; absent where an item is priced otherwise.",
        "amount: {from: items.data, as: items_total}",
    ),
    Word(
        "service_periods",
        "conversion",
        "For which time each line of an invoice is, and its amount as a weight; none where a line does not say.",
        "services: {from: invoice_payment.invoice.lines.data, as: service_periods}",
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
        "available: {from: origin.metadata.paid_at, as: iso_instant}",
    ),
    Word(
        "local_time",
        "conversion",
        "An instant from a local time without an offset, in the zone that the rule names.",
        "effective: {from: origin.metadata.paid_at, as: local_time, zone: America/New_York}",
    ),
    Word(
        "day",
        "conversion",
        "An instant from a calendar day: its beginning in the zone that the rule names.",
        "effective: {from: origin.metadata.paid_on, as: day, zone: Asia/Kolkata}",
    ),
    Word(
        "document_numbers",
        "conversion",
        "Every document number inside free text that begins with a listed prefix.",
        "references: [{from: description, as: document_numbers, prefixes: [INV-]}]",
    ),
    Word(
        "gateway_number",
        "conversion",
        "The gateway's own number for an invoice: it counts only where matching: says gateway_numbers: yes.",
        "references: [{from: origin.metadata.invoice_no, as: gateway_number}]",
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
        "Turn one of our words into the target's, by a list or a table; a word that is not listed holds the document.",
        "stage: {from: state, lookup: {open: open, part paid: open, paid: won}}",
    ),
    Word(
        "otherwise",
        "target",
        "What a word becomes that the lookup does not list; it is counted.",
        "stage: {from: state, lookup: {paid: won}, otherwise: open}",
    ),
    Word(
        "as",
        "target",
        "Have the value written in a certain way, see below.",
        "narration: {from: kind, as: words}",
    ),
    Word(
        "default",
        "target",
        "What is written where nothing is there; it is counted.",
        "narration: {from: description, default: no description}",
    ),
    Word(
        "when",
        "target",
        "The rule counts only where these parts of what happened are one of these words.",
        "narration: [{when: {kind: [fee]}, value: Fee}, {from: kind}]",
    ),
    Word(
        "valid_from",
        "target",
        "The rule counts only for documents of this day or later; the newest rule stands first.",
        "payee: [{valid_from: 2026-01-01, from: customer_company}, {from: customer_name}]",
    ),
    Word(
        "cut",
        "target",
        "cut: yes shortens a text that is too long with …, which is counted; without it, it is refused.",
        "narration: {from: description, cut: yes}",
    ),
    Word(
        "same_currency",
        "target",
        "same_currency: yes leaves an amount out whose currency is not the one beside it.",
        "fee: {from: fee, same_currency: yes}",
    ),
    Word(
        "role",
        "target",
        "The account that plays this role, by accounts.csv; a map never writes an account's code.",
        "account: {role: fees}",
    ),
    Word(
        "words",
        "spelling",
        "dispute_reversal is written as Dispute reversal.",
        "narration: {from: kind, as: words}",
    ),
    Word(
        "one_line",
        "spelling",
        "A postal address on one line, by the order of its country.",
        "payee: {from: customer_address, as: one_line, cut: yes}",
    ),
    Word(
        "country_name",
        "spelling",
        "The name of a country: Germany for DE.",
        "payee: {from: customer_country, as: country_name}",
    ),
    Word(
        "country_code3",
        "spelling",
        "The code of a country in three letters: DEU for DE.",
        "country: {from: customer_country, as: country_code3}",
    ),
    Word(
        "subdivision_name",
        "spelling",
        "The name of a country's part: California for US-CA.",
        "payee: {from: customer_subdivision, as: subdivision_name}",
    ),
    Word(
        "subdivision_short",
        "spelling",
        "The code of a country's part without its country: CA for US-CA.",
        "state: {from: customer_subdivision, as: subdivision_short}",
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
        "An id: never shortened, never a fixed text.",
        "number: {type: id, most: 40}",
    ),
    Word(
        "email",
        "field type",
        "An e-mail address.",
        "email: {type: email, most: 254}",
    ),
    Word(
        "phone",
        "field type",
        "A phone number: never shortened.",
        "phone: {type: phone, most: 30}",
    ),
    Word(
        "enum",
        "field type",
        "One of the listed words.",
        "stage: {type: enum, values: [open, won]}",
    ),
    Word(
        "flag",
        "field type",
        "Yes or no.",
        "live: {type: flag}",
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
        "direction",
        "field type",
        "Whether money came in or went out; values: names the target's own words for it.",
        "direction: {type: direction}",
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
        "country",
        "field type",
        "A country by its code in two letters.",
        "country: {type: country}",
    ),
    Word(
        "subdivision",
        "field type",
        "A state, province or region by its code, such as US-CA.",
        "state: {type: subdivision}",
    ),
    Word(
        "address",
        "field type",
        "A postal address in the fields that the target has for its parts.",
        "address: {type: address, parts: {line1: street, postal_code: zip, city: town, country: country}}",
    ),
    Word(
        "role",
        "field type",
        "An account of the books, by the role that it plays.",
        "account: {type: role}",
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
    Word(
        "type",
        "schema",
        "The type of the field, one of those above.",
        "narration: {type: text}",
    ),
    Word(
        "most",
        "schema",
        "How many characters fit.",
        "narration: {type: text, most: 200}",
    ),
    Word(
        "most_bytes",
        "schema",
        "How many bytes of UTF-8 fit, where the target counts these.",
        "narration: {type: text, most_bytes: 120}",
    ),
    Word(
        "required",
        "schema",
        "required: yes refuses a map that does not fill the field, and holds a document that leaves it empty.",
        "narration: {type: text, required: yes}",
    ),
    Word(
        "currency",
        "schema",
        "The field with the currency of this amount.",
        "amount: {type: money, currency: currency}",
    ),
    Word(
        "direction",
        "schema",
        "The field that says whether this amount came in or went out; the amount is then written without a sign.",
        "amount: {type: money, currency: currency, direction: side}",
    ),
    Word(
        "of",
        "schema",
        "Which amounts, instants or other names alone may stand here, or whose id it is.",
        "fee: {type: money, currency: currency, of: fee}",
    ),
    Word(
        "values",
        "schema",
        "The words of an enum, or the target's own words for in and out.",
        "stage: {type: enum, values: [open, won]}",
    ),
    Word(
        "without",
        "schema",
        "Characters that the target does not take, and what each becomes, which is counted.",
        'narration: {type: text, without: {":": "-", "\\"": "\'"}}',
    ),
    Word(
        "names",
        "schema",
        "Which names a map may choose for texts: a pattern, and what people read about it.",
        'meta: {type: texts, names: {like: "[a-z]+", says: small letters}}',
    ),
    Word(
        "parts",
        "schema",
        "The target's field for each part of an address, with its length, and with as: how a country is written.",
        "address: {type: address, parts: {line1: a, postal_code: b, city: c, country: {field: d, as: country_name}}}",
    ),
)


def words() -> tuple[Word, ...]:
    """Every word that a map may use, with an example each."""
    return _WORDS

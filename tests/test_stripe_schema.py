"""mappings/schemas/stripe.yaml says of each field what Stripe's own SDK says of it, at the pinned version."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from syncjob import yamlfile
from syncjob.mapping.vendor import holds
from syncjob.shipped import folder as shipped

CATALOGUE = Path(__file__).parents[2] / "shared/specs/gateways/stripe_object_fields_2026-10-28.json"
SCHEMA = yamlfile.load(shipped() / "schemas/stripe.yaml", "mappings/schemas/stripe.yaml").mapping()
FIELDS = holds(SCHEMA["records"])
CLASSES = {  # record type -> its class in the SDK, of those whose fields the catalogue lists
    "application_fee": "ApplicationFee",
    "balance_transaction": "BalanceTransaction",
    "charge": "Charge",
    "credit_note": "CreditNote",
    "customer": "Customer",
    "dispute": "Dispute",
    "invoice": "Invoice",
    "invoice_payment": "InvoicePayment",
    "payment_intent": "PaymentIntent",
    "payout": "Payout",
    "refund": "Refund",
    "subscription": "Subscription",
}
PYTHON = {  # what a field holds -> the SDK's type of it
    **dict.fromkeys(("money", "seconds", "number"), "int"),
    "flag": "bool",
    **dict.fromkeys(("text", "email", "phone", "country", "subdivision", "currency", "id", "enum"), "str"),
}
WORDS = re.compile(r"Literal\[([^\]]*)\]")


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    if not CATALOGUE.is_file():
        pytest.skip("the vendors' descriptions are not beside this tree")
    found: dict[str, Any] = json.loads(CATALOGUE.read_text(encoding="utf-8"))["objects"]
    return found


def said(fields: dict[str, Any], path: tuple[str, ...]) -> str | None:
    """The SDK's type of a field; what stands in metadata or behind an id is not in the catalogue."""
    type = ""
    for name in path:
        if name == "*" or any(word in type for word in ("ExpandableField", "Dict[str, str]", "ListObject")):
            return None
        assert name in fields, path
        type, fields = fields[name]["type"], fields[name].get("fields") or {}
    return type


@pytest.mark.parametrize("record", CLASSES)
def test_every_field_is_of_the_type_that_the_vendor_says(record: str, catalogue: dict[str, Any]):
    seen = 0
    for path, what in FIELDS[record].items():
        type = said(catalogue[CLASSES[record]], path)
        if type is None or what is None:
            continue
        seen += 1
        where = (record, ".".join(path), what, type)
        listed = WORDS.search(type)
        if listed is not None and listed[1] != "True":
            assert what.type == "enum", where  # a closed list of the vendor's words is closed here, too
            assert set(re.findall(r"'([^']+)'", listed[1])) <= set(what.words), where
        else:
            is_id = what.type == "id" and "ExpandableField" in type
            is_flag = what.type == "flag" and listed is not None
            assert is_id or is_flag or PYTHON[what.type] in type, where
    assert seen >= 5


def test_the_version_is_the_one_that_is_pinned():
    assert SCHEMA["version"].text() == "2026-10-28.endive"

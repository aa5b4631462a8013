"""Where maps are found, what they keep, and that the shipped ones know every word the vendor documents."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest
from stripe_objects import STRIPE, charge, customer, dispute, invoice_payment, landed, movement

from syncjob import yamlfile
from syncjob.errors import Misconfigured
from syncjob.mapping import load_gateway, load_target
from syncjob.mapping.files import KINDS
from syncjob.model import Kept, Kind, canonical
from syncjob.shipped import folder as shipped

REPOSITORY = Path(__file__).parent.parent
NAME = "mappings/gateways/stripe.yaml"

# The vendor's own lists: reporting categories of its reports API, and types of balance transactions (2026-10-28).
CATEGORIES = """advance advance_funding anticipation_repayment charge charge_failure climate_order_purchase climate_order_refund
    connect_collection_transfer connect_reserved_funds contribution dispute dispute_reversal fee financing_paydown
    financing_paydown_reversal financing_payout financing_payout_reversal issuing_authorization_hold
    issuing_authorization_release issuing_dispute issuing_transaction network_cost obligation other_adjustment
    partial_capture_reversal payout payout_reversal platform_earning platform_earning_refund refund refund_failure
    risk_reserved_funds tax topup topup_reversal transfer transfer_reversal unreconciled_customer_funds"""
TYPES = """adjustment advance advance_funding anticipation_repayment application_fee application_fee_refund charge
    climate_order_purchase climate_order_refund connect_collection_transfer contribution fee_credit_funding inbound_transfer
    inbound_transfer_reversal issuing_authorization_hold issuing_authorization_release issuing_dispute
    issuing_dispute_provisional_credit issuing_dispute_provisional_credit_reversal issuing_transaction obligation_inbound
    obligation_outbound obligation_payout obligation_payout_failure obligation_reversal_inbound obligation_reversal_outbound
    payment payment_failure_refund payment_network_reserve_hold payment_network_reserve_release payment_refund
    payment_reversal payment_unreconciled payout payout_cancel payout_failure payout_minimum_balance_hold
    payout_minimum_balance_release refund refund_failure reserve_hold reserve_release reserve_transaction reserved_funds
    stripe_balance_payment_debit stripe_balance_payment_debit_reversal stripe_fee stripe_fx_fee tax_fee tax_fund topup
    topup_reversal transfer transfer_cancel transfer_failure transfer_refund"""
STATES = {
    "dispute": """appeal_needs_response appeal_under_review lost needs_response prevented under_review warning_closed
        warning_needs_response warning_under_review won""",
    "payout": "paid pending in_transit canceled failed",
    "subscription": "active canceled incomplete incomplete_expired past_due paused trialing unpaid",
}


def shipped_map() -> yamlfile.Node:
    return yamlfile.load(shipped() / "gateways/stripe.yaml", NAME)


def complaint(home: Path, text: str) -> str:
    path = home / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    with pytest.raises(Misconfigured) as refused:
        load_gateway("stripe", home)
    return str(refused.value)


def own_map(home: Path, *changes: tuple[str, str]) -> None:
    text = (shipped() / "gateways/stripe.yaml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = home / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# ---------------------------------------------------------------- the shipped maps


def test_every_shipped_map_loads():
    for kind in KINDS:
        for path in sorted((REPOSITORY / "mappings" / kind).glob("*.yaml")):
            load = load_gateway(path.stem) if kind == "gateways" else load_target(kind, path.stem)  # type: ignore[arg-type]
            assert load.name == path.stem


def test_every_kind_that_the_vendor_documents_is_booked_or_refused_with_a_reason():
    kind = shipped_map().mapping()["movements"].sequence()[0].mapping()["kind"].mapping()
    lookup, refuse = kind["lookup"].mapping(), kind["refuse"].mapping()
    assert set(lookup) | set(refuse) == {*CATEGORIES.split(), *TYPES.split()}
    assert {one.text() for one in lookup.values()} == {kind.value for kind in Kind} - {"conversion"}
    assert all(len(one.text()) > 20 for one in refuse.values())


@pytest.mark.parametrize("type", STATES)
def test_every_state_that_the_vendor_documents_is_listed(type: str):
    facts = [one.mapping() for one in shipped_map().mapping()["facts"].sequence()]
    (kind,) = [fact["kind"].mapping() for fact in facts if fact["record"].text() == type]
    assert set(kind["lookup"].mapping()) == set(STATES[type].split())


# ---------------------------------------------------------------- what is kept


def test_what_is_kept_of_a_charge_is_what_the_map_reads():
    kept = STRIPE.keep["charge"]
    assert [".".join(path) for path in kept.fields] == [
        *("amount", "balance_transaction", "created", "currency", "customer", "description", "failure_code"),
        *("failure_message", "metadata.invoice", "metadata.invoice_id", "metadata.invoice_number", "metadata.product"),
        *("outcome.reason", "outcome.seller_message", "payment_intent", "status"),
    ]
    assert [".".join(path) for path in kept.personal] == [
        *(f"billing_details.address.{part}" for part in ("city", "country", "line1", "line2", "postal_code", "state")),
        *("billing_details.email", "billing_details.name", "billing_details.phone", "receipt_email"),
    ]
    assert (kept.person, kept.ids) == (("customer",), (("customer",), ("payment_intent",)))


def test_a_kept_type_that_no_rule_reads_is_kept_as_listed():
    fields = (("amount",), ("currency",), ("id",))
    assert STRIPE.keep["connect_collection_transfer"] == Kept("connect_collection_transfer", fields)


def test_nothing_of_a_card_or_of_evidence_is_landed():
    bodies = [charge(), dispute(), customer(), movement("charge", 1), invoice_payment("INV-1")]
    text = "".join(canonical(record.body) + canonical(record.personal) for record in landed(*bodies))
    for secret in ("4242", "2030", "fingerprint", "receipt_url", "192.0.2.1", "customer_purchase", "exchange_rate"):
        assert secret not in text
    assert "customer_email" not in text  # the invoice behind a payment lends its number only


@pytest.mark.parametrize(
    ("type", "path"),
    [
        ("charge", "payment_method_details.card.last4"),
        ("charge", "payment_method_details.card.brand"),
        ("charge", "payment_method_details.sepa_debit.fingerprint"),
        ("charge", "payment_method_details.us_bank_account.account_number"),
        ("charge", "payment_method_details"),
        ("charge", "source"),
        ("charge", "shipping.name"),
        ("charge", "receipt_url"),
        ("charge", "authorization_code"),
        ("charge", "card.number"),
        ("charge", "fraud_details.user_report"),
        ("payment_intent", "client_secret"),
        ("dispute", "evidence.customer_purchase_ip"),
        ("refund", "destination_details.card.reference"),
        ("topup", "source.ach_debit.routing_number"),
        ("invoice", "hosted_invoice_url"),
    ],
)
def test_card_and_account_data_is_refused_with_its_line(type: str, path: str, tmp_path: Path):
    text = f"gateway: stripe\nkeep:\n  {type}:\n    - id\n    - {path}\nmovements: []\n"
    why = f"{path!r} of {type} is card or account data, which is never kept; remove the path"
    assert complaint(tmp_path, text) == f"{NAME}:5:7: {why}"


# ---------------------------------------------------------------- whose map


def test_the_map_of_the_home_wins_over_the_shipped_one(tmp_path: Path):
    own_map(tmp_path, ("prefixes: [INV-]", "prefixes: [INV-, RE-]"))
    own, ours = load_gateway("stripe", tmp_path), load_gateway("stripe", tmp_path / "elsewhere")
    assert own.digest != ours.digest == STRIPE.digest


def test_the_digest_follows_the_schema_too(tmp_path: Path):
    before = load_target("crm", "sqlite", tmp_path).digest
    schema = tmp_path / "mappings/schemas/sqlite.yaml"
    schema.parent.mkdir(parents=True)
    schema.write_text((shipped() / "schemas/sqlite.yaml").read_text() + "# ours\n")
    assert load_target("crm", "sqlite", tmp_path).digest != before


def test_line_ends_do_not_change_the_digest(tmp_path: Path):
    own_map(tmp_path)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_gateway("stripe", tmp_path).digest == STRIPE.digest


def test_a_field_that_a_map_reads_besides_is_kept_from_then_on(tmp_path: Path):
    own_map(tmp_path, ("          - origin.metadata.invoice_number\n", "          - origin.metadata.purchase_order\n"))
    assert ("metadata", "purchase_order") in load_gateway("stripe", tmp_path).keep["charge"].fields


NOT_ALLOWED = "is not one of the words allowed here; did you mean"
FRAME = {
    "gateway: strip\nmovements: []": f"1:10: 'strip' {NOT_ALLOWED} 'stripe'? Allowed: stripe",
    "gateway: stripe\npersons: []": "2:1: 'persons' is not known here; did you mean 'personal'? Allowed: gateway, keep",
    "gateway: stripe": "1:1: 'movements' is missing here; add a line movements: ...",
    "gateway: stripe\nmovements: []": "2:12: the list is empty; write at least one item",
    "gateway: stripe\nmovements: {record: charge}": "2:12: 'kind' is missing here; add a line kind: ...",
    "gateway: stripe\nkeep: {charges: [id]}\nmovements: []": f"2:8: 'charges' {NOT_ALLOWED} 'charge'? Allowed: ",
}


@pytest.mark.parametrize("text", FRAME)
def test_a_mistake_in_the_frame_of_a_map_is_refused(text: str, tmp_path: Path):
    assert complaint(tmp_path, text).startswith(f"{NAME}:{FRAME[text]}")


def test_a_join_that_compares_a_field_is_checked_like_any_path(tmp_path: Path):
    own_map(tmp_path, ("where: payment.payment_intent", "where: payment.intent"))
    with pytest.raises(Misconfigured, match=r"'payment\.intent' is no field of invoice_payment; did you mean 'payment"):
        load_gateway("stripe", tmp_path)


def test_a_map_that_nobody_wrote_is_refused_by_name():
    with pytest.raises(Misconfigured, match=r"^mappings/gateways/acme\.yaml:1:1: there is no such file"):
        load_gateway("acme")
    with pytest.raises(Misconfigured, match=r"'\.\./stripe' is no name of a map"):
        load_gateway("../stripe")


# ---------------------------------------------------------------- the wheel


def test_the_wheel_has_every_package_and_the_maps():
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    packages = setup["options"]["packages"].split()
    there = {".".join(path.parent.relative_to(REPOSITORY).parts) for path in REPOSITORY.glob("syncjob/**/__init__.py")}
    assert set(packages) == there | {"syncjob.mappings"}
    assert "syncjob.mappings = mappings" in setup["options"]["package_dir"]
    assert setup["options.package_data"]["syncjob.mappings"].split() == ["**/*.yaml", "**/*.csv"]

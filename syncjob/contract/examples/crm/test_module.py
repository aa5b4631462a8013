"""Acmecrm: what only this vendor does. What every target promises is asked by: pytest --connector acmecrm."""

# ruff: noqa: D103, S101 - a test asserts, and its name tells its story

from __future__ import annotations

from pathlib import Path

from syncjob.contract import cases

(ACMECRM,) = cases.found(["crm"], Path(__file__).parent.parent, "acmecrm")


def test_the_field_for_our_reference_is_created_once(tmp_path: Path) -> None:
    crm = cases.TargetCase(ACMECRM, tmp_path)
    crm.ready()
    crm.ready()
    assert crm.wire is not None
    assert [one.path for one in crm.wire.writes()] == ["/v1/fields"]


def test_a_payment_names_its_contact_by_the_contacts_id_there(tmp_path: Path) -> None:
    crm = cases.TargetCase(ACMECRM, tmp_path)
    crm.send_all()
    assert crm.wire is not None
    sent = [row for one in crm.wire.writes() if one.path == "/v1/records" for row in one.json()["records"]]
    payment = next(row for row in sent if row["type"] == "payment")
    assert payment["links"] == {"contact": crm.delivered["crm:shop:cus_1:contact"].id}

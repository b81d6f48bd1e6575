"""Claims on quality, quantity and delivery: the kind decides the documents, the routing the manager (S6)."""

from __future__ import annotations

import base64

import pytest

from app.access.policy import Role as Held
from tests.integration.app.sales import CLAIMS, asking, named

PDF = {
    "media_type": "application/pdf",
    "content": base64.b64encode(b"%PDF-1.7 an act").decode(),
    "name": "Акт.pdf",
}


async def _begin(api, customer, **changes):
    form = {"customer_id": customer["id"], "kind": "quality", "subject": "Вода в масле", "text": "Партия 17"}
    return await api.post(CLAIMS, {**form, **changes})


async def test_a_claim_needs_the_documents_of_its_kind_and_goes_to_the_right_manager(api, customer):
    claim = (await _begin(api, customer)).json()
    refused = await api.post(f"{CLAIMS}/{claim['id']}/submit", {})
    assert {error["pointer"] for error in refused.json()["errors"]} == {
        "/documents/act",
        "/documents/quality-passport",
    }
    for kind in ("act", "quality-passport"):
        added = await api.post(f"{CLAIMS}/{claim['id']}/documents", {"kind": kind, **PDF})
        assert added.status_code == 200, added.text
    document = added.json()["documents"][0]
    file = await api.get(f"{CLAIMS}/{claim['id']}/documents/{document['id']}")
    assert (file.content, file.headers["content-type"]) == (b"%PDF-1.7 an act", "application/pdf")
    submitted = (await api.post(f"{CLAIMS}/{claim['id']}/submit", {})).json()
    assert submitted["status"] == "submitted"
    request = (await api.get(f"/api/v1/requests/{submitted['request_id']}")).json()
    assert (request["topic"], request["unit"]) == ("complaints", submitted["unit"])
    assert (await api.post(f"{CLAIMS}/{claim['id']}/documents", {"kind": "photo", **PDF})).status_code == 409
    decided = await api.post(
        f"{CLAIMS}/{claim['id']}/decision", {"decision": "accept", "resolution": "Замена партии"}
    )
    assert decided.json()["status"] == "accepted"
    settled = await api.post(
        f"{CLAIMS}/{claim['id']}/decision", {"decision": "settle", "resolution": "Отгружено"}
    )
    assert (settled.json()["status"], settled.json()["resolution"]) == ("settled", "Отгружено")


@pytest.mark.parametrize(
    ("kind", "documents"),
    [
        ("quality", {"act", "quality-passport"}),
        ("quantity", {"act", "waybill"}),
        ("delivery", {"waybill"}),
    ],
)
async def test_the_kind_decides_the_documents(api, customer, kind, documents):
    claim = (await _begin(api, customer, kind=kind)).json()
    refused = await api.post(f"{CLAIMS}/{claim['id']}/submit", {})
    assert named(refused.json()) == {f"/documents/{name}": "document-required" for name in documents}


async def test_a_claim_of_a_vip_reaches_the_personal_manager_and_nobody_beside(api, customer, number):
    """ "All claims get to the right manager", whom the customer's zone does not have to name."""
    manager = f"manager-{number}"
    person = {"code": manager, "name": "Смирнова", "unit": "contact-centre"}
    assert (await api.post("/api/v1/people", person)).status_code == 201
    profile = {"vip": True, "manager": manager}
    await api.http.put(
        f"/api/v1/customers/{customer['id']}/service-profile", json=profile, headers={"If-Match": "*"}
    )
    claim = (await _begin(api, customer, kind="delivery")).json()
    await api.post(f"{CLAIMS}/{claim['id']}/documents", {"kind": "waybill", **PDF})
    with asking(manager, Held.SALES_MANAGER):
        assert (await api.get(f"{CLAIMS}/{claim['id']}")).status_code == 404, "a draft is the customer's own"
    submitted = (await api.post(f"{CLAIMS}/{claim['id']}/submit", {})).json()
    assert submitted["manager"] == manager
    with asking(manager, Held.SALES_MANAGER):
        mine = (await api.get(f"{CLAIMS}?manager={manager}")).json()["items"]
        assert [each["id"] for each in mine] == [claim["id"]]
        file = f"{CLAIMS}/{claim['id']}/documents/{submitted['documents'][0]['id']}"
        assert (await api.get(file)).status_code == 200
        decision = {"decision": "accept", "resolution": "Замена"}
        assert (await api.post(f"{CLAIMS}/{claim['id']}/decision", decision)).status_code == 200
        steps = (await api.get(f"{CLAIMS}/{claim['id']}/history")).json()["items"]
        assert [each["kind"] for each in steps] == ["drafted", "documented", "submitted", "accepted"]
    with asking(f"other-{number}", Held.SALES_MANAGER):
        assert (await api.get(f"{CLAIMS}/{claim['id']}")).status_code == 404
        assert (await api.get(f"{CLAIMS}/{claim['id']}/history")).status_code == 404
        assert (await api.get(file)).status_code == 404


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({"kind": "waybill", **PDF}, "/kind"),
        ({"kind": "act", **PDF, "media_type": "image/png"}, "/content"),
        ({"kind": "act", **PDF, "name": "../act.pdf"}, "/name"),
    ],
)
async def test_a_document_that_does_not_fit_is_refused(api, customer, form, pointer):
    claim = (await _begin(api, customer)).json()
    answer = await api.post(f"{CLAIMS}/{claim['id']}/documents", form)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)


async def test_a_customer_claims_for_itself_and_decides_nothing(api, customer):
    with asking("portal", Held.CUSTOMER, customer=customer["id"]):
        assert len((await api.get("/api/v1/claim-kinds")).json()["items"]) >= 3
        claim = (await _begin(api, customer, kind="delivery")).json()
        await api.post(f"{CLAIMS}/{claim['id']}/documents", {"kind": "waybill", **PDF})
        submitted = await api.post(f"{CLAIMS}/{claim['id']}/submit", {})
        assert submitted.status_code == 200, submitted.text
        decision = await api.post(
            f"{CLAIMS}/{claim['id']}/decision", {"decision": "accept", "resolution": "Прошу"}
        )
    assert decision.status_code == 403
    with asking("portal", Held.CUSTOMER, customer="00000000-0000-0000-0000-000000000001"):
        assert (await api.get(f"{CLAIMS}/{claim['id']}")).status_code == 404
        assert (await _begin(api, customer)).json()["code"] == "unknown-customer"


async def test_a_claim_holds_so_many_documents(crm, customer, start_api):
    async with start_api(crm.url(), claim_documents=2) as api:
        claim = (await _begin(api, customer)).json()
        path = f"{CLAIMS}/{claim['id']}/documents"
        for _ in range(2):
            assert (await api.post(path, {"kind": "photo", **PDF})).status_code == 200
        refused = await api.post(path, {"kind": "photo", **PDF})
        assert (refused.status_code, refused.json()["state"]) == (409, "full"), refused.text
        both = (await api.get(f"{CLAIMS}/{claim['id']}")).json()["documents"]
        assert len(both) == 2

"""Somebody else's things of sales and the portal, for the walk (test_walk.py)."""

from __future__ import annotations

from tests.integration.app.sales import VEHICLE, day

BASE = "/api/v1"
# What `record_id` stands for, by the first segment of the path.
RECORDS = {
    "deals": "deal_id",
    "tasks": "task_id",
    "contracts": "contract_id",
    "orders": "order_id",
    "claims": "claim_id",
}
# The feed is for all clients (to hide another's post is not), the directory of products for staff.
FOR_EVERYBODY = {"post_id", "product_id", "allowed_id"}

_CONDITIONS = {"unit": "contact-centre", "signed_on": "2026-01-01", "valid_from": "2026-01-01"}
_CLAIM = {"kind": "quality", "subject": "x", "text": "x"}
_FILE = {"kind": "act", "name": "x.txt", "media_type": "text/plain", "content": "eHh4"}
_PLAIN = ("submit", "cancel", "archive", "repeat", "restore")
_STEPS = {
    "tasks/{record_id}/done": {"note": "x"},
    "deals/{record_id}/stage": {"stage": "lost", "note": "x"},
    "contracts/{record_id}/prolong": {"until": "2099-01-01"},
    "contracts/{record_id}/terminate": {"note": "x"},
    "orders/{record_id}/discount-request": {"percent": "99", "reason": "x"},
    "orders/{record_id}/decision": {"decision": "confirm"},
    "claims/{record_id}/documents": _FILE,
    "claims/{record_id}/decision": {"decision": "accept", "resolution": "x"},
    "conversations/{peer}/messages": {"text": "x"},
    "chats/{customer_id}/messages": {"text": "x"},
    **{f"orders/{{record_id}}/{step}": {"note": "x"} for step in _PLAIN},
    "claims/{record_id}/submit": {"note": "x"},
    "deals": {"customer_id": "{customer_id}", "title": "x"},
    "contracts": {"customer_id": "{customer_id}", "number": "x", **_CONDITIONS},
    "orders": {"customer_id": "{customer_id}", "comment": "x"},
    "claims": {"customer_id": "{customer_id}", **_CLAIM},
}
BODIES = {
    **{("POST", f"{BASE}/{path}"): form for path, form in _STEPS.items()},
    ("PATCH", f"{BASE}/deals/{{record_id}}"): {"title": "Чужая"},
    ("PUT", f"{BASE}/contracts/{{record_id}}"): _CONDITIONS,
    ("PUT", f"{BASE}/contracts/{{record_id}}/products"): {"products": []},
    ("PUT", f"{BASE}/orders/{{record_id}}"): {"comment": "x", "requisites": {"wanted_on": day(9)}},
    ("PUT", f"{BASE}/orders/{{record_id}}/vehicle"): VEHICLE,
}
QUERIES = {
    f"{BASE}/deals/{{record_id}}/readiness": "?stage=lost",
    f"{BASE}/catalogue": "?contract_id={contract_id}",
}

_HEAD = "id, customer_id, version, created_at, changed_at"
_NEW = "crm.new_id(), %(customer_id)s, 1, now(), now()"
_THINGS = {
    "deal_id": """
        INSERT INTO crm.deal ($head, number, stage, outcome, title, owner)
        VALUES ($new, %(call_external_id)s, 'contact', 'open', %(secret)s, %(person)s) RETURNING id""",
    "task_id": """
        INSERT INTO crm.task ($head, deal_id, stage, template, title, assignee, due_on, status)
        VALUES ($new, %(deal_id)s, 'contact', 'clarify',
                jsonb_build_object('ru', %(secret)s::text, 'en', %(secret)s::text, 'kk', %(secret)s::text),
                %(person)s, '2026-01-01', 'open') RETURNING id""",
    "contract_id": """
        INSERT INTO crm.contract ($head, number, status, unit, signed_on, valid_from, valid_until,
                                  prolongation, payment, deferral_days, currency, comment)
        VALUES ($new, %(call_external_id)s, 'active', 'contact-centre', '2025-01-01', '2025-01-01',
                '2099-12-31',
                '{"automatic": false, "months": 12, "notice_days": 0}', 'prepaid', 0, 'RUB', %(secret)s)
        RETURNING id""",
    "product_id": """
        INSERT INTO crm.catalogue_product (code, active, title, kind, plant, line, standards, packaging,
                                           container, measure)
        VALUES ('walked-' || substr(md5(%(call_external_id)s), 1, 12), true,
                '{"ru": "x", "en": "x", "kk": "x"}', 'x', 'x', 'x', '{}', 'packed', 'x', 'piece')
        RETURNING code""",
    "allowed_id": """
        INSERT INTO crm.contract_product (contract_id, product, price)
        VALUES (%(contract_id)s, %(product_id)s, 1) RETURNING product""",
    "order_id": """
        WITH steps AS (
            INSERT INTO crm.sales_order ($head, number, status, archived, contract_id, requisites, items,
                                         vehicle, carrier, amount, full_amount, currency, comment)
            VALUES ($new, %(call_external_id)s, 'submitted', false, %(contract_id)s, '{}', '[]', '{}',
                    'walked-carrier', 1, 1, 'RUB', %(secret)s) RETURNING id
        ), step AS (
            INSERT INTO crm.record_event (record_id, version, noun, customer_id, kind, at, actor, note)
            SELECT id, 1, 'order', %(customer_id)s, 'submitted', now(), %(person)s, %(secret)s FROM steps
        ) SELECT id FROM steps""",
    "claim_id": """
        INSERT INTO crm.claim ($head, number, status, kind, order_id, subject, text, documents)
        VALUES ($new, %(call_external_id)s, 'draft', 'quality', %(order_id)s, %(secret)s, %(secret)s, '[]')
        RETURNING id""",
    "document_id": """
        INSERT INTO crm.claim_document (id, claim_id, customer_id, name, media_type, sha256, content,
                                        created_at)
        VALUES (crm.new_id(), %(claim_id)s, %(customer_id)s, 'x.txt', 'text/plain', sha256(%(secret)s::bytea),
                %(secret)s::bytea, now()) RETURNING id""",
    "post_id": """
        INSERT INTO crm.post (id, author, category, text, created_at)
        VALUES (crm.new_id(), %(person)s, 'experience', 'x', now()) RETURNING id""",
    "letter_id": """
        INSERT INTO crm.letter (id, sender, recipient, text, created_at)
        VALUES (crm.new_id(), %(person)s, 'walked-friend', %(secret)s, now()) RETURNING id""",
    "chat_id": """
        INSERT INTO crm.chat_message (id, customer_id, author, of_customer, text, created_at)
        VALUES (crm.new_id(), %(customer_id)s, %(person)s, true, %(secret)s, now()) RETURNING id""",
}
THINGS = {name: text.replace("$head", _HEAD).replace("$new", _NEW) for name, text in _THINGS.items()}
STATE = """
SELECT (SELECT row(d.*)::text FROM crm.deal d WHERE d.id = %(deal_id)s),
       (SELECT row(t.*)::text FROM crm.task t WHERE t.id = %(task_id)s),
       (SELECT row(k.*)::text FROM crm.contract k WHERE k.id = %(contract_id)s),
       (SELECT row(o.*)::text FROM crm.sales_order o WHERE o.id = %(order_id)s),
       (SELECT row(k.*)::text FROM crm.claim k WHERE k.id = %(claim_id)s),
       (SELECT row(p.*)::text FROM crm.post p WHERE p.id = %(post_id)s),
       (SELECT row(l.*)::text FROM crm.letter l WHERE l.id = %(letter_id)s),
       (SELECT count(*) FROM crm.contract_product i WHERE i.contract_id = %(contract_id)s),
       (SELECT count(*) FROM crm.claim_document d WHERE d.claim_id = %(claim_id)s),
       (SELECT count(*) FROM crm.record_event e WHERE e.customer_id = %(customer_id)s),
       (SELECT count(*) FROM crm.chat_message m WHERE m.customer_id = %(customer_id)s),
       (SELECT count(*) FROM crm.letter l WHERE %(person)s IN (l.sender, l.recipient))
"""

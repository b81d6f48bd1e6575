"""Articles for a request."""

from __future__ import annotations

from app.database.units import READ_GATE, Read
from app.directory.repository import maker
from app.knowledge.schemas import ARTICLES
from app.requests.repository import REQUEST

FOR_REQUEST = Read(
    f"""
    SELECT a.version, a.changed_at, a.changed_by,
           to_jsonb(a) - '{{version,changed_at,changed_by}}'::text[]
    FROM crm.request r JOIN crm.article a ON a.active AND a.topics @> ARRAY[r.topic]
    WHERE {READ_GATE} AND r.id = %(id)s ORDER BY a.code LIMIT 100""",
    maker(ARTICLES),
    REQUEST,
)

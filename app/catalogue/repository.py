"""One statement for the catalogue: what the contracts in force allow, a page of it, and all counts.

It begins with one contract or with one customer's, of which it takes one more than MOST_CONTRACTS at most: a
larger base makes it no slower, and its pages no longer.

`failed` names the facets that a product does not fit. A page has products that fail none; the values of a
facet are counted among those that fail no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from app.catalogue.schemas import FACETS, CatalogueItem, FacetValue
from app.database.units import READ_GATE, Read

_FITS = {facet: f"p.{facet} = ANY (%({facet})s)" for facet in FACETS} | {
    "standard": "p.standards && %(standard)s::text[]"
}
_FAILED = ", ".join(
    f"CASE WHEN cardinality(%({facet})s::text[]) > 0 AND ({_FITS[facet]}) IS NOT TRUE THEN '{facet}' END"
    for facet in FACETS
)
_VALUES = ", ".join(f"('{facet}', a.{facet})" for facet in FACETS if facet != "standard")

MOST_CONTRACTS = 50


@dataclass(frozen=True, slots=True)
class Found:
    """`contracts`: how many are in force and in reach; beyond MOST_CONTRACTS the rest is not all of it."""

    items: Sequence[CatalogueItem]
    facets: Mapping[str, Sequence[FacetValue]]
    contracts: int


_ITEMS = TypeAdapter(list[CatalogueItem])


def _result(row: TupleRow) -> Found:
    items, counts, contracts = row
    facets: dict[str, list[FacetValue]] = {facet: [] for facet in FACETS}
    for facet, value, count in counts:
        facets[facet].append(FacetValue(value, count))
    return Found(_ITEMS.validate_python(items), facets, contracts)


_CATALOGUE = f"""
    WITH reached AS MATERIALIZED (
        SELECT k.id, k.number, k.currency FROM crm.contract k
        WHERE {{of}} AND k.status = 'active' AND k.valid_from <= %(today)s
          AND (k.valid_until IS NULL OR k.valid_until >= %(today)s)
        LIMIT {MOST_CONTRACTS + 1}
    ), allowed AS MATERIALIZED (
        SELECT p.code AS product, p.title, p.kind, p.plant, p.line, p.standards, p.viscosity, p.packaging,
               p.container, p.measure, array_remove(ARRAY[{_FAILED}], NULL) AS failed,
               jsonb_agg(jsonb_build_object('contract_id', k.id, 'contract', k.number, 'price', i.price::text,
                                            'currency', k.currency) ORDER BY k.id) AS offers
        FROM reached k
        JOIN crm.contract_product i ON i.contract_id = k.id
        JOIN crm.catalogue_product p ON p.code = i.product AND p.active
        GROUP BY p.code
    )
    SELECT (SELECT coalesce(jsonb_agg(to_jsonb(f) - 'failed' ORDER BY f.product), '[]')
            FROM (SELECT a.* FROM allowed a WHERE a.failed = '{{{{}}}}' AND a.product > %(after)s
                  ORDER BY a.product LIMIT %(rows)s) f),
           (SELECT coalesce(jsonb_agg(jsonb_build_array(c.facet, c.value, c.number)
                                      ORDER BY c.facet, c.value), '[]')
            FROM (SELECT f.facet, f.value, count(*) AS number
                  FROM allowed a, LATERAL (
                      VALUES {_VALUES} UNION ALL SELECT 'standard', s FROM unnest(a.standards) s
                  ) AS f (facet, value)
                  WHERE a.failed <@ ARRAY[f.facet] AND f.value IS NOT NULL
                  GROUP BY f.facet, f.value) c),
           (SELECT count(*) FROM reached)
    WHERE {READ_GATE}"""
OF_CONTRACT = Read(
    _CATALOGUE.format(of="k.id = %(contract_id)s AND coalesce(k.customer_id = %(customer_id)s::uuid, true)"),
    _result,
)
OF_CUSTOMER = Read(_CATALOGUE.format(of="k.customer_id = %(customer_id)s"), _result)

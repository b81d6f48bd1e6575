"""Whether a delivery is the CRM's, by the Standard Webhooks specification (version v1). Pure.

Written after the specification and not with the library that the CRM signs with: what both have wrong would
show nowhere.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping

# As the specification advises: an older signature may be somebody's who listened.
TOLERANCE_S = 300.0
PREFIX = "whsec_"


def fault_of(secret: str, headers: Mapping[str, str], body: bytes, now_s: float) -> str | None:
    """Return why the delivery is not genuine, None when it is. `headers` have names in lower case."""
    id_, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not id_ or not sent.isdigit():
        return "no webhook-id or no webhook-timestamp"
    if abs(now_s - int(sent)) > TOLERANCE_S:
        return f"signed {now_s - int(sent):.0f} s ago"
    due = hmac.digest(key_of(secret), f"{id_}.{sent}.".encode() + body, "sha256")
    given = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(due, found) for found in map(_raw, given) if found):
        return "no signature of this body by this secret"
    return None


def key_of(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX))


def _raw(signature: str) -> bytes | None:
    """Return the bytes of a signature of version 1, None for another's, or for what is none."""
    version, _, text = signature.partition(",")
    try:
        return base64.b64decode(text, validate=True) if version == "v1" else None
    except binascii.Error:
        return None

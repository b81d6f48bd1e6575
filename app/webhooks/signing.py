"""Signatures after the Standard Webhooks specification, with secrets that are derived and never stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from standardwebhooks.webhooks import Webhook

PREFIX = "whsec_"
# How long the secret before signs beside the new one, so that a subscriber can change over at leisure.
OVERLAP = timedelta(days=1)


class Secrets:
    """All secrets of all subscriptions, from CRM_ACCESS_SECRET: the same on every host of both sites."""

    def __init__(self, master: str) -> None:
        self._master = base64.b64decode(master)

    def secret(self, subscription: UUID, number: int) -> str:
        """The `number`th secret of a subscription, in the specification's form."""
        purpose = f"webhook {subscription} {number}".encode()
        digest = hmac.new(self._master, purpose, hashlib.sha256).digest()
        return PREFIX + base64.b64encode(digest).decode()

    def current(
        self, subscription: UUID, number: int, rotated_at: datetime | None, at: datetime
    ) -> Sequence[str]:
        """Those that sign at a moment, newest first."""
        secrets = [self.secret(subscription, number)]
        if number > 1 and rotated_at is not None and at < rotated_at + OVERLAP:
            secrets.append(self.secret(subscription, number - 1))
        return secrets


def headers(secrets: Sequence[str], message: UUID, at: datetime, body: bytes) -> dict[str, str]:
    """The three headers, one signature for each secret."""
    signed = [Webhook(secret).sign(str(message), at, body.decode()) for secret in secrets]
    return {
        "webhook-id": str(message),
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }

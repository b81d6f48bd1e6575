"""The mailbox: an LMTP server that a mail server delivers to. A letter is answered for when it is kept.

The mail server holds a letter until we say 250. So whatever fails here, a switch of sites or a mistake of
ours, costs a later attempt (451) and no letter; and a letter that comes twice is known by its Message-ID.
Only what is wrong with the letter itself is refused for good.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from app import metrics
from app.access.policy import Role
from app.access.principal import Principal, access_of, acting_as
from app.database.answer import Command
from app.database.database import Database
from app.errors import Problem, ProblemError
from app.identity import new_id
from app.mail import letters
from app.mail.letters import Letter, UnreadableError
from app.mail.registration import register

log = structlog.get_logger(__name__)

PRINCIPAL = Principal("mail", frozenset({Role.SYSTEM}))
MAX_BYTES = 25 * 1024 * 1024
DEADLINE_SECONDS = 30.0
# Of a whole letter: aiosmtpd's clock does not start anew while one comes in. RFC 5321 (4.5.3.2.7) wants five
# minutes at least before a server gives up.
LETTER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """`addresses`: those we take letters for, the first is the one we write from."""

    addresses: tuple[str, ...]

    @property
    def domain(self) -> str:
        return self.addresses[0].rpartition("@")[2]

    @classmethod
    def of(cls, text: str) -> Mailbox:
        """From "crm@example.org, help@example.org"."""
        return cls(tuple(part.strip().lower() for part in text.split(",") if part.strip()))


class Intake:
    """aiosmtpd's handler: the names and answers are its protocol's."""

    def __init__(self, database: Database, mailbox: Mailbox, reopen_within: timedelta) -> None:
        self._database = database
        self._mailbox = mailbox
        self._within = reopen_within

    async def handle_RCPT(  # noqa: N802
        self, server: LMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address.lower() not in self._mailbox.addresses:
            return "550 5.1.1 no such mailbox here"
        if envelope.rcpt_tos:
            # LMTP answers for each recipient by itself; one at a time says the same with less.
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: LMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        del server, session
        try:
            return await self._taken(envelope)
        except Exception as error:  # noqa: BLE001 - aiosmtpd would say 500, and the letter would bounce
            return _mistaken(error)

    async def handle_exception(self, error: Exception) -> str:
        """For what fails outside of a letter, as above."""
        return _mistaken(error)

    async def _taken(self, envelope: Envelope) -> str:
        raw = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            letter = letters.read(raw, envelope.mail_from, self._mailbox.addresses)
        except UnreadableError as error:
            return _answered("unreadable", f"550 5.6.0 {error}")
        if letter.automatic is not None:
            log.info("a letter of a machine", sign=letter.automatic, sender=letter.sender)
            return _answered("automatic", f"550 5.7.1 letters of machines are not taken ({letter.automatic})")
        with acting_as(access_of(PRINCIPAL)):
            return await self._kept(letter)

    async def _kept(self, letter: Letter) -> str:
        try:
            committed = await register(
                self._database, command_of(letter), letter, self._mailbox.domain, self._within
            )
        except ProblemError as error:
            return _explained(error)
        return _answered("kept", f"250 2.0.0 {committed.answer.headers['Location']}")


def command_of(letter: Letter) -> Command:
    """The same letter is the same command, however often it comes."""
    digest = hashlib.sha256(letter.message_id.encode())
    return Command(
        f"crm mail {new_id().hex}"[:63], PRINCIPAL.id, digest.hexdigest(), digest.digest(), DEADLINE_SECONDS
    )


def _explained(error: ProblemError) -> str:
    """Come again, also where a client would hear no: the form is of our making, as is the directory."""
    kind = error.problem.value
    if error.problem is Problem.ALREADY_EXISTS:
        return _answered("known", "250 2.0.0 it was here before")
    if not kind.retry:
        log.error("a letter waits until this is mended", reason=str(error))
    return _answered("later" if kind.retry else "failed", f"451 4.3.0 {kind.code}")


def _mistaken(error: Exception) -> str:
    log.error("a letter waits until this is mended", exc_info=error)
    return _answered("failed", f"451 4.3.0 {Problem.INTERNAL.value.code}")


def _answered(outcome: str, answer: str) -> str:
    metrics.LETTERS.labels(outcome).inc()
    return answer.replace("\r", " ").replace("\n", " ")[:500]


class LongLines(LMTP):
    """A line may be as long as a letter.

    RFC 5321 (4.5.3.1.6) has lines of 1,000 bytes, and asks servers for no limit where they can do without.
    Programs write longer ones and mail servers pass them on (Postfix folds them, others do not); aiosmtpd by
    itself would answer 500, and the letter would go back to its writer.
    """

    line_length_limit = MAX_BYTES + 2


def server_of(database: Database, mailbox: Mailbox, host: str, reopen_within: timedelta) -> LMTP:
    """One connection's protocol; for `loop.create_server`."""
    return LongLines(
        Intake(database, mailbox, reopen_within),
        data_size_limit=MAX_BYTES,
        enable_SMTPUTF8=True,
        hostname=host,
        ident="twinsite",
        timeout=LETTER_SECONDS,
    )

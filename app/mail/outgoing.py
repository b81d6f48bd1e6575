"""Letters to customers, from the outbox to the mail server by SMTP."""

from __future__ import annotations

import asyncio
import smtplib
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from threading import Event, Thread
from uuid import UUID

from app.database.database import Database, Freshness
from app.database.units import READ_GATE, Read
from app.errors import ProblemError
from app.mail.intake import Mailbox
from app.mail.letters import MARKER
from app.mail.registration import message_id
from app.requests.correspondence import SYSTEM
from app.requests.reference import reference_of
from app.webhooks.dispatch_sql import Claimed
from app.webhooks.sending import Fate, Result

SMTP_SECONDS = 10.0  # a step
LETTER_SECONDS = 15.0  # all of them: less than a delivery's lease, within which nobody else sends the letter
SMTP_AT_ONCE = 8
PERMANENT = 500


@dataclass(frozen=True, slots=True)
class Outgoing:
    """`answers`: the Message-ID of the customer's last letter, if there was one."""

    id: UUID
    request_id: UUID
    author: str
    text: str
    at: datetime
    subject: str
    recipient: str | None
    answers: str | None


_LETTER = Read(
    f"""
    SELECT m.id, m.request_id, m.author, m.body, m.created_at, r.subject, r.sender,
           (SELECT i.external_id FROM crm.request_message i
            WHERE i.request_id = m.request_id AND i.direction = 'in' AND i.channel = 'email' AND i.id < m.id
            ORDER BY i.id DESC LIMIT 1)
    FROM crm.request_message m JOIN crm.request r ON r.id = m.request_id
    WHERE {READ_GATE} AND m.id = %(id)s""",  # noqa: S608 - of constants
    lambda row: Outgoing(*row),
)


def compose(letter: Outgoing, mailbox: Mailbox, recipient: str) -> EmailMessage:
    """Pure. The Message-ID is the same at every attempt, so a doubled letter shows as one."""
    message = EmailMessage()
    message["From"] = mailbox.addresses[0]
    message["To"] = recipient
    message["Subject"] = f"Re: {_line(letter.subject)} [{reference_of(letter.request_id)}]"
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = message_id(letter.id, mailbox.domain)
    if letter.answers is not None and letter.answers.startswith("<"):
        message["In-Reply-To"] = message["References"] = letter.answers
    message[MARKER] = str(letter.request_id)
    if letter.author == SYSTEM:
        message["Auto-Submitted"] = "auto-replied"
    message.set_content(letter.text)
    return message


def _line(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def hung_up_on(server: smtplib.SMTP, seconds: float) -> Iterator[None]:
    """End the conversation after so long. smtplib's timeout begins anew with each byte that it is sent."""
    done = Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):  # again: it may just be connecting to another address
            with suppress(OSError):
                if server.sock is not None:
                    # Not TLS's own: it has who reads at this moment take cipher for plain text.
                    socket.socket.shutdown(server.sock, socket.SHUT_RDWR)
            wait = 1.0

    watcher = Thread(target=watch, name="smtp watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


class MailSender:
    """By one mail server, which takes it from there."""

    def __init__(self, database: Database, mailbox: Mailbox, server: str) -> None:
        self._database = database
        self._mailbox = mailbox
        host, _, port = server.rpartition(":")
        self._server = host, int(port)
        # Its own: the loop's threads resolve names and stand for office, and must not wait for a mail server.
        self._threads = ThreadPoolExecutor(SMTP_AT_ONCE, thread_name_prefix="smtp")

    async def send(self, claimed: Claimed) -> Result:
        try:
            found = await self._database.read(
                _LETTER, {"id": claimed.event.data["id"]}, Freshness("crm deliver-events")
            )
        except ProblemError as error:
            return Result(Fate.UNREACHED, error.problem.value.code)
        letter = found.first
        if letter is None or letter.recipient is None or "@" not in letter.recipient:
            return Result(Fate.REFUSED, "the request has no address to write to")
        message = compose(letter, self._mailbox, letter.recipient)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._post, message)

    def _post(self, message: EmailMessage) -> Result:
        server = smtplib.SMTP(timeout=SMTP_SECONDS)
        try:
            with hung_up_on(server, LETTER_SECONDS):
                server.connect(*self._server)
                server.send_message(message)
                with suppress(smtplib.SMTPException, OSError):  # it has the letter, however we part
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            fate = Fate.REFUSED if code >= PERMANENT else Fate.FAILED
            return Result(fate, f"{code} {text.decode(errors='replace')}"[:200])
        except smtplib.SMTPResponseException as error:
            return Result(
                Fate.FAILED if error.smtp_code >= PERMANENT else Fate.UNREACHED, str(error.smtp_code)
            )
        except (smtplib.SMTPException, OSError) as error:
            return Result(Fate.UNREACHED, f"{type(error).__name__}: {error}"[:200])
        finally:
            server.close()
        return Result(Fate.DELIVERED, "250")

    async def close(self) -> None:
        """Connections last for one letter."""
        self._threads.shutdown(wait=False)

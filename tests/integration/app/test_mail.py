"""R1, R2, R10: letters come by LMTP and leave by SMTP, through real servers on loopback."""

from __future__ import annotations

import asyncio
import os
import smtplib
import subprocess
import sys
import threading
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from email.message import EmailMessage
from email.utils import make_msgid
from uuid import UUID

import httpx
import psycopg
import pytest
from aiosmtpd.controller import Controller

from app.devserver import THROWAWAY, create_crm_database, free_port, running_server
from app.mail import letters, outgoing
from app.mail.intake import MAX_BYTES, Intake, Mailbox, server_of
from app.requests.reference import reference_of
from app.settings import Settings
from app.webhooks.dispatch import Dispatcher
from app.webhooks.sending import Fate
from app.worker.commands import senders_of
from app.worker.jobs import table
from app.worker.office import AdvisoryOffice
from tests.integration.app.test_worker import until, working
from tests.integration.serving import START_SECONDS

REQUESTS = "/api/v1/requests"
BOX = "crm@crm.example"
WITHIN = timedelta(days=14)
RFC_5321_SECONDS = 300  # 4.5.3.2.7
PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


class MailServer:
    """Where letters to customers go: keeps them, or refuses as told."""

    def __init__(self):
        self.letters, self.refusals = [], []
        self._lock = threading.Lock()

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
        with self._lock:
            if self.refusals:
                return self.refusals.pop(0)
            self.letters.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"


@asynccontextmanager
async def taking(api):
    """The port of the intake, on the API's own database routes."""
    loop, port, mailbox = asyncio.get_running_loop(), free_port(), Mailbox.of(BOX)
    server = await loop.create_server(
        lambda: server_of(api.database, mailbox, "test", WITHIN), "127.0.0.1", port
    )
    yield port
    server.close()


@pytest.fixture
async def lmtp(own):
    async with taking(own) as port:
        yield port


def written(text="Карта не работает", **headers):
    message = EmailMessage()
    fields = {"From": "ivan@firma.example", "To": BOX, "Subject": "Карта", "Message-ID": make_msgid()}
    for name, value in {**fields, **headers}.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


async def deliver(port, message, sender="ivan@firma.example"):
    """(code, text) that a mail server is answered."""

    def talk():
        with smtplib.LMTP("127.0.0.1", port) as client:
            try:
                content = message if isinstance(message, bytes) else message.as_bytes()
                client.sendmail(sender, [BOX], content)
            except smtplib.SMTPResponseException as error:
                return error.smtp_code, error.smtp_error.decode()
            return 250, ""

    return await asyncio.to_thread(talk)


async def requests(api):
    return (await api.get(REQUESTS)).json()["items"]


async def items(api, request, what):
    return (await api.get(f"{REQUESTS}/{request['id']}/{what}")).json()["items"]


@asynccontextmanager
async def sending(own):
    server = MailServer()
    controller = Controller(server, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    settings = Settings(database_url="x", mail_addresses=BOX, smtp=f"127.0.0.1:{controller.port}")
    dispatcher = Dispatcher(senders_of(settings, own.database))
    try:
        async with working(own.crm.url(), AdvisoryOffice(own.crm.url()), table(dispatcher)):
            yield server
            await dispatcher.close()
    finally:
        controller.stop()


async def test_a_letter_becomes_a_request_of_its_sender_with_its_files(own, lmtp, company):
    contacts = [{"kind": "email", "value": "ivan@firma.example"}]
    customer = (await own.post("/api/v1/customers", company(contacts=contacts))).json()
    message = written()
    message.add_attachment(PNG, maintype="image", subtype="png", filename="фото.png")
    message.add_attachment(b"MZ", maintype="application", subtype="x-msdownload", filename="v.exe")
    assert (await deliver(lmtp, message))[0] == 250
    (request,) = await requests(own)
    assert (request["channel"], request["subject"], request["customer_id"]) == (
        "email",
        "Карта",
        customer["id"],
    )
    (file,) = await items(own, request, "attachments")
    assert (file["name"], file["size"]) == ("фото.png", len(PNG))
    letter, note = await items(own, request, "messages")
    assert (letter["direction"], letter["text"]) == ("in", "Карта не работает")
    assert (note["direction"], "v.exe" in note["text"]) == ("internal", True)


async def test_a_letter_that_comes_twice_is_one_request(own, lmtp):
    message = written()
    assert [(await deliver(lmtp, message))[0] for _ in range(2)] == [250, 250]
    assert len(await requests(own)) == 1


async def test_an_answer_finds_its_request_by_the_reference_or_by_what_it_answers(own, lmtp):
    first = written()
    await deliver(lmtp, first)
    (request,) = await requests(own)
    quoted = written("По номеру", Subject=f"Re: Карта [{reference_of(_uuid(request))}]")
    threaded = written("По цепочке", In_Reply_To=first["Message-ID"])
    for answer in (quoted, threaded):
        assert (await deliver(lmtp, answer))[0] == 250
    assert len(await requests(own)) == 1
    texts = [message["text"] for message in await items(own, request, "messages")]
    assert texts[-2:] == ["По номеру", "По цепочке"]


@pytest.mark.parametrize("days", [13, 15], ids=["in time", "late"])
async def test_an_answer_to_a_closed_request_is_answered_for_with_its_files(own, lmtp, days):
    """By the thread it is told whose it is; late, a new request has it all, and our letters name that one."""
    first = written()
    await deliver(lmtp, first)
    (request,) = await requests(own)
    for step in ("take", "close"):
        form = {"operator": "petrova", **({"resolution": "Готово"} if step == "close" else {})}
        assert (await own.post(f"{REQUESTS}/{request['id']}/{step}", form)).status_code == 200
    with psycopg.connect(own.crm.admin_url) as admin:
        admin.execute("UPDATE crm.request SET closed_at = closed_at - make_interval(days => %s)", [days])
    answer = written("Опять не работает", In_Reply_To=first["Message-ID"])
    answer.add_attachment(PNG, maintype="image", subtype="png", filename="чек.png")
    for _ in range(2):  # the mail server was not sure of our answer
        assert (await deliver(lmtp, answer))[0] == 250
    found = await requests(own)
    assert len(found) == (1 if days < WITHIN.days else 2)
    newest = found[0]
    assert (newest["status"], newest["subject"], newest["sender"]) == ("new", "Карта", "ivan@firma.example")
    assert newest["follows"] == (request["id"] if days > WITHIN.days else None)
    assert [file["name"] for file in await items(own, newest, "attachments")] == ["чек.png"]
    texts = [each["text"] for each in await items(own, newest, "messages") if each["direction"] == "in"]
    assert texts[-1] == "Опять не работает"


def _uuid(request):
    return UUID(request["id"])


@pytest.mark.parametrize(
    ("headers", "sender"),
    [({"Auto_Submitted": "auto-replied"}, "a@b.example"), ({}, ""), ({"Precedence": "bulk"}, "a@b.example")],
)
async def test_machines_are_refused_and_register_nothing(own, lmtp, headers, sender):
    code, text = await deliver(lmtp, written(**headers), sender)
    assert (code, text[:5]) == (550, "5.7.1")
    assert await requests(own) == []


async def test_a_stranger_to_the_mailbox_is_refused(own, lmtp):
    def talk():
        with smtplib.LMTP("127.0.0.1", lmtp) as client:
            client.sendmail("a@b.example", ["other@crm.example"], written().as_bytes())

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(talk)


async def test_without_a_database_the_mail_server_keeps_the_letter(start_api):
    """451: it will come again; nothing is lost in a switch of sites."""
    nowhere = f"host=127.0.0.1 port={free_port()} dbname=crm"
    async with start_api(nowhere, serves="nothing") as api, taking(api) as port:
        assert await deliver(port, written()) == (451, "4.3.0 no-primary")


async def test_a_letter_outlives_the_loss_of_the_database(start_api):
    with running_server(THROWAWAY) as server:
        crm, message = create_crm_database(server), written()
        async with start_api(crm.url()) as api, taking(api) as port:
            await asyncio.to_thread(server.stop)
            assert (await deliver(port, message))[0] == 451
            await asyncio.to_thread(server.start)
            await api.until("writes")
            assert (await deliver(port, message))[0] == 250
            assert len(await requests(api)) == 1


def test_the_intake_tells_its_figures():
    """Also while there is no database."""
    port, page = free_port(), f"127.0.0.1:{free_port()}"
    settings = {
        "CRM_DATABASE_URL": f"host=127.0.0.1 port={free_port()} dbname=crm",
        "CRM_MAIL_ADDRESSES": BOX,
        "CRM_MAIL_LISTEN": f"127.0.0.1:{port}",
        "CRM_MAIL_METRICS_LISTEN": page,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "app", "mail-intake"], env={**os.environ, **settings}
    ) as process:
        try:
            assert asyncio.run(_delivered(port)) == 451
            told = httpx.get(f"http://{page}/metrics").text
        finally:
            process.terminate()
    assert 'crm_letters_total{outcome="later"} 1.0' in told


async def _delivered(port):
    """The answer, once somebody listens."""
    async with asyncio.timeout(START_SECONDS):
        while True:
            with suppress(OSError):
                return (await deliver(port, written()))[0]
            await asyncio.sleep(0.1)


async def test_what_the_database_refuses_waits_until_it_is_mended(own, lmtp):
    """A rule of the database that a letter breaks is a mistake of ours, and no customer's."""
    message = written()
    async with await psycopg.AsyncConnection.connect(own.crm.admin_url, autocommit=True) as admin:
        await admin.execute("ALTER TABLE crm.request_message ADD CONSTRAINT wrong CHECK (channel <> 'email')")
        assert await deliver(lmtp, message) == (451, "4.3.0 internal")
        await admin.execute("ALTER TABLE crm.request_message DROP CONSTRAINT wrong")
    assert (await deliver(lmtp, message))[0] == 250
    assert len(await requests(own)) == 1


async def test_what_our_directory_lacks_bounces_no_letter(own, lmtp):
    """No topic for letters: a refusal that a client of the API should hear, and no sender of a letter."""
    async with await psycopg.AsyncConnection.connect(own.crm.admin_url, autocommit=True) as admin:
        await admin.execute("UPDATE crm.request_topic SET code = 'other-name' WHERE code = 'general'")
    assert await deliver(lmtp, written()) == (451, "4.3.0 validation")


@pytest.mark.parametrize("error", [RuntimeError("a bug"), ConnectionResetError("another's connection")])
async def test_a_mistake_of_ours_keeps_the_letter_and_the_session(own, lmtp, monkeypatch, error):
    """The same connection takes the next letter: a mail server sends many by one."""
    read, mistakes = letters.read, [error]

    def mistaken(*given):
        if mistakes:
            raise mistakes.pop()
        return read(*given)

    def talk():
        with smtplib.LMTP("127.0.0.1", lmtp) as client:
            client.ehlo()
            return [_transaction(client) for _ in range(2)]

    monkeypatch.setattr(letters, "read", mistaken)
    assert await asyncio.to_thread(talk) == [451, 250]
    assert len(await requests(own)) == 1


async def test_a_mistake_before_the_letter_is_sent_says_come_again_too(lmtp, monkeypatch):
    async def mistaken(*_):
        raise RuntimeError("a bug")

    def talk():
        with smtplib.LMTP("127.0.0.1", lmtp) as client:
            client.ehlo()
            client.mail("ivan@firma.example")
            return client.rcpt(BOX)[0]

    monkeypatch.setattr(Intake, "handle_RCPT", mistaken)
    assert await asyncio.to_thread(talk) == 451


@pytest.mark.parametrize("length", [1_002, 70_000, 3_000_000])
async def test_a_line_may_be_as_long_as_a_letter(own, lmtp, length):
    """RFC 5321 has lines of 1,000 bytes; not every mail server folds what programs write."""
    message = (
        b"From: ivan@firma.example\r\nSubject: =?utf-8?q?long?=\r\n\r\n" + b"x" * length + b"\r\nthe end"
    )
    assert (await deliver(lmtp, message))[0] == 250
    (request,) = await requests(own)
    (letter,) = await items(own, request, "messages")
    assert letter["text"].startswith("x" * 1_002)
    assert length > letters.MAX_TEXT or letter["text"].endswith("the end")


async def test_only_a_letter_that_is_too_large_is_refused_for_that(lmtp):
    message = b"From: ivan@firma.example\r\n\r\n" + b"x" * MAX_BYTES
    assert (await deliver(lmtp, message))[0] == 552


async def test_a_letter_may_take_its_time(own):
    """What comes slowly comes: the clock that ends a silent session must not end one."""
    assert server_of(own.database, Mailbox.of(BOX), "test", WITHIN)._timeout_duration >= RFC_5321_SECONDS


def _transaction(client):
    client.mail("ivan@firma.example")
    client.rcpt(BOX)
    return client.data(written().as_bytes())[0]


async def trickling(server):
    """A mail server that never ends its greeting, a byte at a time."""

    async def greet(_, writer):
        with suppress(ConnectionError):
            writer.write(b"220")
            while True:
                writer.write(b"-")
                await writer.drain()
                await asyncio.sleep(0.05)

    return await asyncio.start_server(greet, *server)


async def test_a_mail_server_that_trickles_is_hung_up_on(monkeypatch):
    """smtplib waits anew with each byte; nobody else would get a letter meanwhile."""
    monkeypatch.setattr(outgoing, "LETTER_SECONDS", 0.5)
    address = "127.0.0.1", free_port()
    server = await trickling(address)
    sender = outgoing.MailSender(None, Mailbox.of(BOX), f"127.0.0.1:{address[1]}")
    async with server, asyncio.timeout(30):
        result = await asyncio.to_thread(sender._post, written())
    await sender.close()
    assert result.fate is Fate.UNREACHED
    assert result.answer.startswith("SMTPServerDisconnected")


async def test_a_letter_that_was_taken_is_not_sent_again_however_they_part():
    class Rude(MailServer):
        async def handle_QUIT(self, *_):  # noqa: N802
            return "500 no"

    rude = Rude()
    controller = Controller(rude, hostname="127.0.0.1", port=free_port(), ready_timeout=60)
    controller.start()
    sender = outgoing.MailSender(None, Mailbox.of(BOX), f"127.0.0.1:{controller.port}")
    try:
        result = await asyncio.to_thread(sender._post, written())
    finally:
        controller.stop()
        await sender.close()
    assert (result.fate, len(rude.letters)) == (Fate.DELIVERED, 1)


async def test_an_answer_leaves_by_smtp_and_its_answer_comes_back(own, lmtp):
    await deliver(lmtp, written())
    (request,) = await requests(own)
    async with sending(own) as server:
        form = {"direction": "out", "channel": "email", "author": "petrova", "text": "Карта разблокирована"}
        assert (await own.post(f"{REQUESTS}/{request['id']}/messages", form)).status_code == 201
        await until(lambda: server.letters)
    ((recipients, text),) = server.letters
    assert recipients == ["ivan@firma.example"]
    assert reference_of(_uuid(request)) in text
    sent_id = next(line for line in text.splitlines() if line.lower().startswith("message-id:")).split()[1]
    await deliver(lmtp, written("Спасибо", Subject="без номера", In_Reply_To=sent_id))
    assert [m["text"] for m in await items(own, request, "messages")][-1] == "Спасибо"


async def test_a_mail_server_that_is_busy_gets_the_letter_later_and_once(own, lmtp):
    await deliver(lmtp, written())
    (request,) = await requests(own)
    async with sending(own) as server:
        server.refusals += ["451 4.3.0 later", "451 4.3.0 later"]
        form = {"direction": "out", "channel": "email", "author": "petrova", "text": "Готово"}
        await own.post(f"{REQUESTS}/{request['id']}/messages", form)
        async with asyncio.timeout(60):
            while not server.letters:
                async with await psycopg.AsyncConnection.connect(own.crm.admin_url, autocommit=True) as admin:
                    await admin.execute("UPDATE crm.delivery SET due_at = now() WHERE status = 'pending'")
                    await admin.execute("UPDATE crm.subscription SET hold_until = NULL")
                await asyncio.sleep(0.1)
    assert (len(server.letters), server.refusals) == (1, [])

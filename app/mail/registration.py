"""A letter becomes a request, or continues the one that it answers. One transaction, files included."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from app.customers.schemas import ContactKind
from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.http import created
from app.mail.letters import Letter
from app.requests import attachments, dossier, service
from app.requests.channels import Channel
from app.requests.dossier import InboundForm, SenderForm
from app.requests.schemas import Direction, MessageForm

_BY_REFERENCE = "SELECT r.id FROM crm.request r WHERE right(replace(r.id::text, '-', ''), 15) = %(tail)s"
_BY_ANSWERED = """
SELECT m.request_id FROM crm.request_message m
WHERE (m.channel = 'email' AND m.external_id = ANY (%(ids)s)) OR m.id = ANY (%(ours)s)
ORDER BY m.id DESC LIMIT 1
"""


async def register(
    database: Database, command: Command, letter: Letter, domain: str, within: timedelta
) -> Committed:
    """Raises ProblemError; already-exists for a letter that came before. `within`: see `dossier.hear`."""

    async def work(unit: WriteUnit) -> Answer:
        form = InboundForm(
            external_id=letter.message_id,
            sender=SenderForm(kind=ContactKind.EMAIL, value=letter.sender),
            text=letter.text,
            subject=letter.subject or None,
            request_id=await _continued(unit, letter, domain),
        )
        message = await dossier.take_in(unit, Channel.EMAIL, form, within, command.principal)
        await _keep_files(unit, message.request_id, letter, command.principal)
        return created(f"{service.PATH}/{message.request_id}", None, message)

    return await dossier.once(database, command, work)


async def _continued(unit: WriteUnit, letter: Letter, domain: str) -> UUID | None:
    """The request whose reference it quotes, else the one whose letter it answers."""
    if letter.reference is not None:
        found = await unit.all(_BY_REFERENCE, {"tail": letter.reference}, lambda row: UUID(str(row[0])))
        if len(found) == 1:
            return found[0]
    if not letter.answers:
        return None
    ours = [id_ for text in letter.answers if (id_ := _own_id(text, domain)) is not None]
    parameters = {"ids": list(letter.answers), "ours": ours}
    return await unit.one(_BY_ANSWERED, parameters, lambda row: UUID(str(row[0])))


def message_id(id_: UUID, domain: str) -> str:
    """Under which a letter of ours leaves: the same at every attempt."""
    return f"<{id_}@{domain}>"


def _own_id(text: str, domain: str) -> UUID | None:
    """The id of our own letter in a Message-ID, or None."""
    local, _, of = text.strip("<>").partition("@")
    try:
        return UUID(local) if of == domain else None
    except ValueError:
        return None


async def _keep_files(unit: WriteUnit, id_: UUID, letter: Letter, actor: str) -> None:
    """Each content once; what may not be kept is said in a note."""
    known = set(await attachments.digests(unit, id_)) if letter.files else set()
    for file in letter.files:
        if file.refusal is None and file.digest not in known:
            known.add(file.digest)
            await dossier.keep(unit, id_, file.name, file.media_type, file.content, actor=actor)
    refused = [f"{file.name}: {file.refusal}" for file in letter.files if file.refusal is not None]
    if refused:
        text = "Не сохранено:\n" + "\n".join(refused)
        note = MessageForm(
            direction=Direction.INTERNAL, channel=Channel.EMAIL, author=actor, text=text[:20_000]
        )
        await dossier.add(unit, id_, note)

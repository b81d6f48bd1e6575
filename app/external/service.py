"""The other system's side of a hand-over: statuses, letters, files and closing come back here (R4, R9).

What happens on our side reaches it as events (app/requests/events.py) with its name and number in them.
"""

from __future__ import annotations

from uuid import UUID

from app.access.policy import Role
from app.access.principal import Principal
from app.database.answer import Answer, Command, Committed
from app.database.database import Database
from app.database.units import WriteUnit
from app.encoding import encode
from app.errors import Problem, ProblemError, not_found
from app.external.schemas import Course, ExternalMessageForm, StatusForm
from app.http import BASE, created, etag
from app.requests import attachments, dossier, moves, service
from app.requests.attachments import AttachmentForm
from app.requests.channels import Channel
from app.requests.moves import Move
from app.requests.schemas import CloseForm, Direction, ExternalForm, MessageForm, StepForm

# The same number may have been handed over before; the last one is meant.
_LOCATE = """
SELECT r.id FROM crm.request r
WHERE r.external_system = %(system)s AND r.external_reference = %(reference)s ORDER BY r.id DESC LIMIT 1
"""


def check(principal: Principal, system: str) -> None:
    """A system speaks for itself: its account is named as the hand-over names it. Raises ProblemError."""
    if principal.id != system and Role.SYSTEM not in principal.roles:
        raise ProblemError(Problem.FORBIDDEN, f"you are {principal.id}, not {system}")


async def _locate(unit: WriteUnit, system: str, reference: str) -> UUID:
    parameters = {"system": system, "reference": reference}
    id_ = await unit.one(_LOCATE, parameters, lambda row: UUID(str(row[0])))
    if id_ is None:
        raise not_found("request")
    return id_


async def status(
    database: Database, command: Command, system: str, reference: str, form: StatusForm
) -> Committed:
    async def work(unit: WriteUnit) -> Answer:
        moved = await moves.apply(unit, await _locate(unit, system, reference), _move(system, form))
        return Answer(200, encode(moved), {"ETag": etag(moved.version)})

    return await database.write(command, work)


def _move(system: str, form: StatusForm) -> Move:
    said = form.status if form.note is None else f"{form.status}: {form.note}"
    if form.course is Course.RETURNED:
        return moves.give_back(StepForm(operator=system, note=said[:200]))
    if form.course is Course.SOLVED:
        return moves.close(CloseForm(operator=system, resolution=form.resolution or "", note=said[:200]))
    return moves.external_status(ExternalForm(operator=system, status=form.status, note=form.note))


async def message(
    database: Database, command: Command, system: str, reference: str, form: ExternalMessageForm
) -> Committed:
    async def work(unit: WriteUnit) -> Answer:
        id_ = await _locate(unit, system, reference)
        letter = MessageForm(
            direction=Direction.INTERNAL,
            channel=Channel.API,
            author=form.author,
            text=form.text,
            external_id=None if form.external_id is None else f"{system}:{form.external_id}"[:200],
        )
        return created(f"{service.PATH}/{id_}/messages", None, await dossier.add(unit, id_, letter))

    return await dossier.once(database, command, work)


async def attach(
    database: Database, command: Command, system: str, reference: str, form: AttachmentForm
) -> Committed:
    content = attachments.content_of(form)

    async def work(unit: WriteUnit) -> Answer:
        id_ = await _locate(unit, system, reference)
        kept = await dossier.keep(unit, id_, form.name, form.media_type, content, actor=system)
        return created(f"{BASE}/attachments/{kept.id}", None, kept)

    return await dossier.once(database, command, work)

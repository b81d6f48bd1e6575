"""What the tests of the desk share: a unit with its people and a topic of its own."""

from __future__ import annotations

from uuid import UUID

from app.identity import first_id, new_id

REQUESTS = "/api/v1/requests"
TIMES = {"reaction_minutes": 15, "solution_minutes": 120}
SLA = {"low": TIMES, "normal": TIMES, "high": TIMES, "critical": TIMES}

_RANDOM = (1 << 80) - 1  # of an id, behind its moment


def in_three(text):
    return {"ru": text, "en": text, "kk": text}


def ids_by(host):
    """What makes ids of the moments of `host.now`, as the API's are made of its host's."""
    return lambda: UUID(int=first_id(host.now()).int | new_id().int & _RANDOM)


class Desk:
    """A unit with its people and a topic of its own, so that tests do not meet each other."""

    def __init__(self, api, number):
        self.api, self.n = api, number
        self.unit, self.topic = f"unit-{number}", f"topic-{number}"

    def name(self, word):
        return f"{word}-{self.n}"

    async def post(self, path, body, status=201):
        answer = await self.api.post(f"/api/v1/{path}", body)
        assert answer.status_code == status, answer.text
        return answer

    async def put(self, path, body):
        answer = await self.api.http.put(f"/api/v1/{path}", json=body, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text

    async def add_unit(self, code, **more):
        await self.post("units", {"code": code, "title": in_three(code), **more})

    async def person(self, word, unit=None, **more):
        code = self.name(word)
        await self.post("people", {"code": code, "name": word, "unit": unit or self.unit, **more})
        return code

    def topic_form(self, **more):
        return {
            "code": self.topic,
            "title": in_three("Тема"),
            "queue": self.topic,
            "sla": SLA,
            "calendar": "always",
            **more,
        }

    async def open(self, **topic):
        await self.add_unit(self.unit)
        await self.post("queues", {"code": self.topic, "title": in_three("Q"), "unit": self.unit})
        await self.post("topics", self.topic_form(**topic))
        return self

    async def rule(self, word, position, target, unit=None, *, line=None, priority=None, **conditions):
        body = {
            "code": self.name(word),
            "title": in_three(word),
            "position": position,
            "target": target,
            "unit": unit,
            "line": line,
            "priority": priority,
            "conditions": {"topics": [self.topic], **conditions},
        }
        await self.post("assignment-rules", body)

    async def register(self, **more):
        body = {"channel": "call", "topic": self.topic, "subject": "Вопрос", "text": "Текст", **more}
        return (await self.post("requests", body)).json()

    async def move(self, request, step, status=200, **body):
        answer = await self.api.post(f"{REQUESTS}/{request['id']}/{step}", {"operator": "boss", **body})
        assert answer.status_code == status, answer.text
        return answer.json()

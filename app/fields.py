"""Field types that the requests of all slices share."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

MAX_OPAQUE = 200
# Nothing PostgreSQL or a log line would choke on: no NUL, no other control characters.
_CONTROL_FREE = r"^[^\x00-\x1f\x7f]*$"
_NUL_FREE = r"^[^\x00]*$"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Opaque = Annotated[str, StringConstraints(min_length=1, max_length=MAX_OPAQUE, pattern=_CONTROL_FREE)]
"""The sender's own text, kept as it is."""

Short = Annotated[
    str, StringConstraints(min_length=1, max_length=300, pattern=_CONTROL_FREE), AfterValidator(_not_blank)
]
Long = Annotated[
    str, StringConstraints(min_length=1, max_length=20_000, pattern=_NUL_FREE), AfterValidator(_not_blank)
]
Raw = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=_NUL_FREE)]
"""What goes through the cleansing pipeline."""


class Form(BaseModel):
    """A request's body: unknown fields are errors, as a mistyped name would otherwise be lost silently."""

    model_config = ConfigDict(extra="forbid", frozen=True)

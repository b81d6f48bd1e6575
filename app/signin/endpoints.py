"""/api/v1/oauth: the token endpoint of OAuth 2 (RFC 6749) and the public keys (RFC 7517)."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, cast

from fastapi import APIRouter, Form, Request, Response
from pydantic import StringConstraints

from app.encoding import encode
from app.errors import FieldError, Problem, ProblemError, invalid
from app.http import JSON, READ_PROBLEMS, client_of, trace_of
from app.problems import problems
from app.signin.keyring import Keyring
from app.signin.limits import Limits
from app.signin.service import SignIn, Tokens

router = APIRouter(prefix="/oauth", tags=["sign-in"])

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=5000)]
NO_STORE = {"Cache-Control": "no-store"}


class Grant(StrEnum):
    PASSWORD = "password"  # noqa: S105  # the grant's name
    REFRESH_TOKEN = "refresh_token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 key (RFC 8037)."""

    kty: str
    crv: str
    alg: str
    use: str
    kid: str
    x: str


@dataclass(frozen=True, slots=True)
class PublicKeys:
    keys: list[PublicKey]


@router.post(
    "/token",
    response_model=Tokens,
    responses=problems(
        *READ_PROBLEMS,
        Problem.BODY_TOO_LARGE,
        Problem.UNSUPPORTED_MEDIA_TYPE,
        Problem.TOO_MANY_ATTEMPTS,
        Problem.OUTCOME_UNKNOWN,
    ),
)
async def sign_in(  # noqa: PLR0917  # FastAPI passes by name
    request: Request,
    grant_type: Annotated[Grant, Form()],
    username: Annotated[Name | None, Form()] = None,
    password: Annotated[Secret | None, Form()] = None,
    otp: Annotated[Name | None, Form(description="The six digits of the second factor")] = None,
    refresh_token: Annotated[Secret | None, Form()] = None,
) -> Response:
    """Tokens for a password (and second factor), or for a refresh token."""
    service = cast("SignIn | None", request.app.state.sign_in)
    if service is None:
        raise ProblemError(Problem.UNAUTHENTICATED, "sign-in is not configured here (CRM_ACCESS_SECRET)")
    address, limits = client_of(request.scope), cast("Limits", request.app.state.limits)
    limits.hear(address)
    trace = trace_of(request)
    try:
        if grant_type is Grant.PASSWORD:
            name, secret = _needed(username=username), _needed(password=password)
            found = await service.with_password(trace, name.strip().lower(), secret, otp)
        else:
            found = await service.with_refresh(trace, _needed(refresh_token=refresh_token))
    except ProblemError as error:
        if error.problem is Problem.UNAUTHENTICATED:
            limits.failed(address)
        raise
    return Response(encode(found), 200, NO_STORE, JSON)


def _needed(**field: str | None) -> str:
    ((name, value),) = field.items()
    if value is None:
        raise invalid([FieldError(f"/{name}", "missing", "this grant needs it")])
    return value


@router.get("/keys", response_model=PublicKeys, responses=problems(Problem.MALFORMED, Problem.INTERNAL))
async def public_keys(request: Request) -> Response:
    """The keys that verify this API's tokens, for systems that check them on their own."""
    keyring = cast("Keyring", request.app.state.keyring)
    keys = [
        PublicKey("OKP", "Ed25519", "EdDSA", "sig", kid, _base64url(key.public.public_bytes_raw()))
        for kid, key in sorted(keyring.keys.items())
    ]
    return Response(encode(PublicKeys(keys)), 200, media_type=JSON)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

"""The caller's user and session, from the headers that AgentCore forwards.

AgentCore has already validated the token's signature, issuer and audience
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html, step 7); it does not bind a session
to a user.
"""

from __future__ import annotations

import hmac
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import jwt

from agent.errors import Code, RefusalError, bad_request
from agent.settings import Settings

if TYPE_CHECKING:
    from starlette.datastructures import Headers

__all__ = ["ORIGIN_HEADER", "REQUEST_ID_HEADER", "SESSION_HEADER", "Caller", "caller_of", "check_origin"]

ORIGIN_HEADER = "x-amzn-bedrock-agentcore-runtime-custom-origin-verify"
SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
REQUEST_ID_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Request-Id"
# AgentCore's own limits: https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-sessions.html
_SESSION_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{32,255}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request. `user` is the token's `sub`; None only if AGENT_REQUIRE_USER is false."""

    user: str | None
    session_id: str
    request_id: str
    new_session: bool
    """Whether the session id was generated here, because no header had one; AgentCore always sends one."""


def check_origin(headers: Headers, settings: Settings) -> None:
    """Check the origin secret. Raises RefusalError(ORIGIN_FORBIDDEN)."""
    given = headers.get(ORIGIN_HEADER, "").encode()
    accepted = settings.origin_secrets
    # All values are compared, so that the response time does not depend on which one matches.
    matches = [hmac.compare_digest(given, secret.encode()) for secret in accepted]
    if accepted and not any(matches):
        raise RefusalError(Code.ORIGIN_FORBIDDEN)


def caller_of(headers: Headers, settings: Settings) -> Caller:
    """Return the caller. Raises RefusalError with SESSION_FORBIDDEN or INVALID_INPUT."""
    user = _user(headers.getlist("authorization"), settings)
    session_id = headers.get(SESSION_HEADER)
    if session_id is not None and not _SESSION_ID.fullmatch(session_id):
        raise bad_request("the session id must have 33 to 256 letters, digits or -_.:")
    if settings.session_from == "user" and user is not None and session_id not in {None, user}:
        # AWS does not document whether a mapped header replaces the client's own, so the agent checks it again.
        raise RefusalError(Code.SESSION_FORBIDDEN, "With api.sessionFrom: user the session is the caller's own `sub`.")
    return Caller(
        user=user,
        session_id=session_id or (user if settings.session_from == "user" and user else str(uuid.uuid4())),
        request_id=headers.get(REQUEST_ID_HEADER, ""),
        new_session=session_id is None,
    )


def _user(authorizations: list[str], settings: Settings) -> str | None:
    """Return the `sub` of the forwarded token."""
    if len(authorizations) > 1:
        # AgentCore may have validated one header while the agent reads the other.
        raise RefusalError(Code.SESSION_FORBIDDEN, "The request has more than one Authorization header; send one.")
    scheme, _, token = (authorizations[0] if authorizations else "").partition(" ")
    try:
        subject = jwt.decode(token, options={"verify_signature": False}).get("sub") if token else None
    except jwt.PyJWTError:
        subject = None
    if scheme.lower() == "bearer" and isinstance(subject, str) and subject:
        return subject
    if settings.require_user:
        raise RefusalError(
            Code.SESSION_FORBIDDEN,
            "The request reached the agent without a user: put Authorization on the runtime's header allow-list.",
        )
    return None

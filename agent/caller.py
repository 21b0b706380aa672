"""Who is asking, and in which session: from the headers that AgentCore forwards.

AgentCore has validated the token's signature, issuer and audience already
(https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-oauth.html, step 7); what it does not do is to
bind a session to a user.
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
    """Who asks. `user` is the token's `sub`, None only where none is required."""

    user: str | None
    session_id: str
    request_id: str
    new_session: bool
    """Whether the session's id was made here, because no header named one: only without AgentCore in front."""


def check_origin(headers: Headers, settings: Settings) -> None:
    """Check the origin secret. Raises RefusalError(ORIGIN_FORBIDDEN)."""
    given = headers.get(ORIGIN_HEADER, "").encode()
    accepted = settings.origin_secrets
    # Every value is compared, whatever the first comparison says, so that the time tells nothing.
    matches = [hmac.compare_digest(given, secret.encode()) for secret in accepted]
    if accepted and not any(matches):
        raise RefusalError(Code.ORIGIN_FORBIDDEN)


def caller_of(headers: Headers, settings: Settings) -> Caller:
    """Return who asks. Raises RefusalError with SESSION_FORBIDDEN or INVALID_INPUT."""
    user = _user(headers.getlist("authorization"), settings)
    session_id = headers.get(SESSION_HEADER)
    if session_id is not None and not _SESSION_ID.fullmatch(session_id):
        raise bad_request("the session id must have 33 to 256 letters, digits or -_.:")
    if settings.session_from == "user" and user is not None and session_id not in {None, user}:
        # Whether a mapped header replaces the one that a client sent is not documented, so it is not relied upon.
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
        # One of them may have been validated and the other read.
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
            "The agent was not told who is asking: put Authorization on the runtime's header allow-list.",
        )
    return None

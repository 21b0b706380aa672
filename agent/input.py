"""The input of one turn: the trailing `tool` messages of a conversation, and a user's message after them, if any.

Earlier messages are not checked here. Media are sent as data parts; a URL part would make the agent fetch a caller's
address with its role's credentials in reach, so only hosts in `media_hosts` are accepted (`agent/media.py`).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from agent.errors import Code, RefusalError, bad_request
from agent.settings import Settings

__all__ = ["check_medium", "input_of", "text_of"]

# Content blocks that a model provider would read as its own tool calls:
# https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-security-best-practices.html
_BLOCKS = {"toolUse", "toolResult", "tool_use", "tool_result"}
_MEDIA = ("image", "audio", "video", "document")
# The media types that Bedrock's Converse API accepts:
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
_TYPES = {
    "image": {"image/png", "image/jpeg", "image/gif", "image/webp"},
    "document": {
        "application/pdf",
        "text/csv",
        "text/html",
        "text/plain",
        "text/markdown",
        "application/msword",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.ms-excel",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    },
    "audio": {"audio/mpeg", "audio/wav", "audio/ogg", "audio/webm", "audio/flac", "audio/mp4"},
    "video": {"video/mp4", "video/webm", "video/quicktime", "video/x-matroska"},
}
# Bytes per part, and parts per message: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html
_MAX_BYTES = {"image": 3_932_160, "document": 4_718_592}
_MOST_BYTES = 10_485_760
_MAX_MEDIA = 20


def input_of(messages: list[dict[str, Any]], settings: Settings, *, required: bool) -> tuple[int, str]:
    """Return the index in `messages` at which the turn's input begins, and the text of the user's message, or "".

    Args:
        messages: the conversation as the client sent it.
        settings: the limits of a prompt and of media.
        required: whether an input is required; with a resume it is not.

    Raises RefusalError with INVALID_INPUT or MEDIA_URL_FORBIDDEN.
    """
    first, prompt = len(messages), ""
    if messages and messages[-1].get("role") == "user":
        first -= 1
        prompt = _prompt(messages[first], first, settings)
    while first and messages[first - 1].get("role") == "tool":
        first -= 1
        _check_content(messages[first].get("content"), f"messages.{first}.content", settings)
    if required and first == len(messages):
        raise bad_request(
            "the last message must be a user message or a tool result; to read a run send attach, stop or history"
        )
    return first, prompt


def text_of(content: Any, settings: Settings) -> str:
    """Return `content` as a prompt. Raises RefusalError(INVALID_INPUT) if it is empty, too long or not text."""
    if not isinstance(content, str):
        raise bad_request("the prompt must be a string")
    if not content.strip():
        raise bad_request("the prompt is empty")
    return _checked(content, settings)


def _prompt(message: dict[str, Any], index: int, settings: Settings) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return text_of(content, settings)
    _check_content(content, f"messages.{index}.content", settings)
    parts: list[dict[str, Any]] = content if isinstance(content, list) else []
    text = "\n".join(part["text"] for part in parts if part.get("type") == "text")
    if not text.strip() and all(part.get("type") == "text" for part in parts):
        raise bad_request("the prompt is empty")
    return _checked(text, settings)


def _checked(text: str, settings: Settings) -> str:
    if len(text) > settings.max_prompt_chars:
        raise bad_request(f"the prompt has more than {settings.max_prompt_chars} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise bad_request("the prompt contains a NUL character or a lone surrogate")
    return text


def _check_content(content: Any, where: str, settings: Settings) -> None:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise bad_request(f"{where} must be text or a list of parts")
    media = 0
    for number, part in enumerate(content):
        kind = part.get("type")
        if _BLOCKS & set(part) or (isinstance(kind, str) and kind in _BLOCKS):
            raise bad_request(f"{where}.{number}: tool calls and tool results may not be sent as content")
        if kind in _MEDIA:
            media += 1
            _check_medium(str(kind), part.get("source"), f"{where}.{number}", settings)
        elif kind != "text" or not isinstance(part.get("text"), str):
            raise bad_request(f"{where}.{number} must be a text, image, audio, video or document part")
    if media > _MAX_MEDIA:
        raise bad_request(f"{where} has more than {_MAX_MEDIA} images and documents")


def _check_medium(kind: str, source: Any, where: str, settings: Settings) -> None:
    source = source if isinstance(source, dict) else {}
    value = source.get("value")
    if not isinstance(value, str) or source.get("type") not in {"data", "url"}:
        raise bad_request(f"{where}.source must contain data, or a URL of a host in runtime.mediaHosts")
    if source["type"] == "url":
        _check_address(value, settings)
        return
    mime = str(source.get("mimeType") or "").partition(";")[0].strip().lower()
    try:
        check_medium(kind, mime, base64.b64decode(value, validate=True))
    except binascii.Error:
        raise bad_request(f"{where}.source.value is not base64") from None
    except ValueError as error:
        raise bad_request(f"{where}: {error}") from None


def check_medium(kind: str, mime: str, data: bytes) -> None:
    """Raise ValueError, with a message for the caller, unless `data` is a `kind` that a model accepts."""
    if mime not in _TYPES[kind]:
        raise ValueError(f"the type of {kind} parts must be one of {', '.join(sorted(_TYPES[kind]))}")
    most = _MAX_BYTES.get(kind, _MOST_BYTES)
    if not 0 < len(data) <= most:
        raise ValueError(f"{kind} parts must have 1 to {most} bytes")


def _check_address(address: str, settings: Settings) -> None:
    try:
        url = urlsplit(address)
        fine = url.scheme == "https" and url.hostname in settings.media_hosts and url.username is None
    except ValueError:
        fine = False
    if not fine:
        raise RefusalError(Code.MEDIA_URL_FORBIDDEN)

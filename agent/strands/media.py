"""Images and documents: converts AG-UI data parts to Strands content blocks, and replaces them in a history."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, cast

from strands.models import Model
from strands.types.content import ContentBlock

from agent.errors import AgentError, Code
from agent.turn import MEDIA_NOTE

__all__ = ["MEDIA", "check_media", "media_block", "without_media"]

Json = dict[str, Any]


MEDIA = ("image", "document", "video", "audio")
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
_FORMATS = {
    "image": {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
    "document": {
        "application/pdf": "pdf",
        "text/csv": "csv",
        "text/html": "html",
        "text/plain": "txt",
        "text/markdown": "md",
        "application/msword": "doc",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    },
    "video": {"video/mp4": "mp4", "video/webm": "webm", "video/quicktime": "mov", "video/x-matroska": "mkv"},
}
# The media that each of Strands' providers can convert; whether a given model accepts them, its API decides.
_TAKES = {
    "BedrockModel": {"image", "document", "video"},
    "OpenAIModel": {"image", "document"},
    "OllamaModel": {"image"},
}


def check_media(model: Model, parts: Sequence[Json]) -> None:
    """Raise AgentError(MEDIA_UNSUPPORTED) unless `model`'s provider accepts all of the AG-UI content `parts`."""
    names = [cls.__name__ for cls in type(model).__mro__]
    takes = next((_TAKES[name] for name in names if name in _TAKES), {"image", "document", "video"})
    for part in parts:
        kind = str(part.get("type"))
        if kind in MEDIA and (kind not in takes or _mime(part) not in _FORMATS[kind]):
            raise AgentError(
                Code.MEDIA_UNSUPPORTED, f"This agent's model does not accept a {kind} of that type; send text instead."
            )


def media_block(part: Json, number: int) -> ContentBlock:
    """Return the content block for an image, document or video part that passed `check_media`."""
    kind = part["type"]
    block: Json = {
        "format": _FORMATS[kind][_mime(part)],
        "source": {"bytes": base64.b64decode(part["source"]["value"])},
    }
    if kind == "document":
        block["name"] = f"document-{number}"  # not the file's name: a model could read it as an instruction
    return cast("ContentBlock", {kind: block})


def without_media(messages: Sequence[Any]) -> list[Any]:
    """Return Strands messages with a note in place of each image, document and video."""
    return [{**message, "content": [_noted(block) for block in message["content"]]} for message in messages]


def _noted(block: Any) -> Any:
    if result := block.get("toolResult"):
        return {"toolResult": {**result, "content": [_noted(one) for one in result["content"]]}}
    kind = next((kind for kind in MEDIA if kind in block), None)
    return block if kind is None else {"text": MEDIA_NOTE.format(kind=kind)}


def _mime(part: Json) -> str:
    source = part.get("source") or {}
    return str(source.get("mimeType") or "").partition(";")[0].strip().lower() if source.get("type") == "data" else ""

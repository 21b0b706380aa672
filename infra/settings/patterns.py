"""How a text must be written: one description for the check, for the error and for the reference page."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, Url
from pydantic_core.core_schema import no_info_after_validator_function

from infra.settings.base import impossible

LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Pattern:
    """How a text must be written, as an annotation of its type: ``Annotated[str, Pattern(...)]``.

    Attributes:
        description: completes the sentence "write …".
        regex: the regular expression that the whole text matches.
        why: the clause that says why no other text will do.
        check: looks closer, before the regular expression is tried, and raises `impossible` with its own sentence.
    """

    description: str
    regex: str = r"[\s\S]*"
    why: str = "AWS would refuse it"
    check: Callable[[str], None] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Run after the type's own check; called by pydantic."""
        return no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Tell an editor the description and the pattern, unless JavaScript reads it otherwise; called by pydantic."""
        told = {**handler(core_schema), "description": f"Write {self.description}."}
        return told if "(?i" in self.regex else {**told, "pattern": f"^(?:{self.regex})$"}

    def _checked(self, text: str) -> str:
        if self.check is not None:
            self.check(text)
        if not re.fullmatch(self.regex, text):
            raise impossible(self.why, f"write {self.description}")
        return text


def web_address(text: str) -> Url:
    """The address, when it is written as a browser writes it: it is compared letter by letter.

    Raises:
        PydanticCustomError: see `impossible`.
    """
    try:
        url = Url(text)
    except ValueError:
        raise impossible("it is no web address", "write one like https://chat.example.com/") from None
    if text not in (str(url), str(url).removesuffix("/")):
        raise impossible("it is compared letter by letter, and a browser writes it otherwise", f"write {url}")
    return url


def is_private(url: Url) -> bool:
    """Whether nobody on the way can read what is sent to an address: https, or this machine."""
    return url.scheme == "https" or (url.scheme == "http" and url.host in LOOPBACK)


def is_on_this_machine(text: str) -> bool:
    """Whether a web address is one of the machine that the browser runs on."""
    host = (Url(text).host or "").strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def origin_of(url: Url) -> str:
    """What a browser sends in its ``Origin`` header for a page at this address."""
    host = str(url).split("/")[2].rpartition("@")[2]
    return f"{url.scheme}://{host}"

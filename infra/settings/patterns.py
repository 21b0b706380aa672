"""The formats of text settings: one description for the check, the error and the reference page."""

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
    """The format of a text, as an annotation of its type: ``Annotated[str, Pattern(...)]``.

    Attributes:
        description: completes the sentence "write …".
        regex: the regular expression that the whole text matches.
        why: the clause that says why another text cannot work.
        check: a closer check, made before the regular expression; raises `impossible` with its own sentence.
    """

    description: str
    regex: str = r"[\s\S]*"
    why: str = "AWS would refuse it"
    check: Callable[[str], None] | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Run after the type's own check; called by pydantic."""
        return no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The description and the pattern for editors, unless JavaScript cannot read it; called by pydantic."""
        schema = {**handler(core_schema), "description": f"Write {self.description}."}
        return schema if "(?i" in self.regex else {**schema, "pattern": f"^(?:{self.regex})$"}

    def _checked(self, text: str) -> str:
        if self.check is not None:
            self.check(text)
        if not re.fullmatch(self.regex, text):
            raise impossible(self.why, f"write {self.description}")
        return text


def web_address(text: str) -> Url:
    """Parse an address, which must be in the form that a browser writes, because it is compared exactly.

    Raises:
        PydanticCustomError: see `impossible`.
    """
    try:
        url = Url(text)
    except ValueError:
        raise impossible("it is not a web address", "write one like https://chat.example.com/") from None
    if text not in (str(url), str(url).removesuffix("/")):
        raise impossible("it is compared exactly, and a browser writes it in another form", f"write {url}")
    return url


def is_private(url: Url) -> bool:
    """Whether requests to an address cannot be read in transit: https, or this machine."""
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

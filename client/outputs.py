"""What a client knows of a stack: its outputs, wherever they come from."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from client.errors import OutputsError

LOCAL_OUTPUTS = Path(".local/outputs.json")


class Outputs(BaseModel):
    """A stack's outputs; the last three exist in a local run only."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True)

    region: str
    invoke_url: str
    user_pool_id: str
    user_pool_client_id: str
    issuer: str
    endpoint_url: str | None = None
    demo_username: str | None = None
    demo_password: SecretStr | None = None


def read_outputs(path: Path) -> Outputs:
    """Read a file of outputs.

    Raises:
        OutputsError: when it is missing or is not one.
    """
    try:
        return Outputs.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "`python -m local up` writes it" if path == LOCAL_OUTPUTS else "check the path"
        raise OutputsError(f"There is no {path}: {hint}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise OutputsError(f"{path} cannot be read: {error}.") from None
    except ValidationError as error:
        keys = ", ".join(str(detail["loc"][0]) if detail["loc"] else "all of it" for detail in error.errors())
        raise OutputsError(f"{path} does not hold a stack's outputs; at fault: {keys}.") from None

"""A client for a deployed stack or the local run: sign in, ask, and read the answer as it streams.

The names below are the public library; each is imported on first use. The exceptions are in `client.errors`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from client.account import Account as Account
    from client.connection import connect as connect
    from client.conversation import Conversation as Conversation
    from client.errors import ClientError as ClientError
    from client.exchange import record as record
    from client.outputs import Outputs as Outputs
    from client.outputs import read_outputs as read_outputs
    from client.outputs import stack_outputs as stack_outputs
    from client.recording import Recording as Recording
    from client.retry import Policy as Policy

_MODULES = {
    "Account": "account",
    "Arrival": "exchange",
    "ClientError": "errors",
    "Conversation": "conversation",
    "Outputs": "outputs",
    "Policy": "retry",
    "Recording": "recording",
    "ask": "exchange",
    "connect": "connection",
    "read_outputs": "outputs",
    "record": "exchange",
    "stack_outputs": "outputs",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)

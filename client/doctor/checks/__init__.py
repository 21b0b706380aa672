"""The checks, in the order in which a request passes the layers that they test."""

from __future__ import annotations

from client.doctor.check import Check
from client.doctor.checks.access import Authorizer, SignIn
from client.doctor.checks.cors import Cors
from client.doctor.checks.deployed import Deployed
from client.doctor.checks.firewall import FirewallRules
from client.doctor.checks.front_door import FrontDoor
from client.doctor.checks.limits import Heartbeat, ThrottleAnswers
from client.doctor.checks.logs import Logs
from client.doctor.checks.reach import Reach
from client.doctor.checks.runs import Attach, HangUp, Ping
from client.doctor.checks.runtime_policy import RuntimePolicy
from client.doctor.checks.streaming import Streaming

CHECKS: tuple[Check, ...] = (
    Reach(),
    SignIn(),
    Authorizer(),
    Deployed(),
    Streaming(),
    Heartbeat(),
    Attach(),
    HangUp(),
    Ping(),
    FirewallRules(),
    ThrottleAnswers(),
    FrontDoor(),
    RuntimePolicy(),
    Cors(),
    Logs(),
)

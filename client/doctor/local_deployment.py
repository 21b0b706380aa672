"""Reads the deployment of a local run from the graphs and the log in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from client.doctor.deployment import (
    DeploymentUnavailable,
    Firewall,
    Invocation,
    ManagedGroup,
    NotDeployedError,
    Throttle,
    hidden,
    log_object,
    named_origin,
)
from contract import DEFAULT_TIMEOUT_MILLISECONDS, ROUTE

Inputs = Mapping[str, Any]

PING_SECONDS = 5.0

_LOG_TAIL_BYTES = 512 * 1024


def last_lines(path: Path) -> list[str]:
    """Return the last lines of an access log; the first may be incomplete.

    Raises:
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()


class LocalDeployment:
    """Reads ``gateway-graph.json`` (what the gateway serves), ``graph.json`` (the resources) and the access log.

    Args:
        folder: the local run's folder.
        rest_api_id: the API in the outputs; empty accepts any.
        route: the path of the API's resource for questions.
    """

    def __init__(self, folder: Path, rest_api_id: str = "", route: str = ROUTE) -> None:
        self._folder = folder
        self._rest_api_id = rest_api_id
        self._route = route

    def stage(self) -> Invocation:
        """See `Deployment.stage`."""
        apis = [one["id"] for one in self._graph("gateway-graph.json") if str(one["type"]).endswith(":RestApi")]
        if self._rest_api_id and self._rest_api_id not in apis:
            raise NotDeployedError(f"The local run serves no REST API {self._rest_api_id}.")
        return _invocation(self._graph("gateway-graph.json"), self._route)

    def resource(self) -> Invocation:
        """See `Deployment.resource`."""
        return _invocation(self._graph("graph.json"), self._route)

    def throttle(self) -> Throttle | None:
        """See `Deployment.throttle`."""
        settings = {
            inputs["methodPath"].lstrip("/"): inputs["settings"]
            for inputs in _all(self._graph("gateway-graph.json"), "MethodSettings")
        }
        for path in (f"{self._route.strip('/')}/POST", "*/*"):
            given = settings.get(path, {})
            if given.get("throttlingRateLimit") is not None and given.get("throttlingBurstLimit") is not None:
                return Throttle(float(given["throttlingRateLimit"]), int(given["throttlingBurstLimit"]))
        return None

    def firewall(self) -> Firewall | None:
        """See `Deployment.firewall`."""
        graph = self._graph("gateway-graph.json")
        if not _all(graph, "WebAclAssociation"):
            return None
        rules = [rule for acl in _all(graph, "WebAcl") for rule in acl.get("rules", [])]
        groups = [rule["statement"].get("managedRuleGroupStatement") for rule in rules]
        limits = [
            int(rule["statement"]["sizeConstraintStatement"]["size"])
            for rule in rules
            if "sizeConstraintStatement" in rule["statement"] and "block" in (rule.get("action") or {})
        ]
        return Firewall(
            groups=tuple(_group(group) for group in groups if group),
            body_limit=min(limits, default=None),
            evaluates_groups=False,
        )

    def preflight_origin(self) -> str:
        """See `Deployment.preflight_origin`."""
        return named_origin(
            _of_method(self._graph("gateway-graph.json"), "IntegrationResponse", self._route, "OPTIONS")
        )

    def log_line(self, request_id: str) -> Mapping[str, Any] | None:
        """See `Deployment.log_line`."""
        path = self._folder / "logs" / "access.log"
        try:
            lines = last_lines(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeploymentUnavailable(f"{path} cannot be read: {error.strerror}") from None
        for line in reversed(lines):
            if request_id in line:
                return log_object(line)
        return None

    def ping(self) -> Mapping[str, Any]:
        """See `Deployment.ping`."""
        path = self._folder / "state.json"
        try:
            port = int(json.loads(path.read_text(encoding="utf-8"))["ports"]["agent"])
            said = httpx.get(f"http://127.0.0.1:{port}/ping", timeout=PING_SECONDS, trust_env=False).json()
        except (OSError, ValueError, KeyError, TypeError, httpx.HTTPError) as error:
            raise DeploymentUnavailable(f"The agent's /ping cannot be read ({type(error).__name__}).") from None
        return said if isinstance(said, dict) else {}

    def alarms(self) -> int:
        """See `Deployment.alarms`."""
        return len(_all(self._graph("graph.json"), "MetricAlarm"))

    def _graph(self, name: str) -> list[Mapping[str, Any]]:
        path = self._folder / name
        try:
            resources: list[Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["resources"]
        except (OSError, ValueError, KeyError) as error:
            raise DeploymentUnavailable(
                f"{path} cannot be read ({type(error).__name__}): start the local run with `python -m local up`."
            ) from None
        return resources


def _all(resources: list[Mapping[str, Any]], kind: str) -> list[Inputs]:
    return [resource["inputs"] for resource in resources if str(resource["type"]).endswith(f":{kind}")]


def _path(resources: list[Mapping[str, Any]], id_: str) -> str:
    """Return the path of an API resource from its path parts; empty for the root."""
    inputs = next((one["inputs"] for one in resources if one["id"] == id_ and "pathPart" in one["inputs"]), None)
    return "" if inputs is None else f"{_path(resources, inputs['parentId'])}/{inputs['pathPart']}"


def _of_method(resources: list[Mapping[str, Any]], kind: str, route: str, verb: str) -> list[Inputs]:
    """Return the inputs of the resources of one kind that belong to a method."""
    return [
        inputs
        for inputs in _all(resources, kind)
        if inputs.get("httpMethod") == verb and _path(resources, inputs["resourceId"]) == route
    ]


def _invocation(resources: list[Mapping[str, Any]], route: str) -> Invocation:
    integration = next(iter(_of_method(resources, "Integration", route, "POST")), None)
    method = next(iter(_of_method(resources, "Method", route, "POST")), None)
    if integration is None or method is None:
        raise DeploymentUnavailable(f"The graph has no POST {route} with an integration.")
    return Invocation(
        transfer_mode=integration.get("responseTransferMode", "BUFFERED"),
        timeout_milliseconds=int(integration.get("timeoutMilliseconds", DEFAULT_TIMEOUT_MILLISECONDS)),
        uri=str(integration.get("uri", "")),
        authorization=method.get("authorization"),
        parameters=hidden(integration.get("requestParameters")),
        private=integration.get("connectionType") == "VPC_LINK",
    )


def _group(statement: Inputs) -> ManagedGroup:
    overrides = statement.get("ruleActionOverrides") or []
    counted = frozenset(override["name"] for override in overrides if "count" in override["actionToUse"])
    return ManagedGroup(statement["name"], counted)

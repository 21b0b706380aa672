"""Settings that are accepted are settings that AWS takes: any of them, as far as AWS's own models can tell."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, Literal, NamedTuple, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic.fields import FieldInfo

from agent.settings import Settings as AgentSettings
from infra.config import SettingsError, StackConfig
from infra.settings.describe import bare, inside, section_model
from infra.settings.environments import named_kind, suggested_kind
from infra.settings.patterns import Pattern
from infra.settings.stack import OWNER
from local.program.evaluate import evaluate
from local.program.provider import MockProvider
from tests.infra.graphs import PROJECT, WEBSITE, a_built_page, stack_settings
from tests.infra.test_aws_models import refusals

Values = st.SearchStrategy[Any]


class Stack(NamedTuple):
    """A stack's name, its flat settings, and what these say."""

    name: str
    settings: dict[str, str]
    config: StackConfig


# Texts whose form is checked by more than its pattern.
TEXTS: dict[str, Values] = {
    "allowedOrigin": st.sampled_from(["", "*", "http://localhost:5173", "https://chat.example.com"]),
    "callbackUrls": st.text("az09/-_~?=&%;+@!$'()", max_size=40).map(lambda path: f"https://a.example/{path}"),
    "subscribers": st.emails(domains=st.just("a.example")) | st.just("https://a.example/alarms?team=1"),
    "onlyAddresses": st.ip_addresses().map(str),
    "blockedAddresses": st.ip_addresses().map(str),
    "cidr": st.sampled_from(["10.87.0.0/24", "10.0.0.0/16", "172.31.4.0/22", "192.168.0.0/20"]),
    "certificateArn": st.sampled_from(["", "arn:aws:acm:us-east-1:123456789012:certificate/0123-abc"]),
}
# Keys that go together, by the section and one of them.
TOGETHER: dict[tuple[str, str], list[dict[str, Any]]] = {
    ("api", "endpointType"): [
        {"endpointType": "REGIONAL", "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09"},
        {"endpointType": "EDGE", "securityPolicy": "SecurityPolicy_TLS12_PFS_2025_EDGE", "heartbeatSeconds": 15},
        {"endpointType": "PRIVATE", "vpcEndpointIds": ["vpce-01234567"]},
    ],
    ("runtime", "network"): [
        {"network": "VPC", "subnetIds": ["subnet-01234567"], "securityGroupIds": ["sg-0123456789abcdef0"]},
    ],
    ("runtime", "guardrailId"): [{"guardrailId": "abc", "guardrailVersion": version} for version in ("DRAFT", "12")],
    # What a model is, and which ARNs it needs, has tests of its own.
    ("runtime", "model"): [{}],
    ("runtime", "modelArns"): [{}],
    ("runtime", "openaiBaseUrl"): [{}],
}


def field_values(field: FieldInfo, key: str) -> Values:
    """What a field may be by itself: what its type, its bounds and its form allow."""
    annotation = bare(field.annotation)
    kind = get_origin(annotation) or annotation
    low = _bound(field, {Ge: "ge", Gt: "gt", MinLen: "min_length"})
    high = _bound(field, {Le: "le", MaxLen: "max_length"})
    made: dict[Any, Values] = {
        Literal: st.sampled_from(get_args(annotation) or [None]),
        bool: st.booleans(),
        int: st.integers(low, high),
    }
    if kind in made:
        return made[kind]
    if kind is float:
        return st.floats(low, high, exclude_min=True, allow_nan=False, allow_infinity=False)
    if kind is list:
        return st.lists(field_values(inside(field), key), min_size=low or 0, max_size=3, unique_by=repr)
    if kind is dict:
        name = FieldInfo.from_annotation(get_args(annotation)[0])
        return st.dictionaries(field_values(name, key), field_values(inside(field), key), max_size=2)
    if kind is str:
        form = next(each for each in field.metadata if isinstance(each, Pattern))
        return TEXTS[key] if key in TEXTS else st.from_regex(form.regex, fullmatch=True)
    return st.fixed_dictionaries(
        {str(each.alias): field_values(each, str(each.alias)) for each in kind.model_fields.values()}
    )


def _bound(field: FieldInfo, names: dict[type[Any], str]) -> Any:
    return next((getattr(each, names[type(each)]) for each in field.metadata if type(each) in names), None)


FIELDS: dict[tuple[str, str], Values] = {
    (str(section.alias), str(field.alias)): field_values(field, str(field.alias))
    for section in StackConfig.model_fields.values()
    for model in [section_model(section.annotation)]
    if model is not None
    for field in model.model_fields.values()
}


@st.composite
def accepted_stacks(draw: st.DrawFn) -> Stack:
    """Production's settings with a third of all keys at other values, less those that are refused."""
    changes: dict[str, dict[str, Any]] = {}
    for path in draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=25, max_size=25, unique=True)):
        group = draw(st.sampled_from(TOGETHER[path])) if path in TOGETHER else {path[1]: draw(FIELDS[path])}
        changes.setdefault(path[0], {}).update(group)
    if "website" in changes:
        changes["website"] = WEBSITE["website"] | changes["website"]
        changes.setdefault("identity", {}).update(WEBSITE["identity"])
    if "network" in changes:
        changes.setdefault("runtime", {})["bypassProtection"] = "private"
    # A name that may mean more than dev wants an answer (``environment``), which these stacks do not give.
    names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,6})?", fullmatch=True)
    name = draw(names.filter(lambda each: suggested_kind(each) == named_kind(each)))
    base = stack_settings("prod") | {f"{PROJECT}:owner": draw(st.from_regex(OWNER.regex, fullmatch=True))}
    while True:
        given_ = {key: json.loads(base.get(f"{PROJECT}:{key}", "{}")) | values for key, values in changes.items()}
        flat = base | {f"{PROJECT}:{key}": json.dumps(values) for key, values in given_.items()}
        try:
            return Stack(name, flat, StackConfig.parse(PROJECT, name, flat))
        except SettingsError as error:
            for section, key in {_key(problem) for problem in error.problems}:
                # A key that is as it was can only clash with others of its section, and a section with another.
                if changes.get(section, {}).pop(key, None) is None and changes.pop(section, None) is None:
                    changes.clear()


def _key(problem: str) -> tuple[str, str]:
    """The section and the key that a problem begins with."""
    section, key = re.findall(r"[A-Za-z]+", problem.removeprefix(f"{PROJECT}:"))[:2]
    return section, key


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(accepted_stacks())
def test_aws_takes_what_is_accepted_and_no_two_resources_share_a_name(stack: Stack) -> None:
    with a_built_page():
        graph = evaluate(stack.name, MockProvider(stack.config.region), settings=stack.settings)
    assert refusals(graph) == []
    assert [urn for urn, times in Counter(each.urn for each in graph.resources).items() if times > 1] == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(accepted_stacks())
def test_the_agent_takes_what_is_accepted(stack: Stack) -> None:
    assert AgentSettings.from_environment(stack.config.agent_environment).model == stack.config.runtime.model

"""The declared user pool in the emulator: an edit of the declaration changes it in place, as it would in Cognito."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest

from local.program.graph import Graph, Resource
from local.program.provider import CLIENT, DOMAIN, POOL, EmulatorProvider
from local.run.provision import DEMO_USERNAME, UpdatingProvider, create_demo_user
from tests import loopback
from tests.local.emulator import emulated

LONGEST = 99
"""No policy may ask for more characters
(https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_PasswordPolicyType.html)."""

POLICY = {f"require{kind}": True for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols")}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProvider]:
    """What makes user pools in an emulator of its own."""
    with emulated(tmp_path_factory.mktemp("emulator")) as url:
        yield EmulatorProvider(url)


class Declared:
    """A pool, its client and its domain as declared last, and their ids."""

    def __init__(self, emulator: EmulatorProvider, domain: str) -> None:
        self._emulator = emulator
        self._served = Graph("project", "dev", emulator.region, (), {})
        self._domain = domain
        self.ids: dict[str, str] = {}

    def declare(self, pool: Mapping[str, Any], client: Mapping[str, Any]) -> dict[str, str]:
        """Make it what is declared; the ids by type."""
        provider = UpdatingProvider(self._emulator, self._served)
        for type_, inputs in ((POOL, pool), (CLIENT, client), (DOMAIN, {"domain": self._domain})):
            all_ = {**inputs, "userPoolId": self.ids[POOL]} if type_ != POOL else dict(inputs)
            id_, outputs = provider.create(type_, "users", all_)
            self.ids = {**self.ids, type_: id_}
            self._serve(type_, id_, all_, outputs)
        return self.ids

    def _serve(self, type_: str, id_: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        others = [one for one in self._served.resources if one.type != type_]
        new = Resource(type_, "users", type_, "", inputs, (), id_, outputs, (), True, False, False, False, ())
        self._served = dataclasses.replace(self._served, resources=(*others, new))


def test_an_edited_pool_and_client_keep_ids_domain_and_tokens(emulator: EmulatorProvider) -> None:
    declared = Declared(emulator, "edited")
    pool = {"usernameAttributes": ["email"], "passwordPolicy": {**POLICY, "minimumLength": 12}}
    client = {"explicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"], "callbackUrls": ["http://localhost:5173/"]}
    before = declared.declare(pool, client)
    password = create_demo_user(emulator, before[POOL])
    token = emulator.cognito.admin_initiate_auth(
        UserPoolId=before[POOL],
        ClientId=before[CLIENT],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": DEMO_USERNAME, "PASSWORD": password},
    )["AuthenticationResult"]["IdToken"]

    edited = {**client, "callbackUrls": ["http://localhost:5173/", "http://localhost:9999/"]}
    after = declared.declare({**pool, "passwordPolicy": {**POLICY, "minimumLength": 14}}, edited)

    assert after == before
    described = emulator.cognito.describe_user_pool(UserPoolId=after[POOL])["UserPool"]
    assert described["Policies"]["PasswordPolicy"]["MinimumLength"] == 14
    assert described["Domain"] == "edited"
    of_client = emulator.cognito.describe_user_pool_client(UserPoolId=after[POOL], ClientId=after[CLIENT])
    assert of_client["UserPoolClient"]["CallbackURLs"] == edited["callbackUrls"]
    keys = loopback.get(f"{emulator.endpoint}/{after[POOL]}/.well-known/jwks.json").json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, audience=after[CLIENT])["email"] == DEMO_USERNAME


def test_other_user_names_are_another_pool_with_the_same_domain(emulator: EmulatorProvider) -> None:
    """Cognito cannot change what a user may be called by; a domain must leave the old pool before it joins the new."""
    declared = Declared(emulator, "replaced")
    before = declared.declare({"usernameAttributes": ["email"]}, {})
    after = declared.declare({"usernameAttributes": ["phone_number"]}, {})
    assert after[POOL] != before[POOL]
    assert emulator.cognito.describe_user_pool(UserPoolId=after[POOL])["UserPool"]["Domain"] == "replaced"


def test_the_demo_user_has_a_password_for_the_strictest_policy(emulator: EmulatorProvider) -> None:
    pool, _ = emulator.create(POOL, "strict", {"passwordPolicy": {**POLICY, "minimumLength": LONGEST}})
    assert len(create_demo_user(emulator, pool)) >= LONGEST
    user = emulator.cognito.admin_get_user(UserPoolId=pool, Username=DEMO_USERNAME)
    assert user["UserStatus"] == "CONFIRMED"


def test_the_login_page_sends_a_browser_back_to_the_local_page_too(emulator: EmulatorProvider) -> None:
    """Its port is nobody's to declare; an edit of the app client does not lose it."""
    page = "http://127.0.0.1:8123/"
    declared = Declared(EmulatorProvider(emulator.endpoint, page=page), "with-page")
    client = {"allowedOauthFlows": ["code"], "allowedOauthScopes": ["openid"], "callbackUrls": ["http://localhost:1/"]}
    declared.declare({}, client)
    ids = declared.declare({}, {**client, "callbackUrls": ["http://localhost:2/"]})

    def status(address: str) -> int:
        asked = {"response_type": "code", "client_id": ids[CLIENT], "scope": "openid", "redirect_uri": address}
        return loopback.get(f"{emulator.endpoint}/oauth2/authorize", params=asked).status_code

    assert [status(one) for one in (page, "http://localhost:2/", "http://localhost:1/")] == [200, 200, 400]

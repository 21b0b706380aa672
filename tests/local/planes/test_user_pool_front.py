"""Before the emulator: rotation of refresh tokens, the time of a sign-in, and which pages may call it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import jwt
import pytest
from botocore.exceptions import ClientError

from local.planes.user_pool.rotation import ReusedError, Rotation
from local.program.provider import CLIENT, POOL, EmulatorProvider
from local.run.provision import DEMO_USERNAME, create_demo_user
from tests import loopback
from tests.local.emulator import emulated

PAGE = "http://localhost:5173"
STRANGER = "https://elsewhere.example"
AMZ_JSON = "application/x-amz-json-1.1"


class Users(NamedTuple):
    """A pool with a client that rotates, one that does not, and a user."""

    emulator: EmulatorProvider
    url: str
    pool: str
    rotating: str
    plain: str
    password: str

    def sign_in(self, client: str) -> dict[str, str]:
        answer = self.emulator.cognito.admin_initiate_auth(
            UserPoolId=self.pool,
            ClientId=client,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": DEMO_USERNAME, "PASSWORD": self.password},
        )
        return dict(answer["AuthenticationResult"])  # type: ignore[arg-type]

    def refresh(self, client: str, token: str) -> dict[str, str]:
        answer = self.emulator.cognito.get_tokens_from_refresh_token(ClientId=client, RefreshToken=token)
        return dict(answer["AuthenticationResult"])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Users]:
    """An emulator of its own."""
    with emulated(tmp_path_factory.mktemp("emulator")) as url:
        emulator = EmulatorProvider(url)
        closed = {"allowAdminCreateUserOnly": True}
        pool, _ = emulator.create(POOL, "users", {"usernameAttributes": ["email"], "adminCreateUserConfig": closed})
        flows = ("ADMIN_USER_PASSWORD_AUTH", "USER_SRP_AUTH", "REFRESH_TOKEN_AUTH")
        common = {
            "userPoolId": pool,
            "explicitAuthFlows": [f"ALLOW_{flow}" for flow in flows],
            "callbackUrls": [f"{PAGE}/"],
            "preventUserExistenceErrors": "ENABLED",
        }
        rotation = {"feature": "ENABLED", "retryGracePeriodSeconds": 0}
        rotating, _ = emulator.create(CLIENT, "rotating", {**common, "refreshTokenRotation": rotation})
        plain, _ = emulator.create(CLIENT, "plain", common)
        password = create_demo_user(emulator, pool)
        yield Users(emulator, url, pool, rotating, plain, password)


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


class TestRotation:
    def test_a_refresh_gives_another_token_and_ends_the_one_before(self, users: Users) -> None:
        first = users.sign_in(users.rotating)["RefreshToken"]
        second = users.refresh(users.rotating, first)["RefreshToken"]
        third = users.refresh(users.rotating, second)["RefreshToken"]
        assert len({first, second, third}) == 3
        for used in (first, second):
            with pytest.raises(ClientError, match="RefreshTokenReuseException"):
                users.refresh(users.rotating, used)
        assert users.refresh(users.rotating, third)["IdToken"]

    def test_a_client_that_does_not_rotate_keeps_its_token(self, users: Users) -> None:
        token = users.sign_in(users.plain)["RefreshToken"]
        assert "RefreshToken" not in users.refresh(users.plain, token)
        assert users.refresh(users.plain, token)["IdToken"]

    def test_a_client_that_rotates_has_no_other_way_to_refresh(self, users: Users) -> None:
        def ask(client: str) -> None:
            token = users.sign_in(client)["RefreshToken"]
            users.emulator.cognito.initiate_auth(
                ClientId=client, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": token}
            )

        ask(users.plain)
        with pytest.raises(ClientError, match="GetTokensFromRefreshToken"):
            ask(users.rotating)

    def test_the_token_endpoint_rotates_too(self, users: Users) -> None:
        def ask(token: str) -> httpx.Response:
            form = {"grant_type": "refresh_token", "client_id": users.rotating, "refresh_token": token}
            return loopback.post(f"{users.url}/oauth2/token", data=form)

        first = users.sign_in(users.rotating)["RefreshToken"]
        second = ask(first).json()["refresh_token"]
        assert second != first
        assert (ask(first).status_code, ask(first).json()["error"]) == (400, "invalid_grant")
        assert ask(second).json()["refresh_token"] not in (first, second)

    def test_a_rotated_token_can_be_revoked(self, users: Users) -> None:
        second = users.refresh(users.rotating, users.sign_in(users.rotating)["RefreshToken"])["RefreshToken"]
        users.emulator.cognito.revoke_token(Token=second, ClientId=users.rotating)
        with pytest.raises(ClientError, match="revoked"):
            users.refresh(users.rotating, second)

    @pytest.mark.parametrize("client", ["rotating", "plain"])
    def test_a_token_is_revoked_at_the_revocation_endpoint_too(self, client: str, users: Users) -> None:
        id_ = getattr(users, client)
        token = users.sign_in(id_)["RefreshToken"]
        token = users.refresh(id_, token).get("RefreshToken", token)
        answer = self.revoke(users, client_id=id_, token=token, token_type_hint="refresh_token")
        assert (answer.status_code, answer.content) == (200, b"")
        with pytest.raises(ClientError, match="revoked"):
            users.refresh(id_, token)

    def test_the_revocation_endpoint_takes_a_clients_refresh_tokens_only(self, users: Users) -> None:
        tokens = users.sign_in(users.plain)
        for sent, status, error in (
            ({"client_id": "nobody", "token": tokens["RefreshToken"]}, 401, "invalid_client"),
            ({"client_id": users.plain}, 400, "invalid_request"),
            ({"client_id": users.plain, "token": tokens["AccessToken"]}, 400, "unsupported_token_type"),
        ):
            answer = self.revoke(users, **sent)
            assert (answer.status_code, answer.json()) == (status, {"error": error})
        assert users.refresh(users.plain, tokens["RefreshToken"])["IdToken"]

    def test_the_discovery_document_names_the_revocation_endpoint(self, users: Users) -> None:
        path = f"{users.url}/{users.pool}/.well-known/openid-configuration"
        document = loopback.get(path).json()
        assert document["revocation_endpoint"] == f"{users.url}/oauth2/revoke"
        assert document["token_endpoint"] == f"{users.url}/oauth2/token"

    @staticmethod
    def revoke(users: Users, **form: str) -> httpx.Response:
        return loopback.post(f"{users.url}/oauth2/revoke", data=form)

    def test_a_replaced_token_works_until_the_grace_period_is_over(self) -> None:
        now = [0.0]
        rotation = Rotation(clock=lambda: now[0])
        rotation.declare("client", {"Feature": "ENABLED", "RetryGracePeriodSeconds": 30})
        second = rotation.replace("first")
        now[0] = 30
        assert rotation.use("client", "first") == rotation.use("client", second) == "first"
        now[0] = 31
        with pytest.raises(ReusedError):
            rotation.use("client", "first")
        assert rotation.use("client", second) == "first"

    def test_the_client_says_that_it_rotates(self, users: Users) -> None:
        described = users.emulator.cognito.describe_user_pool_client(UserPoolId=users.pool, ClientId=users.rotating)
        assert described["UserPoolClient"]["RefreshTokenRotation"]["Feature"] == "ENABLED"


def test_a_refreshed_token_says_when_the_user_signed_in(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_in = users.sign_in(users.rotating)
    began = claims(signed_in["IdToken"])
    refresh, later = signed_in["RefreshToken"], began
    while later["iat"] == began["iat"]:  # the emulator's clock counts whole seconds
        given = users.refresh(users.rotating, refresh)
        refresh, later = given["RefreshToken"], claims(given["IdToken"])
    assert later["auth_time"] == began["auth_time"] < later["iat"]


@pytest.mark.parametrize("flow", ["USER_PASSWORD_AUTH", "CUSTOM_AUTH", "USER_AUTH"])
def test_a_flow_that_the_client_does_not_enable_is_refused(flow: Any, users: Users) -> None:
    """AWS Amplify and the AWS CLI sign in with a plain password when they are told to; Cognito refuses it here."""
    given = {"USERNAME": DEMO_USERNAME, "PASSWORD": users.password}
    with pytest.raises(ClientError, match=f"{flow} flow not enabled for this client"):
        users.emulator.cognito.initiate_auth(ClientId=users.plain, AuthFlow=flow, AuthParameters=given)


def test_nobody_signs_up_where_an_administrator_makes_the_accounts(users: Users) -> None:
    def sign_up(client: str) -> str:
        password = f"Aa1!{users.password}"[:60]
        answer = users.emulator.cognito.sign_up(ClientId=client, Username="new@example.com", Password=password)
        return answer["UserSub"]

    with pytest.raises(ClientError, match="SignUp is not permitted"):
        sign_up(users.plain)
    pool, _ = users.emulator.create(POOL, "open", {"usernameAttributes": ["email"]})
    client, _ = users.emulator.create(CLIENT, "open", {"userPoolId": pool, "callbackUrls": [f"{PAGE}/"]})
    assert sign_up(client)


def test_nobody_learns_who_has_an_account(users: Users) -> None:
    with pytest.raises(ClientError) as refused:
        users.emulator.cognito.admin_initiate_auth(
            UserPoolId=users.pool,
            ClientId=users.plain,
            AuthFlow="ADMIN_USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": "nobody@example.com", "PASSWORD": "Wrong-0123456789"},
        )
    assert "UserNotFound" not in str(refused.value)


class TestPages:
    """What a browser may do for a page; a program without an origin is let in everywhere."""

    @staticmethod
    def call(users: Users, name: str, origin: str | None, **headers: str) -> httpx.Response:
        sent = {"X-Amz-Target": f"AWSCognitoIdentityProviderService.{name}", "Content-Type": AMZ_JSON, **headers}
        if origin:
            sent["Origin"] = origin
        body = {"UserPoolId": users.pool, "ClientId": users.plain, "MaxResults": 1, "AuthFlow": "USER_SRP_AUTH"}
        return loopback.post(users.url, content=json.dumps(body), headers=sent)

    @pytest.mark.parametrize("name", ["AdminCreateUser", "ListUsers", "ListUserPools", "AdminSetUserPassword"])
    @pytest.mark.parametrize("origin", [PAGE, STRANGER, "null"])
    def test_no_page_administers_the_pool(self, name: str, origin: str, users: Users) -> None:
        answer = self.call(users, name, origin)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers

    def test_a_program_does(self, users: Users) -> None:
        answer = self.call(users, "ListUsers", None)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers

    def test_a_page_at_a_callback_address_signs_its_user_in(self, users: Users) -> None:
        assert self.call(users, "InitiateAuth", PAGE).headers["access-control-allow-origin"] == PAGE
        signed = self.call(users, "InitiateAuth", PAGE, Authorization="AWS4-HMAC-SHA256 Credential=x")
        assert signed.status_code == 403
        assert self.call(users, "InitiateAuth", STRANGER).status_code == 403

    @pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/jwks.json"])
    def test_a_page_reads_the_pools_documents(self, path: str, users: Users) -> None:
        def read(origin: str) -> httpx.Response:
            return loopback.get(f"{users.url}/{users.pool}{path}", headers={"Origin": origin})

        assert (read(PAGE).status_code, read(PAGE).headers["access-control-allow-origin"]) == (200, PAGE)
        assert read(STRANGER).status_code == 403

    def test_a_preflight_is_granted_to_that_page_alone(self, users: Users) -> None:
        def ask(origin: str) -> httpx.Headers:
            headers = {
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "content-type,x-amz-target",
            }
            return loopback.options(users.url, headers=headers).headers

        assert ask(PAGE)["access-control-allow-headers"] == "content-type,x-amz-target"
        assert ask(PAGE)["access-control-allow-origin"] == PAGE
        assert not [name for name in ask(STRANGER) if name.startswith("access-control-")]

    def test_the_login_pages_own_form_is_taken(self, users: Users) -> None:
        answer = loopback.post(f"{users.url}/login", headers={"Origin": users.url}, data={})
        assert answer.status_code != 403
        elsewhere = loopback.post(f"{users.url}/_ministack/reset", headers={"Origin": users.url})
        assert elsewhere.status_code == 403

"""Both checks refuse every token that is not exactly what they ask for, each by itself."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from local.program.graph import Graph
from tests import loopback
from tests.local.conftest import Backend, Serve, UserPool, post, wait_for

HOUR = 3600


def part(value: Any) -> str:
    """One part of a token: JSON, or bytes as they are."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def forged(pool: UserPool, header: dict[str, Any], **changes: Any) -> str:
    """Good claims under a made-up header, with a signature that somebody without the key can make."""
    return f"{part({'typ': 'JWT', **header})}.{part(pool.id_claims(**changes))}.{part(b'signature')}"


def signed_with_public_key(pool: UserPool) -> str:
    """The classic confusion: HS256 with the RSA public key as its secret."""
    public = pool.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    content = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'pool-key'})}.{part(pool.id_claims())}"
    return f"{content}.{part(hmac.new(public, content.encode(), hashlib.sha256).digest())}"


def swapped_payload(pool: UserPool) -> str:
    header, _, signature = pool.id_token().split(".")
    return f"{header}.{part(pool.id_claims(sub='somebody-else'))}.{signature}"


def own_key_in_header(pool: UserPool, name: str, value: Any) -> str:
    """Signed with the attacker's key, and the header says where to find it."""
    return pool.sign(pool.id_claims(), key=pool.other_key, headers={name: value})


def jwk_of(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return dict(json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())))


def flipped(token: str, index: int) -> str:
    """One character of one part replaced by another of the alphabet."""
    parts = token.split(".")
    middle = len(parts[index]) // 2
    other = "A" if parts[index][middle] != "A" else "B"
    parts[index] = parts[index][:middle] + other + parts[index][middle + 1 :]
    return ".".join(parts)


def access_claims(pool: UserPool) -> dict[str, Any]:
    return pool.id_claims(aud=None, token_use="access", client_id=pool.client_id, scope="openid email")


@pytest.fixture
def serve_gateway(serve_gateway: Serve, graph: Graph) -> Serve:
    """Without the web ACL, which refuses most of these tokens before the authorizer sees them."""
    association = "aws:wafv2/webAclAssociation:WebAclAssociation"

    def serve(changed: Graph | None = None, **options: Any) -> str:
        served = changed or graph
        kept = tuple(one for one in served.resources if one.type != association)
        return serve_gateway(dataclasses.replace(served, resources=kept), **options)

    return serve


Make = Callable[[UserPool], str]

# Refused by both checks, each by itself.
HOSTILE: dict[str, Make] = {
    "nothing": lambda _: "",
    "blank": lambda _: " ",
    "one word": lambda _: "token",
    "two parts": lambda pool: pool.id_token().rpartition(".")[0],
    "four parts": lambda pool: pool.id_token() + ".more",
    "empty parts": lambda _: "..",
    "not base64": lambda _: "!!!.???.###",
    "header not JSON": lambda pool: f"{part(b'header')}.{part(pool.id_claims())}.{part(b'x')}",
    "header a list": lambda pool: f"{part([])}.{part(pool.id_claims())}.{part(b'x')}",
    "payload a list": lambda pool: f"{part({'alg': 'RS256', 'kid': 'pool-key'})}.{part([])}.{part(b'x')}",
    "payload a number": lambda pool: f"{part({'alg': 'RS256', 'kid': 'pool-key'})}.{part(7)}.{part(b'x')}",
    "payload deeply nested": lambda _: f"{part({'alg': 'RS256', 'kid': 'pool-key'})}.{part(b'[' * 4000)}.{part(b'x')}",
    "no signature": lambda pool: pool.id_token().rpartition(".")[0] + ".",
    "alg none": lambda pool: forged(pool, {"alg": "none"}),
    "alg none, no signature": lambda pool: forged(pool, {"alg": "none", "kid": "pool-key"}).rpartition(".")[0] + ".",
    "alg None": lambda pool: forged(pool, {"alg": "None", "kid": "pool-key"}),
    "alg nOnE": lambda pool: forged(pool, {"alg": "nOnE", "kid": "pool-key"}),
    "no alg": lambda pool: forged(pool, {"kid": "pool-key"}),
    "alg a number": lambda pool: forged(pool, {"alg": 256, "kid": "pool-key"}),
    "alg ES256": lambda pool: jwt.encode(
        pool.id_claims(), ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "pool-key"}
    ),
    "alg RS512": lambda pool: jwt.encode(pool.id_claims(), pool.key, "RS512", {"kid": "pool-key"}),
    "alg PS256": lambda pool: jwt.encode(pool.id_claims(), pool.key, "PS256", {"kid": "pool-key"}),
    "HS256 with the public key": signed_with_public_key,
    "another key": lambda pool: pool.sign(pool.id_claims(), key=pool.other_key),
    "swapped payload": swapped_payload,
    "signature flipped": lambda pool: flipped(pool.id_token(), 2),
    "payload flipped": lambda pool: flipped(pool.id_token(), 1),
    "signature of another token": lambda pool: (
        pool.id_token().rpartition(".")[0] + "." + pool.id_token(sub="other").rpartition(".")[2]
    ),
    "no kid": lambda pool: jwt.encode(pool.id_claims(), pool.key, "RS256"),
    "unknown kid": lambda pool: pool.sign(pool.id_claims(), headers={"kid": "another-key"}),
    "kid a path": lambda pool: pool.sign(pool.id_claims(), headers={"kid": "../../../../dev/null"}),
    "kid a URL": lambda pool: pool.sign(pool.id_claims(), headers={"kid": "http://127.0.0.1:1/keys"}),
    "kid SQL": lambda pool: pool.sign(pool.id_claims(), headers={"kid": "x' UNION SELECT 'key"}),
    "kid a number": lambda pool: forged(pool, {"alg": "RS256", "kid": 7}),
    "kid an object": lambda pool: forged(pool, {"alg": "RS256", "kid": {"a": 1}}),
    "jku of the attacker": lambda pool: own_key_in_header(pool, "jku", "http://127.0.0.1:1/jwks.json"),
    "x5u of the attacker": lambda pool: own_key_in_header(pool, "x5u", "http://127.0.0.1:1/cert.pem"),
    "jwk of the attacker": lambda pool: own_key_in_header(pool, "jwk", jwk_of(pool.other_key)),
    "unknown critical header": lambda pool: pool.sign(pool.id_claims(), headers={"crit": ["b64"], "b64": False}),
    "expired": lambda pool: pool.id_token(iat=int(time.time()) - 2 * HOUR, exp=int(time.time()) - HOUR),
    "expired a second ago": lambda pool: pool.id_token(exp=int(time.time()) - 1),
    "no expiry": lambda pool: pool.id_token(exp=None),
    "expiry a word": lambda pool: pool.id_token(exp="tomorrow"),
    "expiry infinite": lambda pool: pool.id_token(exp=float("inf")),
    "not yet valid": lambda pool: pool.id_token(nbf=int(time.time()) + HOUR),
    "issued in the future": lambda pool: pool.id_token(iat=int(time.time()) + HOUR),
    "no issuer": lambda pool: pool.id_token(iss=None),
    "another pool": lambda pool: pool.id_token(iss=pool.issuer + "x"),
    "issuer of the attacker": lambda pool: pool.id_token(iss="http://127.0.0.1:1/"),
    "issuer a list": lambda pool: pool.sign(pool.id_claims(iss=[pool.issuer])),
    "another client": lambda pool: pool.id_token(aud="another-client"),
    "client as a prefix": lambda pool: pool.id_token(aud=pool.client_id + "x"),
    "no audience": lambda pool: pool.id_token(aud=None),
    "empty audience": lambda pool: pool.id_token(aud=""),
    "no subject": lambda pool: pool.id_token(sub=None),
    "access token": lambda pool: pool.sign(access_claims(pool)),
    "larger than a header may be": lambda pool: pool.id_token(padding="x" * 30_000),
}


def refused_by(url: str, backend: Backend, token: str, expected: set[int]) -> None:
    answer = post(url, token)
    assert answer.status_code in expected, answer.text
    assert "Traceback" not in answer.text
    assert not backend.requests, "the request went through"


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) >= 40


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_the_gateway_alone_refuses(name: str, pool: UserPool, backend: Backend, serve_gateway: Serve) -> None:
    refused_by(serve_gateway(), backend, HOSTILE[name](pool), {401, 431})


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_the_runtime_alone_refuses(name: str, pool: UserPool, backend: Backend, serve_runtime: Serve) -> None:
    refused_by(serve_runtime(), backend, HOSTILE[name](pool), {400, 401})


def test_both_let_a_good_token_through(
    pool: UserPool, backend: Backend, serve_gateway: Serve, serve_runtime: Serve
) -> None:
    assert post(serve_gateway(), pool.id_token()).status_code == 200
    assert post(serve_runtime(), pool.id_token()).status_code == 200
    assert len(backend.requests) == 2


def test_two_authorization_headers_are_refused(
    pool: UserPool, backend: Backend, serve_gateway: Serve, serve_runtime: Serve
) -> None:
    good = f"Bearer {pool.id_token()}"
    for url in (serve_gateway(), serve_runtime()):
        headers = [("Authorization", good), ("Authorization", good), ("Content-Type", "application/json")]
        assert loopback.post(url, headers=headers, json={"prompt": "Hi"}).status_code == 401
    assert not backend.requests


def test_bytes_that_are_not_ascii_are_refused(
    pool: UserPool, backend: Backend, serve_gateway: Serve, serve_runtime: Serve
) -> None:
    for url in (serve_gateway(), serve_runtime()):
        answer = post(url, None, Authorization="Bearer caf\xe9".encode("latin-1"))  # type: ignore[arg-type]
        assert answer.status_code == 401
    assert not backend.requests


def test_an_expired_token_is_told_so_as_api_gateway_tells_it(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    plain = without_responses(graph)
    answer = post(serve_gateway(plain), pool.id_token(exp=int(time.time()) - 1))
    assert answer.json() == {"message": "The incoming token has expired"}
    assert post(serve_gateway(plain), "nonsense").json() == {"message": "Unauthorized"}


def without_responses(graph: Graph) -> Graph:
    """The graph without its gateway responses, so that API Gateway's own texts are seen."""
    kept = tuple(one for one in graph.resources if one.type != "aws:apigateway/response:Response")
    return dataclasses.replace(graph, resources=kept)


def test_with_scopes_the_method_takes_the_access_token_and_no_id_token(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    method = next(one for one in graph.all("aws:apigateway/method:Method") if one.inputs["httpMethod"] == "POST")
    url = serve_gateway(graph.with_inputs(method.urn, authorizationScopes=["email"]))
    assert post(url, pool.sign(access_claims(pool))).status_code == 200
    assert post(url, pool.id_token()).status_code == 401


def test_without_the_pinned_client_tokens_of_the_whole_pool_pass(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    authorizer = graph.one("aws:apigateway/authorizer:Authorizer")
    url = serve_gateway(graph.with_inputs(authorizer.urn, identityValidationExpression=None))
    assert post(url, pool.id_token(aud="another-client")).status_code == 200


def test_the_kind_of_token_counts_by_itself_whatever_its_audience(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    authorizer = graph.one("aws:apigateway/authorizer:Authorizer")
    unpinned = serve_gateway(graph.with_inputs(authorizer.urn, identityValidationExpression=None))
    assert post(unpinned, pool.sign(access_claims(pool))).status_code == 401
    with_audience = pool.sign({**access_claims(pool), "aud": pool.client_id})
    assert post(serve_gateway(), with_audience).status_code == 401
    assert not backend.requests


def test_listing_the_client_at_the_runtime_refuses_every_id_token(
    graph: Graph, pool: UserPool, serve_runtime: Serve
) -> None:
    runtime = graph.one("aws:bedrock/agentcoreAgentRuntime:AgentcoreAgentRuntime")
    declared = runtime.inputs["authorizerConfiguration"]["customJwtAuthorizer"]
    changed = {"customJwtAuthorizer": {**declared, "allowedClients": [pool.client_id]}}
    url = serve_runtime(graph.with_inputs(runtime.urn, authorizerConfiguration=changed))
    assert post(url, pool.id_token()).status_code == 401


def test_the_runtime_takes_a_token_only_with_the_word_bearer(pool: UserPool, serve_runtime: Serve) -> None:
    assert post(serve_runtime(), None, Authorization=pool.id_token()).status_code == 401


def test_an_unknown_key_id_refreshes_the_keys_at_a_bounded_rate(
    graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    url = serve_gateway(graph)  # a new one, which has fetched no keys yet
    before = pool.fetches
    for number in range(20):
        post(url, pool.sign(pool.id_claims(), headers={"kid": f"unknown-{number}"}))
    assert 1 <= pool.fetches - before <= 2


@pytest.mark.parametrize(("cache_seconds", "status"), [(0, 401), (3600, 200)])
def test_a_caller_is_let_in_again_unchecked_for_as_long_as_declared(
    cache_seconds: int, status: int, graph: Graph, pool: UserPool, serve_gateway: Serve
) -> None:
    authorizer = graph.one("aws:apigateway/authorizer:Authorizer")
    url = serve_gateway(graph.with_inputs(authorizer.urn, authorizerResultTtlInSeconds=cache_seconds))
    expires = int(time.time()) + 2
    token, late = pool.id_token(exp=expires), pool.id_token(exp=expires, sub="somebody else")
    assert post(url, token).status_code == 200
    wait_for(lambda: time.time() > expires, "the token expires")
    assert post(url, token).status_code == status
    assert post(url, late).status_code == 401


def test_a_caller_is_forgotten_after_the_declared_time(graph: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    authorizer = graph.one("aws:apigateway/authorizer:Authorizer")
    url = serve_gateway(graph.with_inputs(authorizer.urn, authorizerResultTtlInSeconds=300), time_scale=300)
    expires = int(time.time()) + 2
    token = pool.id_token(exp=expires)
    assert post(url, token).status_code == 200
    wait_for(lambda: time.time() > expires, "the token expires, later than the second that the cache lasts")
    assert post(url, token).status_code == 401


def test_a_pool_that_cannot_be_reached_is_an_authorizer_failure_and_recovers(
    graph: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    url = serve_gateway(graph)  # a new one, which has fetched no keys yet
    pool.reachable = False
    before = pool.fetches
    try:
        assert {post(url, pool.id_token()).status_code for _ in range(20)} == {500}
    finally:
        pool.reachable = True
    assert pool.fetches - before <= 5  # one a second, on a slow machine too
    assert not backend.requests
    wait_for(lambda: post(url, pool.id_token()).status_code == 200, "it is tried again")


@pytest.mark.parametrize("document", [[], 7, "keys", {"keys": 5}, {"keys": [5]}, {"keys": []}, {}])
def test_keys_that_cannot_be_read_are_an_authorizer_failure(
    document: Any, graph: Graph, pool: UserPool, serve_gateway: Serve, complaints: list[logging.LogRecord]
) -> None:
    url = serve_gateway(graph)  # a new one, which has fetched no keys yet
    pool.document = document
    try:
        answer = post(url, pool.id_token())
    finally:
        pool.document = None
    assert (answer.status_code, answer.json()["type"]) in ((500, "AUTHORIZER_FAILURE"), (401, "UNAUTHORIZED"))
    assert not complaints


def test_a_user_with_a_known_key_waits_for_nobody_elses_keys(
    graph: Graph, pool: UserPool, serve_gateway: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.planes.tokens.REFRESH_SECONDS", 0.0)
    url = serve_gateway(graph)
    assert post(url, pool.id_token()).status_code == 200
    unknown = pool.sign(pool.id_claims(), headers={"kid": "unknown"})
    before, pool.hanging = pool.fetches, True
    try:
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(post, url, unknown)
            wait_for(lambda: pool.fetches > before, "the unknown key is asked for")
            assert post(url, pool.id_token()).status_code == 200
            assert not waiting.done()
            pool.hanging = False
            assert waiting.result().status_code == 401
    finally:
        pool.hanging = False

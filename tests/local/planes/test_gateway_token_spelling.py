"""One token, one count: the dev stack's own web ACL, and a caller who spells his token in many ways."""

from __future__ import annotations

import base64
from collections.abc import Callable

import httpx
import pytest

from local.program.graph import Graph
from tests import loopback
from tests.infra.graphs import variation
from tests.local.conftest import PATIENCE, Backend, Serve, UserPool

LIMIT = 10
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module")
def paced() -> Graph:
    return variation("dev", firewall={"requestsPerToken": LIMIT, "requestsPerAddress": 10_000})


@pytest.fixture(scope="module")
def unguarded() -> Graph:
    """The same without the rule about spelling."""
    return variation(
        "dev",
        firewall={"requestsPerToken": LIMIT, "requestsPerAddress": 10_000, "oneTokenSpelling": False},
    )


def ask(url: str, authorization: str | None) -> httpx.Response:
    headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
    return loopback.post(url, content='{"prompt": "Hello"}', headers=headers, timeout=PATIENCE)


def other_signatures(token: str) -> list[str]:
    """The same signature with other spare bits: decoders that are lenient read the same bytes."""
    before, last = token[:-1], ALPHABET.index(token[-1])
    spare = {0: 1, 2: 16, 3: 4}[len(token.rpartition(".")[2]) % 4]
    found = [before + ALPHABET[last // spare * spare + bits] for bits in range(spare)]
    for each in found:
        signature = each.rpartition(".")[2]
        padded = signature + "=" * (-len(signature) % 4)
        assert base64.urlsafe_b64decode(padded) == base64.urlsafe_b64decode(
            token.rpartition(".")[2] + "=" * (-len(signature) % 4)
        )
    return [each for each in found if each != token]


MISSPELT: dict[str, Callable[[str], str]] = {
    "two blanks": lambda token: f"Bearer  {token}",
    "a tab": lambda token: f"Bearer\t{token}",
    "no word": lambda token: token,
    "small letters": lambda token: f"bearer {token}",
    "padded": lambda token: f"Bearer {token}==",
    "spare bits": lambda token: f"Bearer {other_signatures(token)[0]}",
    "another scheme": lambda _: "Basic dTpw",
    "nothing after the word": lambda _: "Bearer x",
}


def test_a_token_as_it_was_issued_passes(paced: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    assert ask(serve_gateway(paced), f"Bearer {pool.id_token()}").status_code == 200


@pytest.mark.parametrize("spelling", MISSPELT)
def test_any_other_spelling_is_refused_with_a_sentence_and_reaches_nothing(
    spelling: str, paced: Graph, pool: UserPool, backend: Backend, serve_gateway: Serve
) -> None:
    answer = ask(serve_gateway(paced), MISSPELT[spelling](pool.id_token()))
    assert answer.status_code == 401
    assert "as its issuer wrote it" in answer.json()["message"]
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert backend.requests == []


def test_a_request_without_the_header_is_the_authorizers(paced: Graph, serve_gateway: Serve) -> None:
    assert "as its issuer" not in ask(serve_gateway(paced), None).text


def test_a_browsers_preflight_needs_no_token(paced: Graph, serve_gateway: Serve) -> None:
    assert loopback.options(serve_gateway(paced), timeout=PATIENCE).status_code == 204


@pytest.mark.parametrize("graph_name", ["paced", "unguarded"])
def test_one_token_has_one_count_however_many_blanks_stand_before_it(
    graph_name: str, pool: UserPool, backend: Backend, serve_gateway: Serve, request: pytest.FixtureRequest
) -> None:
    url = serve_gateway(request.getfixturevalue(graph_name))
    token = pool.id_token()
    for blanks in range(1, 4 * LIMIT + 1):
        ask(url, f"Bearer{' ' * blanks}{token}")
    assert len(backend.requests) <= LIMIT
    for _ in range(LIMIT + 1):
        last = ask(url, f"Bearer {token}")
    assert last.status_code == 429
    assert len(backend.requests) <= LIMIT


def test_a_new_token_has_a_count_of_its_own(paced: Graph, pool: UserPool, serve_gateway: Serve) -> None:
    """A refresh gives one: the rate per token bounds a token, and the rate per address whoever refreshes often."""
    url = serve_gateway(paced)
    first, refreshed = pool.id_token(), pool.id_token(jti="another")
    assert [ask(url, f"Bearer {first}").status_code for _ in range(LIMIT + 1)][-1] == 429
    assert ask(url, f"Bearer {refreshed}").status_code == 200

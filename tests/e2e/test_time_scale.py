"""Minutes tried in seconds: AWS's limits and the agent's own times, shortened together."""

from __future__ import annotations

from pathlib import Path

import pytest

from client.errors import ClientError
from client.signin import sign_in
from tests.e2e.conftest import Gateways, RunningChain
from tests.e2e.test_chain import listen

SCALE = 30
TOOL_MINUTES = 2


def test_a_two_minute_tool_survives_an_edge_endpoint_only_through_heartbeats(
    gateways: Gateways, tmp_path: Path
) -> None:
    """An Edge endpoint cuts a stream after 30 s of silence: one second here, while the tool takes four."""
    chain = RunningChain(tmp_path / "chain", "--time-scale", str(SCALE))
    try:
        chain.wait_until_up()
        outputs = chain.outputs
        assert outputs.demo_username
        assert outputs.demo_password
        token = sign_in(outputs, outputs.demo_username, outputs.demo_password.get_secret_value()).id
        api = chain.graph.one("aws:apigateway/restApi:RestApi")
        edge = chain.graph.with_inputs(api.urn, endpointConfiguration={"types": "EDGE"})
        prompt = f"Take your time. [words=3 tool=wait seconds={TOOL_MINUTES * 60 / SCALE}]"

        url = gateways.serve(chain, edge)
        assert listen(url, token, prompt)[-1][0]["type"] == "RUN_FINISHED"

        # A limit below the heartbeat's interval cuts the same run, so it was the heartbeat that kept it.
        hasty = gateways.serve(chain, edge.at_time_scale(SCALE * 10))
        with pytest.raises(ClientError, match="cut"):
            listen(hasty, token, prompt)
    finally:
        chain.end()

"""Check 4: the configuration that the stage serves."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

from client.doctor.check import AG, Check, CheckContext, Fail, Pass
from client.doctor.consistency import account_of
from client.doctor.deployment import Invocation
from client.outputs import Outputs
from contract import ORIGIN_HEADER

DEPLOY = "Deploy the API: `pulumi up` takes a new snapshot when a trigger changed; see the Deployment in infra/api.py."


class Deployed(Check):
    """Reads the deployed stage, not only the resources: transfer mode, timeout, URL, query and origin secret."""

    name = "deployment"
    question = "the deployed stage has STREAM, the timeout and the runtime's address, and so have its resources"
    page = f"{AG}/response-transfer-mode.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        stage = await asyncio.to_thread(context.deployment.stage)
        resource = await asyncio.to_thread(context.deployment.resource)
        if differences := stage.differences(resource):
            raise Fail(
                f"Changed but not deployed: {'; '.join(differences)}.",
                DEPLOY,
                why="A stage serves a snapshot: a change has no effect until it is deployed, and the console shows the "
                "resource.",
            )
        self._check_address(stage, context.outputs)
        self._check_mode(stage, context.outputs)
        self._check_secret(stage, context.outputs)
        mode = stage.transfer_mode or "a mode that the export does not contain"
        seconds = (stage.timeout_milliseconds or 0) / 1000
        return Pass(f"{mode}, {seconds:g} s, to {urlsplit(stage.uri).path}; resources and stage agree")

    def _check_address(self, stage: Invocation, outputs: Outputs) -> None:
        called, wanted = urlsplit(stage.uri), urlsplit(outputs.runtime_url)
        # The URL on AWS, also in a local run: the graph has what the program declares.
        host = f"bedrock-agentcore.{outputs.region}.amazonaws.com"
        if (called.hostname, called.path) != (host, wanted.path):
            raise Fail(
                f"The integration calls {called.hostname}{called.path}, and the runtime streams only at "
                f"{host}{wanted.path}.",
                "infra/runtime.py, `url`: https://bedrock-agentcore.{region}.amazonaws.com/runtimes/{id}/invocations.",
                why="AgentCore answers an unknown path with 401 Missing Authentication Token, which looks like a "
                "problem with the token.",
            )

        query = {"qualifier": outputs.qualifier, "accountId": account_of(outputs)}
        wrong = [
            f"{name} {stage.query.get(name, 'nothing')} instead of {value}"
            for name, value in query.items()
            if stage.query.get(name) != value
        ]
        if wrong:
            raise Fail(
                f"The integration calls the runtime with {', '.join(wrong)}.",
                "infra/header_mapping.py: the literals of the query's qualifier and accountId, then deploy.",
                why="AgentCore finds a runtime by its id and account, and serves the version of the qualifier.",
            )

    def _check_secret(self, stage: Invocation, outputs: Outputs) -> None:
        if outputs.bypass_protection in ("origin-secret", "private") and stage.origin_secret is None:
            raise Fail(
                f"The stage adds no {ORIGIN_HEADER} to a request, and runtime.bypassProtection is "
                f"{outputs.bypass_protection}.",
                f"infra/header_mapping.py: the integration's request parameters. {DEPLOY}",
                why="The agent refuses requests without the secret, so every request fails; if it does not, callers "
                "can bypass the API.",
            )

    def _check_mode(self, stage: Invocation, outputs: Outputs) -> None:
        if stage.transfer_mode == "BUFFERED":
            raise Fail(
                "The integration's responseTransferMode is BUFFERED.",
                "Pulumi.<stack>.yaml: api.responseTransferMode: STREAM; in infra/api.py, response_transfer_mode must "
                "be set, because omitting it keeps the previous value.",
                why="The gateway holds the whole answer back until the last word.",
            )
        wanted = outputs.timeout_seconds * 1000
        if stage.timeout_milliseconds is not None and stage.timeout_milliseconds < wanted:
            raise Fail(
                f"The integration's timeout is {stage.timeout_milliseconds / 1000:g} s, and the stack's setting is "
                f"{outputs.timeout_seconds:g} s.",
                "infra/api.py: timeout_milliseconds must be set; the default is 29 s, with STREAM too.",
                why="The timeout limits the whole stream, so long answers are cut.",
            )

"""Check 15: the access log and the alarms."""

from __future__ import annotations

import asyncio
import time

from client.doctor.check import AG, Check, CheckContext, Fail, Inconclusive, Pass
from client.doctor.deployment import DeploymentUnavailable
from client.doctor.probe import SHORT
from client.doctor.responder import expect_responder

NEEDED = ("requestId", "status", "responseTransferMode", "timeToAllHeaders", "timeToFirstContent")

LOCAL_PATIENCE = 2.0
AWS_PATIENCE = 30.0
"""CloudWatch makes a line searchable some seconds after it was written."""


class Logs(Check):
    """Looks up the access-log line of a recent request, with its streaming fields, and counts the alarms."""

    name = "logs"
    question = "a recent request is in the access log with its streaming fields, and alarms exist"
    page = f"{AG}/set-up-logging.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        alarms, unseen = await self._alarms(context)
        request_id = context.request_id or await self._ask(context)
        patience = LOCAL_PATIENCE if context.outputs.is_local else AWS_PATIENCE
        deadline = time.monotonic() + patience
        while (line := await asyncio.to_thread(context.deployment.log_line, request_id)) is None:
            if time.monotonic() > deadline:
                raise Fail(
                    f"The access log has no line for request {request_id} after {patience:g} s.",
                    "infra/api.py, the stage's access_log_settings; the account needs a log role (api.accountLogRole).",
                    why="Without the line nobody can see which layer refused a request, or whether it arrived.",
                )
            await asyncio.sleep(0.1 if context.outputs.is_local else 2)
        missing = [name for name in NEEDED if line.get(name) in (None, "", "-")]
        if missing:
            raise Fail(
                f"The access-log line of request {request_id} lacks {', '.join(missing)}.",
                "infra/access_log.py, FIELDS: $context.integration.responseTransferMode, .timeToAllHeaders and "
                ".timeToFirstContent.",
                why="The latency of a streamed response is its whole duration: only these fields show the time to the "
                "first words.",
            )
        said = f"{line['responseTransferMode']}, headers after {line['timeToAllHeaders']} ms, first content after "
        return Pass(f"{said}{line['timeToFirstContent']} ms{alarms}", unseen)

    async def _ask(self, context: CheckContext) -> str:
        answer = await context.ask(SHORT, token=(await context.signed_in()).id)
        expect_responder(answer, "With the request for the log", "agent")
        if not answer.request_id:
            raise Inconclusive("The response has no x-amzn-requestid, so its log line cannot be found.")
        return answer.request_id

    async def _alarms(self, context: CheckContext) -> tuple[str, list[str]]:
        """Compare the number of alarms with the stack's setting; return the text, and what was not checked."""
        try:
            found = await asyncio.to_thread(context.deployment.alarms)
        except DeploymentUnavailable as error:
            return "", [f"the alarms: {error}"]
        if found:
            return f"; {found} alarms", []
        if context.outputs.alarms:
            raise Fail(
                "There are no alarms, although observability.alarms is on.",
                "They may have been deleted by hand: run `pulumi up`; infra/observability.py declares them.",
                why="Nobody is notified of errors, of slow first words or of an attack.",
            )
        return "", ["alarms: the stack declares none (observability.alarms)"]

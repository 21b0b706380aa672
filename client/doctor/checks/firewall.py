"""Check 10: the firewall blocks attacks and passes questions about attacks."""

from __future__ import annotations

import asyncio

import httpx

from client.doctor.check import Check, CheckContext, Fail, Pass
from client.doctor.deployment import DeploymentUnavailable, Firewall
from client.doctor.probe import ATTACK, SHORT, long_prose
from client.doctor.responder import expect_responder
from client.recording import Recording

# Rules of the managed groups that inspect the body, which here is prose.
READS_PROSE = {
    "AWSManagedRulesCommonRuleSet": {
        "SizeRestrictions_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {"Log4JRCE_BODY", "JavaDeserializationRCE_BODY", "ReactJSRCE_BODY"},
    "AWSManagedRulesSQLiRuleSet": {"SQLi_BODY", "SQLiExtendedPatterns_BODY"},
}

LARGE = 1024 * 1024
"""Larger than a web ACL inspects (64 KB), smaller than the gateway's limit (10 MB)."""


class FirewallRules(Check):
    """Sends an attack, prose that quotes code, and a large body."""

    name = "firewall"
    question = "the firewall blocks an attack in the query, and passes a long prompt about code and a large body"
    page = "https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html"

    async def run(self, context: CheckContext) -> Pass:
        """See `Check.run`."""
        firewall, missing = await self._declared(context)
        token = (await context.signed_in()).id
        seen = []
        if firewall is None or firewall.evaluates_groups:
            url = str(httpx.URL(context.outputs.invoke_url, params=ATTACK))
            attack = await context.ask(SHORT, token=token, url=url, leave_after_deltas=1)
            if (
                expect_responder(attack, "With an attack in the query", "firewall", "agent", "runtime", "API")
                != "firewall"
            ):
                raise Fail(
                    f"A script and a SQL injection in the query string get {attack.summary()}, not the web ACL's 403.",
                    "infra/waf_rules.py: the managed groups' rules on query and headers must block; "
                    "infra/firewall.py: the web ACL must be associated with the stage.",
                    why="No later layer inspects a request for attacks.",
                )
            seen.append("attack in the query: 403")
        else:
            missing.append("the attack itself: the local run does not evaluate AWS's managed rule groups")
        prose = await context.ask(long_prose(), token=token, leave_after_deltas=1)
        if expect_responder(prose, "With a long prompt that quotes code", "agent", "firewall") == "firewall":
            raise self._prose_refused(f"A long prompt that quotes code, SQL and HTML gets {prose.summary()}.")
        seen.append("12 KB of prose with code, SQL and HTML: passes")
        seen.append(self._judge_large(await context.ask("x" * LARGE, token=token, leave_after_deltas=1)))
        return Pass("; ".join(seen), missing)

    async def _declared(self, context: CheckContext) -> tuple[Firewall | None, list[str]]:
        """Read and check the web ACL; return it, or None with the reason if it cannot be read."""
        try:
            firewall = await asyncio.to_thread(context.deployment.firewall)
        except DeploymentUnavailable as error:
            return None, [f"the web ACL's rules: {error}"]
        if firewall is None:
            raise Fail(
                "The stage has no web ACL.",
                "infra/firewall.py: WebAclAssociation with the stage.",
                why="Nothing limits a caller's rate or a body's size, and no known attack is blocked before the token "
                "is checked.",
            )
        groups = {group.name: group.counted for group in firewall.groups}
        blocking = [
            f"{name}/{rule}"
            for name, rules in READS_PROSE.items()
            if name in groups
            for rule in sorted(rules - groups[name])
        ]
        if blocking:
            raise self._prose_refused(f"These rules of the web ACL block by the body's content: {', '.join(blocking)}.")
        if not groups:
            raise Fail(
                "The web ACL has no managed rule group, so an attack in the query string passes.",
                "infra/waf_rules.py: COMMON, KNOWN_BAD_INPUTS and SQL_INJECTION belong in every web ACL.",
                why="Without them the web ACL only limits rates: known attacks reach the gateway and the agent.",
            )
        return firewall, []

    def _prose_refused(self, seen: str) -> Fail:
        return Fail(
            seen,
            "infra/waf_rules.py: add the rules on the body to the `counted` of their group; keep those on header, path "
            "and query on Block. SizeRestrictions_BODY alone blocks every body above 8 KB.",
            why="Prompts are prose that quotes code: rules made for web forms block the question before it reaches the "
            "agent's log.",
        )

    def _judge_large(self, answer: Recording) -> str:
        responder = expect_responder(answer, "With a body of 1 MB", "firewall", "agent", "runtime", "API")
        if responder == "firewall" and not any(words in answer.body.lower() for words in (b"large", b"too long")):
            raise Fail(
                f"A body of 1 MB is refused with {answer.summary()}, without the reason.",
                "infra/waf_rules.py: a custom response with 413 on the size rule.",
                why="The user cannot see that the question was too long, and tries again.",
            )
        if responder == "API":
            raise Fail(
                f"A body of 1 MB is refused with {answer.summary()}, by the API and not by the web ACL.",
                "infra/request_model.py: the model must not limit lengths; the agent does, with a reason.",
                why="An AG-UI client sends the whole conversation each time, so long conversations are refused.",
            )
        return f"1 MB: {answer.summary()}"

"""Check 8: the firewall stops attacks and lets questions about attacks pass."""

from __future__ import annotations

import asyncio

from client.doctor.check import Check, CouldNotCheck, Finding, Patient, Seen
from client.doctor.deployment import DeploymentUnavailable, Firewall
from client.doctor.probe import ATTACK, SHORT, long_prose
from client.recording import record

# Rules of the managed groups that read the body, which here is prose.
READS_PROSE = {
    "AWSManagedRulesCommonRuleSet": {
        "SizeRestrictions_BODY",
        "GenericLFI_BODY",
        "GenericRFI_BODY",
        "CrossSiteScripting_BODY",
        "EC2MetaDataSSRF_BODY",
    },
    "AWSManagedRulesKnownBadInputsRuleSet": {"Log4JRCE_BODY", "JavaDeserializationRCE_BODY"},
    "AWSManagedRulesSQLiRuleSet": {"SQLi_BODY"},
}

OVERSIZE = 1024 * 1024
"""Larger than any body limit that a web ACL can inspect (64 KB), smaller than what the gateway takes (10 MB)."""


class FirewallRules(Check):
    """An attack is stopped, prose passes, an oversize body is refused with a reason."""

    name = "firewall"
    question = "the firewall stops an attack in the query, lets a long prompt about code pass, refuses a huge body"
    why = "Prompts are prose that quotes code: rules made for forms refuse the question, and the agent's log is empty."
    page = "https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html"
    slow = False

    async def run(self, patient: Patient) -> Seen:
        """See `Check.run`."""
        firewall, missing = await self._declared(patient)
        token, url = (await patient.signed_in()).id, patient.outputs.invoke_url
        seen = []
        if firewall is None or firewall.evaluates_groups:
            attack = await patient.http.post(url, params=ATTACK, json={"prompt": SHORT}, headers=_bearer(token))
            if attack.status_code != 403:
                raise Finding(
                    f"A script and a SQL injection in the query string get {attack.status_code}, not 403.",
                    "infra/firewall.py: the managed groups' rules on query and headers must be on Block, and the web "
                    "ACL associated with the stage.",
                )
            seen.append("attack in the query: 403")
        else:
            missing.append("the attack itself: the local run declares AWS's rule groups and does not evaluate them")
        prose = await record(patient.http, url, token, long_prose(), leave_after_words=1)
        if prose.status != 200:
            raise self._prose_refused(prose.status, prose.told())
        seen.append("12 KB of prose with code, SQL and HTML: passes")
        huge = await record(patient.http, url, token, "x" * OVERSIZE, leave_after_words=1)
        seen.append(self._judge_oversize(huge.status, huge.told(), huge.body))
        return Seen("; ".join(seen), missing)

    async def _declared(self, patient: Patient) -> tuple[Firewall | None, list[str]]:
        """The web ACL, checked by reading; None when it cannot be read."""
        try:
            firewall = await asyncio.to_thread(patient.deployment.firewall)
        except DeploymentUnavailable as error:
            return None, [f"the web ACL's rules: {error}"]
        if firewall is None:
            raise Finding("No web ACL stands before the stage.", "infra/firewall.py: WebAclAssociation with the stage.")
        groups = {group.name: group.counted for group in firewall.groups}
        blocking = [
            f"{name}/{rule}"
            for name, rules in READS_PROSE.items()
            if name in groups
            for rule in sorted(rules - groups[name])
        ]
        if blocking:
            raise self._prose_refused(None, f"these rules block by what the body says: {', '.join(blocking)}")
        if not groups:
            raise Finding(
                "The web ACL runs no managed rule group, so an attack in the query string passes.",
                "infra/firewall.py, MANAGED_GROUPS.",
            )
        return firewall, []

    def _prose_refused(self, status: int | None, told: str) -> Finding:
        seen = f"A long prompt that quotes code, SQL and HTML gets {told}." if status else f"In the web ACL {told}."
        return Finding(
            seen,
            "infra/firewall.py, MANAGED_GROUPS: set the rules on the body to Count; keep those on header, path and "
            "query on Block. SizeRestrictions_BODY alone blocks every body above 8 KB.",
        )

    def _judge_oversize(self, status: int, told: str, body: bytes) -> str:
        if status == 0:
            raise CouldNotCheck(f"A body of 1 MB: {told}.")
        if status == 200:
            raise Finding(
                "A body of 1 MB is let through.",
                "infra/firewall.py: a size constraint with oversize handling MATCH, before all other rules.",
                why="The web ACL inspects at most 64 KB and lets the rest pass unseen.",
            )
        if status not in (403, 413) or (b"large" not in body.lower() and b"too long" not in body.lower()):
            raise Finding(
                f"A body of 1 MB is refused with {told}, which does not say that it is too large.",
                "infra/firewall.py: a custom response with 413 on the size rule.",
            )
        return f"1 MB: {status}, with a reason"


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}

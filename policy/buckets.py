"""Rules that keep a bucket private."""

from __future__ import annotations

from collections.abc import Iterator

from policy.graph import BUCKET_CLOSED, Declared, Stack, by_itself
from policy.permissions import as_list, statements

CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def is_closed(bucket: Declared, stack: Stack) -> Iterator[str]:
    """What blocks the public is a resource of its own, and easily forgotten."""
    if not any(each.get("bucket") == bucket.get("bucket") for each in stack.all(BUCKET_CLOSED)):
        yield "Nothing keeps the bucket from being made public. Declare a BucketPublicAccessBlock for it."


@by_itself
def closes_every_way(block: Declared, _stack: Stack) -> Iterator[str]:
    """Each of the four closes another way."""
    open_ = [name for name in CLOSED if block.get(name) is not True]
    if open_:
        yield f"The bucket may be made public, for {', '.join(open_)} is not set. Set it to true."


@by_itself
def names_its_readers(policy: Declared, _stack: Stack) -> Iterator[str]:
    """Who may read is a role, or one resource of a service."""
    for statement in statements(policy.get("policy")):
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        services = as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
        if principal == "*" or (isinstance(principal, dict) and "*" in as_list(principal.get("AWS", []))):
            yield "The bucket's policy lets anybody in. Name who may read it."
        elif services and "aws:sourcearn" not in str(statement.get("Condition", "")).lower():
            yield (
                f"{' and '.join(services)} may read the bucket on behalf of any account. Declare a condition on "
                "AWS:SourceArn."
            )

"""Rules that keep a bucket private."""

from __future__ import annotations

from collections.abc import Iterator

from policy.graph import PUBLIC_ACCESS_BLOCK, Declared, Stack, single_resource
from policy.permissions import as_list, statements

CLOSED = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def is_closed(bucket: Declared, stack: Stack) -> Iterator[str]:
    """The public access block is a separate resource, and easily forgotten."""
    if not any(each.get("bucket") == bucket.get("bucket") for each in stack.all(PUBLIC_ACCESS_BLOCK)):
        yield "Nothing prevents the bucket from becoming public. Declare a BucketPublicAccessBlock for it."


@single_resource
def closes_every_way(block: Declared, _stack: Stack) -> Iterator[str]:
    """Each of the four settings blocks another kind of public access."""
    open_ = [name for name in CLOSED if block.get(name) is not True]
    if open_:
        yield f"The bucket may become public, because {', '.join(open_)} is not set. Set it to true."


@single_resource
def names_its_readers(policy: Declared, _stack: Stack) -> Iterator[str]:
    """Only a role, or one resource of a service, may read a bucket."""
    for statement in statements(policy.get("policy")):
        if statement.get("Effect") != "Allow":
            continue
        principal = statement.get("Principal")
        services = as_list(principal.get("Service", [])) if isinstance(principal, dict) else []
        if principal == "*" or (isinstance(principal, dict) and "*" in as_list(principal.get("AWS", []))):
            yield "The bucket's policy allows everyone. Name the principals that may read it."
        elif services and "aws:sourcearn" not in str(statement.get("Condition", "")).lower():
            yield (
                f"{' and '.join(services)} may read the bucket on behalf of any account. Declare a condition on "
                "AWS:SourceArn."
            )

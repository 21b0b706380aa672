"""The chat page's files as objects of a bucket: the built page, and the settings that it asks for first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pulumi
import pulumi_aws as aws

from infra.built_page import NOT_BUILT
from infra.page import cache_control, media_type

INDEX = "index.html"
CONFIG = "config.json"


def upload(
    name: str, bucket: aws.s3.Bucket, folder: Path | None, config: pulumi.Output[str], *, parent: pulumi.Resource
) -> None:
    """Declare an object for each file of the built page and for its settings; the page itself is changed last.

    What a page in somebody's browser may still ask for stays in the bucket when its successor has another name.

    Args:
        name: what the resources' names begin with.
        bucket: where they go.
        folder: the built page; None where it is not built, which only a preview can do without.
        config: the content of ``config.json``.
        parent: the component that they belong to.

    Raises:
        pulumi.RunError: when the page is not built and this is a deployment.
    """
    sources = _sources(folder)
    index = sources.pop(INDEX)
    child = pulumi.ResourceOptions(parent=parent)
    kept = pulumi.ResourceOptions(parent=parent, retain_on_delete=True)
    first = [_file(name, bucket, path, kept, source=source) for path, source in sources.items()]
    first.append(_file(name, bucket, CONFIG, child, content=config))
    # What a preview without the page puts in its place is no change.
    last = pulumi.ResourceOptions(depends_on=first, ignore_changes=None if folder else ["source"])
    _file(name, bucket, INDEX, pulumi.ResourceOptions.merge(kept, last), source=index)


def _file(
    name: str,
    bucket: aws.s3.Bucket,
    path: str,
    opts: pulumi.ResourceOptions,
    *,
    source: pulumi.Asset | None = None,
    content: pulumi.Output[str] | None = None,
) -> aws.s3.BucketObjectv2:
    return aws.s3.BucketObjectv2(
        f"{name}-{path.replace('/', '-')}",
        bucket=bucket.id,
        key=path,
        source=source,
        content=content,
        content_type=media_type(path),
        cache_control=cache_control(path),
        opts=opts,
    )


def _sources(folder: Path | None) -> dict[str, pulumi.Asset]:
    """Each file's content by its key; something in the page's place where it is not built."""
    if folder is None:
        missing = f"The chat page, which website serves, is {NOT_BUILT}"
        if not pulumi.runtime.is_dry_run():
            raise pulumi.RunError(f"{missing}.")
        pulumi.log.warn(
            f"{missing}; a preview does without it, and shows the other files of an earlier one as deleted."
        )
        return {INDEX: pulumi.StringAsset("not built")}
    paths: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): pulumi.FileAsset(str(path)) for path in paths}

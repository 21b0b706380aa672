"""The chat page's files as objects of a bucket: the built page, and its ``config.json``."""

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
    """Declare an object for each file of the built page and for its settings; ``index.html`` is replaced last.

    Files of an earlier build stay in the bucket, because a page that is open in a browser may still load them.

    Args:
        name: prefix of the resources' names.
        bucket: the bucket.
        folder: the built page; None if it is not built, which is allowed in a preview only.
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
    # The placeholder of a preview without the page is not a change.
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
    """Each file's content by its key; a placeholder for ``index.html`` if the page is not built."""
    if folder is None:
        missing = f"The chat page, which website serves, is {NOT_BUILT}"
        if not pulumi.runtime.is_dry_run():
            raise pulumi.RunError(f"{missing}.")
        pulumi.log.warn(
            f"{missing}; this preview goes on without it, and shows the other files of an earlier build as deleted."
        )
        return {INDEX: pulumi.StringAsset("not built")}
    paths: Sequence[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): pulumi.FileAsset(str(path)) for path in paths}

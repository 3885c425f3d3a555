"""An earlier state of this product, put beside today's, so that its processes can run with today's."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from tests.support.processes import ROOT

BEFORE_TAGS = "c6339bed62a63611209a98d188f616264a9558da"
"""What counts as the last release as long as none is tagged: what was delivered before rolling upgrades were tested."""


@dataclass(frozen=True)
class Release:
    """A state of the product in a folder of its own; `note` says which, and why not the last release where it isn't."""

    folder: Path
    note: str


def last_release(folder: Path) -> Release:
    """Put the last release into `folder` and return it.

    It is the newest tag `v…` that isn't today's state, else BEFORE_TAGS. Without git, or where the clone has no history
    (`git fetch --unshallow` brings it), it is today's own files, and the note says so.
    """
    commit, note = _commit()
    if commit:
        packed = _git("archive", "--format=tar", commit)
        with tarfile.open(fileobj=BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return Release(folder, note)
    return Release(ROOT, note)


def _commit() -> tuple[str, str]:
    try:
        tags = _git("tag", "--list", "v*", "--sort=-creatordate", "--merged", "HEAD").decode().split()
        here = _git("rev-parse", "HEAD").decode().strip()
        for tag in tags:
            if _git("rev-parse", f"{tag}^{{commit}}").decode().strip() != here:
                return tag, f"the release {tag}"
        _git("cat-file", "-e", f"{BEFORE_TAGS}^{{commit}}")
    except (OSError, subprocess.CalledProcessError):
        return "", "today's own files: this checkout has no history, so that no earlier release could be run"
    return BEFORE_TAGS, f"commit {BEFORE_TAGS[:7]}: no release is tagged"


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout

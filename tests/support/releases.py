"""An earlier state of this product, put beside today's, so that its processes can run with today's."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tomllib
from io import BytesIO
from pathlib import Path

from tests.support.processes import OURS, Checkout

BEFORE_TAGS = "c6339bed62a63611209a98d188f616264a9558da"
"""What counts as the last release as long as none is tagged: what was delivered before rolling upgrades were tested."""


def last_release(folder: Path) -> tuple[Checkout, str]:
    """Put the last release into `folder`, with an environment of what it needs, and return it and which one it is.

    It is the newest tag `v…` that isn't today's state, else BEFORE_TAGS. Without git, or where the clone has no history
    (`git fetch --unshallow` brings it), it is today's own files, and the note says so. Needs the package index: what
    today's release no longer depends on isn't in our environment.
    """
    commit, note = _commit()
    if not commit:
        return OURS, note
    with tarfile.open(fileobj=BytesIO(_git("archive", "--format=tar", commit))) as archive:
        archive.extractall(folder, filter="data")
    return Checkout(folder, _environment(folder)), note


def _environment(folder: Path) -> str:
    """Return the Python of an environment of the service in `folder`, at the versions that it pins."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["admin"], *extras["service"]]
    python = folder / ".venv" / "bin" / "python"
    _run(sys.executable, "-m", "venv", str(folder / ".venv"))
    pins = ["--constraint", str(folder / "constraints.txt")]
    _run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins, *needed)
    return str(python)


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
    return subprocess.run(["git", *words], cwd=OURS.folder, check=True, capture_output=True).stdout


def _run(*command: str) -> None:
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"

"""Assembles the image of the Dockerfile in a folder, step by step as its lines say, where no container engine is.

The base image is Debian's own of the release that FROM names, with Debian's Python of the same version; so it takes
root, `debootstrap`, and Debian's and the package index' servers.
"""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.processes import ROOT

SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
BASE = ("python3", "python3-venv", "python3-pip", "ca-certificates")


@dataclass
class Image:
    """What is assembled, and how it is started.

    Attributes:
        root: The folder.
        environment, workdir, user, command: As the Dockerfile says.
    """

    root: Path
    environment: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    workdir: str = "/"
    user: str = "root"
    command: list[str] = field(default_factory=list)

    def run(self, *command: str, read_only: bool = False, **variables: str) -> str:
        """Run a command in it to its end, as the image's user; return what it says. Fails unless it ends well."""
        ran = subprocess.run(
            self._entered(command, read_only),
            env=self._variables(variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout[-4000:]}"
        return ran.stdout

    def start(self, *command: str, log: Path, **variables: str) -> subprocess.Popen[bytes]:
        """Start a process in it as a container would: nothing can be written but /tmp and /app/var."""
        with log.open("wb") as file:
            return subprocess.Popen(
                self._entered(command or self.command, read_only=True),
                env=self._variables(variables),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        passed = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        return passed | self.environment | dict(more)

    def _entered(self, command: tuple[str, ...] | list[str], read_only: bool) -> list[str]:
        """Return the command that runs `command` in namespaces of its own, which end with it."""
        root = str(self.root)
        lines = ["set -e", 'mount --bind "$ROOT" "$ROOT"', 'cd "$ROOT"']
        if read_only:
            lines.append('mount -o remount,bind,ro "$ROOT"')
            lines.append("mount -t tmpfs -o mode=1777 tmpfs tmp")
            lines.append("mount -t tmpfs -o uid=10001,mode=0700 tmpfs app/var")
        lines += ["mount -t proc proc proc", "mount --rbind /dev dev", "export HOME=/tmp; unset OLDPWD"]
        groups = '--userspec="$AS:$AS"' if self.user != "root" else ""
        lines.append(f'exec "$CHROOT" {groups} . /bin/sh -c \'cd "$WORKDIR" && exec "$@"\' sh "$@"')
        script = "\n".join(lines)
        given = [
            "env",
            f"CHROOT={shutil.which('chroot', path=SBIN)}",
            f"ROOT={root}",
            f"AS={self.user}",
            f"WORKDIR={self.workdir}",
        ]
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", *given, "sh", "-c", script, "sh", *command]


def assemble(folder: Path) -> Image:
    """Assemble the image in `folder`. Fails with what a step says."""
    image = Image(folder)
    for word, rest in _instructions((ROOT / "Dockerfile").read_text("utf-8")):
        if word == "FROM":
            _base(image, rest)
        elif word == "ENV":
            image.environment |= dict(pair.split("=", 1) for pair in rest.split())
        elif word == "WORKDIR":
            image.workdir = rest
            (folder / rest.strip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                _copy(source, folder / image.workdir.strip("/") / target)
        elif word == "RUN":
            print(image.run("/bin/sh", "-c", rest, **_package_index()))
        elif word == "USER":
            image.user = rest
        elif word == "CMD":
            image.command = json.loads(rest)
        else:
            assert word in {"EXPOSE", "STOPSIGNAL"}, f"tests/support/image.py doesn't know {word}"
    return image


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", "").splitlines():
        if line.strip():
            word, rest = line.split(None, 1)
            yield word, rest.strip()


def _base(image: Image, name: str) -> None:
    """Stand in for `python:3.11.14-slim-bookworm`."""
    version, suite = name.removeprefix("python:").split("-slim-")
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(BASE)}", suite, str(image.root)]
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-4000:]
    (image.root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for mark in (image.root / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"):
        mark.unlink()  # the image's Python is its own, Debian's isn't
    said = image.run("python", "--version").split()[1]
    assert said.split(".")[:2] == version.split(".")[:2], f"FROM names Python {version}, {suite} has {said}"
    for file in ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt"):
        if Path(file).exists():  # this machine's way to the package index
            shutil.copy(file, image.root / file.strip("/"))


def _package_index() -> dict[str, str]:
    """Return where pip finds packages on this machine, which is no part of the image."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def _copy(source: str, target: Path) -> None:
    """Copy a file, or the folder `.` without what .dockerignore names."""
    if source != ".":
        shutil.copy(ROOT / source, target / source if target.is_dir() else target)
        return
    patterns = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines() if line.strip()]

    def ignored(folder: str, names: list[str]) -> set[str]:
        inside = Path(folder).relative_to(ROOT)
        found = set()
        for pattern in patterns:
            name = pattern.removeprefix("**/")
            if name != pattern or inside == Path():
                found.update(fnmatch.filter(names, name))
        return found

    shutil.copytree(ROOT, target, ignore=ignored, dirs_exist_ok=True, symlinks=True)
    for path in (target, *target.rglob("*")):
        os.chown(path, 0, 0, follow_symlinks=False)


def end(child: subprocess.Popen[bytes], seconds: float) -> int:
    """Tell a process in an image to end, as an engine does, and return its exit code; fails where it takes longer."""
    children = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
    for pid in children:
        os.kill(int(pid), signal.SIGTERM)
    return child.wait(seconds)

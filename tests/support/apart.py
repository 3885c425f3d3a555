"""A host of its own: a network namespace joined to ours by a cable that can be pulled. Needs root and `ip`.

`python -m tests.support.apart NAME MODULE …` runs a module as `python -m` does, in the namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

CLONE_NEWNET = 0x40000000


def can_be_made() -> bool:
    """Tell whether this machine lets us."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        return False
    name = f"probe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True).returncode == 0
    if made:
        _ip("netns", "delete", name)
    return made


class Host:
    """A namespace with a network of two: `here` is our address on it."""

    def __init__(self) -> None:
        number = os.getpid() % 60_000
        self.name = f"host{number}"
        self._cable = f"v{number}"
        net = f"10.231.{number // 256}"
        self.here, self._there = f"{net}.{number % 127 * 2 + 1}", f"{net}.{number % 127 * 2 + 2}"

    def __enter__(self) -> Self:
        _ip("netns", "add", self.name)
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        _ip("address", "add", f"{self.here}/24", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        _ip("-n", self.name, "address", "add", f"{self._there}/24", "dev", "eth0")
        _ip("-n", self.name, "link", "set", "lo", "up")
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "delete", self.name)  # and the cable with it

    def pull(self) -> None:
        """Pull the cable: whatever is sent is dropped, and nobody is told."""
        _ip("-n", self.name, "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Plug it in."""
        _ip("-n", self.name, "link", "set", "eth0", "up")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def main() -> None:
    """Enter the namespace and run the module."""
    with Path("/var/run/netns", sys.argv[1]).open() as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"can't enter {sys.argv[1]}")
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()

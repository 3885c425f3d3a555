"""Health files: what each worker process of a host says of itself, for whoever checks its health without Django.

Nothing is imported here that takes time: a health check runs this every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from pathlib import Path
from typing import Final

STALE_AFTER: Final = 30.0
"""Seconds after which a file that nobody has written means that its process stands still."""


def path_of(folder: Path) -> Path:
    """Return this process' file."""
    return folder / f"worker-{socket.gethostname()}-{os.getpid()}.health"


def write(folder: Path, complaint: str) -> None:
    """Write this process' file: whoever reads it sees the old one or the new one, whole. Raises OSError."""
    path = path_of(folder)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({"pid": os.getpid(), "complaint": complaint}))
    draft.replace(path)


def remove(folder: Path) -> None:
    """Remove this process' file, and those that processes of this host have left behind."""
    for path in folder.glob(f"worker-{socket.gethostname()}-*.*"):
        if path == path_of(folder) or not _runs(int(path.stem.rpartition("-")[2])):
            with contextlib.suppress(OSError):
                path.unlink()


def complaints(folder: Path) -> list[str] | None:
    """Return what is wrong with this host's workers, a line each; None where none runs here."""
    found: list[str] | None = None
    for path in sorted(folder.glob(f"worker-{socket.gethostname()}-*.health")):
        try:
            told, age = json.loads(path.read_text()), time.time() - path.stat().st_mtime
        except (OSError, ValueError):
            continue  # it ended just now
        if not _runs(told["pid"]):
            continue
        found = found or []
        if age > STALE_AFTER:
            found.append(f"worker {told['pid']} has said nothing for {age:.0f} s")
        elif told["complaint"]:
            found.append(f"worker {told['pid']}: {told['complaint']}")
    return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True

"""Health files: what each worker process of a host says of itself, for whoever checks its health without Django.

Nothing is imported here that takes time: a health check runs this every few seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_PID: Final = re.compile(r"[1-9][0-9]{0,8}").fullmatch
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
    for pid, path in [*_of_this_host(folder, "health"), *_of_this_host(folder, "tmp")]:
        if path.stem == path_of(folder).stem or not _runs(pid):
            with contextlib.suppress(OSError):
                path.unlink()


def complaints(folder: Path) -> list[str] | None:
    """Return what is wrong with this host's workers, a line each; None where none runs here."""
    found: list[str] | None = None
    for pid, path in sorted(_of_this_host(folder, "health")):
        try:
            complaint, age = json.loads(path.read_text())["complaint"], time.time() - path.stat().st_mtime
        except (OSError, ValueError, LookupError, TypeError):
            continue  # it ended just now, or another version wrote it
        if not _runs(pid):
            continue
        found = found or []
        if age > STALE_AFTER:
            found.append(f"worker {pid} has said nothing for {age:.0f} s")
        elif complaint:
            found.append(f"worker {pid}: {complaint}")
    return found


def _of_this_host(folder: Path, suffix: str) -> Iterator[tuple[int, Path]]:
    """Yield process and path of each file that a worker of exactly this host has written.

    Hosts may share the folder, and one's name may be another's beginning.
    """
    for path in folder.glob(f"worker-*.{suffix}"):
        begin, _, pid = path.stem.rpartition("-")
        if begin == f"worker-{socket.gethostname()}" and _PID(pid):
            yield int(pid), path


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True

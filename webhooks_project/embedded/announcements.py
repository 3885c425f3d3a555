"""Where the servers of this checkout are that run now: how commands in other terminals find them.

The settings import this module at the start of every command: standard library only, and no question that can hang.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from webhooks_project.embedded.guard import is_alive

PING_TIMEOUT = 0.3
"""Seconds a server may take to answer; it is asked at the start of every command."""


def home() -> Path:
    """Return the checkout; installed from the wheel there is none, and home is the folder that we run in."""
    above = Path(__file__).resolve().parents[2]
    return above if (above / "pyproject.toml").exists() else Path.cwd()


def state_folder() -> Path:
    """Return where servers of our own keep their data: WEBHOOKS_STATE_DIR, else `var/` at home."""
    given = os.environ.get("WEBHOOKS_STATE_DIR", "")
    return Path(given) if given else home() / "var"


def announce(kind: str, url: str) -> None:
    """Tell later commands in this checkout where our running server is, until `withdraw` or our death.

    Args:
        kind: `redis` or `postgres`.
        url: Its address, with whatever password it takes; the file is the user's own.
    """
    file = _file(kind)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.replace(file)


def withdraw(kind: str, url: str) -> None:
    """Take back our announcement of `url`; another process's stays."""
    if _announced(kind) == {"url": url, "pid": os.getpid()}:
        _file(kind).unlink(missing_ok=True)


def running_url(kind: str) -> str | None:
    """Return the URL of the announced server if its announcer lives and it listens, else None. Never raises."""
    state = _announced(kind)
    url, pid = state.get("url"), state.get("pid")
    if not isinstance(url, str) or not isinstance(pid, int) or not is_alive(pid):
        return None
    try:
        port = urlsplit(url).port or 0
    except ValueError:
        return None
    if kind == "redis":
        return url if ask(port, b"PING\r\n").startswith(b"+PONG") else None
    return url if _listens(port) else None


def is_announced(kind: str, url: str) -> bool:
    """Tell whether a URL is that of a server of ours, without asking whether it runs."""
    return bool(url) and _announced(kind).get("url") == url


def ask(port: int, question: bytes) -> bytes:
    """Return the first bytes a server on loopback answers, b"" where there is none."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PING_TIMEOUT) as connection:
            connection.sendall(question)
            return connection.recv(8192)
    except (OSError, OverflowError):
        return b""


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PING_TIMEOUT).close()
    except (OSError, OverflowError):
        return False
    return True


def _file(kind: str) -> Path:
    return state_folder() / f"embedded-{kind}.json"


def _announced(kind: str) -> dict[str, Any]:
    try:
        state = json.loads(_file(kind).read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}

"""Keys for development, made once and kept beside the embedded database; production sets its own."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet


def development_keys(folder: Path) -> dict[str, str]:
    """Return SECRET_KEY and WEBHOOKS_ENCRYPTION_KEYS from `folder/keys.env`, making the file on the first call.

    Two processes may start at once: the file appears whole or not at all (written aside, then linked into place), and
    whoever comes second reads the first one's.
    """
    path = folder / "keys.env"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"keys.{os.getpid()}.tmp"
        with open(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(
                f"SECRET_KEY={secrets.token_urlsafe(50)}\nWEBHOOKS_ENCRYPTION_KEYS={Fernet.generate_key().decode()}\n"
            )
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)

"""`python -m webhooks_project.worker_health`: do this host's workers take tasks? For health checks; exits 1 if not.

It reads the files that workers write every two seconds (`deliveries.worker.vitals`), so it needs neither the broker nor
Django and takes a moment. Celery's `inspect ping` is answered by workers, too, that take no task any more.
"""

from __future__ import annotations

import sys

import environ

from deliveries.worker import health_files
from webhooks_project.embedded import home, state_folder


def main() -> int:
    """Print what is wrong. Returns the exit code."""
    environ.Env.read_env(str(home() / ".env"))  # as the worker itself does; the environment beats it
    found = health_files.complaints(state_folder())
    if found is None:
        found = [f"No worker runs on this host, as far as the files in {state_folder()} tell."]
    sys.stdout.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

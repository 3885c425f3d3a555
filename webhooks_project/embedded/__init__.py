"""Servers of our own where the machine has none: PostgreSQL and Valkey from wheels, for development and tests."""

from webhooks_project.embedded.announcements import announce, home, is_announced, running_url, state_folder, withdraw
from webhooks_project.embedded.database import database
from webhooks_project.embedded.guard import EmbeddedServerError, GuardedServer, free_port, is_alive
from webhooks_project.embedded.valkey import EmbeddedValkey

__all__ = [
    "EmbeddedServerError",
    "EmbeddedValkey",
    "GuardedServer",
    "announce",
    "database",
    "free_port",
    "home",
    "is_alive",
    "is_announced",
    "running_url",
    "state_folder",
    "withdraw",
]

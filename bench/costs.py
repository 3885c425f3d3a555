"""What something cost: CPU of every process of ours, statements, commits, WAL and Redis commands, as counted there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import psutil
import redis
from django.db import DatabaseError, connection

from subscriptions.conf import settings

ROLES = {"webhooks_project.server": "web", "bench.bare_view": "web", " worker ": "worker", " beat": "beat"}
"""What stands in a process' command line, and the part it plays; receivers and load generators play none."""


@dataclass(slots=True)
class Costs:
    """Sums since the servers and processes started, or the difference of two such sums."""

    cpu: dict[str, float] = field(default_factory=dict)
    """Seconds of user and system time, by part: web, worker, beat, postgres, redis."""
    statements: int | None = 0
    """None where PostgreSQL has no pg_stat_statements."""
    commits: int = 0
    wal: int = 0
    """Bytes."""
    redis_commands: int = 0

    def __sub__(self, before: Costs) -> Costs:
        cpu = {part: seconds - before.cpu.get(part, 0.0) for part, seconds in self.cpu.items()}
        counted = self.statements is not None and before.statements is not None
        return Costs(
            cpu,
            (self.statements or 0) - (before.statements or 0) if counted else None,
            self.commits - before.commits,
            self.wal - before.wal,
            self.redis_commands - before.redis_commands,
        )

    def each(self, count: int) -> dict[str, Any]:
        """Return the costs of one of `count`: microseconds of CPU, bytes of WAL."""
        return {
            "cpu_us": round(sum(self.cpu.values()) / count * 1e6),
            "cpu_us_by_part": {part: round(seconds / count * 1e6) for part, seconds in sorted(self.cpu.items())},
            "statements": None if self.statements is None else round(self.statements / count, 3),
            "commits": round(self.commits / count, 3),
            "wal_bytes": round(self.wal / count),
            "redis_commands": round(self.redis_commands / count, 3),
        }


def now() -> Costs:
    """Return the sums until now. Our own process and the statements that ask are counted with PostgreSQL's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT xact_commit, pg_current_wal_lsn() - '0/0'::pg_lsn, pg_backend_pid()"
            " FROM pg_stat_database WHERE datname = current_database()"
        )
        commits, wal, backend = cursor.fetchone()
        statements = _statements(cursor)
    redis_info = redis.Redis.from_url(settings.REDIS_URL).info("all")
    cpu = _cpu_of_children()
    cpu["postgres"] = _cpu_of_tree(psutil.Process(backend).ppid())
    cpu["redis"] = redis_info["used_cpu_user"] + redis_info["used_cpu_sys"]
    return Costs(cpu, statements, int(commits), int(wal), int(redis_info["total_commands_processed"]))


def _statements(cursor: Any) -> int | None:
    try:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        cursor.execute(
            "SELECT sum(calls) FROM pg_stat_statements"
            " WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    except DatabaseError as error:
        if "pg_stat_statements" not in str(error):
            raise
        return None
    return int(cursor.fetchone()[0] or 0)


def _cpu_of_children() -> dict[str, float]:
    """Return the CPU of our children, and of theirs, by the part they play."""
    sums = {"web": 0.0, "worker": 0.0}
    for child in psutil.Process().children():
        line = " ".join(child.cmdline())
        part = next((part for words, part in ROLES.items() if words in line), None)
        if part:
            sums[part] = sums.get(part, 0.0) + _cpu_of_tree(child.pid)
    return sums


def _cpu_of_tree(pid: int) -> float:
    """Return the CPU seconds of a process and of those below it, ended ones included."""
    root = psutil.Process(pid)
    total = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
        if process is root:
            total += times.children_user + times.children_system
    return total

"""The database: there, migrated, filled with the catalogue, and nothing overdue."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from deliveries.db import attempt_parts, session_limits
from deliveries.db.engine_session import ensure_session
from deliveries.management.doctor import versions
from deliveries.management.doctor.findings import NOTE, OK, PROBLEM, Finding, first_line
from deliveries.models import DeadLetter
from deliveries.reporting import backlog, stuck_rows, transactions
from subscriptions.models import EventType

OVERDUE_AFTER = timedelta(seconds=30)
"""Deliveries that should have left longer ago than this are worth a note."""
CLOCK_TOLERANCE = 1.0
"""Seconds this machine's clock may differ from the database's; retries are timed by the latter."""
OLD_AFTER = 10.0
"""Seconds after which a transaction is worth a note; one that only stands still is a problem then."""


def database() -> Iterator[Finding]:
    """Look at connection, migrations, catalogue, clocks, transactions, backlog, parts; each if those before hold."""
    try:
        connection.ensure_connection()
    except (DatabaseError, OSError) as error:
        reason = _reason(error)
        yield Finding(
            "database",
            PROBLEM,
            f"{_where()} can't be reached: {reason}.",
            "Start it, or correct DATABASE_URL.",
        )
        return
    version = _version()
    if versions.is_old(version, versions.POSTGRESQL_MIN):
        least = versions.shown(versions.POSTGRESQL_MIN)
        yield Finding(
            "database", PROBLEM, f"{_where()} is PostgreSQL {version}: too old.", f"Upgrade it to {least} or newer."
        )
        return
    yield Finding("database", OK, f"{_where()} answers, PostgreSQL {version}.")
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield Finding("migrations", PROBLEM, f"{len(missing)} are not applied.", "Run: manage.py migrate")
        return
    yield Finding("migrations", OK, "All are applied.")
    known = EventType.objects.filter(is_active=True).count()
    if known:
        yield Finding("catalogue", OK, f"{known} event types.")
    else:
        yield Finding("catalogue", PROBLEM, "No event type is active.", "Run: manage.py migrate, which loads them.")
    yield _clocks()
    yield _oldest_transaction()
    yield from _sessions()
    yield _backlog()
    yield from _stuck()
    yield from _parts()


def _parts() -> Iterator[Finding]:
    """Look at attempts in parts; nothing where the table is whole."""
    found = attempt_parts.read()
    if found is None:
        return
    outside = found.outside()
    fix = "Housekeeping makes parts every two minutes: see that beat and a worker for its queue run, and what it logs."
    if outside:
        many = "or more " if outside == attempt_parts.OUTSIDE_MAX else ""
        text = f"{outside} {many}attempts came where no part was ahead, and are in the one for the rest."
        yield Finding("parts", PROBLEM, text, fix)
    elif not found.ahead:
        yield Finding("parts", PROBLEM, "Attempts are in parts, and none is ready for what comes.", fix)
    else:
        text = f"Attempts are in {len(found.ranges)} parts; {found.ahead} are ready for what comes."
        yield Finding("parts", OK, text)


def _stuck() -> Iterator[Finding]:
    found = [stuck for stuck in stuck_rows.look() if stuck.keys]
    if not found:
        yield Finding("stuck rows", OK, "None; every row has a way on.")
    for kind, keys in found:
        text = f"{len(keys)} {kind.replace('_', ' ')}: keys {', '.join(map(str, keys[:5]))}."
        fix = f"Nothing moves them on by itself; {kind} in deliveries/reporting/stuck_rows.sql says what is wrong."
        yield Finding("stuck rows", PROBLEM, text, fix)


def _version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0]).split()[0]


def _where() -> str:
    settings = connection.settings_dict
    host = f" on {settings['HOST']}:{settings['PORT'] or 5432}" if settings.get("HOST") else ""
    return f"{connection.display_name} {settings['NAME']}{host}"


def _reason(error: BaseException) -> str:
    """Return what the database said itself; a pool says only that it got no connection."""
    try:
        ensure_session()
    except DatabaseError as direct:
        error = direct
    fatal = [line for line in str(error).splitlines() if "FATAL:" in line]
    return fatal[0].strip().rstrip(".")[:200] if fatal else first_line(error)


def _clocks() -> Finding:
    with connection.cursor() as cursor:
        asked = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        theirs = float(cursor.fetchone()[0])
    difference = (asked + time.time()) / 2 - theirs
    if abs(difference) > CLOCK_TOLERANCE:
        side = "ahead of" if difference > 0 else "behind"
        text = f"This machine's is {abs(difference):.1f} s {side} the database's."
        return Finding("clocks", PROBLEM, text, "Let NTP set both; log times and signatures use this machine's.")
    return Finding("clocks", OK, f"This machine and the database differ by {abs(difference) * 1000:.0f} ms.")


def _oldest_transaction() -> Finding:
    oldest = transactions.oldest()
    if oldest is None or oldest.seconds <= OLD_AFTER:
        return Finding("transactions", OK, f"None is older than {OLD_AFTER:g} s.")
    standing = oldest.state.startswith("idle in transaction")
    fix = "Others may wait for its locks. "
    if standing:
        fix += f"To end it: SELECT pg_terminate_backend({oldest.pid});"
    else:
        fix += "It is at work: look what it does (a backup, a migration) before you end it."
    return Finding("transactions", PROBLEM if standing else NOTE, f"The oldest is {oldest}.", fix)


def _sessions() -> Iterator[Finding]:
    """Compare what our processes may open with what PostgreSQL takes; nothing where a pooler is between."""
    size = session_limits.pool_size()
    if size is None:
        return
    found = session_limits.look()
    each = size + session_limits.OF_THE_ENGINE
    text = f"{found.others} processes may open {each} sessions each, and PostgreSQL takes {found.most} ({found.what})."
    if found.others * each > found.most:
        fix = f"Raise {found.what}, lower DATABASE_POOL_SIZE, or put pgbouncer between; see docs/operations.md."
        yield Finding("sessions", PROBLEM, text, fix)
    else:
        yield Finding("sessions", OK, text)


def _backlog() -> Finding:
    overdue = backlog.overdue(OVERDUE_AFTER).count()
    dead_letters = DeadLetter.objects.filter(resolved_at=None).count()
    review = f"{dead_letters} wait in the review queue."
    if overdue:
        text = f"{overdue} deliveries are overdue by more than {OVERDUE_AFTER.seconds} s; {review}"
        return Finding("backlog", NOTE, text, "If it stays, add workers; see docs/operations.md.")
    return Finding("backlog", OK, f"Nothing is overdue; {review}")

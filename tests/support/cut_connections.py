"""Connections to PostgreSQL that break off in the middle."""

from __future__ import annotations

import psycopg
from django.db import connection


def cut_ours() -> None:
    """Have PostgreSQL end this thread's connection; whoever uses it next finds out."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (ours,) = cursor.fetchone()
    known = connection.get_connection_params()
    parameters = {name: known.get(name) for name in ("dbname", "host", "port", "user", "password")}
    with psycopg.connect(**parameters, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [ours])

"""A start whose database sessions the database can't give stops, and says what is too many."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from deliveries.db import session_limits
from tests.support.processes import Process, Web, beat, environment, wait_for, web, worker
from webhooks_project import startup


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The pool's options, as settings with one say them; the tests' own sessions have none."""
    pool = {"max_size": 12, "timeout": 1}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", connection.settings_dict["OPTIONS"] | {"pool": pool})
    return pool


@pytest.fixture
def others() -> Iterator[None]:
    """Sessions of twenty other processes of ours, which have two each."""
    sessions = [_session(f"elsewhere:{number // 2} thread-{number}") for number in range(40)]
    yield
    for session in sessions:
        session.close()


def _session(name: str) -> psycopg.Connection:
    return psycopg.connect(_url(), application_name=name)


def _url() -> str:
    given = connection.settings_dict
    return f"postgres://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"


@pytest.mark.django_db
def test_processes_whose_pools_hold_more_than_postgresql_takes_stop_the_start(pool: dict[str, float]) -> None:
    most = session_limits.look().most
    pool["max_size"] = most // 3
    startup.look_at_sizes(3)
    with pytest.raises(SystemExit, match=rf"DATABASE_POOL_SIZE={most // 3}: 4 processes .*{most} \(max_connections\)"):
        startup.look_at_sizes(4)
    pool["max_size"] = most + 1
    with pytest.raises(SystemExit, match=rf"DATABASE_POOL_SIZE={most + 1}: .*lower DATABASE_POOL_SIZE\.$"):
        startup.look_at_sizes(1)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["ROLE", "DATABASE"])
def test_a_limit_of_the_role_or_the_database_counts_where_it_is_the_least(pool: dict[str, float], kind: str) -> None:
    name = connection.settings_dict["NAME"] if kind == "DATABASE" else "limited"
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE limited")
        cursor.execute(f'ALTER {kind} "{name}" CONNECTION LIMIT 20')
        startup.look_at_sizes(2)  # it doesn't hold for superusers
        cursor.execute("SET LOCAL SESSION AUTHORIZATION limited")
    with pytest.raises(SystemExit, match=f"20 .the CONNECTION LIMIT of {kind.lower()} {name}"):
        startup.look_at_sizes(2)
    pool["max_size"] = 10
    startup.look_at_sizes(2)


@pytest.mark.django_db
def test_who_else_runs_stops_nobody_and_is_told(
    pool: dict[str, float], others: None, caplog: pytest.LogCaptureFixture
) -> None:
    found = session_limits.look()
    assert found.others == 20
    with caplog.at_level("WARNING"):
        pool["max_size"] = found.most // 21 - session_limits.OF_THE_ENGINE
        startup.look_at_sizes(1)
        pool["max_size"] += 1
        startup.look_at_sizes(1, warns=False)
        assert "sessions_may_run_out" not in caplog.text
        startup.look_at_sizes(1)
    assert "sessions_may_run_out" in caplog.text


@pytest.mark.django_db
def test_a_pooler_between_is_not_asked(pool: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    pool["max_size"] = 1_000_000
    monkeypatch.setitem(connection.settings_dict, "SESSION_SETTINGS", False)
    startup.look_at_sizes(1)


@pytest.mark.django_db(transaction=True)
def test_web_workers_and_beat_do_not_start_on_impossible_sizes() -> None:
    most = session_limits.look().most
    size = most // 2
    redis_url = settings.MERCHANT_WEBHOOKS["REDIS_URL"]
    fits = environment(DATABASE_URL=_url(), REDIS_URL=redis_url, DATABASE_POOL_SIZE=str(size))
    too_many = fits | {"DATABASE_POOL_SIZE": str(most + 1)}
    for start in (web, worker, beat):
        with start(too_many, wait=False) as child:
            assert child.wait() == 1
            _says(child, f"DATABASE_POOL_SIZE={most + 1}: ")
    with Web(fits, processes=2, pages=1) as child:
        assert child.wait() == 1
        _says(child, f"DATABASE_POOL_SIZE={size}: 3 processes (web and pages)")
    with Process("-m", "webhooks_project.server", "--processes", "2", "--check", variables=fits) as child:
        assert child.wait() == 1
        _says(child, f"DATABASE_POOL_SIZE={size}: 4 processes (web and pages)")
    with Web(fits, processes=1, pages=1) as child:
        wait_for(child.answers, 30, "a web process")


def _says(child: Process, text: str) -> None:
    assert text in child.log, child.tail()
    assert "Traceback" not in child.log, child.tail()

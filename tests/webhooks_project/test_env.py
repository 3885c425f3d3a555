"""Settings fail loudly, with the variable's name and what it expects."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.core import signing
from django.core.exceptions import ImproperlyConfigured

from subscriptions import checks, options
from tests.support import processes
from webhooks_project import env, startup

KEY = Fernet.generate_key().decode()


def test_a_database_urls_query_becomes_options() -> None:
    config = env.database("postgres://user:secret@db.example.com:5433/hooks?sslmode=verify-full&connect_timeout=5")

    assert (config["HOST"], config["PORT"], config["NAME"]) == ("db.example.com", 5433, "hooks")
    assert config["OPTIONS"] == {"sslmode": "verify-full", "connect_timeout": 5}


@pytest.mark.parametrize("url", ["sqlite:///file", "mysql://user@host/name", "foo://x", "nonsense"])
def test_another_database_is_refused_naming_the_variable(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"DATABASE_URL.*postgres://"):
        env.database(url)


BAD_DATABASES = [
    ("postgres://user:secret@h", "names no database"),
    ("postgres://user:secret@h/", "names no database"),
    ("postgres://user:secret@h:port/name", "port"),
    ("postgres://user:secret@h:70000/name", "port"),
    ("postgres://user:secret/more@h/name", "%2F"),
    ("postgres://user:secret@a:1,b:x/name", "port"),
    ("postgres://user:secret@h/name?sslmod=require", "did you mean sslmode"),
    ("postgres://user:secret@h/name?sslrootcert=/nowhere/ca.pem", "/nowhere/ca.pem can't be read"),
]


@pytest.mark.parametrize(("url", "word"), BAD_DATABASES)
def test_a_database_url_of_no_sense_is_refused_without_showing_it(url: str, word: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL: ") as refused:
        env.database(url)
    assert word in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://u:p@a:1,b:2/name?target_session_attrs=read-write",
        "postgresql://u@%2Fvar%2Frun%2Fpostgresql/name",
        "postgres://u:p@[::1]:5432/name?sslmode=verify-full&sslrootcert=system",
        "postgres://u:p%23@h/name?application_name=hooks&conn_max_age=0",
    ],
)
def test_what_libpq_knows_is_taken(url: str) -> None:
    assert env.database(url)["NAME"] == "name"


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [
        ("REDIS_URL", "sentinell://:secret@h", "'sentinell'"),
        ("REDIS_URL", "redis://:secret@h/zero", "database is a number"),
        ("REDIS_URL", "amqp://guest:secret@h//", "'amqp'"),
        ("CELERY_BROKER_URL", "kafka://:secret@h", "'kafka'"),
        ("CELERY_BROKER_URL", "sentinel://:secret@h", "?master="),
        ("WEBHOOKS_BASE_URL", "hooks.example.com", "https://"),
    ],
)
def test_a_url_of_no_sense_stops_the_start_with_the_variable_and_what_it_expects(
    name: str, value: str, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    read = env.broker_url if name == "CELERY_BROKER_URL" else env.merchant_webhooks
    with pytest.raises(ImproperlyConfigured, match=f"^{name}(=.*)?: .*It expects ") as refused:
        read()
    assert word in str(refused.value)
    assert "secret" not in str(refused.value)


def test_variables_with_our_prefix_that_mean_nothing_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    env.merchant_webhooks()
    for name in (
        "WEBHOOKS_BODY_MX",
        "WEBHOOKS_ZZZ",
        "WEBHOOKS_BODY_MAX",
        "WEBHOOKS_ENCRYPTION_KEYS_FILE",
        "WEBHOOKS_STATE_DIR",
        "WEBHOOKS_SERVICE_HOST",
        "WEBHOOKS_SERVICE_PORT_HTTP",
        "WEBHOOKS_PORT",
        "WEBHOOKS_PORT_8000_TCP_ADDR",
    ):
        monkeypatch.setenv(name, "1")
    assert env.unknown() == {"WEBHOOKS_BODY_MX": "WEBHOOKS_BODY_MAX", "WEBHOOKS_ZZZ": ""}


def test_such_variables_are_named_by_the_checks_and_when_a_process_starts(settings, caplog) -> None:
    settings.UNKNOWN_VARIABLES = {"WEBHOOKS_BODY_MX": "WEBHOOKS_BODY_MAX"}
    [found] = checks.variables_are_known()
    assert "WEBHOOKS_BODY_MX" in found.msg
    assert found.hint == "Did you mean WEBHOOKS_BODY_MAX?"
    with caplog.at_level("WARNING"):
        startup.name_unknown_variables()
    assert "unknown_variable" in caplog.text


@pytest.mark.parametrize("raw", ["abc", "443,99999999", "0"])
def test_ports_that_are_none_are_refused_naming_the_variable(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_ALLOWED_PORTS", raw)

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_ALLOWED_PORTS.*ports like"):
        env.merchant_webhooks()


def test_numbers_out_of_bounds_name_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBHOOKS_RECORD_CHUNK", "0")

    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_RECORD_CHUNK='0'.*at least 1"):
        env.whole("WEBHOOKS_RECORD_CHUNK", 128, minimum=1)


@pytest.mark.django_db
def test_without_a_database_the_first_use_says_how_to_start_one() -> None:
    """A newcomer's second terminal, before the first one runs anything."""
    from django.db import OperationalError

    from webhooks_project.postgresql.base import DatabaseWrapper

    given = env.database(None) | {"OPTIONS": {}, "TIME_ZONE": None, "CONN_MAX_AGE": 0, "AUTOCOMMIT": True}
    with pytest.raises(OperationalError, match=r"make demo.*DATABASE_URL"):
        DatabaseWrapper(given).ensure_connection()


SECRETS = [
    "SECRET_KEY",
    "SECRET_KEY_FALLBACKS",
    "WEBHOOKS_ENCRYPTION_KEYS",
    "WEBHOOKS_CODE_KEY",
    "DATABASE_URL",
    "DATABASE_REPLICA_URL",
    "REDIS_URL",
    "CELERY_BROKER_URL",
    "METRICS_TOKEN",
    "EMAIL_HOST_PASSWORD",
]


def settings_say(expression: str, **variables: str) -> tuple[int, str]:
    """Return the exit code and all that a process says which loads the settings and prints an expression of them."""
    code = f"from webhooks_project import settings; print({expression})"
    unset = dict.fromkeys(("DATABASE_URL", "REDIS_URL", *SECRETS), "")
    given = processes.environment(**unset | {"SECRET_KEY": "k" * 50, "WEBHOOKS_ENCRYPTION_KEYS": KEY} | variables)
    ran = subprocess.run(
        [sys.executable, "-c", code], env=given, cwd=processes.ROOT, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


VALUES = {
    "DATABASE_REPLICA_URL": "postgres://u:p@127.0.0.1:2/x",
    "DATABASE_URL": "postgres://u:p@127.0.0.1:1/x",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "CELERY_BROKER_URL": "redis://127.0.0.1:2/0",
    "WEBHOOKS_ENCRYPTION_KEYS": KEY,
}
READ = {
    "DATABASE_REPLICA_URL": "'postgres://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}'.format(**settings.DATABASES['replica'])",
    "SECRET_KEY_FALLBACKS": "settings.SECRET_KEY_FALLBACKS[0]",
    "WEBHOOKS_ENCRYPTION_KEYS": "settings.MERCHANT_WEBHOOKS['ENCRYPTION_KEYS'][0]",
    "WEBHOOKS_CODE_KEY": "settings.MERCHANT_WEBHOOKS['CODE_KEY']",
    "REDIS_URL": "settings.MERCHANT_WEBHOOKS['REDIS_URL']",
}


def test_each_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    values = {name: VALUES.get(name, f"{name}-from-a-file-" + "x" * 50) for name in SECRETS}
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")
    expressions = ", ".join(f"{name!r}: {READ.get(name, f'settings.{name}')}" for name in SECRETS)

    files = {f"{name}_FILE": str(tmp_path / name) for name in SECRETS}
    code, said = settings_say(f"{{{expressions}}}", **dict.fromkeys(SECRETS, ""), **files, DEBUG="false")

    assert (code, ast.literal_eval(said.strip().splitlines()[-1])) == (0, values)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("fault", ["missing", "empty", "a folder", "no text", "both"])
def test_a_file_without_its_secret_is_told_by_the_variables_name(
    name: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _faulty(tmp_path / "it", fault)
    monkeypatch.setenv(name, VALUES.get(name, "x" * 60) if fault == "both" else "")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "it"))
    key = options.KEYS.get(name)

    with pytest.raises(ImproperlyConfigured) as told:
        env.read(name, options.OPTIONS[key]) if key else env.secret(name)

    both = f"{name} and {name}_FILE are both set"
    expected = both if fault == "both" else rf"{name}_FILE='{tmp_path}.* (can't be read|is empty).*expects the path"
    assert re.search(expected, str(told.value))
    assert "y" * 60 not in str(told.value)


def _faulty(file: Path, fault: str) -> None:
    if fault in {"empty", "both"}:
        file.write_text(" \n" if fault == "empty" else "y" * 60)
    elif fault == "a folder":
        file.mkdir()
    elif fault == "no text":
        file.write_bytes(b"\xff\xfe\x00")


def test_a_file_that_is_missing_stops_the_start(tmp_path: Path) -> None:
    code, said = settings_say("1", METRICS_TOKEN_FILE=str(tmp_path / "none"))

    assert code == 1
    assert "METRICS_TOKEN_FILE=" in said.strip().splitlines()[-1]


def test_every_option_that_is_a_secret_is_among_them() -> None:
    assert {options.variable(key) for key, option in options.OPTIONS.items() if option.secret} <= {
        *SECRETS,
        "WEBHOOKS_BASE_URL",
    }


def test_keys_in_a_file_may_have_a_line_each(tmp_path: Path) -> None:
    other = Fernet.generate_key().decode()
    (tmp_path / "keys").write_text(f"{KEY}\n{other}\n")
    given = {"WEBHOOKS_ENCRYPTION_KEYS": "", "WEBHOOKS_ENCRYPTION_KEYS_FILE": str(tmp_path / "keys")}

    code, said = settings_say("settings.MERCHANT_WEBHOOKS['ENCRYPTION_KEYS']", **given)

    assert (code, said.strip()) == (0, str([KEY, other]))


def test_former_secret_keys_still_verify_what_they_signed(settings: Any) -> None:
    signed = signing.dumps({"a": 1})
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 9

    assert signing.loads(signed) == {"a": 1}


def test_countdowns_stay_below_the_time_after_which_redis_gives_a_message_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEBHOOKS_COUNTDOWN_HORIZON", "301")
    with pytest.raises(ImproperlyConfigured, match=r"WEBHOOKS_COUNTDOWN_HORIZON='301'.*from 0 to 300\.$"):
        env.merchant_webhooks()
    monkeypatch.setenv("WEBHOOKS_COUNTDOWN_HORIZON", "300")
    assert env.merchant_webhooks()["COUNTDOWN_HORIZON"] == 300
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] >= 2 * 300

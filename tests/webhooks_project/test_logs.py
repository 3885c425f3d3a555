"""Log injection: whatever a record holds, it is one line, and says what it is."""

from __future__ import annotations

import json
import logging
import logging.config
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import structlog
from django.conf import settings

from tests.support.processes import environment
from webhooks_project.settings import logs

FORGED = (
    'GET /\r\n{"event": "worker_stopped", "level": "error"}\n\x1b[2J\x1b]0;title\x07\x00\u2028\u2029\x85\x0b\x0cend'
)
NAME = "tests.injection"


@pytest.fixture(params=[True, False], ids=["json", "key=value"])
def written(request: pytest.FixtureRequest) -> Iterator[StringIO]:
    """What a logger of the project's own configuration writes, in production's form and development's."""
    config = logs.config(level="DEBUG", as_json=request.param)
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    formatter = config["formatters"]["line"]
    handler.setFormatter(formatter.pop("()")(**formatter))
    logger = logging.getLogger(NAME)
    logger.addHandler(handler)
    logger.propagate = False
    yield stream
    logger.removeHandler(handler)
    logger.propagate = True
    logs.config(level=settings.LOG_LEVEL, as_json=not settings.DEBUG)


def one_line(stream: StringIO) -> str:
    text = stream.getvalue()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1, text  # splits at every character that any viewer takes for a line's end
    assert all(character.isprintable() for character in text[:-1])
    return text


def test_a_librarys_message_is_one_line(written: StringIO) -> None:
    logging.getLogger(NAME).warning("bad request: %s", FORGED)
    line = one_line(written)
    if line.startswith("{"):
        assert json.loads(line)["event"] == f"bad request: {FORGED}"


@pytest.mark.parametrize("is_event", [True, False])
def test_our_own_facts_are_one_line_wherever_the_text_stands(written: StringIO, is_event: bool) -> None:
    logger: Any = structlog.get_logger(NAME)
    if is_event:
        logger.warning(FORGED)
    else:
        logger.warning("told", what=FORGED, inside={"deep": [FORGED]})
    one_line(written)


def test_an_exception_with_its_trace_is_one_line(written: StringIO) -> None:
    try:
        raise ValueError(FORGED)
    except ValueError:
        logging.getLogger(NAME).exception("it failed")
    assert "Traceback" in one_line(written)


PATHS = ["/portal/{}/", "/invitations/{}/", "/hooks/portal/{}", "/admin/password_reset/NQ/{}/"]
TOKENS = ["Zk8x2Pq-T7_v", "d0tq4n-0a1b2c3d4e5f60718293a4b5c6d7e8f9"]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("form", PATHS)
def test_no_line_holds_what_lets_somebody_in(form: str, token: str, written: StringIO) -> None:
    path = form.format(token)
    logging.getLogger(NAME).warning("Not Found: %s", path)  # as Django does
    logging.getLogger(NAME).warning("Forbidden (%s): %s", "CSRF cookie not set.", f"{path}?next=x")
    structlog.get_logger(NAME).info("request", method="POST", path=path, status=403)
    structlog.get_logger(NAME).info(
        "told", error=f"GET https://hooks.example.com{path} broke off", seen=[{"url": path}]
    )
    try:
        raise ValueError({"path": path})
    except ValueError:
        logging.getLogger(NAME).exception("it failed")
    text = written.getvalue()
    assert len(text.splitlines()) == 5
    assert token not in text
    assert text.count(form.partition("{}")[0]) >= 6


@pytest.mark.parametrize("form", PATHS)
def test_of_an_address_only_the_token_is_left_out(form: str) -> None:
    text = f"https://hooks.example.com{form.format(TOKENS[0])}?next=/admin/ of /admin/password_reset/ and /portal/"
    assert logs.without_tokens(text) == text.replace(TOKENS[0], "…")


def test_what_nobody_caught_and_warnings_are_lines_of_the_log() -> None:
    code = (
        "import django, threading, warnings; django.setup(); from webhooks_project import telemetry\n"
        "telemetry.set_up('web'); warnings.warn('old')\n"
        "thread = threading.Thread(target=lambda: 1 / 0, name='worker-1'); thread.start(); thread.join()\n"
        "raise RuntimeError('the end')\n"
    )
    given = environment(DEBUG="false", SECRET_KEY="x" * 50, DJANGO_SETTINGS_MODULE="webhooks_project.settings")
    ended = subprocess.run(
        [sys.executable, "-c", code], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    warned, thread, last = (json.loads(line) for line in ended.stderr.splitlines())
    assert "old" in warned["event"]
    assert (thread["event"], thread["thread"]) == ("uncaught_exception", "worker-1")
    assert "ZeroDivisionError" in thread["exception"]
    assert "the end" in last["exception"]


ASKS = """
import django; django.setup()
from webhooks_project import telemetry
telemetry.set_up("web")
from django.conf import settings
from django.core import exceptions
from django.core.handlers.exception import response_for_exception
from django.test import Client, RequestFactory
settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "whitenoise" not in name]  # warns of a missing folder
client = Client(raise_request_exception=False)
for path in ("/admin/login/", "/", "/api/v1/webhooks", "/nope"):
    assert client.get(path, headers={"Host": "evil.example"}).status_code in {301, 400}
    assert client.get(path, headers={"Host": "evil.example", "X-Forwarded-Proto": "https"}).status_code == 400
import django.contrib.sessions.exceptions
kinds = [exceptions.SuspiciousOperation]
for kind in kinds:
    kinds += kind.__subclasses__()
assert len(kinds) > 9
for kind in kinds:
    try:
        raise kind("Invalid HTTP_HOST and its like")
    except exceptions.SuspiciousOperation as error:
        assert response_for_exception(RequestFactory().post("/"), error).status_code == 400
print(8 + len(kinds))
"""


@pytest.mark.parametrize("debug", ["false", "true"])
def test_what_strangers_do_is_a_warning_in_one_line_without_a_traceback(debug: str) -> None:
    given = environment(
        DEBUG=debug,
        SECRET_KEY="x" * 50,
        ALLOWED_HOSTS="hooks.example.com",
        DATABASE_URL="postgres://x:y@127.0.0.1:1/z",
        DJANGO_SETTINGS_MODULE="webhooks_project.settings",
    )
    ended = subprocess.run(
        [sys.executable, "-c", ASKS], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    lines = [line for line in ended.stderr.splitlines() if "Invalid HTTP_HOST" in line]
    assert len(lines) == int(ended.stdout)
    assert all("warning" in line for line in lines)
    assert "Traceback" not in ended.stderr
    assert "error" not in ended.stderr.replace("errors", "")

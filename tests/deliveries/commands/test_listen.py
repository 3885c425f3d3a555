"""`manage.py listen`, run as people run it: a process that is spoken to over sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import requests

from deliveries import dialects
from deliveries.dialects import Message

SECRETS = {name: dialects.get(name).make_secret() for name in dialects.NAMES}


class Listening:
    """The command as a process, its lines as they come."""

    def __init__(self, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "listen", "--port", "0", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = re.search(r"http://\S+:\d+", self.line("Listening on"))[0]

    def _read(self) -> None:
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def line(self, part: str) -> str:
        """Wait for a line that contains `part`."""
        deadline = time.monotonic() + 30
        with self._news:
            while not (found := [line for line in self.lines if part in line]):
                left = deadline - time.monotonic()
                assert left > 0, f"no line with {part!r} in {self.lines}"
                self._news.wait(left)
        return found[0]


@contextmanager
def listening(*words: str):
    running = Listening(*words)
    try:
        yield running
    finally:
        running.end()


def refused(*words: str) -> subprocess.CompletedProcess:
    """Run the command, which must end by itself and with an error."""
    command = [sys.executable, "manage.py", "listen", *words]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode != 0
    return ended


def signed(dialect: str, event_id: str = "evt_1", secret: str = "") -> dict:
    moment = datetime.now(UTC)
    message = Message(
        event_id, "order.created", moment, '{"order":{"id":"1045"}}', "shop.example", "2024-01", 1, moment
    )
    encoded = dialects.get(dialect).encode(message, [secret or SECRETS[dialect]])
    return {"data": encoded.body, "headers": dict(encoded.headers), "timeout": 10}


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_a_signed_request_is_verified_and_printed(dialect):
    with listening("--dialect", dialect, f"--secret={SECRETS[dialect]}") as running:
        answer = requests.post(running.url, **signed(dialect))
        assert (answer.status_code, answer.headers["Connection"]) == (200, "keep-alive")
        line = running.line("evt_1")
        assert "order.created" in line
        assert "signature verified → 200" in line
        running.line('"id": "1045"')


def test_a_wrong_signature_is_answered_401_and_told():
    with listening("--dialect", "alva", f"--secret={SECRETS['alva']}") as running:
        answer = requests.post(running.url, **signed("alva", secret="another secret, quite long"))
        assert answer.status_code == 401
        assert "X-Alva-HMAC-SHA256" in running.line("signature wrong")


def test_it_fails_as_often_as_asked_for_each_message():
    with listening("--fail", "2") as running:
        answers = [
            requests.post(running.url, **signed("alva", event)) for event in ("evt_1", "evt_1", "evt_2", "evt_1")
        ]
        assert [answer.status_code for answer in answers] == [503, 503, 503, 200]
        running.line("not verified")


def test_it_answers_with_the_status_asked_for():
    with listening("--status", "410") as running:
        assert requests.post(running.url, **signed("alva")).status_code == 410


def test_it_waits_as_long_as_asked():
    with listening("--delay", "0.5") as running:
        began = time.monotonic()
        assert requests.post(running.url, **signed("alva")).status_code == 200
        assert time.monotonic() - began >= 0.5


def test_what_a_terminal_would_obey_is_printed_as_an_escape():
    with listening() as running:
        requests.post(running.url, data=b"\x1b[2Jgone\xff", headers={"webhook-event": "a\x9bb"}, timeout=10)
        assert r"\x1b[2Jgone\xff" in running.line("gone")
        assert r"a\x9bb" in running.line("not verified")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_sum(number):
    with listening() as running:
        requests.post(running.url, **signed("alva"))
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
        running.line("1 requests, 0 not answered 2xx, 0 not verified.")


def test_quiet_counts_and_prints_no_bodies():
    with listening("--quiet") as running:
        with requests.Session() as session:
            for _ in range(50):
                session.post(running.url, **signed("alva"))
        running.line("in all")
        running.process.send_signal(signal.SIGINT)
        running.line("50 requests")
        assert not any("1045" in line for line in running.lines)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--secret", "short"], "secret: must be whsec_"),
        (["--dialect", "alva", "--secret", "short"], "secret: has 5 characters"),
        (["--port", "99999"], "'99999' is not a port from 0 to 65535"),
        (["--status", "20"], "'20' is not a status code from 200 to 599"),
        (["--delay", "nan"], "'nan' is not a number of seconds"),
        (["--fail", "1", "--status", "500"], "not allowed with argument"),
    ],
)
def test_bad_options_are_told(words, told):
    ended = refused(*words)
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = refused("--port", str(taken.getsockname()[1]))
    assert "Choose another --port" in ended.stderr

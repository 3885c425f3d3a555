"""docs/api.md's walk, executed as it is printed: every `sh` block by a shell, every `→` line asked of its answer."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from subscriptions import services
from tests.support.factories import PLAIN_SECRET
from tests.support.hostile import HostileServer, answers

PAGE = Path(__file__).resolve().parents[3] / "docs" / "api.md"
STEP = re.compile(
    r"^```sh\n(?P<sh>.*?)^```|^→ (?P<status>\d{3})(?:, with `(?P<path>[\w.]+)`)?$", re.MULTILINE | re.DOTALL
)


def steps() -> list[re.Match[str]]:
    """The page's commands and what it says of their answers, behind the block that the reader fills in."""
    found = list(STEP.finditer(PAGE.read_text()))
    assert found[0]["sh"].startswith("export API=")
    return found[1:]


class Shell:
    """One shell a line, with the variables exported so far."""

    def __init__(self, **variables: str) -> None:
        self.variables = variables

    def run(self, line: str) -> str:
        exported = re.match(r"export (\w+)=", line)
        asks_back = line.replace("curl -sS", "curl -sS -w '\\n%{http_code}'") if not exported else line
        script = f"{asks_back}\n{'printf %s ' + chr(34) + '$' + exported[1] + chr(34) if exported else ''}"
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            capture_output=True,
            text=True,
            env={**os.environ, **self.variables},
            timeout=60,
            check=True,
        )
        if exported:
            assert done.stdout, line
            self.variables[exported[1]] = done.stdout
        return done.stdout


def at(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        value = value[name]
    return value


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_walk_works_as_it_is_printed(live_server: Any) -> None:
    shop = services.create_merchant(name="Shop", email="owner@shop.example")
    with HostileServer(answers()) as receiver:
        shell = Shell(API=f"{live_server.url}/api/v1", KEY=shop.api_key, RECEIVER=receiver.url)
        answer, checked = "", 0
        for step in steps():
            if step["sh"]:
                answer = shell.run(step["sh"].strip())
                continue
            body, _, code = answer.rpartition("\n")
            assert code == step["status"], f"{code}: {body}"
            assert not step["path"] or at(json.loads(body), step["path"]) not in ("", [], None), body
            checked += 1
    assert checked >= 16
    assert receiver.requests, "the test button reached the receiver"


GUIDE = PAGE.with_name("receivers.md").read_text()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_receivers_guides_commands_work_as_they_are_printed(live_server: Any) -> None:
    shop = services.create_merchant(name="Shop", email="owner@shop.example")
    webhook = services.create_webhook(merchant=shop.merchant, url="http://127.0.0.1:9/hook", events=["*"]).webhook
    shell = Shell(API=f"{live_server.url}/api/v1", KEY=shop.api_key, WEBHOOK=webhook.public_id)
    commands = re.findall(r"^ +(curl .*)$", GUIDE, re.MULTILINE)
    assert len(commands) >= 2
    for command in commands:
        body, _, code = shell.run(command.replace("curl ", "curl -sS ", 1)).rpartition("\n")
        assert (code, json.loads(body)["dry_run"]) == ("200", True), body


FLASK_SENT = [
    # body, what is done to its signature's header, answer
    (b'{"n":1}', str, 200),
    (b'{"n":1}', str.upper, 401),
    (b'{"n":1}', lambda _signature: "0" * 64, 401),
    (b'{"n":1}', lambda _signature: "", 401),
    (b'{"n":1}', lambda _signature: None, 401),
    (b'{"n":1}', lambda signature: signature[:-1], 401),
    (b'{"n":1}', lambda signature: signature + "0", 401),
    (b'{"n": 1}', str, 200),
    (b'{"n":"\xc3\xa4\xe2\x82\xac"}', str, 200),
    (b"", lambda _signature: "", 401),
]


@pytest.mark.parametrize(("body", "forge", "code"), FLASK_SENT)
def test_the_receivers_guides_flask_receiver_answers_as_it_says(
    body: bytes, forge: Any, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's code, in Flask itself."""
    [page] = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    queued: list[tuple[str, Any]] = []
    monkeypatch.setenv("WEBHOOK_SECRET", PLAIN_SECRET)
    names: dict[str, Any] = {"__name__": "page", "queue": types.SimpleNamespace(add=lambda *one: queued.append(one))}
    exec(compile(page, "receivers.md", "exec"), names)
    signature = forge(hmac.new(PLAIN_SECRET.encode(), body, hashlib.sha256).hexdigest())
    headers = {"webhook-id": "evt_1", "Content-Type": "application/json"}
    if signature is not None:
        headers["X-Litestore-Signature"] = signature
    answer = names["app"].test_client().post("/webhooks", data=body, headers=headers)
    assert answer.status_code == code
    assert queued == ([("evt_1", json.loads(body))] if code == 200 else [])
    sys.modules.pop("litestore", None)


def test_the_page_names_every_limit_and_status_that_there_is() -> None:
    page = PAGE.read_text()

    for setting in ("API_RATE_HOUR", "API_RATE_MINUTE", "PUBLISH_RATE_HOUR", "PUBLISH_RATE_MINUTE"):
        assert f"WEBHOOKS_{setting}" in page
    for status in ("400", "401, 403", "404", "409", "411, 413, 415", "412", "422", "429"):
        assert f"| {status} |" in page

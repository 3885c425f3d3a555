"""docs/api.md's walk, executed as it is printed: every `sh` block by a shell, every `→` line asked of its answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from subscriptions import services
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


def test_the_page_names_every_limit_and_status_that_there_is() -> None:
    page = PAGE.read_text()

    for setting in ("API_RATE_HOUR", "API_RATE_MINUTE", "PUBLISH_RATE_HOUR", "PUBLISH_RATE_MINUTE"):
        assert f"WEBHOOKS_{setting}" in page
    for status in ("400", "401, 403", "404", "409", "411, 413, 415", "412", "422", "429"):
        assert f"| {status} |" in page

"""The image: its steps are those of the Dockerfile, and what they make runs as the compose file starts it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import image as images
from tests.support.image import Image
from tests.support.processes import ROOT, wait_for
from tests.support.receiver import TestReceiver
from tests.support.services import TEST_ENVIRONMENT
from webhooks_project.embedded import EmbeddedValkey, free_port
from webhooks_project.embedded.postgres import EmbeddedPostgres

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        needed = "assembling the image takes root and Debian's package debootstrap"
        if os.environ.get("REQUIRE_SERVERS"):
            pytest.fail(needed)
        pytest.skip(needed)
    folder = tmp_path_factory.mktemp("image") / "root"
    yield images.assemble(folder)
    shutil.rmtree(folder, ignore_errors=True)


def test_it_holds_the_product_and_nothing_else(image: Image) -> None:
    app = image.root / "app"
    held = {path.name for path in app.iterdir()}
    assert {"manage.py", "deliveries", "subscriptions", "webhooks_project", "merchant_webhooks", "staticfiles"} <= held
    assert not held & {".git", ".env", ".venv", "tests", "bench", "docs", ".ci"}
    writable = image.run(
        "find", "/app", "-path", "/app/var", "-prune", "-o", "-writable", "-not", "-type", "l", "-print"
    )
    assert writable == ""
    assert image.run("id", "-u").strip() == "10001"


def test_no_secret_is_left_in_it(image: Image) -> None:
    found = subprocess.run(
        ["grep", "-rlE", "SECRET_KEY=[^u]|BEGIN (RSA|EC)? ?PRIVATE KEY", "--include=*.env", str(image.root / "app")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.stdout == ""


def test_its_processes_deliver_and_end_when_told(image: Image, tmp_path: Path) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    port = free_port()
    with EmbeddedPostgres() as postgres, EmbeddedValkey() as valkey, TestReceiver() as receiver:
        variables = TEST_ENVIRONMENT | {"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url}
        image.run(*compose["migrate"]["command"].split(), read_only=True, **variables)
        made = image.run(
            "python", "manage.py", "create_merchant", "Shop", "--email", "o@shop.example", "--json",
            read_only=True, **variables,
        )  # fmt: skip
        key = json.loads(made)["api_key"]
        web = [str(port) if word == "8000" else word for word in image.command]
        running = {
            "web": image.start(*web, log=tmp_path / "web", **variables),
            **{
                name: image.start(
                    *compose[name]["command"].replace("${PORT:-0}", "0").split(), log=tmp_path / name, **variables
                )
                for name in ("worker", "beat")
            },
        }
        try:
            wait_for(lambda: _ask(port, "GET", "/health/ready")[0] == 200, 60, "a web process that serves", pause=0.5)
            made = _ask(port, "POST", "/api/v1/webhooks", {"url": receiver.url, "events": ["*"]}, key)
            assert made[0] == 201, made
            assert _ask(port, "POST", "/api/v1/events", {"event": "order.created", "data": {}}, key)[0] == 201
            receiver.wait_for(1, timeout=60)
            wait_for(lambda: "beat_ready" in (tmp_path / "beat").read_text(), 30, "a beat that is ready")
            ended = {name: images.end(child, 40) for name, child in running.items()}
            assert ended == dict.fromkeys(running, 0), {name: (tmp_path / name).read_text()[-2000:] for name in ended}
        finally:
            for child in running.values():
                child.kill()
                child.wait()


def _ask(port: int, method: str, path: str, body: Any = None, key: str = "") -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except OSError as error:
        return 0, repr(error).encode()
    finally:
        connection.close()

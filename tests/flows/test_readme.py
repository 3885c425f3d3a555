"""The README's first five minutes, its commands executed as they are printed, with a worker and a web process."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deliveries.models import Delivery
from subscriptions.models import Merchant, Webhook
from tests.support.processes import Process, environment, wait_for, web
from webhooks_project.embedded import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^\d\. .*?\n\n((?: {7}.*\n)+)", re.MULTILINE)


@pytest.fixture
def site(house: dict[str, str], running_worker: Process) -> Iterator[str]:
    with web(environment(**house)) as process:
        yield f"http://127.0.0.1:{process.port}"


def commands() -> list[str]:
    """Return the code below each step, in order."""
    start = README.index("## The first five minutes")
    return [re.sub("^ {7}", "", block, flags=re.MULTILINE) for block in BLOCK.findall(README[start:])]


def sh(script: str, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["sh", "-eu", "-c", script], check=False, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_first_five_minutes_work_as_they_are_printed(house: dict[str, str], site: str, tmp_path: Path) -> None:
    create, listen, register, publish = commands()
    port = free_port()

    def here(text: str) -> str:
        text = text.replace(".venv/bin/python", sys.executable).replace("http://127.0.0.1:8000", site)
        return text.replace("9000", str(port))

    variables = environment(**house) | {"COLUMNS": "200"}
    created = sh(here(create.splitlines()[0]), variables)
    assert create.splitlines()[1].startswith("export MERCHANT=mch_… API_KEY=ak_live_…")
    [merchant], [key] = re.findall(r"mch_\w+", created), re.findall(r"ak_live_\w+", created)
    variables |= {"MERCHANT": merchant, "API_KEY": key}
    with (tmp_path / "listener.log").open("w+") as log:
        listener = subprocess.Popen(shlex.split(here(listen)), env=variables, cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_for(lambda: str(port) in (tmp_path / "listener.log").read_text(), 30, "the listener")
            assert '"id":"wbh_' in sh(here(register), variables)
            assert "order.completed" in sh(here(publish), variables)
            shop = Merchant.objects.get(public_id=merchant)
            wait_for(lambda: Delivery.objects.filter(merchant=shop, status="delivered").exists(), 30, "the delivery")
            shown = wait_for(
                lambda: "order.completed" in (text := (tmp_path / "listener.log").read_text()) and text, 10, "it"
            )
            assert "verif" in shown.lower() or "ok" in shown.lower()
        finally:
            listener.terminate()
            listener.wait(20)
    assert Webhook.objects.get(merchant=shop).dialect == "litestore"
    assert os.environ.get("MERCHANT") is None

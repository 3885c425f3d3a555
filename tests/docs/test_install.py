"""The steps to install on one server: what they set is what the checks ask for, and the proxy publishes no numbers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from subscriptions.checks import metrics_have_a_token
from tests.support.processes import ROOT, environment

STEPS = re.findall(r"^    (echo .*>> \.env)$", (ROOT / "docs/operations.md").read_text("utf-8"), re.MULTILINE)
NGINX = (ROOT / "docs/ops/nginx.conf").read_text("utf-8")


def test_with_the_settings_of_the_steps_no_check_of_ours_complains(tmp_path: Path) -> None:
    subprocess.run(["bash", "-ec", "PASSWORD=x\n" + "\n".join(STEPS)], cwd=tmp_path, check=True)
    lines = (tmp_path / ".env").read_text().splitlines()
    assert len(lines) == len(STEPS) >= 10
    given = environment(DEBUG="false", **dict(line.split("=", 1) for line in lines))
    given.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "manage.py", "check", "--deploy"]
    ended = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "webhooks_subscriptions." not in ended.stdout + ended.stderr


@pytest.mark.parametrize(("debug", "token", "ids"), [(False, "", ["W002"]), (False, "x", []), (True, "", [])])
def test_metrics_without_a_token_are_warned_of_in_production(
    debug: bool, token: str, ids: list[str], settings: Any
) -> None:
    settings.DEBUG, settings.METRICS_TOKEN = debug, token
    found = metrics_have_a_token()
    assert [str(each.id).rpartition(".")[2] for each in found] == ids
    assert all("METRICS_TOKEN" in str(each.hint) for each in found)


def test_a_project_without_the_setting_is_not_asked_for_it(settings: Any) -> None:
    settings.DEBUG = False
    del settings.METRICS_TOKEN
    assert metrics_have_a_token() == []


def test_the_proxy_answers_nobody_who_asks_for_metrics() -> None:
    assert re.search(r"location = /metrics \{\s*deny all;\s*\}", NGINX)

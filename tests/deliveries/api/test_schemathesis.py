"""Schemathesis against the web process as it is deployed: every check on, every operation met with success."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from rest_framework_simplejwt.tokens import RefreshToken

from subscriptions import services
from tests.support import processes
from tests.support.factories import make_member
from tests.support.hostile import HostileServer, answers

HERE = Path(__file__).parent
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "15")
NO_LIMITS = {
    "WEBHOOKS_PER_MERCHANT_MAX": "1000000",
    **{f"WEBHOOKS_{kind}_RATE_{span}": "0" for kind in ("API", "PUBLISH", "SIGN_IN") for span in ("HOUR", "MINUTE")},
}


LISTS = ("deliveries", "dead-letters", "undelivered", "events", "webhooks")
BULKS = ("deliveries/replay", "dead-letters/replay", "dead-letters/discard")
SELECTING = [*(f"GET /api/v1/{one}" for one in LISTS), *(f"POST /api/v1/{one}" for one in BULKS)]
"""What selects by filters: each must have refused blank or unknown ones, and taken others."""


def database_url() -> str:
    one = connection.settings_dict
    return f"postgres://{one['USER']}:{one['PASSWORD']}@{one['HOST']}:{one['PORT']}/{one['NAME']}"


def answers_of(report: Path) -> Iterator[tuple[str, int]]:
    """Return each request of a run: its operation and the answer's status."""
    for line in report.read_text().splitlines():
        recorder = json.loads(line).get("ScenarioFinished", {}).get("recorder") or {}
        for key, exchange in recorder.get("interactions", {}).items():
            case = recorder["cases"][key]["value"]
            if exchange.get("response"):
                yield f"{case['method']} {case['path']}", exchange["response"]["status_code"]


def run(web: processes.Web, variables: dict[str, str], key: str, folder: Path) -> subprocess.CompletedProcess[str]:
    address = f"http://127.0.0.1:{web.port}"
    return subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{address}/api/schema/", "--url", address, "-H", f"Authorization: Bearer {key}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--max-examples", EXAMPLES),
            *("--seed", "1", "--continue-on-failure", "--no-color"),
            *("--report", "ndjson", "--report-ndjson-path", str(folder / "report.ndjson")),
        ],
        env=variables,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=1500,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_server_keeps_to_the_document(tmp_path: Path, live_server: Any) -> None:
    shop = services.create_merchant(name="Shop", email="owner@shop.example", domain="shop.example")
    person = make_member(shop.merchant)
    variables = processes.environment(DATABASE_URL=database_url(), **NO_LIMITS)
    with HostileServer(answers()) as receiver, processes.web(variables) as web:
        variables |= {
            "DJANGO_SETTINGS_MODULE": "webhooks_project.settings",
            "SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py"),
            "SCHEMATHESIS_RECEIVER": f"{receiver.url}/",
            "SCHEMATHESIS_MERCHANT": shop.merchant.public_id,
            "SCHEMATHESIS_USER": person.username,
            "SCHEMATHESIS_PASSWORD": "password",
            "SCHEMATHESIS_REFRESH": str(RefreshToken.for_user(person)),
        }
        done = run(web, variables, shop.api_key, tmp_path)

    assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
    met = defaultdict(set)
    for operation, status in answers_of(tmp_path / "report.ndjson"):
        met[operation].add(status)
    assert not [operation for operation, statuses in met.items() if max(statuses) >= 500]
    called = {operation: statuses for operation, statuses in met.items() if statuses != {405}}
    assert len(called) >= 47
    assert not [operation for operation, statuses in called.items() if not statuses & {200, 201, 202, 204}]
    assert not [operation for operation in SELECTING if not {200, 422} <= met[operation]]

"""A developer's laptop that reaches nothing but the API: live events arrive at its own server, signed."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

import merchant_webhooks
from tests.faults.stage import Stage
from tests.support import apart
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_api_key, make_webhook
from tests.support.processes import Process, wait_for
from tests.support.proxies import Proxy

pytestmark = pytest.mark.faults

SECRETS = {
    "standard": STANDARD_SECRET, "alva": PLAIN_SECRET, "litestore": PLAIN_SECRET, "cryptlex": PLAIN_SECRET,
    "shopery": PLAIN_SECRET,
}  # fmt: skip
LOCAL = 3000
EVENTS = 5


def test_live_events_reach_a_laptop_that_reaches_only_the_api(stage: Stage, tmp_path: Path):
    if not apart.can_be_made():
        pytest.skip("network namespaces can't be made here")
    webhooks = {
        dialect: make_webhook(stage.merchant, kind="pull", url="", dialect=dialect, secret=secret)
        for dialect, secret in SECRETS.items()
    }
    key = make_api_key(stage.merchant, scopes=["receive"]).text
    with ExitStack() as ends:
        laptop = ends.enter_context(apart.Host())
        web = stage.web(ALLOWED_HOSTS=f"localhost,127.0.0.1,{laptop.here}")
        api = ends.enter_context(Proxy(web.port, laptop.here))
        came = tmp_path / "came"
        came.touch()

        def run(module: str, *arguments: str) -> Process:
            command = ["-m", "tests.support.apart", laptop.name, module, *arguments]
            return ends.enter_context(Process(*command, variables=stage.variables()))

        run("tests.faults.local_server", str(LOCAL), str(came))
        for dialect, webhook in webhooks.items():
            run(
                "merchant_webhooks.listen",
                *("--api", f"http://{laptop.here}:{api.port}", "--api-key", key, "--webhook", webhook.public_id),
                *("--forward-to", f"http://localhost:{LOCAL}/{dialect}", "--state", str(tmp_path / dialect)),
            )
        stage.publish(EVENTS)
        total = EVENTS * len(SECRETS)
        lines = wait_for(lambda: len(found := came.read_text().splitlines()) == total and found, 60, "all events")
        stage.wait_for_statuses({"delivered": total}, 20)

    for line in lines:
        path, headers, body = json.loads(line)
        dialect = path.strip("/")
        merchant_webhooks.verify(headers, body.encode(), SECRETS[dialect], dialect)
    for dialect in SECRETS:
        own = [json.loads(line)[1]["webhook-id"] for line in lines if json.loads(line)[0] == f"/{dialect}"]
        assert own == stage.accepted

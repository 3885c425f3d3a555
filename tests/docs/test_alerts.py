"""Each alert rule fires when it should and only then, names metrics that there are, and is in the runbook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_metrics import documented

ROOT = Path(__file__).parents[2]
RULES_FILE = ROOT / "docs/ops/alerts.yml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES_FILE.read_text())["groups"] for rule in group["rules"]
}
DASHBOARD = json.loads((ROOT / "docs/ops/grafana.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
PROMTOOL = shutil.which("promtool")

UP = {"webhooks_database_up": "1x100"}


def histogram(name: str, quick: str, slow: str) -> dict[str, str]:
    """Return the series of a histogram: what took up to half a second, and what took up to 2.5 s besides."""
    return {f'{name}_bucket{{le="{bound}"}}': quick for bound in ("0.25", "0.5", "1.0")} | {
        f'{name}_bucket{{le="{bound}"}}': slow for bound in ("2.5", "+Inf")
    }


FIRES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    # alert → series of a minute's step under which it fires within the hour, and under which it doesn't
    "WebhooksNotScraped": ({"other": "1x100"}, UP),
    "WebhooksDatabaseAway": (
        {'webhooks_database_up{instance="a"}': "1x100", 'webhooks_database_up{instance="b"}': "0x100"},
        UP,
    ),
    "WebhooksRedisAway": ({"webhooks_redis_up": "0x100"}, {"webhooks_redis_up": "1x100"}),
    "WebhooksBrokerAway": ({"webhooks_broker_up": "0x100"}, {"webhooks_broker_up": "1x100"}),
    "WebhooksNoWorker": ({"webhooks_workers": "0x100"}, {"webhooks_workers": "1x100"}),
    "WebhooksLate": (
        histogram("webhooks_attempt_lateness_seconds", "0+95x100", "0+100x100"),
        histogram("webhooks_attempt_lateness_seconds", "0+100x100", "0+100x100"),
    ),
    "WebhooksBacklog": (
        {'webhooks_overdue_deliveries{seconds="60"}': "1001x100"},
        {
            'webhooks_overdue_deliveries{seconds="60"}': "1000x100",
            'webhooks_overdue_deliveries{seconds="1"}': "9000x100",
        },
    ),
    "WebhooksAttemptsFail": (
        {
            'webhooks_attempts_total{result="failed"}': "0+60x100",
            'webhooks_attempts_total{result="delivered"}': "0+50x100",
        },
        {
            'webhooks_attempts_total{result="failed"}': "0+40x100",
            'webhooks_attempts_total{result="delivered"}': "0+50x100",
        },
    ),
    "WebhooksAttemptsInterrupted": (
        {'webhooks_attempts_total{result="interrupted"}': "0x50 3x50"},
        {'webhooks_attempts_total{result="interrupted"}': "3x100"},
    ),
    "WebhooksManyDead": (
        {'webhooks_attempts_total{result="dead"}': "0+4x100"},
        {'webhooks_attempts_total{result="dead"}': "0+1x100"},
    ),
    "WebhooksPublishFails": (
        {
            'webhooks_http_responses_total{route="publish", code="5xx"}': "0+2x100",
            'webhooks_http_responses_total{route="publish", code="2xx"}': "0+100x100",
        },
        {
            'webhooks_http_responses_total{route="publish", code="5xx"}': "0x100",
            'webhooks_http_responses_total{route="publish", code="2xx"}': "0+100x100",
            'webhooks_http_responses_total{route="api", code="5xx"}': "0+100x100",
        },
    ),
    "WebhooksPublishSlow": (
        histogram("webhooks_http_publish_seconds", "0+90x100", "0+100x100"),
        histogram("webhooks_http_publish_seconds", "0+100x100", "0+100x100"),
    ),
    "WebhooksRecordingSlow": (
        histogram("webhooks_record_seconds", "0+90x100", "0+100x100"),
        histogram("webhooks_record_seconds", "0+100x100", "0+100x100"),
    ),
    "WebhooksClaimingSlow": (
        histogram("webhooks_claim_seconds", "0+90x100", "0+100x100"),
        histogram("webhooks_claim_seconds", "0+100x100", "0+100x100"),
    ),
    "WebhooksOldTransaction": (
        {'webhooks_oldest_transaction_seconds{session="a backup", state="active"}': "0+60x100"},
        {'webhooks_oldest_transaction_seconds{session="", state=""}': "0x100"},
    ),
    "WebhooksStuckRows": ({'webhooks_stuck_rows{kind="x"}': "1x100"}, {'webhooks_stuck_rows{kind="x"}': "0x100"}),
    "WebhooksNoPartAhead": ({"webhooks_attempt_parts_ahead": "0x100"}, {"webhooks_attempt_parts_ahead": "NaN " * 100}),
    "WebhooksAttemptsOutsideParts": (
        {"webhooks_attempts_outside_parts": "1x100"},
        {"webhooks_attempts_outside_parts": "0x100"},
    ),
    "WebhooksBeatSilent": (
        {"webhooks_beat_last_call_seconds": "0+60x100"},
        {"webhooks_beat_last_call_seconds": "15x100"},
    ),
    "WebhooksHousekeepingUntaken": (
        {"webhooks_housekeeping_unanswered_calls": "3x100"},
        {"webhooks_housekeeping_unanswered_calls": "2x100"},
    ),
    "WebhooksHousekeepingFails": (
        {'webhooks_housekeeping_tasks_total{task="deliveries.purge", result="failure"}': "0+1x100"},
        {'webhooks_housekeeping_tasks_total{task="deliveries.purge", result="success"}': "0+1x100"},
    ),
    "WebhooksQueueGrows": (
        {'webhooks_queue_messages{queue="housekeeping"}': "501x100"},
        {'webhooks_queue_messages{queue="housekeeping"}': "500x100"},
    ),
    "WebhooksSignInsRefused": (
        {'webhooks_sign_ins_refused_total{door="api", counted_by="account"}': "0+5x100"},
        {'webhooks_sign_ins_refused_total{door="api", counted_by="account"}': "0+1x100"},
    ),
    "WebhooksRequestsUncounted": (
        {"webhooks_api_uncounted_requests_total": "0+1x100"},
        {"webhooks_api_uncounted_requests_total": "5x100"},
    ),
}


def metrics_of(expression: str) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bwebhooks_[a-z_]+", expression)}


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_names_metrics_that_every_scrape_has(alert: str) -> None:
    names = metrics_of(RULES[alert]["expr"])
    assert names
    assert names <= set(documented())


def test_the_dashboard_names_metrics_that_every_scrape_has() -> None:
    names = {name for each in EXPRESSIONS for name in metrics_of(each)}
    assert len(names) > 20
    assert names <= set(documented())


@pytest.mark.parametrize("alert", RULES)
def test_the_runbook_says_what_an_alert_means(alert: str) -> None:
    text = (ROOT / "docs/runbook.md").read_text("utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    [section] = [each for each in sections if each.splitlines()[0] == alert]
    assert len(section) > 100
    assert RULES[alert]["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"
    assert RULES[alert]["labels"]["severity"] in {"critical", "warning"}


def test_the_runbook_has_no_section_of_an_alert_that_is_gone_and_every_alert_is_fired_here() -> None:
    sections = set(re.findall(r"^## (Webhooks\w+)$", (ROOT / "docs/runbook.md").read_text("utf-8"), re.MULTILINE))
    assert sections == set(RULES) == set(FIRES)


@pytest.fixture(scope="module")
def promtool() -> str:
    if PROMTOOL is None:
        assert not os.environ.get("REQUIRE_SERVERS"), "promtool is missing"
        pytest.skip("promtool isn't installed; Debian has it in the package prometheus")
    return PROMTOOL


def run(*command: str) -> None:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("alert", RULES)
def test_an_alert_fires_when_it_should_and_only_then(alert: str, promtool: str, tmp_path: Path) -> None:
    bad, good = FIRES[alert]
    tests = []
    for series, should_fire in ((bad, True), (good, False)):
        values = [{"series": name, "values": numbers} for name, numbers in series.items()]
        # fires at some minute of the hour: the rule's own series of alerts says so, whatever text it has
        ever = f'max_over_time(ALERTS{{alertname="{alert}", alertstate="firing"}}[59m])'
        expected = [{"labels": "{}", "value": 1}] if should_fire else []
        test = {"expr": f"max({ever})", "eval_time": "60m", "exp_samples": expected}
        tests.append({"interval": "1m", "input_series": values, "promql_expr_test": [test]})
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES_FILE)], "evaluation_interval": "1m", "tests": tests}))
    run(promtool, "test", "rules", str(path))


def test_promtool_accepts_rules_and_the_dashboards_expressions(promtool: str, tmp_path: Path) -> None:
    run(promtool, "check", "rules", str(RULES_FILE))
    rules = [
        {"record": f"panel:{nth}", "expr": each.replace("$__rate_interval", "5m")}
        for nth, each in enumerate(EXPRESSIONS)
    ]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    run(promtool, "check", "rules", str(path))

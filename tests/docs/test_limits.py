"""docs/limits.md names every bound that somebody can meet, with the value that is in force."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from subscriptions.conf import settings
from subscriptions.options import KEYS

ROOT = Path(__file__).parents[2]
UNITS = {"s": 1, "h": 3600, "d": 86400, "KiB": 1024, "MiB": 1024**2, "bytes": 1, "": 1}
_ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<value>[^|]+) \| (?P<names>`[^|]+`) \|$", re.MULTILINE)
_NUMBER = re.compile(r"\b([0-9][0-9,]*(?:\.[0-9]+)?)(?: (s|h|d|KiB|MiB|bytes)\b)?")

ROWS = [
    (row["what"], row["value"], re.findall(r"`([^`]+)`", row["names"]))
    for row in _ROW.finditer((ROOT / "docs/limits.md").read_text("utf-8"))
]
NAMED = {name for _what, _value, names in ROWS for name in names}

NOBODY_MEETS = {
    "catalogue of the engine's own memory": (
        "deliveries.queueing.webhook_settings.KNOWN_MAX", "deliveries.queueing.webhook_settings.MERCHANTS_KNOWN_MAX",
        "deliveries.queueing.webhook_settings.KNOWN_CHARACTERS", "deliveries.db.direct_session.PREPARED_MAX",
        "subscriptions.known_keys.REMEMBERED_MAX", "deliveries.sending.carrying.KEPT_MAX",
        "deliveries.payloads.expressions.KEPT_NODES_MAX",
        "subscriptions.matching.REMEMBERED_MAX", "subscriptions.matching.REMEMBERED_FOR",
        "webhooks_project.server.site_headers.REMEMBERED_MAX",
    ),
    "how much work is done in one piece": (
        "deliveries.review.job_turns.MERCHANTS_MAX",
        "deliveries.admin.payload_display.SENTENCE_MAX",
        "deliveries.queueing.wakeups.TASKS_MAX", "deliveries.queueing.wakeups.CALL_LIFE_MS",
        "deliveries.sending.rendering_thread.AHEAD_MAX", "deliveries.sending.rendering_thread.REST_MAX",
        "deliveries.review.selection.OUT_OF_ORDER_MAX",
        "deliveries.queueing.redis_client.BELL_WAIT_MAX", "deliveries.worker.dispatcher.READY_MAX",
        "deliveries.worker.dispatcher.UNBEGUN_MAX",
        "deliveries.worker.dispatcher.CLAIM_BYTES_MIN",
        "deliveries.api.publisher.CHUNK_BYTES", "deliveries.maintenance.leftovers.WEBHOOKS_MAX",
        "deliveries.notifications.new_dead_letters.GAPS_MAX", "deliveries.notifications.new_dead_letters.GAP_LIFE",
        "deliveries.notifications.operational_events.LOOKED_AT", "webhooks_project.server.connection.UNSENT_MAX",
        "deliveries.maintenance.parts.STAYS_MAX", "deliveries.maintenance.parts.SPAN_MAX",
        "deliveries.db.attempt_parts.OUTSIDE_MAX",
    ),
    "how the transport works inside": (
        "deliveries.transport.answer.BODY_WIRE_BYTES", "deliveries.transport.answer.MAX_BODY_READS",
        "deliveries.transport.pool.MAX_KEPT", "deliveries.transport.pool.MAX_OWNERS",
        "deliveries.transport.idle_connections.MAX_SPARE", "deliveries.transport.connection.BUFFER_BYTES",
        "deliveries.transport.lookups.SLOW_FOR", "deliveries.transport.requests_adapter.READ_BYTES",
        "deliveries.transport.outcome.MANAGED_HEADERS", "deliveries.transport.urls.WAITING_MAX",
        "deliveries.sending.slow_webhooks.KNOWN_MAX",
    ),
    "how much of a text is repeated, drawn or named": (
        "deliveries.publishing.schemas.SHOWN", "deliveries.publishing.schemas.MESSAGE_MAX",
        "deliveries.publishing.validation.SHOWN", "deliveries.payloads.filter_values.SHOWN_MAX",
        "deliveries.reporting.explanations.PATTERNS_SHOWN", "subscriptions.admin.webhooks.PATTERNS_SHOWN",
        "deliveries.sending.webhook_advice.NAMED_MAX", "deliveries.admin.dashboard.FAILING_SHOWN",
        "deliveries.admin.charts.LABELS_MAX", "webhooks_project.server.serving.PATH_SHOWN",
        "subscriptions.admin.declared.SHOWN_MAX", "subscriptions.admin.cells.PATH_SHOWN",
        "subscriptions.admin.declared.CHOICES_MAX", "deliveries.admin.dead_letter_groups.STAMPED_MAX",
        "subscriptions.filters.SHOWN_MAX", "subscriptions.admin.stale_forms.SHOWN_MAX",
    ),
    "bounds of columns and generated texts, which the checks named here are below": (
        "deliveries.reasons.CODE_MAX", "subscriptions.validators.settings.DIALECT_MAX",
        "subscriptions.validators.settings.BODY_STYLE_MAX", "subscriptions.validators.settings.KIND_MAX",
        "subscriptions.validators.settings.SECRET_MAX",
        "subscriptions.validators.settings.API_VERSION_MAX", "subscriptions.validators.settings.ORDERING_MAX",
        "subscriptions.services.states.ACTOR_MAX", "subscriptions.acting.NAME_MAX", "subscriptions.changes.DETAILS_MAX",
        "subscriptions.services.merchants.NAME_MAX",
        "subscriptions.services.merchants.EMAIL_MAX", "subscriptions.services.merchants.DOMAIN_MAX",
        "deliveries.transport.urls.MAX_URL_LENGTH", "deliveries.transport.urls.MAX_HOST_LENGTH",
        "deliveries.publishing.body_sizes.GROWTH_MAX", "deliveries.payloads.filters.EXPRESSION_GROWTH_MAX",
        "deliveries.payloads.transformations.TRANSFORM_GROWTH_MAX",
        "deliveries.payloads.filter_values.NUMBER_MAX", "subscriptions.api.parsing.SAFE_MAX",
        "deliveries.reporting.stats.FINE_MAX", "deliveries.admin.backlog.WEBHOOKS_MAX",
    ),
}  # fmt: skip
"""Bounds that show to nobody, by why."""


def value_of(name: str) -> Any:
    if name.startswith(("WEBHOOKS_", "WEB_")):
        return getattr(settings, name)
    module, _, constant = name.rpartition(".")
    return getattr(importlib.import_module(module), constant)


@pytest.mark.parametrize(("what", "value", "names"), ROWS, ids=lambda each: each if isinstance(each, str) else "")
def test_a_limit_is_what_the_page_says(what: str, value: str, names: list[str]) -> None:
    found = list(_NUMBER.finditer(value))
    unit = next((each[2] for each in reversed(found) if each[2]), "") if " to " in value else None
    written = [float(each[1].replace(",", "")) * UNITS[unit or each[2] or ""] for each in found]
    expected: list[float] = []
    for name in names:
        held = value_of(name)
        for one in held if isinstance(held, tuple) else [held]:
            expected.append(one.total_seconds() if isinstance(one, timedelta) else float(one))
    assert written[: len(expected)] == expected


def test_every_bound_is_on_the_page_or_shows_to_nobody() -> None:
    pattern = re.compile(
        r"^((?:[A-Z]\w*_)?(?:MAX|SHOWN|BOUNDS)|MAX_\w+|KEEP_\w+|READ_BYTES|HEAD_BYTES)(?:: [^=]+)? = ", re.MULTILINE
    )
    hidden = {name for names in NOBODY_MEETS.values() for name in names}
    unknown = set()
    for package in ("deliveries", "subscriptions", "webhooks_project/server"):
        for path in (ROOT / package).rglob("*.py"):
            if not {"migrations", "management", "__pycache__"} & set(path.parts):
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                unknown |= {f"{module}.{name}" for name in pattern.findall(path.read_text("utf-8"))}
    assert sorted(unknown - NAMED - hidden) == []
    assert sorted(NAMED & hidden) == []


def test_settings_that_bound_something_are_on_the_page() -> None:
    names = {name for name in [*KEYS, *dir(django_settings)] if re.fullmatch(r"WEB(HOOKS)?_\w*_MAX", name)}
    assert len(names) > 5
    inside = {"WEBHOOKS_OPEN_REQUESTS_MAX", "WEBHOOKS_PROBE_WAIT_MAX"}
    assert names - NAMED - inside == set()

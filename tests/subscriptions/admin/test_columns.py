"""The columns of the lists show what the admin's own methods say, not a relation that happens to have their name."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.urls import reverse

from deliveries.models import WebhookState
from subscriptions.models import Webhook
from tests.support.desk import make_shop, sign_in

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_method_of_a_page_is_hidden_by_a_relation_of_the_model(model: type[models.Model]) -> None:
    page = admin.site._registry[model]
    hidden = []
    for name in [*page.list_display, *page.more_columns, *page.readonly_fields]:
        if isinstance(name, str) and hasattr(page, name):
            try:
                field = model._meta.get_field(name)
            except FieldDoesNotExist:
                continue
            if field.is_relation:
                hidden.append(name)
    assert hidden == []


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        ({}, "active"),
        ({"is_enabled": False}, "off"),
        ({"paused_at": datetime(2026, 1, 2, tzinfo=UTC)}, "paused"),
        ({"is_enabled": False, "paused_at": datetime(2026, 1, 2, tzinfo=UTC)}, "off"),
    ],
)
def test_the_list_of_webhooks_says_which_are_active(columns: dict[str, object], state: str, db: None) -> None:
    shop = make_shop("aster")
    Webhook.objects.filter(pk=shop.webhook.pk).update(**columns)
    WebhookState.objects.get_or_create(webhook=shop.webhook)
    page = sign_in(shop.people["developer"]).get(reverse("admin:webhooks_subscriptions_webhook_changelist"))
    changelist = page.context["cl"]
    [row] = changelist.result_list
    text = page.content.decode()
    assert changelist.model_admin.is_active(row) == state
    assert "state of webhook" not in text
    assert re.search(rf">\s*{state}\s*<", text)

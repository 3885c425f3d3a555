"""What a form asks of where a webhook leads, a field for each setting and credential of any kind.

Kinds share fields, such as the region: `of_kind` says which are a kind's. Credentials are never filled in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from django import forms
from unfold.widgets import UnfoldAdminExpandableTextareaWidget, UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from subscriptions import webhook_rules
from subscriptions.models import Webhook

SETTINGS: Final = ("region", "bus", "source", "queue_url", "project", "topic", "endpoint")
CREDENTIALS: Final = ("access_key_id", "secret_access_key", "session_token")
KEY_FILE: Final = "service_account_key"
"""Stands for Google's credentials, which come as a file."""
NAMES: Final = (*SETTINGS, *CREDENTIALS, KEY_FILE)
SHOWN_AS: Final[Mapping[str, str]] = {
    **{f"destination.{name}": name for name in SETTINGS},
    **{f"credentials.{name}": name for name in CREDENTIALS},
    **{f"credentials.{name}": KEY_FILE for name in ("client_email", "private_key_id", "private_key")},
}
"""Where the service's objections stand in the form."""


class DestinationFields(forms.Form):
    """The fields; which of them are needed, the service says."""

    region = forms.CharField(
        label="Region", required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "eu-central-1"}),
        help_text="The AWS region. A queue's may stay empty if its URL names it.",
    )  # fmt: skip
    bus = forms.CharField(
        label="Event bus", required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "default"}),
        help_text="Its name or ARN.",
    )  # fmt: skip
    source = forms.CharField(
        label="Source", required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "merchant-webhooks"}),
        help_text="What rules match as “source”.",
    )  # fmt: skip
    queue_url = forms.CharField(
        label="Queue URL", required=False, help_text="As AWS shows it. A name that ends in .fifo keeps the order.",
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders", "inputmode": "url"}
        ),
    )  # fmt: skip
    project = forms.CharField(
        label="Project", required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "my-shop-123456"}),
        help_text="The id of the Google Cloud project.",
    )  # fmt: skip
    topic = forms.CharField(
        label="Topic", required=False, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "orders"}),
        help_text="Its name, without projects/…/topics/.",
    )  # fmt: skip
    endpoint = forms.CharField(
        label="Another address", required=False, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "url"}),
        help_text="Of an endpoint of yours, as https://host. Empty: the cloud's public one.",
    )  # fmt: skip
    access_key_id = forms.CharField(
        label="Access key id", required=False, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
        help_text="Of a user who may do no more than send here.",
    )  # fmt: skip
    secret_access_key = forms.CharField(
        label="Secret access key", required=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Kept encrypted and never shown. Empty keeps the present key; another place needs it again.",
    )  # fmt: skip
    session_token = forms.CharField(
        label="Session token", required=False, widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Of temporary credentials only.",
    )  # fmt: skip
    service_account_key = forms.CharField(
        label="Service account key", required=False,
        widget=UnfoldAdminExpandableTextareaWidget(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text="The key file (JSON) of an account that may publish to this topic. Kept encrypted and never shown. "
        "Empty keeps the present key; another place needs it again.",
    )  # fmt: skip


def of_kind(name: str) -> list[str]:
    """Return the fields that a kind asks for."""
    for kind in webhook_rules.rules().kinds():
        if kind.name == name:
            keys = [field.name for field in kind.credentials]
            named = keys if set(keys) <= set(CREDENTIALS) else [KEY_FILE]
            return [*(field.name for field in kind.settings), *(named if keys else [])]
    return []


def initial(webhook: Webhook) -> dict[str, str]:
    """Return what the fields show of a webhook: settings, no credentials."""
    return {name: webhook.destination.get(name, "") for name in SETTINGS}


def values_of(kind: str, form: Mapping[str, Any], present: Webhook | None) -> dict[str, Any]:
    """Return `destination` and `credentials` as the service takes them; none for an endpoint.

    Raises ValueError where the key file is no JSON object.
    """
    if kind == webhook_rules.HTTPS:
        return {}
    wanted = of_kind(kind)
    found: dict[str, Any] = {
        "destination": {name: form[name] for name in SETTINGS if name in wanted and form.get(name)}
    }
    given: Any = {name: form[name] for name in CREDENTIALS if name in wanted and form.get(name)}
    if KEY_FILE in wanted and form.get(KEY_FILE):
        given = _file(form[KEY_FILE])
    if given or present is None:
        found["credentials"] = given
    return found


def _file(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("This is no key file. Paste the whole JSON file that Google gave you.")
    return found

"""What a form asks of how an endpoint is to know us, a field for each setting and credential of any way to sign in.

Credentials are never filled in; empty ones leave the present ones as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from unfold.widgets import (
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from subscriptions import webhook_rules
from subscriptions.models import Webhook

METHOD: Final = "sign_in_method"
SETTINGS: Final = ("username", "token_url", "client_id", "scope", "audience", "client_authentication", "certificate")
CREDENTIALS: Final = ("password", "token", "client_secret", "private_key")
NAMES: Final = (
    METHOD, "username", "password", "token", "token_url", "client_id", "client_secret", "scope", "audience",
    "client_authentication", "certificate", "private_key",
)  # fmt: skip
SHOWN_AS: Final[Mapping[str, str]] = {
    "sign_in": METHOD,
    "sign_in.method": METHOD,
    **{f"sign_in.{name}": name for name in SETTINGS},
    **{f"credentials.{name}": name for name in CREDENTIALS},
}
"""Where the service's objections stand in the form."""
_KEPT = "Kept encrypted and never shown. Empty keeps the present one; another URL or account needs it again."


def _line(**attributes: str) -> Any:
    return UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false", **attributes})


def _hidden() -> Any:
    return UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})


def _long() -> Any:
    return UnfoldAdminExpandableTextareaWidget(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})


class SignInFields(forms.Form):
    """The fields; which of them are needed, the service says."""

    sign_in_method = forms.ChoiceField(
        label="Sign in by", required=False, widget=UnfoldAdminSelectWidget,
        help_text="Beside signatures, for endpoints that let in only whom they know.",
    )  # fmt: skip
    username = forms.CharField(
        label="User name", required=False, widget=_line(), help_text="As your endpoint knows us."
    )
    password = forms.CharField(label="Password", required=False, widget=_hidden(), help_text=_KEPT)
    token = forms.CharField(label="Token", required=False, widget=_hidden(), help_text=_KEPT)
    token_url = forms.CharField(
        label="Token URL", required=False, help_text="The https address that gives tokens.",
        widget=_line(placeholder="https://login.example.com/oauth2/token", inputmode="url"),
    )  # fmt: skip
    client_id = forms.CharField(
        label="Client id", required=False, widget=_line(), help_text="As the token server knows us."
    )
    client_secret = forms.CharField(label="Client secret", required=False, widget=_hidden(), help_text=_KEPT)
    scope = forms.CharField(
        label="Scope", required=False, widget=_line(placeholder="webhooks.write"),
        help_text="With single spaces between several. Often empty.",
    )  # fmt: skip
    audience = forms.CharField(
        label="Audience", required=False, widget=_line(), help_text="Where the token server wants one. Often empty."
    )
    client_authentication = forms.ChoiceField(
        label="Id and secret are sent", required=False, widget=UnfoldAdminSelectWidget, initial="basic",
        choices=[("basic", "in a header (HTTP Basic)"), ("body", "in the form")],
        help_text="Keep the header, unless the token server asks for the form.",
    )  # fmt: skip
    certificate = forms.CharField(
        label="Certificate", required=False, widget=_long(),
        help_text="PEM text, with the certificates of its authorities behind it.",
    )  # fmt: skip
    private_key = forms.CharField(
        label="Private key", required=False, widget=_long(), help_text=f"PEM text, without a passphrase. {_KEPT}"
    )


def choices() -> list[tuple[str, str]]:
    """Return the ways to sign in, none first."""
    return [("", "Signatures only"), *((each.name, each.label) for each in webhook_rules.rules().sign_in_methods())]


def initial(webhook: Webhook) -> dict[str, str]:
    """Return what the fields show of a webhook: settings, no credentials."""
    return {
        METHOD: webhook.sign_in.get("method", ""),
        **{name: webhook.sign_in.get(name, "") for name in SETTINGS},
    }


def values_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return `sign_in` and `credentials` as the service takes them; what belongs to other ways is left out."""
    name = form.get(METHOD) or ""
    for method in webhook_rules.rules().sign_in_methods():
        if method.name == name:
            settings = {field.name: _text(form, field.name) for field in method.settings if _text(form, field.name)}
            credentials = {field.name: _text(form, field.name) for field in method.credentials}
            given = {key: value for key, value in credentials.items() if value}
            return {"sign_in": {"method": name, **settings}, **({"credentials": given} if given else {})}
    return {"sign_in": {"method": name} if name else {}}


def credential_of(name: str) -> str:
    """Return the field in which objections to a way's credentials as a whole stand."""
    for method in webhook_rules.rules().sign_in_methods():
        if method.name == name:
            return method.credentials[0].name
    return METHOD


def _text(form: Mapping[str, Any], name: str) -> str:
    """Return a field's text with the line breaks that it had before a browser sent it."""
    return str(form.get(name) or "").replace("\r\n", "\n").strip()

"""The form of a webhook, for people who never heard the word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminExpandableTextareaWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from subscriptions import selectors, services, webhook_rules
from subscriptions.admin import destination_fields, shown_once, sign_in_fields, text_settings
from subscriptions.admin.destination_fields import DestinationFields
from subscriptions.admin.event_picker import EventsField, on_offer
from subscriptions.admin.service_forms import ServiceForm
from subscriptions.admin.sign_in_fields import SignInFields
from subscriptions.models import Webhook
from subscriptions.validators.destinations import OF_SENDING

KEEPING_IT = (
    "Leave empty to keep the present one. One that you give replaces it at once; “Rotate secret” lets them overlap. "
    "With Shopery, whose messages carry the secret itself, another URL needs one."
)
_AREA = UnfoldAdminExpandableTextareaWidget


class WebhookForm(ServiceForm, DestinationFields, SignInFields):
    """Name, address, dialect and events first; everything else has a default that works."""

    shown_as = {"fields": "chosen_fields", **destination_fields.SHOWN_AS}  # a form's `fields` are its own

    kind = forms.ChoiceField(
        label="Where to",
        required=False,
        widget=UnfoldAdminSelectWidget,
        initial=webhook_rules.HTTPS,
        help_text="An HTTPS endpoint is an address on your server. A feed needs no server: a program of yours fetches "
        "the events. It can't be changed once the webhook exists.",
    )

    url = forms.CharField(
        label="URL",
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": "https://shop.example.com/webhooks", "inputmode": "url"}
        ),
        required=False,
        help_text="The address on your server that receives the events. It must start with https://.",
    )
    dialect = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        initial="standard",
        help_text="How the message looks and is signed. Keep Standard Webhooks unless your endpoint was written "
        "for one of the others.",
    )
    events = EventsField(label="Events", required=False)
    patterns = forms.CharField(
        label="Other events",
        required=False,
        widget=_AREA(attrs={"rows": 2, "placeholder": "orders-*"}),
        help_text="Names or patterns without a box above, one a line. order.* means all that starts with “order.”.",
    )
    secret = forms.CharField(
        label="Secret",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Leave empty and we make one, shown to you once. Your endpoint checks messages with it.",
    )
    signature = forms.ChoiceField(
        label="If we make it",
        required=False,
        widget=UnfoldAdminSelectWidget,
        choices=[("", "a secret that you and we share"), (webhook_rules.ED25519, "a key pair: you get the public key")],
        help_text="Key pairs (Ed25519) are for Standard Webhooks only. The public key is no secret.",
    )
    is_enabled = forms.BooleanField(
        label="Active",
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Switched off, events are skipped and not sent later. To hold them back for a while, use Pause.",
    )
    retry_policy = forms.CharField(
        label="Waits between attempts",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "the dialect's own, or such as 5s, 25s, 2m"}),
        help_text="After each failure we wait this long and try again; then the event goes to the review queue. "
        'Litestore\'s form works too: {"maxAttempts": 5, "backoffMultiplier": 2, "initialDelay": 1000}.',
    )
    expire_after = forms.CharField(
        label="Send nothing older than",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "the platform's default, or such as 24h"}),
        help_text="An event that couldn't be delivered for so long is no longer sent, such as after an outage of your "
        "server; the log says so, and you can still send it again by hand. 60s to 30d.",
    )
    headers = forms.CharField(
        label="Custom headers",
        required=False,
        widget=_AREA(attrs={"rows": 2, "placeholder": "X-Shop: 42"}),
        help_text="Sent with every message, one a line.",
    )
    filter = forms.CharField(
        label="Only if",
        required=False,
        widget=_AREA(attrs={"rows": 2, "placeholder": "data.order.total > `100`"}),
        help_text="A JMESPath condition on the event. Events that don't meet it, or for which it has no answer, are "
        "skipped, and the log says why. Once saved, this page shows what it would do with events.",
    )
    chosen_fields = forms.CharField(
        label="Only these fields",
        required=False,
        widget=_AREA(attrs={"rows": 2, "placeholder": "order.id\norder.customer.email"}),
        help_text="Paths into the data, one a line. Empty sends everything.",
    )

    transform = forms.CharField(
        label="Message made by",
        required=False,
        widget=_AREA(attrs={"rows": 3, "placeholder": "{text: join(' ', [event, data.order.name])}"}),
        help_text="A JMESPath expression whose result, an object, is the whole message: for Slack, Discord, Teams or a "
        "system of yours. Standard Webhooks and queues only. “Preview message” shows what it makes of your events.",
    )

    class Meta:
        model = Webhook
        fields = ["merchant", "name", "body_style", "api_version", "timeout", "max_in_flight", "rate_limit", "ordering"]
        labels = {
            "max_in_flight": "Requests at a time",
            "rate_limit": "Requests a second",
            "timeout": "Timeout in seconds",
            "ordering": "Order",
            "api_version": "API version",
        }
        help_texts = {
            "name": "For yourself, such as “CRM”. May stay empty.",
            "body_style": "Keep compact, unless your endpoint was written in Python after Alva's sample, which "
            "serialises the message again before it checks the signature. Alva's Node sample then no longer fits.",
            "timeout": "How long we wait for your answer, 0.5 to 30. Empty: the dialect's own.",
            "max_in_flight": "How many messages we send you side by side, 1 to 500. Empty: the platform's default.",
            "rate_limit": "The most messages we start in a second. Empty: no limit.",
            "api_version": "Sent as “api_version” by the Alva dialect.",
            "ordering": "In order, an event waits until the one before it was delivered, for each resource (an order, "
            "a customer) by itself or for all. If one fails for good, those behind it wait until you send it again or "
            "discard it in the review queue. Slower; choose it only if your endpoint can't sort events by their time.",
        }
        widgets = {
            "rate_limit": UnfoldAdminDecimalFieldWidget,
            "timeout": UnfoldAdminDecimalFieldWidget,
            "ordering": UnfoldAdminSelectWidget,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "events" not in self.fields:
            return  # a viewer's page: nothing to edit
        rules = webhook_rules.rules()
        kinds = [(kind.name, kind.label) for kind in rules.kinds()]
        ways = sign_in_fields.choices()
        for name, choices in (("dialect", rules.dialects()), ("kind", kinds), (sign_in_fields.METHOD, ways)):
            if isinstance(field := self.fields.get(name), forms.ChoiceField):
                field.choices = choices
        if self.instance.pk:
            self.fields["secret"].help_text = KEEPING_IT
            self._fill(self.instance)

    def _fill(self, webhook: Webhook) -> None:
        boxes, subscribed = on_offer(), selectors.patterns_of(webhook)
        self.initial = {
            **self.initial,
            "events": [pattern for pattern in subscribed if pattern in boxes],
            "patterns": text_settings.words_text(pattern for pattern in subscribed if pattern not in boxes),
            "retry_policy": text_settings.policy_text(webhook.retry_policy),
            "headers": text_settings.headers_text(webhook.headers),
            "expire_after": text_settings.wait_text(webhook.expire_after) if webhook.expire_after else "",
            "chosen_fields": text_settings.words_text(webhook.fields),
            **destination_fields.initial(webhook),
            **sign_in_fields.initial(webhook),
            **{name: getattr(webhook, name) for name in ("url", "dialect", "filter", "transform", "is_enabled")},
        }

    def clean_retry_policy(self) -> dict[str, Any] | None:
        """Read the waits."""
        return _read(text_settings.policy_of, self.cleaned_data["retry_policy"])

    def clean_expire_after(self) -> float | None:
        """Read the length of time."""
        return _read(text_settings.seconds_of, self.cleaned_data["expire_after"])

    def clean_headers(self) -> dict[str, str]:
        """Read the lines."""
        return _read(text_settings.headers_of, self.cleaned_data["headers"])

    def clean_chosen_fields(self) -> list[str]:
        """Read the paths."""
        return text_settings.words_of(self.cleaned_data["chosen_fields"])

    def clean(self) -> dict[str, Any]:
        """Bring boxes and written patterns together."""
        data = super().clean() or {}
        data["events"] = list(
            dict.fromkeys([*data.get("events", []), *text_settings.words_of(data.pop("patterns", ""))])
        )
        return data

    def serve(self, data: dict[str, Any]) -> Webhook:
        """Create the webhook and keep its secret for the page that shows it, or change it."""
        data["fields"] = data.pop("chosen_fields")
        stored = Webhook.objects.get(pk=self.instance.pk) if self.instance.pk else None
        chosen = data.pop("kind", "") or webhook_rules.HTTPS
        kind = stored.kind if stored else chosen
        data |= self._destination(kind, data, stored)
        for name in (*destination_fields.NAMES, *sign_in_fields.NAMES):
            data.pop(name, None)
        signature = data.pop("signature", None)
        if stored:
            return services.update_webhook(webhook=stored, **data)
        made = services.create_webhook(kind=kind, signature=signature, **data)
        shown_once.keep(self.request, shown_once.of_secret(made.secret))
        return made.webhook

    def _destination(self, kind: str, data: dict[str, Any], stored: Webhook | None) -> dict[str, Any]:
        """Read what the kind asks for, and drop what the browser sent of other kinds."""
        if kind == webhook_rules.HTTPS:
            data["dialect"] = data.get("dialect") or "standard"
            way = data.get(sign_in_fields.METHOD) or ""
            self.shown_as = {  # type: ignore[misc]
                **self.shown_as, **sign_in_fields.SHOWN_AS, "credentials": sign_in_fields.credential_of(way)
            }  # fmt: skip
            return sign_in_fields.values_of(data)
        if kind == webhook_rules.PULL:
            for name in OF_SENDING:
                data.pop(name, None)
            data["dialect"] = data.get("dialect") or "standard"
            return {}
        for name in ("url", "dialect", "headers"):
            data.pop(name, None)
        self.shown_as = {**self.shown_as, "credentials": destination_fields.of_kind(kind)[-1]}  # type: ignore[misc]
        try:
            return destination_fields.values_of(kind, data, stored)
        except ValueError as error:
            raise forms.ValidationError({destination_fields.KEY_FILE: [str(error)]}) from error


def _read(parse: Callable[[str], Any], text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise forms.ValidationError(str(error)) from error

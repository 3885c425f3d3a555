"""Every filter that a page, a help text, an API example or a document prints, on the catalogue's example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deliveries.payloads import filters
from deliveries.reasons import ReasonCode
from subscriptions import event_types
from subscriptions.admin.webhook_form import WebhookForm
from subscriptions.api.webhooks import WebhookSerializer

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))]
_DOUBLE, _SINGLE = re.compile(r"``\s?(.+?)\s?``(?!`)"), re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_CONDITION = re.compile(r"data\.\w|event [!=]= ")
_OPERATION = re.compile(r"[!=<>]=|[<>]|\(|&&|\|\|")

MEANT = {
    "data.order.total > `100`": (False, "order.created"),
    "data.order.total == `49.99`": (True, "order.created"),
    "data.order.number == '007'": (False, "order.created"),
    "!(data.order.total > `100` )": (True, "order.created"),
    "data.order.currency != 'USD'": (False, "order.created"),
    "data.order.customer && contains(data.order.customer.email, '@')": (True, "order.created"),
    "data.order.currency == 'EUR'": (False, "order.created"),
    "event != 'order.paid' || data.order.total > `100`": (True, "order.created"),
}
"""Printed filter → whether the catalogue's example of an event meets it. One that is printed must stand here."""


def _printed() -> dict[str, str]:
    found = {}
    for page in PAGES:
        text = (ROOT / page).read_text()
        spans = _DOUBLE.findall(text) + _SINGLE.findall(_DOUBLE.sub(" ", text))
        found |= {span: page for span in spans if _CONDITION.search(span) and _OPERATION.search(span)}
    form = WebhookForm.base_fields["filter"]
    found[form.widget.attrs["placeholder"]] = "the form"
    field = WebhookSerializer._declared_fields["filter"]
    found |= dict.fromkeys(_SINGLE.findall(str(field.help_text)), "the API")
    found[field.example] = "the API's examples"
    with pytest.raises(ValueError, match=r"reads like (.*)\.$") as refused:
        filters.check_expression("data.")
    found[str(refused.value).split("reads like ")[1].removesuffix(".")] = "an error"
    return found


PRINTED = _printed()


def test_there_are_filters_on_the_pages() -> None:
    assert len(PRINTED) >= 7
    assert {"the form", "docs/merchants.md", "docs/adr/0007-filter-and-fields-on-the-webhook.md"} <= set(
        PRINTED.values()
    )
    assert _SINGLE.findall(str(WebhookSerializer().fields["filter"].help_text))


@pytest.mark.parametrize("expression", sorted(PRINTED))
def test_a_printed_filter_does_what_it_is_meant_to_on_the_catalogues_example(expression: str) -> None:
    is_met, event = MEANT[expression]
    example = next(entry.example for entry in event_types.load() if entry.name == event)
    filters.check_expression(expression)
    reason = filters.refusal(expression, event, example)
    assert reason is None or reason.code == ReasonCode.FILTERED
    assert (reason is None) is is_met


def test_the_placeholder_of_the_chosen_fields_leads_somewhere() -> None:
    placeholder = WebhookForm.base_fields["chosen_fields"].widget.attrs["placeholder"]
    example = next(entry.example for entry in event_types.load() if entry.name == "order.created")
    for path in placeholder.split("\n"):
        assert filters.project(example, [path]) != "{}"

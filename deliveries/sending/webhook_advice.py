"""What a webhook's settings would do with the events it listens to, and which of them can't work.

Both are answered from the catalogue's examples and the merchant's last real events each time somebody asks, so a
warning stands as long as its cause does, and no longer.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jmespath
from jmespath.exceptions import JMESPathError

from deliveries import sentences
from deliveries.dialects.base import data_size
from deliveries.models import Event
from deliveries.models.events import EXPUNGED
from deliveries.payloads import filter_budget, filters, transformations
from deliveries.publishing import body_sizes
from deliveries.publishing.validation import ENVELOPE_MAX
from deliveries.reasons import ReasonCode
from deliveries.sending import destinations
from subscriptions import patterns, selectors
from subscriptions.models import EventType, Webhook

EXAMPLES_MAX: Final = 30
"""Catalogue examples tried; a webhook that listens to everything needn't try them all."""
EVENTS_MAX: Final = 5
"""Real events tried, the newest."""
ADVICE_SECONDS: Final = 0.3
"""Of the processor, that all samples have together; those that it isn't enough for are left out."""
EVENTS_LOOKED_AT: Final = 200
"""Of the merchant's newest events, among which those that the webhook listens to are looked for."""
CERTIFICATE_WARNED_BEFORE: Final = timedelta(days=30)
"""How long before its end a client certificate is warned of, by a notice, too."""
NAMED_MAX: Final = 5
"""Paths or patterns that a warning names."""


@dataclass(frozen=True, slots=True)
class Sample:
    """An event to try settings on; `data` is canonical text. `public_id` is empty for the catalogue's example."""

    event: str
    data: str
    public_id: str = ""
    occurred_at: datetime | None = None

    def __str__(self) -> str:
        return f"{self.event} {self.public_id}" if self.public_id else f"the catalogue's example of {self.event}"


@dataclass(frozen=True, slots=True)
class Trial:
    """What the filter would do with a sample: send it, or not and why.

    `is_evaluated`: it has an answer at all. `is_tried`: there was the time to ask for it.
    """

    sample: Sample
    is_sent: bool
    is_evaluated: bool
    text: str
    is_tried: bool = True


def samples_of(webhook: Webhook) -> list[Sample]:
    """Return examples and real events of what the webhook listens to. Three queries."""
    return samples_for(webhook.merchant_id, selectors.patterns_of(webhook))


def samples_for(merchant_id: int, subscribed: Sequence[str]) -> list[Sample]:
    """Return examples and a merchant's real events that these patterns match, the newest first. Two queries."""
    heard = {
        name: example
        for name, aliases, example in EventType.objects.filter(is_active=True).values_list("name", "aliases", "example")
        if any(patterns.matches(pattern, name, aliases) for pattern in subscribed)
    }
    newest = Event.objects.filter(merchant_id=merchant_id).order_by("-id").values_list("id", "type")
    wanted = [pk for pk, name in newest[:EVENTS_LOOKED_AT] if name in heard][:EVENTS_MAX]
    rows = Event.objects.filter(pk__in=wanted).exclude(data=EXPUNGED).order_by("-id")
    return [
        *(Sample(name, example) for name, example in list(heard.items())[:EXAMPLES_MAX] if example),
        *(Sample(*row) for row in rows.values_list("type", "data", "public_id", "occurred_at")),
    ]


def trials(expression: str, samples: Sequence[Sample]) -> list[Trial]:
    """Return what a filter would do with each sample."""
    with filter_budget.within(ADVICE_SECONDS):
        return [_tried(expression, sample) for sample in samples] if expression else []


def warnings(webhook: Webhook, samples: Sequence[Sample] | None = None) -> list[str]:
    """Return, in sentences, which of the webhook's settings can't work with what it listens to; often none."""
    if samples is None:
        samples = samples_of(webhook)
    with filter_budget.within(ADVICE_SECONDS):
        return [
            *_of_patterns(selectors.patterns_of(webhook)),
            *_of_filter(webhook.filter, samples),
            *_of_fields(webhook.fields, samples),
            *_of_transformation(webhook, samples),
            *_of_sizes(webhook, samples),
            *_of_certificate(webhook),
        ]


def _tried(expression: str, sample: Sample) -> Trial:
    reason = None if filter_budget.is_over() else filters.refusal(expression, sample.event, sample.data)
    if filter_budget.is_over():
        return Trial(sample, False, False, f"{_capital(sample)} was not tried: the time for this was used up.", False)
    if reason is None:
        return Trial(sample, True, True, f"{_capital(sample)} would be sent.")
    evaluated = reason.code != ReasonCode.FILTER_NOT_EVALUATED
    text = sentences.sentence(reason.code, reason.values)
    return Trial(sample, False, evaluated, f"{_capital(sample)} would not be sent. {text}")


def _in_time(samples: Sequence[Sample]) -> Iterator[Sample]:
    return itertools.takewhile(lambda _: not filter_budget.is_over(), samples)


def _capital(sample: Sample) -> str:
    text = str(sample)
    return text[0].upper() + text[1:] if not sample.public_id else text


def _of_patterns(subscribed: Sequence[str]) -> Iterator[str]:
    for pattern in selectors.patterns_without_events(subscribed)[:NAMED_MAX]:
        yield f"{pattern} matches no event of the catalogue, so nothing is sent for it."


def _of_filter(expression: str, samples: Sequence[Sample]) -> Iterator[str]:
    failed = [trial for trial in trials(expression, samples) if trial.is_tried and not trial.is_evaluated]
    if failed:
        more = f" The same goes for {len(failed) - 1} more." if len(failed) > 1 else ""
        yield f"The filter has no answer for every event. {failed[0].text}{more}"
    try:
        paths = set(_paths(jmespath.compile(expression).parsed)) if expression else set()
    except JMESPathError:  # stored by another release
        return
    for path in sorted(_nowhere([path.removeprefix("data.") for path in paths], samples))[:NAMED_MAX]:
        yield f"The filter reads data.{path}, which is in none of the examples and last events it was tried on."


def _of_fields(fields: Sequence[str], samples: Sequence[Sample]) -> Iterator[str]:
    nowhere = _nowhere(fields, samples)
    if fields and nowhere == list(fields):
        yield (
            f"None of the chosen fields ({', '.join(nowhere[:NAMED_MAX])}) is in any of the examples and last events, "
            "so every message is sent without data."
        )
        return
    for path in nowhere[:NAMED_MAX]:
        yield f"The chosen field {path} is in none of the examples and last events."


def _of_transformation(webhook: Webhook, samples: Sequence[Sample]) -> Iterator[str]:
    for sample in _in_time(samples) if webhook.transform else ():
        data = filters.project(sample.data, webhook.fields) if webhook.fields else sample.data
        try:
            transformations.body_of(webhook.transform, event_id="", event=sample.event, timestamp="", data=data)
        except transformations.NotTransformed as error:
            if filter_budget.is_over():
                return
            yield f"{_capital(sample)} would wait in review. {error}"
            return


def _of_sizes(webhook: Webhook, samples: Sequence[Sample]) -> Iterator[str]:
    for sample in _in_time(samples):
        if size := body_sizes.too_large(webhook, sample.data):
            yield (
                f"{_capital(sample)} takes {size} bytes in this webhook's body style; at most "
                f"{body_sizes.longest()} are sent. Such an event is refused when it is published."
            )
            return
    kind = destinations.KINDS.get(webhook.kind)
    if kind is None or kind.size_max is None:
        return
    for sample in _in_time(samples):
        data = filters.project(sample.data, webhook.fields) if webhook.fields else sample.data
        size = data_size(data, "compact") + ENVELOPE_MAX
        if size > kind.size_max:
            yield (
                f"{_capital(sample)} takes {size} bytes; {kind.label} takes at most {kind.size_max}. Such an event is "
                "not sent and goes to review. Choose fields to make it smaller."
            )
            return


def _of_certificate(webhook: Webhook) -> Iterator[str]:
    ends, now = webhook.certificate_ends_at, datetime.now(UTC)
    if ends is not None and ends <= now:
        yield f"Its client certificate ended on {ends:%-d %B %Y at %H:%M} UTC. Give another with its key."
    elif ends is not None and ends - now <= CERTIFICATE_WARNED_BEFORE:
        yield f"Its client certificate ends on {ends:%-d %B %Y at %H:%M} UTC. Give another before, with its key."


def _nowhere(paths: Sequence[str], samples: Sequence[Sample]) -> list[str]:
    """Return the dotted paths that lead nowhere in every sample; none where there is no sample to look at."""
    documents = [json.loads(sample.data) for sample in _in_time(samples)] if paths else []
    if filter_budget.is_over():  # what wasn't looked at may have them
        return []
    return [path for path in paths if documents and not any(_has(each, path.split(".")) for each in documents)]


def _has(document: Any, steps: Sequence[str]) -> bool:
    for step in steps:
        if not isinstance(document, dict) or step not in document:
            return False
        document = document[step]
    return True


_FIRST_CHILD_ONLY: Final = frozenset(
    ("subexpression", "projection", "filter_projection", "value_projection", "flatten", "index_expression", "pipe")
)
"""Nodes whose other children see something else than the event."""


def _paths(node: dict[str, Any]) -> Iterator[str]:
    """Yield the paths into the data that a parsed filter reads from the event itself."""
    steps = list(_steps(node))
    if len(steps) > 1 and None not in steps:
        if steps[0] == "data":
            yield ".".join(str(step) for step in steps)
        return
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    for child in children[:1] if node["type"] in _FIRST_CHILD_ONLY else children:
        yield from _paths(child)


def _steps(node: dict[str, Any]) -> Iterator[str | None]:
    if node["type"] == "field":
        yield node["value"] if "." not in node["value"] else None
    elif node["type"] == "subexpression":
        for child in node["children"]:
            yield from _steps(child)
    else:
        yield None

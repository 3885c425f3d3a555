"""What a webhook's transformation makes of an event: JMESPath under a filter's budget, whose result is the body."""

from __future__ import annotations

import json
from typing import Final

from deliveries.payloads import canonical_json, filter_evaluation, filter_values
from deliveries.payloads.expressions import Expressions, Limits
from deliveries.payloads.filter_budget import Budget, NotEvaluated
from subscriptions.validators.settings import TRANSFORM_MAX

TRANSFORM_NODES_MAX: Final = 1000
"""Steps a transformation may take."""
TRANSFORM_DEPTH_MAX: Final = 40
"""Levels of nesting."""
TRANSFORM_GROWTH_MAX: Final = 100
"""Lists or objects it may build; the budget bounds what is built of them."""
_LIMITS: Final = Limits(
    what="transformation",
    hint="A transformation reads like {text: data.order.name}.",
    nodes=TRANSFORM_NODES_MAX,
    depth=TRANSFORM_DEPTH_MAX,
    growth=TRANSFORM_GROWTH_MAX,
    instead="Leave some out.",
)
_expressions: Final = Expressions(_LIMITS)


class NotTransformed(ValueError):
    """The transformation gives no message for this event; the text is a sentence that says why."""


def check_expression(expression: str) -> None:
    """Refuse a transformation that doesn't parse or could take too much. Raises ValueError with an example."""
    if len(expression) > TRANSFORM_MAX:
        raise ValueError(f"The transformation has {len(expression)} characters; at most {TRANSFORM_MAX} are allowed.")
    _expressions.parsed(expression)


def body_of(expression: str, *, event_id: str, event: str, timestamp: str, data: str) -> str:
    """Return the canonical JSON text of the message that an expression makes of an event.

    It sees `{"id", "event", "timestamp", "data"}`, and its result must be an object.

    Args:
        expression: The transformation.
        event_id: The event's id.
        event: Its name.
        timestamp: When it happened, as the dialect writes it.
        data: Its data as canonical JSON, chosen fields only where the webhook chose some.

    Raises NotTransformed, never anything else.
    """
    document = {"id": event_id, "event": event, "timestamp": timestamp, "data": json.loads(data)}
    budget = Budget(len(data))
    try:
        found = filter_evaluation.evaluate(_expressions.parsed(expression), document, len(data), budget)
        if not isinstance(found, dict):
            raise NotTransformed(f"The transformation gives {_named(found)} for this event. It must give an object.")
        return canonical_json.canonical(filter_values.text(found, budget.step, budget.build))
    except NotTransformed:
        raise
    except NotEvaluated as error:
        raise NotTransformed(f"The transformation can't be evaluated for this event: {error}.") from None
    except (ValueError, TypeError, RecursionError) as error:  # of another release's limits, or too deep for JSON
        why = str(error).rstrip(".") or type(error).__name__
        raise NotTransformed(f"The transformation can't be evaluated for this event: {why}.") from None


def _named(found: object) -> str:
    if found is None:
        return "nothing (null)"
    kinds = {bool: "true or false", str: "a text", list: "a list", int: "a number", float: "a number"}
    return kinds.get(type(found), "an expression")

"""What a webhook's filter lets through, and which fields it asked for; JMESPath over the event."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from deliveries.payloads import canonical_json, filter_evaluation
from deliveries.payloads.expressions import Expressions, Limits
from deliveries.payloads.filter_budget import NotEvaluated
from deliveries.reasons import Reason, ReasonCode
from subscriptions.validators.settings import FIELDS_MAX, FILTER_MAX

T = TypeVar("T")

EXPRESSION_NODES_MAX = 200
"""Steps a filter may take."""
EXPRESSION_DEPTH_MAX = 40
"""Levels of nesting."""
EXPRESSION_GROWTH_MAX = 3
"""Lists or objects a filter may build: each can double the work, and a filter runs inside whoever publishes."""

_LIMITS = Limits(
    what="filter",
    hint="A filter reads like data.order.currency == 'EUR'.",
    nodes=EXPRESSION_NODES_MAX,
    depth=EXPRESSION_DEPTH_MAX,
    growth=EXPRESSION_GROWTH_MAX,
    instead="Compare fields instead.",
)
_expressions = Expressions(_LIMITS)


def check_expression(expression: str) -> None:
    """Refuse a filter that doesn't parse or could take too much. Raises ValueError with the place and an example."""
    if len(expression) > FILTER_MAX:
        raise ValueError(f"The filter has {len(expression)} characters; at most {FILTER_MAX} are allowed.")
    _expressions.parsed(expression)


def check_field_paths(fields: list[str]) -> None:
    """Refuse a list of fields that isn't dotted paths into the data. Raises ValueError naming the wrong one."""
    if not isinstance(fields, list) or len(fields) > FIELDS_MAX:
        raise ValueError(f"Fields are a list of at most {FIELDS_MAX} paths such as order.id.")
    for path in fields:
        if not isinstance(path, str) or not path or any(not step for step in path.split(".")):
            raise ValueError(f"{path!r} is not a field; a path reads like order.customer.email.")


class Reading:
    """An event's data as filters and field lists see it: parsed once, each question answered once.

    An event may go to a thousand webhooks, most of them with the same few filters and fields.
    """

    def __init__(self, event_type: str, data: str) -> None:
        self._event_type = event_type
        self._data = data
        self._answers: dict[Any, Any] = {}

    def refusal(self, expression: str) -> Reason | None:
        """Return why the filter keeps the event back; None if it lets it through.

        The filter sees `{"event": name, "data": …}`. What JMESPath calls false (false, null, empty) filters the event
        out. So does a filter that can't be evaluated for the event, with why: a condition that is not known to hold
        doesn't hold.
        """
        return self._once(expression, lambda: self._refusal(expression))

    def digest(self, fields: Sequence[str]) -> str | None:
        """Return the SHA-256 of the chosen fields in hex; None when the event has none of them."""
        return self._once(tuple(fields), lambda: self._digest(fields))

    def knows(self, question: Any) -> bool:
        """Tell whether a question (a filter, or a tuple of fields) was answered already."""
        return question in self._answers

    def _once(self, question: Any, ask: Callable[[], T]) -> T:
        if question not in self._answers:
            self._answers[question] = ask()
        answer: T = self._answers[question]
        return answer

    def _refusal(self, expression: str) -> Reason | None:
        document = self._document()
        try:
            result = filter_evaluation.evaluate(_expressions.parsed(expression), document, len(self._data))
        except NotEvaluated as error:
            if error.compared:
                return Reason(ReasonCode.FILTERED, {"filter": expression, "result": "null"})
            return Reason(ReasonCode.FILTER_NOT_EVALUATED, {"filter": expression, "why": str(error)})
        except ValueError as error:  # a filter stored under other limits than today's
            return Reason(ReasonCode.FILTER_NOT_EVALUATED, {"filter": expression, "why": str(error).rstrip(".")})
        if filter_evaluation.is_true(result):
            return None
        return Reason(ReasonCode.FILTERED, {"filter": expression, "result": json.dumps(result, ensure_ascii=False)})

    def _document(self) -> dict[str, Any]:
        return self._once(None, lambda: {"event": self._event_type, "data": json.loads(self._data)})

    def _digest(self, fields: Sequence[str]) -> str | None:
        chosen = _projected(self._document()["data"], fields)
        return None if chosen == "{}" else hashlib.sha256(chosen.encode()).hexdigest()


def refusal(expression: str, event_type: str, data: str) -> Reason | None:
    """Ask a single question of a single event; see Reading.refusal."""
    return Reading(event_type, data).refusal(expression)


def project(data: str, fields: list[str]) -> str:
    """Return the canonical text of `data` with only the chosen dotted paths; paths that lead nowhere are left out."""
    return _projected(json.loads(data), fields)


def _projected(source: Any, fields: Sequence[str]) -> str:
    chosen: dict[str, Any] = {}
    for path in fields:
        _copy(source, chosen, path.split("."))
    return canonical_json.canonical(json.dumps(chosen))


def _copy(source: Any, target: dict[str, Any], steps: list[str]) -> None:
    """Copy the value at the end of a path, if the source has one there."""
    value = source
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return
        value = value[step]
    for step in steps[:-1]:
        source = source[step]
        target = target.setdefault(step, {})
        if target is source:  # a wider path already chose the whole of it
            return
    target[steps[-1]] = value

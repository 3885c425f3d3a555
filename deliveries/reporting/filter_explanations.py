"""Why a filter refused an event, in words: "data.order.total is 12, the filter asks for > 100"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from deliveries.payloads.filter_budget import Budget, NotEvaluated
from deliveries.payloads.filter_evaluation import Evaluation, is_true
from deliveries.payloads.filter_values import shown

_SIGNS = {"eq": "=", "ne": "≠", "lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}


def explain(expression: str, event_type: str, data: str) -> str:
    """Return what each comparison of the filter that failed found and asked for; empty where it has none."""
    try:
        tree = jmespath.compile(expression).parsed
        event = {"event": event_type, "data": json.loads(data)}
        return "; ".join(_Failed(Evaluation(Budget(len(data))), event).of(tree))
    except (JMESPathError, NotEvaluated, ValueError, TypeError):
        return ""


class _Failed:
    """What failed in one evaluation, which has one budget for all of it."""

    def __init__(self, evaluation: Evaluation, event: Any) -> None:
        self._evaluation = evaluation
        self._event = event

    def of(self, node: Any) -> Iterator[str]:
        """Yield a sentence for each part of a node that isn't true."""
        if not isinstance(node, dict):
            return
        if node["type"] in {"and_expression", "or_expression"}:
            for child in node["children"]:
                yield from self.of(child)
        elif not self._holds(node):
            yield from self._words(node)

    def _holds(self, node: Any) -> bool:
        try:
            return is_true(self._evaluation.visit(node, self._event))
        except NotEvaluated as error:
            if not error.compared:
                raise
            return False

    def _words(self, node: Any) -> Iterator[str]:
        if node["type"] == "comparator":
            left, right = node["children"]
            found, asked = (self._evaluation.visit(child, self._event) for child in (left, right))
            sign = _SIGNS[node["value"]]
            yield f"{path_of(left) or 'one side'} is {shown(found)}, the filter asks for {sign} {shown(asked)}"
        elif node["type"] == "function_expression":
            inside = ", ".join(filter(None, map(path_of, node["children"])))
            yield f"{node['value']}({inside}) is not true"
        elif path := path_of(node):
            yield f"{path} is {shown(self._evaluation.visit(node, self._event))}"


def path_of(node: Any) -> str:
    """Return the dotted path a node of the filter reads; empty for anything else."""
    if node["type"] == "field":
        return node["value"]
    if node["type"] == "subexpression":
        steps = [path_of(child) for child in node["children"]]
        return ".".join(steps) if all(steps) else ""
    return ""

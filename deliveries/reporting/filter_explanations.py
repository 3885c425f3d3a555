"""Why a filter refused an event, in words: "data.order.total is 12, the filter asks for > 100"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

_SIGNS = {"eq": "=", "ne": "≠", "lt": "<", "lte": "≤", "gt": ">", "gte": "≥"}
VALUE_MAX = 60
"""Characters of a value that a sentence repeats."""


def explain(expression: str, event_type: str, data: str) -> str:
    """Return what each comparison of the filter that failed found and asked for; empty where it has none."""
    try:
        tree = jmespath.compile(expression).parsed
        event = {"event": event_type, "data": json.loads(data)}
        return "; ".join(_failed(tree, event))
    except (JMESPathError, ValueError, TypeError):
        return ""


def _failed(node: Any, event: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    if node["type"] == "comparator":
        left, right = node["children"]
        interpreter = TreeInterpreter()
        if not interpreter.visit(node, event):
            found, asked = interpreter.visit(left, event), interpreter.visit(right, event)
            sign = _SIGNS[node["value"]]
            yield f"{path_of(left) or 'one side'} is {_text(found)}, the filter asks for {sign} {_text(asked)}"
    elif node["type"] == "function_expression":
        if not TreeInterpreter().visit(node, event):
            inside = ", ".join(filter(None, map(path_of, node["children"])))
            yield f"{node['value']}({inside}) is not true"
    elif node["type"] in {"and_expression", "or_expression"}:
        for child in node["children"]:
            yield from _failed(child, event)
    elif (path := path_of(node)) and not TreeInterpreter().visit(node, event):
        yield f"{path} is {_text(TreeInterpreter().visit(node, event))}"


def path_of(node: Any) -> str:
    """Return the dotted path a node of the filter reads; empty for anything else."""
    if node["type"] == "field":
        return node["value"]
    if node["type"] == "subexpression":
        steps = [path_of(child) for child in node["children"]]
        return ".".join(steps) if all(steps) else ""
    return ""


def _text(value: Any) -> str:
    if value is None:
        return "missing"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_MAX else text[:VALUE_MAX] + "…"

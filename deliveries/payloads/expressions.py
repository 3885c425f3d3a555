"""JMESPath expressions that merchants write: parsed once, and refused where they could take too much."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from jmespath.exceptions import JMESPathError
from jmespath.parser import Parser

from deliveries.payloads.filter_functions import FUNCTIONS, arguments_wanted

KEPT_NODES_MAX: Final = 40_000
"""Steps of all the expressions of a kind that a process keeps parsed: some 15 MB, or thousands of usual filters."""
_GROWING: Final = frozenset({"multi_select_list", "multi_select_dict", "flatten"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an expression may be.

    Attributes:
        what: What people call it, such as `filter`.
        hint: A sentence with one that parses.
        nodes: Steps it may take.
        depth: Levels of nesting.
        growth: Lists or objects that it may build.
        instead: What to do where it builds more.
    """

    what: str
    hint: str
    nodes: int
    depth: int
    growth: int
    instead: str


class Expressions:
    """Parses expressions of a kind, and keeps the trees of those used last, by what they take: KEPT_NODES_MAX."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()
        self._nodes = 0

    def parsed(self, expression: str) -> dict[str, Any]:
        """Return an expression's tree. Raises ValueError for one that doesn't parse or that could take too much."""
        with self._lock:
            if expression in self._kept:
                self._kept.move_to_end(expression)
                return self._kept[expression][0]
        tree = _parsed(expression, self._limits)
        nodes = _check_cost(tree, self._limits)
        _check_functions(tree, self._limits)
        with self._lock:
            if expression not in self._kept:
                self._kept[expression] = tree, nodes
                self._nodes += nodes
            while self._nodes > KEPT_NODES_MAX and len(self._kept) > 1:
                _oldest, (_tree, freed) = self._kept.popitem(last=False)
                self._nodes -= freed
        return tree


def _parsed(expression: str, limits: Limits) -> dict[str, Any]:
    try:
        tree: dict[str, Any] = Parser().parse(expression).parsed
        Parser.purge()  # what the library keeps, it keeps by number, however large
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"The {limits.what} doesn't parse: {reason}. {limits.hint}") from None
    except RecursionError:
        raise ValueError(f"The {limits.what} is nested too deeply. Write it flatter.") from None
    return tree


def _check_cost(tree: dict[str, Any], limits: Limits) -> int:
    """Return how many steps a tree takes. Raises ValueError where that is too much."""
    nodes = growing = 0
    level = [tree]
    for _depth in range(limits.depth):
        nodes += len(level)
        growing += sum(1 for node in level if node["type"] in _GROWING)
        level = [child for node in level for child in node.get("children", ()) if isinstance(child, dict)]
    if level or nodes > limits.nodes:
        raise ValueError(f"The {limits.what} takes too many steps; at most {limits.nodes}, {limits.depth} deep.")
    if growing > limits.growth:
        raise ValueError(f"The {limits.what} builds more than {limits.growth} lists or objects. {limits.instead}")
    return nodes


def _check_functions(node: dict[str, Any], limits: Limits) -> None:
    children = [child for child in node.get("children", ()) if isinstance(child, dict)]
    if node["type"] == "function_expression":
        name, given = node["value"], len(children)
        if name not in FUNCTIONS:
            raise ValueError(
                f"The {limits.what} calls {name}(), which there is not. There are {', '.join(sorted(FUNCTIONS))}."
            )
        wanted, more = arguments_wanted(name)
        if given < wanted or (given > wanted and not more):
            raise ValueError(
                f"{name}() takes {'at least ' if more else ''}{wanted} arguments; this {limits.what} gives {given}."
            )
    for child in children:
        _check_functions(child, limits)

"""Evaluates a filter: JMESPath with three-valued logic, amounts in text, and a budget on steps, size and time.

What JMESPath answers with an error (`length` of what is missing) or with null (`>` between a text and a number) is
raised here as NotEvaluated, and only `&&`, `||` and `[?…]` catch it, so that no `!` can turn it into a yes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jmespath.exceptions import JMESPathError
from jmespath.visitor import TreeInterpreter

from deliveries.payloads import filter_values
from deliveries.payloads.filter_budget import Budget, NotEvaluated, OverBudget
from deliveries.payloads.filter_functions import BudgetedFunctions
from deliveries.payloads.filter_values import Unordered

_IDENTITY = {"type": "identity", "children": []}


def evaluate(tree: dict[str, Any], document: Any, characters: int, budget: Budget | None = None) -> Any:
    """Return what the parsed expression finds in the document.

    Args:
        tree: As `jmespath.compile(…).parsed`.
        document: What the filter sees.
        characters: Length of the document's text, to which the budget is proportional.
        budget: What it may take, where its caller goes on with what is left; by default, a new one.

    Raises NotEvaluated with the reason; never anything else.
    """
    try:
        return Evaluation(budget or Budget(characters)).visit(tree, document)
    except NotEvaluated:
        raise
    except Exception as error:  # noqa: BLE001 - JMESPath lets Python's own errors through, of any kind
        raise NotEvaluated(_words(error)) from None


def is_true(result: Any) -> bool:
    """Say whether JMESPath calls a result true: anything but false, null and what is empty. Zero is true."""
    return not (result is None or result is False or (isinstance(result, (str, list, dict)) and not result))


class Evaluation(TreeInterpreter):
    """One evaluation of one filter."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._functions = BudgetedFunctions(budget)

    def visit(self, node: Any, value: Any) -> Any:
        """Return what a node finds in a value."""
        self._budget.step()
        return super().visit(node, value)

    def visit_comparator(self, node: Any, value: Any) -> bool:
        """Compare; amounts in text count as numbers beside numbers."""
        left, right = (self.visit(child, value) for child in node["children"])
        sign = node["value"]
        if sign in ("eq", "ne"):
            return filter_values.equal(left, right, self._budget.step) is (sign == "eq")
        try:
            return bool(self.COMPARATOR_FUNC[sign](*filter_values.ordered(left, right)))
        except Unordered as error:
            raise NotEvaluated(str(error), compared=True) from None

    def visit_or_expression(self, node: Any, value: Any) -> Any:
        """Be true where a side is, whatever the other one is."""
        return self._either(node, value, self._is_true)

    def visit_and_expression(self, node: Any, value: Any) -> Any:
        """Be false where a side is, whatever the other one is."""
        return self._either(node, value, self._is_false)

    def _either(self, node: Any, value: Any, settles: Callable[[Any], bool]) -> Any:
        left, right = node["children"]
        try:
            found = self.visit(left, value)
        except OverBudget:
            raise
        except Exception:  # a side without an answer leaves it to the other, or stays without one
            other = self.visit(right, value)
            if settles(other):
                return other
            raise
        return found if settles(found) else self.visit(right, value)

    def visit_not_expression(self, node: Any, value: Any) -> bool:
        """Turn an answer round; what has none stays without."""
        try:
            found = self.visit(node["children"][0], value)
        except OverBudget:
            raise
        except NotEvaluated as error:
            raise NotEvaluated(str(error)) from None
        return self._is_false(found)

    def visit_filter_projection(self, node: Any, value: Any) -> Any:
        """Keep the elements that meet the condition; one that can't be compared doesn't, as JMESPath specifies."""
        base = self.visit(node["children"][0], value)
        if not isinstance(base, list):
            return None
        collected = []
        for element in base:
            try:
                fits = self._is_true(self.visit(node["children"][2], element))
            except NotEvaluated as error:
                if not error.compared:
                    raise
                fits = False
            if fits and (current := self.visit(node["children"][1], element)) is not None:
                collected.append(current)
        return self._budget.keep(collected)

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """Join the lists inside a list."""
        base = self.visit(node["children"][0], value)
        if isinstance(base, list):
            self._budget.build(sum(len(element) if isinstance(element, list) else 1 for element in base))
        return super().visit_flatten({"children": [_IDENTITY]}, base)

    def visit_slice(self, node: Any, value: Any) -> Any:
        """Return a part of a list."""
        return self._budget.keep(super().visit_slice(node, value))

    def visit_projection(self, node: Any, value: Any) -> Any:
        """Return what each element of a list gives."""
        return self._budget.keep(super().visit_projection(node, value))

    def visit_value_projection(self, node: Any, value: Any) -> Any:
        """Return what each value of an object gives."""
        return self._budget.keep(super().visit_value_projection(node, value))

    def visit_multi_select_list(self, node: Any, value: Any) -> Any:
        """Build a list."""
        return self._budget.keep(super().visit_multi_select_list(node, value))

    def visit_multi_select_dict(self, node: Any, value: Any) -> Any:
        """Build an object."""
        return self._budget.keep(super().visit_multi_select_dict(node, value))


def _words(error: Exception) -> str:
    if isinstance(error, JMESPathError):
        name, value = getattr(error, "function_name", ""), getattr(error, "current_value", None)
        if name:
            wanted = " or ".join(str(each).replace("array-", "list of ") for each in error.expected_types)
            return f"{name}() takes {wanted}, not {filter_values.shown(value)}"
        return " ".join(str(error).split())[:200]
    if isinstance(error, (RecursionError, MemoryError)):
        return "it is nested too deeply for this event"
    return f"a value has a kind that it can't work with ({type(error).__name__})"

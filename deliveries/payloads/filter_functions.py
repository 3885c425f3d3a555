"""The functions a filter may call: JMESPath's own, under a budget, with amounts in text in the order of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from jmespath.functions import Functions, signature
from jmespath.visitor import _Expression

from deliveries.payloads import filter_values
from deliveries.payloads.filter_budget import Budget, NotEvaluated
from deliveries.payloads.filter_values import Unordered

_NAMES: Final = """
    abs avg ceil contains ends_with floor join keys length map max max_by merge min min_by not_null reverse sort sort_by
    starts_with sum to_array to_number to_string type values
"""
FUNCTIONS: Final = frozenset(_NAMES.split())
"""What a filter may call. Each answers in time proportional to what it is given, which the budget bounds."""
_CHARACTERS_A_STEP: Final = 100
"""Characters that a function reads in about the time of a step."""

_ANY: Final[dict[str, Any]] = {"types": []}
_LIST: Final = {"types": ["array"]}
_EXPRESSION: Final = {"types": ["expref"]}


class BudgetedFunctions(Functions):
    """JMESPath's functions, bounded, and with texts written as people read them."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def call_function(self, function_name: str, resolved_args: list[Any]) -> Any:
        """Return a function's result. Raises NotEvaluated, or JMESPath's and Python's errors for wrong arguments."""
        if function_name not in FUNCTIONS:
            raise NotEvaluated(f"there is no function {function_name}()")
        for argument in resolved_args:
            if isinstance(argument, (str, list, dict)):
                self._budget.step(1 + len(argument) // (_CHARACTERS_A_STEP if isinstance(argument, str) else 1))
        return self._budget.keep(super().call_function(function_name, resolved_args))

    @signature({"types": ["string"]}, {"types": ["array-string"]})
    def _func_join(self, separator: str, array: list[str]) -> str:
        self._budget.build(sum(map(len, array)) + len(separator) * len(array))
        return separator.join(array)

    @signature(_ANY)
    def _func_to_string(self, arg: Any) -> str:
        return arg if isinstance(arg, str) else filter_values.text(arg, self._budget.step, self._budget.build)

    @signature(_ANY)
    def _func_to_number(self, arg: Any) -> Any:
        if isinstance(arg, str):
            found = filter_values.number(arg)
            return None if found is None else float(found) if "." in arg or "e" in arg.lower() else int(found)
        return None if isinstance(arg, (bool, list, dict)) else arg

    @signature({"types": ["array", "string"]}, _ANY)
    def _func_contains(self, subject: Any, search: Any) -> bool:
        if not isinstance(subject, str):
            return any(filter_values.equal(each, search, self._budget.step) for each in subject)
        if not isinstance(search, str):
            raise NotEvaluated(f"contains() looks for {filter_values.shown(search)} in a text")
        return search in subject

    @signature(_LIST)
    def _func_max(self, arg: list[Any]) -> Any:
        return self._extreme(arg, None, max)

    @signature(_LIST)
    def _func_min(self, arg: list[Any]) -> Any:
        return self._extreme(arg, None, min)

    @signature(_LIST)
    def _func_sort(self, arg: list[Any]) -> list[Any]:
        return self._sorted(arg, None)

    @signature(_LIST, _EXPRESSION)
    def _func_max_by(self, array: list[Any], by: _Expression) -> Any:
        return self._extreme(array, by, max)

    @signature(_LIST, _EXPRESSION)
    def _func_min_by(self, array: list[Any], by: _Expression) -> Any:
        return self._extreme(array, by, min)

    @signature(_LIST, _EXPRESSION)
    def _func_sort_by(self, array: list[Any], by: _Expression) -> list[Any]:
        return self._sorted(array, by)

    def _extreme(self, array: list[Any], by: _Expression | None, which: Callable[..., int]) -> Any:
        keys = self._keys(array, by)
        return array[which(range(len(array)), key=keys.__getitem__)] if array else None

    def _sorted(self, array: list[Any], by: _Expression | None) -> list[Any]:
        keys = self._keys(array, by)
        self._budget.step(len(array) * len(array).bit_length() // 4)
        return [array[place] for place in sorted(range(len(array)), key=keys.__getitem__)]

    @staticmethod
    def _keys(array: list[Any], by: _Expression | None) -> list[Any]:
        try:
            return filter_values.keys([each if by is None else by.visit(by.expression, each) for each in array])
        except Unordered as error:
            raise NotEvaluated(str(error)) from None


def arguments_wanted(name: str) -> tuple[int, bool]:
    """Return how many arguments a function takes, and whether it takes more."""
    wanted = BudgetedFunctions.FUNCTION_TABLE[name]["signature"]
    return len(wanted), bool(wanted[-1].get("variadic"))

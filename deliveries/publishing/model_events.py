"""A project's own rows as events: which change of which model is which event, in a few lines.

    publishes("order.created", on=Order, when="created", data=OrderSerializer, merchant="shop.merchant")

    @publishes("order.paid", on=Order, when=becomes(status="paid"), merchant="shop.merchant")
    def paid(order: Order) -> dict[str, Any]:
        return {"order": {"id": str(order.pk), "total": order.total}}

Row and event stand in one transaction, or neither does. `QuerySet.update()`, `bulk_create()` and raw SQL send no
signals: who uses them calls `publish_many()` beside them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.db.models import Model
from django.db.models.signals import post_delete, pre_delete

from deliveries.publishing.changes import on_change
from deliveries.publishing.service import publish
from subscriptions.models import Merchant

Data = Callable[[Any], Any]
Condition = Callable[[Any, Any], bool]
When = Literal["created", "saved", "deleted"] | Condition

_WORDS: Final[dict[str, Condition]] = {
    "created": lambda before, _after: before is None,
    "saved": lambda _before, _after: True,
}


@dataclass(frozen=True, slots=True)
class _Rule:
    event: str
    data: Data
    merchant: str | Callable[[Any], Merchant | str]
    resource_id: Callable[[Any], str]
    when: When

    def payload(self, row: Any) -> Any:
        if isinstance(self.data, type) and hasattr(self.data, "to_representation"):
            return self.data(row).data  # a serializer of REST framework
        return self.data(row)

    def publish(self, row: Any, payload: Any) -> None:
        publish(self.event, payload, merchant=self._merchant(row), resource_id=self.resource_id(row))

    def _merchant(self, row: Any) -> Any:
        if callable(self.merchant):
            return self.merchant(row)
        for name in self.merchant.split("."):
            row = getattr(row, name)
        return row


_saved: dict[type[Model], list[_Rule]] = {}
_deleted: dict[type[Model], list[_Rule]] = {}


def publishes(
    event: str,
    *,
    on: type[Model],
    when: When = "saved",
    data: Data | None = None,
    merchant: str | Callable[[Any], Merchant | str] = "merchant",
    resource_id: Callable[[Any], str] = lambda row: f"{row._meta.model_name}-{row.pk}",
) -> Any:
    """Publish an event whenever a row of the model changes so. Call it when your app is ready.

    Args:
        event: A name of the catalogue.
        on: The model.
        when: `created`, `saved` or `deleted`; what `becomes` or `changes` return; or any function of the stored row
            before (None for a new one) and after.
        data: Makes the payload of a row: a function, or a serializer class of REST framework. Left out, the decorated
            function is it.
        merchant: Where a row names its merchant, as a path of attributes; or a function that returns it or its id.
        resource_id: Names what the event is about; the model's name and the key, unless given.

    What it raises, and what `publish()` raises for wrong data, undoes the save or delete.
    """

    def register(made_by: Data) -> Data:
        rule = _Rule(event, made_by, merchant, resource_id, when)
        if when == "deleted":
            _connect_delete(on)
            _deleted[on].append(rule)
        else:
            if isinstance(when, str) and when not in _WORDS:
                raise ValueError(f"when={when!r}: use created, saved, deleted, becomes(…), changes(…) or a function.")
            _connect_save(on)
            _saved[on].append(rule)
        return made_by

    return register if data is None else register(data)


def becomes(**values: Any) -> Condition:
    """Return the condition that a save gives all these fields these values, which they didn't all have before."""

    def holds(before: Any, after: Any) -> bool:
        return _has(after, values) and not (before is not None and _has(before, values))

    return holds


def changes(*names: str) -> Condition:
    """Return the condition that a save changes one of these fields of a row that was there before."""

    def holds(before: Any, after: Any) -> bool:
        return before is not None and any(getattr(before, name) != getattr(after, name) for name in names)

    return holds


def _has(row: Any, values: dict[str, Any]) -> bool:
    return all(getattr(row, name) == value for name, value in values.items())


def _connect_save(model: type[Model]) -> None:
    if model in _saved:
        return
    rules = _saved[model] = []

    def tell(before: Any, after: Any) -> None:
        for rule in rules:
            holds = _WORDS[rule.when] if isinstance(rule.when, str) else rule.when
            if holds(before, after):
                rule.publish(after, rule.payload(after))

    tell.__qualname__ = f"publishes.{model._meta.label}"
    on_change(model)(tell)


def _connect_delete(model: type[Model]) -> None:
    if model in _deleted:
        return
    rules = _deleted[model] = []

    def remember(instance: Any, **_: Any) -> None:
        # Made while what the row points at is there, published once it is gone.
        instance._to_publish = [rule.payload(instance) for rule in rules]

    def tell(instance: Any, **_: Any) -> None:
        for rule, payload in zip(rules, instance.__dict__.pop("_to_publish"), strict=True):
            rule.publish(instance, payload)

    name = f"publishes.{model._meta.label}"
    pre_delete.connect(remember, sender=model, weak=False, dispatch_uid=name)
    post_delete.connect(tell, sender=model, weak=False, dispatch_uid=name)

"""Tells what a save really changed: the stored row before it, the stored row after it.

    @on_change(Order)
    def tell(before: Order | None, order: Order) -> None: ...

Both rows are read from the database, the first one locked. So a listener sees true transitions however the change was
made (`update_fields`, `F()` expressions, an instance loaded long ago), and two saves at once are told one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.signals import post_save, pre_save

from examples.storefront.models.base import Atomic

M = TypeVar("M", bound=Atomic)
Listener = Callable[[Any, Any], None]


def on_change(model: type[M]) -> Callable[[Callable[[M | None, M], None]], Callable[[M | None, M], None]]:
    """Call the decorated function with (before, after) on each save of `model`; `before` is None for a new row.

    It runs in the transaction of the save: if it raises, the row isn't saved. Fixtures (`loaddata`) are left alone.
    """

    def connect(listener: Callable[[M | None, M], None]) -> Callable[[M | None, M], None]:
        def remember(sender: type[M], instance: M, raw: bool, **_: Any) -> None:
            instance._before = None if raw or instance.pk is None else _stored(sender, instance.pk, lock=True)  # type: ignore[attr-defined]

        def tell(sender: type[M], instance: M, raw: bool, **_: Any) -> None:
            before = instance.__dict__.pop("_before", None)
            after = None if raw else _stored(sender, instance.pk)
            if after is not None:
                listener(before, after)

        name = f"{listener.__module__}.{listener.__name__}"
        pre_save.connect(remember, sender=model, weak=False, dispatch_uid=name)
        post_save.connect(tell, sender=model, weak=False, dispatch_uid=name)
        return listener

    return connect


def differing(before: Model, after: Model, names: tuple[str, ...]) -> list[str]:
    """Return those of the fields in which the two rows differ."""
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _stored(model: type[M], key: Any, *, lock: bool = False) -> M | None:
    rows = model._base_manager.filter(pk=key)
    return (rows.select_for_update(no_key=True) if lock else rows).first()

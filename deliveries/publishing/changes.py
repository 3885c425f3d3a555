"""Tells what a save really changed: the stored row before it, the stored row after it.

    @on_change(Order)
    def tell(before: Order | None, order: Order) -> None: ...

Both rows are read from the database, the first one locked. So a listener sees true transitions however the change was
made (`update_fields`, `F()` expressions, an instance loaded long ago), and two saves at once are told one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.db import router, transaction
from django.db.models import Model
from django.db.models.signals import post_save, pre_save

M = TypeVar("M", bound=Model)
Listener = Callable[[Any, Any], None]


def on_change(model: type[M]) -> Callable[[Listener], Listener]:
    """Call the decorated function with (before, after) on each save of `model`; `before` is None for a new row.

    It runs in the transaction of the save, which from now on has one: if it raises, the row isn't saved. Fixtures
    (`loaddata`) are left alone.
    """

    def connect(listener: Listener) -> Listener:
        key = f"_before_{id(listener)}"

        def remember(sender: type[M], instance: M, raw: bool, using: str, **_: Any) -> None:
            before = None if raw or instance.pk is None else _stored(sender, instance.pk, using, lock=True)
            instance.__dict__[key] = before

        def tell(sender: type[M], instance: M, raw: bool, using: str, **_: Any) -> None:
            before = instance.__dict__.pop(key, None)
            after = None if raw else _stored(sender, instance.pk, using)
            if after is not None:
                listener(before, after)

        name = f"{listener.__module__}.{listener.__qualname__}"
        _save_in_one_transaction(model)
        pre_save.connect(remember, sender=model, weak=False, dispatch_uid=name)
        post_save.connect(tell, sender=model, weak=False, dispatch_uid=name)
        return listener

    return connect


def differing(before: Model, after: Model, names: tuple[str, ...]) -> list[str]:
    """Return those of the fields in which the two rows differ."""
    return [name for name in names if getattr(before, name) != getattr(after, name)]


def _save_in_one_transaction(model: type[Model]) -> None:
    """Let each save of the model and what its signals do stand together or not at all.

    Left alone, Django commits the row before it sends `post_save`: a crash between the two would lose the event.
    """
    plain = model.save_base
    if getattr(plain, "in_one_transaction", False):
        return

    @wraps(plain)
    def save_base(self: Model, *args: Any, **kwargs: Any) -> None:
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        if transaction.get_connection(using).in_atomic_block:
            plain(self, *args, **kwargs)
            return
        with transaction.atomic(using=using):
            plain(self, *args, **kwargs)

    save_base.in_one_transaction = True  # type: ignore[attr-defined]
    model.save_base = save_base  # type: ignore[method-assign]


def _stored(model: type[M], key: Any, using: str, *, lock: bool = False) -> M | None:
    """Return the row of the database that is written to, whatever a router says of reading."""
    rows = model._base_manager.using(using).filter(pk=key)
    return (rows.select_for_update(no_key=True, of=("self",)) if lock else rows).first()

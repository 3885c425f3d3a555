"""Watches which products have which files: Django tells of many-to-many changes from either side, and not what changed.

file.products.add(product)    product.files.set([file])    file.products.clear()
"""

from __future__ import annotations

from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.signals import m2m_changed
from django.dispatch import receiver
from django.utils import timezone

from examples.storefront.models import File, Product
from examples.storefront.signals import tell_of_a_mapped_file, tell_of_a_modified_file

Mapping = File.products.through
BEFORE: Final = {"pre_add", "pre_remove", "pre_clear"}


@receiver(m2m_changed, sender=Mapping)
def watch(instance: File | Product, action: str, pk_set: set[int] | None, **_: Any) -> None:
    """Remember the pairs before a change, and tell the difference after it."""
    if action in BEFORE:
        if action == "pre_add":
            _refuse_foreign(instance, pk_set or set())
        instance._pairs = _pairs(instance)  # type: ignore[union-attr]
        return
    before, after = instance.__dict__.pop("_pairs", set()), _pairs(instance)
    now = timezone.now()
    changed = before ^ after
    File.objects.filter(pk__in=[file for file, _product in changed]).update(updated_at=now)
    files = File.objects.in_bulk([file for file, _product in changed])
    products = Product.objects.in_bulk([product for _file, product in changed])
    for file, product in sorted(after - before):
        tell_of_a_mapped_file(files[file], products[product], now)
    for file in sorted({file for file, _product in before - after}):
        tell_of_a_modified_file(files[file], ["products"])


def _pairs(row: File | Product) -> set[tuple[int, int]]:
    mine = Q(file=row.pk) if isinstance(row, File) else Q(product=row.pk)
    return set(Mapping.objects.filter(mine).values_list("file_id", "product_id"))


def _refuse_foreign(row: File | Product, keys: set[int]) -> None:
    other = Product if isinstance(row, File) else File
    foreign = other.objects.filter(pk__in=keys).exclude(merchant=row.merchant_id).first()
    if foreign is not None:
        raise ValidationError(f"{foreign} is another merchant's. Map files to products of their own merchant.")

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from examples.storefront.models import Download, File, Product
from tests.examples.storefront.conftest import Shop

Read = Callable[[], list[Any]]


def summary(told: Read) -> list[tuple[str, str]]:
    return [(event.name, event.data["file"]["filename"]) for event in told()]


def test_an_uploaded_file_is_told_as_the_document_has_it(shop: Shop, told: Read) -> None:
    file = File.objects.create(merchant=shop.merchant, filename="Chapter-2.pdf", size=2**33, tags=["course"])
    [event] = told()
    assert event.name == "file.uploaded"
    assert event.data["file"] == {
        "id": file.public_id,
        "filename": "Chapter-2.pdf",
        "size": 2**33,
        "upload_date": file.upload_date.isoformat(),
        "products": [],
        "tags": ["course"],
        "downloads": 0,
    }
    assert file.public_id.startswith("file_")
    assert event.row.resource_id == file.public_id


def test_a_modified_file_is_told_with_what_changed(shop: Shop, told: Read) -> None:
    shop.file.filename, shop.file.tags = "Chapter-1-revised.pdf", ["course"]
    shop.file.save()
    [event] = told()
    assert event.name == "file.updated"
    assert event.data["file"]["changed"] == ["filename", "tags"]
    assert event.data["file"]["filename"] == "Chapter-1-revised.pdf"
    assert event.data["file"]["products"] == [shop.product.public_id]


def test_saving_a_file_as_it_is_tells_nothing(shop: Shop, told: Read) -> None:
    shop.file.save()
    shop.file.size = str(shop.file.size)  # as a form may leave it
    shop.file.save()
    shop.file.source_url = "https://files.example.com/1"  # nothing that receivers see
    shop.file.save()
    shop.file.filename = "unsaved.pdf"
    shop.file.save(update_fields=["size"])
    assert told() == []


def test_a_mapping_is_told_from_either_side_and_once(shop: Shop, told: Read) -> None:
    course = Product.objects.create(merchant=shop.merchant, title="Course")
    shop.file.products.add(course)
    [event] = told()
    assert event.name == "file.mapped"
    assert event.data["product"] == {"id": course.public_id, "title": "Course"}
    assert event.data["file"]["products"] == [shop.product.public_id, course.public_id]
    shop.file.products.add(course)
    shop.file.products.set([course, shop.product])
    assert told() == []

    second = File.objects.create(merchant=shop.merchant, filename="two.pdf", size=2)
    told()
    course.files.add(second, shop.file)
    assert summary(told) == [("file.mapped", "two.pdf")]


def test_a_file_that_loses_products_is_a_modified_file(shop: Shop, told: Read) -> None:
    second = File.objects.create(merchant=shop.merchant, filename="two.pdf", size=2)
    shop.product.files.add(second)
    told()
    shop.file.products.remove(shop.product)
    [event] = told()
    assert (event.name, event.data["file"]["changed"]) == ("file.updated", ["products"])
    assert event.data["file"]["products"] == []
    shop.file.products.remove(shop.product)
    shop.file.products.clear()
    assert told() == []
    shop.product.files.set([shop.file])
    assert summary(told) == [("file.updated", "two.pdf"), ("file.mapped", "Chapter-1.pdf")]
    shop.product.files.clear()
    assert summary(told) == [("file.updated", "Chapter-1.pdf")]


def test_a_mapping_moves_the_files_time_of_change(shop: Shop) -> None:
    File.objects.filter(pk=shop.file.pk).update(updated_at="2020-01-01T00:00:00Z")
    shop.file.products.clear()
    shop.file.refresh_from_db()
    assert shop.file.updated_at.year > 2020


def test_a_file_cant_be_mapped_to_another_merchants_product(shop: Shop, other_shop: Shop, told: Read) -> None:
    for relation, foreign in ((shop.file.products, other_shop.product), (other_shop.product.files, shop.file)):
        with pytest.raises(ValidationError, match="another merchant's"), transaction.atomic():
            relation.add(foreign)
    assert list(other_shop.product.files.all()) == [other_shop.file]
    assert told() == []


@pytest.mark.parametrize("many", [False, True])
def test_a_deleted_file_is_told_while_it_is_still_known(many: bool, shop: Shop, told: Read) -> None:
    Download.objects.create(merchant=shop.merchant, file=shop.file, customer_email="a@example.com", count=145)
    told()
    (File.objects.filter(merchant=shop.merchant) if many else shop.file).delete()
    [event] = told()
    assert event.name == "file.deleted"
    assert event.data["file"]["products"] == [shop.product.public_id]
    assert event.data["file"]["downloads"] == 145
    assert not File.objects.exists()


@pytest.mark.parametrize(
    "tags", ["course", ["a", 1], ["a,b"], [" "], ["a", "a"], ["x" * 51], [str(n) for n in range(51)]]
)
def test_tags_that_are_none_are_refused(tags: Any, shop: Shop) -> None:
    shop.file.tags = tags
    with pytest.raises(ValidationError) as refusal:
        shop.file.full_clean()
    assert set(refusal.value.message_dict) == {"tags"}

"""The shop's rows in the shapes of Alva's document: what `data` holds. Pure reading, no events, no HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from examples.storefront.models import Customer, Download, File, Order, OrderLine, Product, Refund

CENT = Decimal("0.01")


def when(moment: datetime | None) -> str | None:
    """Return a moment as the document writes it, `2024-01-15T15:30:00Z`; None stays None."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def money(amount: Decimal) -> str:
    """Return an amount as text with two digits after the point: receivers must not compute with binary fractions."""
    return format(amount.quantize(CENT), "f")


# --- files -------------------------------------------------------------------------------------------------------


def file(row: File) -> dict[str, Any]:
    """Return a file of the library, with how often it was fetched."""
    return {
        "id": row.public_id,
        "filename": row.filename,
        "size": row.size,
        "upload_date": row.upload_date.isoformat(),
        "products": [product.public_id for product in row.products.all()],
        "tags": row.tags,
        "downloads": row.links.aggregate(total=Sum("count"))["total"] or 0,
    }


def file_reference(row: File) -> dict[str, Any]:
    """Return what an order or a download says of a file."""
    return {"id": row.public_id, "filename": row.filename, "size": row.size}


def product(row: Product) -> dict[str, Any]:
    """Return a product."""
    return {"id": row.public_id, "title": row.title}


# --- orders ------------------------------------------------------------------------------------------------------


def order(row: Order) -> dict[str, Any]:
    """Return an order with its lines, their files, and the links once there are some."""
    links = {link.file_id: link for link in row.downloads.filter(revoked_at=None).order_by("id")}
    lines = row.lines.select_related("product").prefetch_related("product__files")
    first = next(iter(links.values()), None)
    return order_summary(row) | {
        "financial_status": row.financial_status,
        "customer": customer(row.customer),
        "line_items": [_line(line, links) for line in lines],
        "download_link": first and first.url,
        "expiry_date": first and when(first.expires_at),
        "download_limit": first and first.limit,
    }


def order_summary(row: Order) -> dict[str, Any]:
    """Return what a customer's event says of an order."""
    return {
        "id": row.public_id,
        "number": row.number,
        "created_at": when(row.placed_at or row.created_at),
        "total": money(row.total),
        "currency": row.currency,
    }


def _line(line: OrderLine, links: dict[int, Download]) -> dict[str, Any]:
    return {
        "id": line.public_id,
        "product_id": line.product.public_id,
        "title": line.title,
        "quantity": line.quantity,
        "price": money(line.price),
        "files": [
            file_reference(one) | ({"download_url": links[one.pk].url} if one.pk in links else {})
            for one in line.product.files.all()
        ],
    }


def fraud_check(row: Order) -> dict[str, Any]:
    """Return what the fraud check found."""
    score = {} if row.risk_score is None else {"risk_score": row.risk_score}
    return {"status": row.fraud_check, **score, "reasons": row.fraud_reasons, "checked_at": when(row.updated_at)}


def refund(row: Refund) -> dict[str, Any]:
    """Return a refund."""
    return {
        "id": row.public_id,
        "amount": money(row.amount),
        "currency": row.order.currency,
        "reason": row.reason or None,
        "refunded_at": when(row.created_at),
    }


# --- customers ---------------------------------------------------------------------------------------------------


def customer(row: Customer) -> dict[str, Any]:
    """Return a customer; what isn't known is null."""
    return {
        "id": row.public_id,
        "email": row.email,
        "first_name": row.first_name or None,
        "last_name": row.last_name or None,
        "phone": row.phone or None,
    }


def buyer(row: Customer, *, orders_count: int, total_spent: Decimal, currency: str) -> dict[str, Any]:
    """Return a customer with what they bought so far."""
    return customer(row) | {"orders_count": orders_count, "total_spent": money(total_spent), "currency": currency}


# --- downloads ---------------------------------------------------------------------------------------------------


def download(row: Download) -> dict[str, Any]:
    """Return a download link without its address."""
    known = Customer.objects.filter(merchant=row.merchant_id, email=row.customer_email).first()
    return {
        "id": row.public_id,
        "token": row.token,
        "file": file_reference(row.file),
        "customer": {"email": row.customer_email, "name": (known and known.name) or None},
        "order_number": row.order.number if row.order else "",
        "download_count": row.count,
        "download_limit": row.limit,
        "downloads_remaining": row.remaining,
    }


def access(row: Download) -> dict[str, Any]:
    """Return who fetched it last. `location` is an object as in the document, though nothing here looks places up."""
    return {
        "ip_address": row.last_ip_address,
        "user_agent": row.last_user_agent or None,
        "location": {"country": None, "region": None, "city": None},
    }

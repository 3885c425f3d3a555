"""A row of every model that the shop shows at the desk, made without telling anybody."""

from __future__ import annotations

from typing import Any

from storefront.models import Customer, Download, File, Order, Product
from subscriptions.models import Merchant


def quiet_rows(merchant: Merchant, name: str) -> dict[str, Any]:
    """Return name → row; every text of a row holds `name`. `bulk_create` sends no signals, so nothing is published."""

    def add(row: Any) -> Any:
        return type(row).objects.bulk_create([row])[0]

    product = add(Product(merchant=merchant, title=f"{name} course"))
    file = add(File(merchant=merchant, filename=f"{name}.pdf", size=1))
    customer = add(Customer(merchant=merchant, email=f"{name}-buyer@mail.example"))
    order = add(Order(merchant=merchant, customer=customer, number=f"{name}-1045", total=1, currency="USD"))
    download = add(Download(merchant=merchant, file=file, order=order, customer_email=customer.email))
    return {"product": product, "file": file, "customer": customer, "order": order, "download": download}

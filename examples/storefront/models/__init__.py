"""The shop's side of the database: files, what sells them, who buys, and the links by which buyers fetch them."""

from examples.storefront.models.downloads import Download
from examples.storefront.models.library import File, Product
from examples.storefront.models.orders import Customer, Order, OrderLine, Refund

__all__ = ["Customer", "Download", "File", "Order", "OrderLine", "Product", "Refund"]

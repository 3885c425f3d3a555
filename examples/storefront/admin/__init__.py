"""The shop at the merchant's desk."""

from examples.storefront.admin import library, links, orders

__all__ = ["library", "links", "orders"]

"""Clients of the API, each with a credential."""

from tests.support.api_fixtures import api, nothing_remembered, other_shop, shop, stranger, webhook

__all__ = ["api", "nothing_remembered", "other_shop", "shop", "stranger", "webhook"]

"""Fixtures of tests that open pages: a shop with people, and the browser of its developer."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.support.desk import Shop, make_shop, sign_in


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in(shop.people["developer"])

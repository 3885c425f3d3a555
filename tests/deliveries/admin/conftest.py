"""What the tests of pages share."""

from tests.support.desk_fixtures import browser, shop

__all__ = ["browser", "shop"]

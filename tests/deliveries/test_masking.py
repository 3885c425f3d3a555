"""Promise 10: secrets stay secret, in the log too."""

from deliveries.masking import MASKED, masked


def test_a_value_that_holds_the_secret_is_masked_wherever_it_stands():
    assert masked([("X-Anything", "prefix-s3cret-of-mine")], ["s3cret-of-mine"]) == [("X-Anything", MASKED)]


def test_credentials_of_custom_headers_are_masked_by_name():
    names = ["Authorization", "cookie", "X-Api-Key", "X-Auth-Token", "apikey", "X-Shopery-Secret"]

    assert masked([(name, "value") for name in names], []) == [(name, MASKED) for name in names]


def test_signatures_and_ordinary_headers_stand_as_sent():
    headers = [("webhook-signature", "v1,abc="), ("webhook-id", "evt_1"), ("X-Shop", "north")]

    assert masked(headers, ["whsec_other"]) == headers

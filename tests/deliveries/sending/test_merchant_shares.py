from __future__ import annotations

import pytest

from deliveries.sending.merchant_shares import (
    COMPANY_FOR,
    COMPANY_SHARE,
    FEW,
    MerchantShares,
    Share,
)

PLACES = 4096


def _shares(*merchants: int, now: float = 0.0) -> MerchantShares:
    shares = MerchantShares()
    for merchant in merchants:
        shares.opened(merchant, now)
    return shares


def test_open_requests_are_counted_by_merchant() -> None:
    shares = _shares(1, 2, 1)
    shares.closed(1)
    shares.closed(2)
    assert (shares.open(1), shares.open(2), shares.open(3)) == (1, 0, 0)


def test_a_merchant_alone_may_have_as_many_as_are_free() -> None:
    """Half of the places, then: whoever comes next finds the other half."""
    share = _shares(*[1] * 1500).share(PLACES, PLACES - 1500, now=0.0)
    assert share.below == PLACES - 1500
    full = _shares(*[1] * 2048).share(PLACES, PLACES - 2048, now=0.0)
    assert full.below == 2048


@pytest.mark.parametrize("places", [1, 2, 7, 16, 100, 4096, 100_000])
@pytest.mark.parametrize("company", [False, True])
def test_nobody_ever_gets_the_last_place_beside_others_and_everybody_gets_one(places: int, *, company: bool) -> None:
    """One merchant takes all that it may until it may have no more; what then is left is the others'."""
    shares = _shares(*([1, 2] if company else [1]))
    free = places - (2 if company else 1)
    while shares.open(1) < (share := shares.share(places, free, now=1.0)).below and free > 0:
        assert share.each >= 1
        for _ in range(min(share.each, free)):
            shares.opened(1, 1.0)
            free -= 1
    if places > 2:
        assert free > 0
    assert shares.share(places, max(0, free), now=1.0).below >= 1, "a merchant without any is never kept waiting"
    if company and places > 16:
        assert shares.open(1) <= places * COMPANY_SHARE


def test_company_ends_when_others_have_sent_nothing_for_a_while() -> None:
    shares = _shares(1, 2, now=100.0)
    most = int(PLACES * COMPANY_SHARE)
    near = shares.share(PLACES, PLACES - 2, now=100.0 + COMPANY_FOR - 0.1)
    assert near.below + near.each == most
    alone = shares.share(PLACES, PLACES - 2, now=100.0 + COMPANY_FOR)
    assert alone.below > most
    shares.opened(2, 200.0)
    assert shares.share(PLACES, PLACES - 3, now=200.0).below > most, "the same one again is no company"
    shares.opened(1, 201.0)
    assert shares.share(PLACES, PLACES - 4, now=201.0).below < most


def test_the_first_merchant_of_a_process_has_no_company() -> None:
    shares = _shares(1, now=0.0)
    assert shares.share(PLACES, PLACES - 1, now=0.0).below > PLACES * COMPANY_SHARE


@pytest.mark.parametrize("merchants", [1, 2, 50, 100])
def test_a_claim_brings_little_and_locks_little_more(merchants: int) -> None:
    """What comes meanwhile waits until it is sent; of what is locked and not sent, each row costs a write."""
    limit, each = Share(below=2048, each=2048).among(PLACES, [0] * merchants, 256)
    assert limit == 256
    assert 256 <= each * merchants <= 2 * 256 + merchants


def test_while_a_process_is_behind_merchants_may_have_few() -> None:
    assert Share(below=500, each=100).for_few() == Share(below=FEW, each=FEW)
    assert Share(below=2, each=1).for_few() == Share(below=2, each=1)


@pytest.mark.parametrize("company", [1, 2, 3, 10, 50, 100])
def test_however_many_merchants_claim_at_once_each_leaves_as_many_as_it_has(company: int) -> None:
    """Else the claims of many, each within its share, take every place, and who comes next waits for an answer."""
    shares, free = MerchantShares(), PLACES
    merchants = list(range(1, company + 1))
    for _ in range(PLACES):
        share = shares.share(PLACES, free, now=1.0)
        claim = [merchant for merchant in merchants if shares.open(merchant) < share.below][:100]
        if not claim:
            break
        limit, each = share.among(free, [shares.open(merchant) for merchant in claim], 256)
        assert 1 <= limit <= free
        served = (claim * each)[:limit]
        for merchant in served:
            shares.opened(merchant, 1.0)
        free -= len(served)
        assert max(shares.open(merchant) for merchant in served) <= free + 1
        merchants = merchants[100:] + merchants[:100]
    else:
        raise AssertionError("they would go on for ever")
    assert all(shares.open(merchant) for merchant in merchants)
    assert free >= PLACES // (company + 1) // 2

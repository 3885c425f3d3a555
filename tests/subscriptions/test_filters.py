"""Filters of selections: what counts as given."""

from __future__ import annotations

import re

import pytest

from subscriptions.api.formats import SAYS_SOMETHING
from subscriptions.filters import says_nothing
from tests.support.blanks import UNSEEN, WHITE_SPACE, name_of


def test_every_white_space_of_unicode_is_tried() -> None:
    assert len(WHITE_SPACE) >= 29
    assert all(not one.strip() for one in WHITE_SPACE)


@pytest.mark.parametrize("one", ["", ",", *UNSEEN], ids=name_of)
def test_a_text_of_what_shows_nothing_says_nothing(one: str) -> None:
    assert says_nothing(one)
    assert says_nothing(f"{one},{one} \n")


def test_the_document_says_the_same_of_every_character_of_the_basic_plane() -> None:
    pattern = re.compile(SAYS_SOMETHING)
    dead_letters = [chr(code) for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000]

    assert [one for one in dead_letters if bool(pattern.search(one)) == says_nothing(one)] == []


@pytest.mark.parametrize(
    "text", ["a", " wbh_1 ", "0", "-", ".", "é", "日本", "dead,", "\u200bx", "_", "'", '"', "%", "null", "e\u0301"]
)
def test_a_text_with_anything_to_see_says_something(text: str) -> None:
    assert not says_nothing(text)

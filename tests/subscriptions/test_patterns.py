from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subscriptions.patterns import MAX_NAME_LENGTH, candidates, matches, validate_event_name, validate_pattern

LONGEST = "a" * (MAX_NAME_LENGTH - 2)  # with a separator and one more character it is as long as a name may be

# Few letters, so that patterns and names drawn apart meet often.
words = st.text("ab_1", min_size=1, max_size=2)


@st.composite
def names(draw: st.DrawFn) -> str:
    parts = draw(st.lists(words, min_size=1, max_size=4))
    return parts[0] + "".join(draw(st.sampled_from(".-")) + part for part in parts[1:])


patterns = st.one_of(
    names(), st.builds(lambda name, end: name + end, names(), st.sampled_from([".*", "-*"])), st.just("*")
)
quickly = settings(deadline=None)


@pytest.mark.parametrize(
    "name",
    [
        "order.created",
        "orders-created",
        "download.limit_reached",
        "trial_activation.created",
        "a",
        "A.b-C_9",
        "_",
        LONGEST + ".b",
    ],
)
def test_an_event_name_is_returned_as_it_is(name: str):
    assert validate_event_name(name) == name
    assert validate_pattern(name) == name


@pytest.mark.parametrize(
    "pattern", ["*", "order.*", "orders-*", "order.line-item.*", "trial_activation.*", LONGEST + ".*"]
)
def test_a_pattern_is_returned_as_it_is(pattern: str):
    assert validate_pattern(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "can't be empty. Use an event's name such as order.created"),
        (" ", "has a space at position 1. Remove it"),
        (" order.created", "has a space at position 1"),
        ("order.created ", "has a space at position 14"),
        ("order.created\n", "has a space at position 14"),
        ("order. *", "has a space at position 7"),
        ("order.* ", "has a space at position 8"),
        ("café*", "has 'é' at position 4"),
        ("order.created order.paid", "has a space at position 14. Remove it; one entry holds one name"),
        ("*.created", "has a * that is not at its end"),
        ("order.*.x", "has a * that is not at its end"),
        ("**", "has a * that is not at its end"),
        ("order.**", "has a * that is not at its end"),
        ("order*", "cuts a word. Put . or - before the *: order.* or order-*"),
        ("order_*", "cuts a word"),
        (".*", "starts or ends with . or -"),
        ("order..*", "starts or ends with . or -, or has two of them together"),
        ("order.", "starts or ends with . or -"),
        ("-order", "starts or ends with . or -"),
        ("order.-created", "has two of them together"),
        ("order.created,order.paid", "has ',' at position 14. Use only A-Z, a-z, 0-9 and _"),
        ("order/created", "has '/' at position 6"),
        ("café.created", "has 'é' at position 4"),
        ("order.٣", "has '٣' at position 7"),
        ("order.\x00", r"has '\x00' at position 7"),
        ("order.?", "has '?' at position 7"),
        (LONGEST + ".bc", "has at most 100 characters; this one has 101"),
        (LONGEST + "a.*", "has at most 100 characters; this one has 101"),
        (7, "must be text, not int"),
        (None, "must be text, not NoneType"),
    ],
)
def test_any_other_pattern_is_refused_saying_how_to_mend_it(pattern: str, message: str):
    with pytest.raises(ValueError, match="event pattern") as caught:
        validate_pattern(pattern)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "An event name can't be empty. Give a name such as order.created"),
        ("*", "contains *. Only subscriptions have patterns"),
        ("order.*", "contains *. Only subscriptions have patterns"),
        ("order created", "has a space at position 6"),
        ("order.", "starts or ends with . or -"),
        ("order:created", "has ':' at position 6"),
        ("a" * 101, "has at most 100 characters; this one has 101"),
        (None, "must be text, not NoneType"),
    ],
)
def test_a_malformed_event_name_is_refused_saying_how_to_mend_it(name: str, message: str):
    with pytest.raises(ValueError, match="event name") as caught:
        validate_event_name(name)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "aliases", "expected"),
    [
        ("order", [], ["order", "*"]),
        ("order.created", [], ["order.created", "order.*", "*"]),
        (
            "order.line-item.added",
            [],
            ["order.line-item.added", "order.*", "order.line-*", "order.line-item.*", "*"],
        ),
        ("download.limit_reached", [], ["download.limit_reached", "download.*", "*"]),
        ("orders-created", ["order-created"], ["orders-created", "order-created", "orders-*", "order-*", "*"]),
        ("order.paid", ["order.settled", "order.paid"], ["order.paid", "order.settled", "order.*", "*"]),
    ],
)
def test_the_candidates_are_the_names_their_prefixes_and_everything(name: str, aliases: list[str], expected: list[str]):
    assert candidates(name, aliases) == expected


@pytest.mark.parametrize(
    ("pattern", "name", "aliases"),
    [
        ("*", "order.created", ()),
        ("order.created", "order.created", ()),
        ("order.*", "order.created", ()),
        ("order.*", "order.line.added", ()),
        ("order.line.*", "order.line.added", ()),
        ("orders-*", "orders-created", ()),
        ("order-created", "orders-created", ("order-created",)),
        ("order-*", "orders-created", ("order-created",)),
    ],
)
def test_a_pattern_matches(pattern: str, name: str, aliases: tuple[str, ...]):
    assert matches(pattern, name, aliases)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("order.created", "order.created.late"),
        ("order.created", "order.Created"),
        ("order.*", "order"),
        ("order.*", "orders.created"),
        ("order.*", "order-created"),
        ("order-*", "order.created"),
        ("order.*", "reorder.created"),
        ("created.*", "order.created"),
        ("order-created", "orders-created"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, name: str):
    assert not matches(pattern, name)


@quickly
@given(pattern=patterns, name=names(), aliases=st.lists(names(), max_size=2))
def test_a_pattern_matches_exactly_the_events_whose_candidates_hold_it(pattern: str, name: str, aliases: list[str]):
    assert matches(pattern, name, aliases) == (pattern in candidates(name, aliases))


@quickly
@given(name=names(), aliases=st.lists(names(), max_size=2))
def test_every_candidate_is_a_valid_pattern_that_matches(name: str, aliases: list[str]):
    found = candidates(name, aliases)
    assert len(found) == len(set(found))
    for pattern in found:
        assert validate_pattern(pattern) == pattern
        assert matches(pattern, name, aliases)


def test_the_candidates_of_the_longest_name_are_valid_patterns():
    for pattern in candidates(LONGEST + ".b"):
        assert validate_pattern(pattern) == pattern


@quickly
@given(text=st.text("a.-* é", max_size=6))
def test_whatever_is_accepted_as_a_pattern_is_one_of_the_three_forms(text: str):
    try:
        pattern = validate_pattern(text)
    except ValueError:
        return
    # Stated the other way about: some event's candidates hold it.
    assert pattern in candidates(pattern.replace("*", "x") if pattern != "*" else "x")

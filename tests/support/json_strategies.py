"""Hypothesis strategies for JSON texts, with the numbers, keys and spaces that parsers differ on."""

import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

number_tokens = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
long_integers = st.integers(2**53 - 9, 2**53 + 99) | st.integers(-(10**17), -(10**15)) | st.integers(10**19, 10**23)
numbers = number_tokens | long_integers.map(str)
python_numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
clean_numbers = python_numbers.map(repr)
characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(characters, max_size=12)
strings = st.builds(lambda text, ascii_only: json.dumps(text, ensure_ascii=ascii_only), texts, st.booleans())
index_keys = st.integers(0, 12) | st.integers(2**32 - 4, 2**32 + 2) | st.integers(2**53 - 2, 2**53 + 2)
key_texts = texts | index_keys.map(str) | st.sampled_from(["01", "-1", "1.0", "1e1", "+1", "__proto__", "length", "٣"])
spaces = st.sampled_from(["", "", "", " ", "\n\t", "\r\n "])


def _containers(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.lists(st.tuples(key_texts, items), max_size=6, unique_by=lambda member: member[0])
    objects = st.builds(
        lambda pairs, s: "{" + s + ",".join(f"{json.dumps(k)}{s}:{s}{v}{s}" for k, v in pairs) + "}", members, spaces
    )
    arrays = st.builds(lambda values, s: "[" + s + f"{s},".join(values) + s + "]", st.lists(items, max_size=6), spaces)
    return objects | arrays


documents = st.recursive(
    clean_numbers | strings | st.sampled_from(["true", "false", "null"]), _containers, max_leaves=25
)
lively = settings(deadline=None, suppress_health_check=list(HealthCheck))
thousands = settings(lively, max_examples=2000)
hundreds = settings(lively, max_examples=600)

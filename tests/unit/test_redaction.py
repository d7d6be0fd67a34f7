from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from netra_backend.app.runs.redaction import MASK, presentable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=10), inner, max_size=8),
    max_leaves=60,
)


def test_secrets_are_masked_at_any_depth() -> None:
    shown = presentable(
        {"user": "a", "password": "p", "nested": [{"api_key": "k", "Authorization": "Bearer x", "max_tokens": 5}]}, 1000
    )
    assert shown == {
        "user": "a",
        "password": MASK,
        "nested": [{"api_key": MASK, "Authorization": MASK, "max_tokens": 5}],
    }


def test_what_is_cut_says_how_much_is_missing() -> None:
    assert presentable("x" * 30, 10) == "x" * 10 + "… [20 more characters]"
    shown = presentable(["y" * 60, "z" * 60, "last"], 100)
    assert isinstance(shown, list)
    assert shown[-1] == "[1 more items]"


def test_short_values_pass_untouched() -> None:
    value = {"a": [1, 2.5, None, True, {"b": "c"}], "text": "hello"}
    assert presentable(value, 1000) == value


@given(JSON, st.integers(min_value=100, max_value=2000))
def test_the_result_is_bounded_and_still_json(value: object, limit: int) -> None:
    shown = presentable(value, limit)  # pyright: ignore[reportArgumentType]
    assert len(json.dumps(shown, ensure_ascii=False)) < 12 * limit + 400

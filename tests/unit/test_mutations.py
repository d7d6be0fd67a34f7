"""The mutations still name what they break. Whether the tests notice them is what `make mutations` tries."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutations import MUTATIONS, Mutation, StaleAnchor
from tests.mutations.mutation import ROOT


def test_there_are_many_and_each_has_its_own_name() -> None:
    names = Counter(mutation.id for mutation in MUTATIONS)
    assert [name for name, count in names.items() if count > 1] == []
    assert len(MUTATIONS) >= 120


def test_every_anchor_is_found_once_and_leaves_code_that_can_be_read() -> None:
    """A promise that moved took its mutation's anchor with it: move the mutation too."""
    wrong: list[str] = []
    for mutation in MUTATIONS:
        try:
            ast.parse(mutation.mutated())
        except StaleAnchor as stale:
            wrong.append(str(stale))
        except SyntaxError as error:
            wrong.append(f"mutation {mutation.id} isn't Python: {error}")
    assert not wrong, "\n\n".join(wrong)


def test_every_test_that_should_notice_is_there() -> None:
    named = {test for mutation in MUTATIONS for test in mutation.tests}
    assert sorted(test for test in named if not (ROOT / test.partition("::")[0]).exists()) == []


def test_an_anchor_that_is_gone_or_not_alone_is_named() -> None:
    for anchor in ("this is nowhere in the file", "self"):
        with pytest.raises(StaleAnchor, match=r"its anchor is .* times in .*/log\.py"):
            Mutation("x", "event_log/log.py", anchor, "", ()).mutated()

"""Every rule's own pages: the bad example is reported under its code, the good one is silent."""

import pytest

from awaitguard.finding import LEVELS
from awaitguard.memory import check_sources as check
from awaitguard.report.explain import explain_code, list_codes
from awaitguard.rules.registry import RULES

CODES = sorted(RULES)


@pytest.mark.parametrize("code", CODES)
def test_the_bad_example_is_reported_and_the_good_one_is_not(code: str):
    bad, good = RULES[code].files
    assert code in {finding.code for finding in check(bad)}
    assert check(good) == []


@pytest.mark.parametrize("code", CODES)
def test_every_rule_has_a_page(code: str):
    rule = RULES[code]
    page = explain_code(code.lower())
    assert page is not None
    assert rule.title in page
    assert rule.bad.strip() in page
    assert rule.good.strip() in page
    assert rule.level in LEVELS
    assert explain_code(rule.name) == page
    assert code in list_codes()


def test_codes_and_names_are_unique():
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert explain_code("AG999") is None

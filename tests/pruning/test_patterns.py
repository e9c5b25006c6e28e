"""Several patterns as one."""

import re

import pytest

from fairseq_prune.pruning import PruneError, any_of, check_pattern

NAMES = ["source embedding: a.weight", "softmax: fc_out.weight", "aa: b", "Softmax: c"]


@pytest.mark.parametrize(
    "patterns",
    [["softmax"], ["^source", "out"], ["^aa|b$", r"fc\.", "c$"], ["(a)+:", "(?P<x>S)o"], ["", "z"]],
)
def test_it_matches_where_any_of_them_does(patterns):
    joined = any_of(patterns, "--exclude")
    for name in NAMES:
        assert bool(re.search(joined, name)) == any(re.search(p, name) for p in patterns)


@pytest.mark.parametrize(
    "patterns",
    [["a", "(?i)softmax"], ["(?i)softmax", "a"], [r"(x)", r"(a)\1"], ["(?P<n>a)", "(?P<n>b)"]],
)
def test_what_would_be_another_pattern_beside_others_is_refused(patterns):
    with pytest.raises(PruneError, match="^--exclude .*(cannot be joined|no regular expression)"):
        any_of(patterns, "--exclude")
    assert [any_of([pattern], "--exclude") for pattern in patterns] == patterns


def test_each_must_be_a_pattern_by_itself():
    """Together these would be one, of another meaning."""
    with pytest.raises(PruneError, match=r"^--include 'a\(' is no regular expression: missing"):
        any_of(["a(", "b)"], "--include")
    with pytest.raises(PruneError, match=r"^exclude: '\(' is no regular expression"):
        check_pattern("(", "exclude:")

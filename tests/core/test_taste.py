"""Weights, joined scores and choices, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tutelage.core.taste import balance, chosen, conditioned, favour, joined, standard


def test_the_last_line_names_the_group() -> None:
    assert conditioned("Name a bird.\nIn a word.", "children").splitlines()[-1] == "Written for: children"
    assert conditioned("Name a bird.", "a") != conditioned("Name a bird.", "b")


def test_balanced_groups_count_alike() -> None:
    weights = balance(["a", "a", "a", "b"])
    assert weights == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2.0])
    assert sum(weights) == pytest.approx(4)


def test_only_the_group_that_a_prompt_concerns_is_favoured() -> None:
    assert favour(["a", "b", "a", "b"], ["a", "a", "", "b"], 3.0) == [3.0, 1.0, 1.0, 3.0]


def test_standard_scores_have_no_mean_and_one_size() -> None:
    """-1, 1 and -3, 3: mean square 5."""
    found = standard([[1.0, 3.0], [10.0, 16.0]])
    assert np.concatenate(found).tolist() == pytest.approx([-1 / 5**0.5, 1 / 5**0.5, -3 / 5**0.5, 3 / 5**0.5])
    assert standard([[2.0, 2.0]])[0].tolist() == [0.0, 0.0] and standard([]) == []


def test_joined_scores() -> None:
    """The mean takes what one group loves, the least what both can live with."""
    scores = [[3.0, 1.0, 0.0], [-2.0, 0.5, 0.0]]
    assert joined(scores, "mean").tolist() == [0.5, 0.75, 0.0]
    assert joined(scores, "least").tolist() == [-2.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="no rule 'most'"):
        joined(scores, "most")


def test_what_is_chosen_by_hand() -> None:
    assert chosen([0.1, 0.9, 0.5], [1, 0, 2]) == 1.0
    assert chosen([0.9, 0.1, 0.5], [1, 0, 2]) == 0.5
    assert chosen([0.9, 0.1, 0.5], [1, 1, 2]) == 0.75
    assert chosen([0.9, 0.9, 0.5], [0, 2, 1]) == 0.5  # the mean of 1 and 0
    with pytest.raises(ValueError, match="two completions"):
        chosen([1.0], [0])


def test_chance_is_one_half() -> None:
    rng = np.random.default_rng(0)
    found = [chosen(rng.normal(size=4), rng.integers(0, 4, 4)) for _ in range(2000)]
    assert np.mean(found) == pytest.approx(0.5, abs=4 * 0.36 / 2000**0.5)

"""Several labelers rank the same completions: one batch element with what all of them said."""

from dataclasses import replace

from tutelage.models.load import load_policy
from tutelage.models.tokens import Renderer
from tutelage.records import RankedGroup
from tutelage.train.reward import encode_groups

ONE = RankedGroup(prompt="ab", completions=("a", "b", "c"), ranks=(0, 1, 1), labeler="one")
OTHER = RankedGroup(prompt="ab", completions=("c", "a", "b"), ranks=(0, 1, 2), labeler="two")


def encode(world, *rankings):
    _, tokenizer = load_policy(world.policy)
    return encode_groups(rankings, Renderer(tokenizer), 64, "rankings")


def test_what_several_labelers_said_of_the_same_completions_is_one_element(world):
    fewer = RankedGroup(prompt="ab", completions=("a", "b"), ranks=(0, 1), labeler="one")
    three, two, cut = encode(world, ONE, fewer, OTHER, replace(OTHER, cut=(True, False, False)))
    assert sorted(three.pairs) == [(0, 1), (0, 1), (0, 2), (2, 0), (2, 1)]
    assert two.pairs == [(0, 1)]
    assert [len(ids) for ids in cut.group.completions] == [1, 2, 2]


def test_whoever_ties_all_adds_nothing(world):
    [element] = encode(world, replace(ONE, ranks=(1, 1, 1)), OTHER)
    assert sorted(element.pairs) == [(0, 1), (2, 0), (2, 1)]


def test_another_weight_is_another_element(world):
    assert [one.weight for one in encode(world, ONE, replace(OTHER, weight=2.0))] == [1.0, 2.0]

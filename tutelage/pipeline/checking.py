"""Look at all that a recipe will train with before it trains anything: a mistake shall cost seconds, not hours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tutelage.feedback.export import ExportSplit
from tutelage.models.load import check_vocabulary, load_tokenizer, read_config, require_safetensors, same_vocabulary
from tutelage.models.tokens import Renderer
from tutelage.pipeline.recipe import Recipe
from tutelage.pipeline.stages import Workspace
from tutelage.pipeline.training import Maker, demonstrations, model_of, open_store, ppo_settings, ranked_groups
from tutelage.records import Kind
from tutelage.store import Store
from tutelage.train.batching import encode_examples
from tutelage.train.layout import check_layout
from tutelage.train.loop import check_loop
from tutelage.train.ppo import encode_prompts, room_for_prompts
from tutelage.train.pretrain import check_rows
from tutelage.train.reward import encode_groups

#: What is trained on, and what is measured on.
SPLITS: tuple[ExportSplit, ExportSplit] = ("train", "validation")


class Reader(NamedTuple):
    """How a model reads text, known from its files without loading its weights."""

    renderer: Renderer
    context: int

    @classmethod
    def of(cls, path: Path, recipe: Recipe) -> Reader:
        """Read a model directory's tokenizer and size; refuse one that is not whole."""
        require_safetensors(path)
        tokenizer, config = load_tokenizer(path), read_config(path)
        check_vocabulary(tokenizer, config, path)
        return cls(Renderer(tokenizer, recipe.template), config.max_position_embeddings)


def check_trainings(recipe: Recipe) -> None:
    """Refuse settings that one of the recipe's trainings would refuse on this machine."""
    check_loop(recipe.base.pretrain.loop, recipe.base.pretrain.adam)
    for settings in (recipe.start, recipe.sft, recipe.reward):
        check_layout(settings, settings.adam)
    check_layout(recipe.ppo, recipe.ppo.policy, recipe.ppo.value)


def check_data(
    recipe: Recipe, prompts_of: Callable[[Workspace, Store], list[str]], shown_by: Kind, ranked_by: Kind | None
) -> Maker:
    """Encode all labels and prompts as the trainings will; what is too long is counted aloud, here and there.

    The labels are of these kinds; without a kind, the rankings are still to be made.
    """

    def run(space: Workspace, _: Path) -> dict[str, Any]:
        policy, judge = _readers(space, recipe)
        with open_store(space) as store:
            shown, shown_later = (demonstrations(store, shown_by, split) for split in SPLITS)
            rankings = {split: ranked_groups(store, ranked_by, split) for split in SPLITS if ranked_by}
            asked = prompts_of(space, store)
        ppo = ppo_settings(recipe)
        room = room_for_prompts(ppo.max_tokens, policy.context, judge.context)
        if recipe.start.pretraining_mix > 0:
            check_rows(recipe.start.mix_row_tokens, policy.context, "start.mix_row_tokens")
        if ppo.ptx_coef > 0:
            check_rows(ppo.ptx_row_tokens, policy.context, "ppo.ptx_row_tokens")
        if shown_later:
            encode_examples(shown_later, *policy, "held-out demonstrations")
        found = {
            "demonstrations": len(encode_examples(shown, *policy, "demonstrations", recipe.start.longest_prompt)),
            "prompts": len(encode_prompts(asked, policy.renderer, room, "prompts")),
        }
        if ranked_by:
            encode_groups(rankings["validation"], *judge, "held-out rankings")
            longest = recipe.reward.longest_prompt
            found["rankings"] = len(encode_groups(rankings["train"], *judge, "training rankings", longest))
        return found

    return run


def _readers(space: Workspace, recipe: Recipe) -> tuple[Reader, Reader]:
    """Give how the policy and the reward model read text, which must be the same way."""
    base = model_of(space, "base")
    policy = Reader.of(base, recipe)
    if not recipe.reward_base.model:
        return policy, policy
    other = model_of(space, "reward_base")
    judge = Reader.of(other, recipe)
    names = f"The base {base} and the reward model's base {other}"
    same_vocabulary(policy.renderer.tokenizer, judge.renderer.tokenizer, names)
    return policy, judge

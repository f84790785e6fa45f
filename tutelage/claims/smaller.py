"""Claim 5: people prefer a small aligned model to a base many times as large (paper 4.1: 1.3B against 175B)."""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.claims.arms import answers, asked, experiment, judged, win_rates
from tutelage.claims.claim import Claim, Part, beside, preferred
from tutelage.claims.training import larger, with_shape
from tutelage.claims.verdicts import Rule
from tutelage.evaluate.measures import Figures, averaged, paired
from tutelage.evaluate.tasks import losses
from tutelage.evaluate.tasks.losses import Text
from tutelage.files import read_json
from tutelage.pipeline.evaluation import read_outputs
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.training import model_of, pretrain
from tutelage.pipeline.village import Village
from tutelage.sample import Policy

#: Arms of the run that stand beside the larger base, and held-out documents that both bases are measured on.
ARMS, DOCUMENTS = ("base", "sft", "ppo_ptx"), 200


@dataclass(frozen=True)
class Larger:
    """A base so many times as large, and which share of the base's text it reads in the time that there is."""

    times: int
    tokens: float

    @property
    def stage(self) -> str:
        """Name the stage that trains it."""
        return f"base_{self.times}x"

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return the recipe with this base; a wider one learns at a lower rate (GPT-3, Table 2.1)."""
        base, pretraining = recipe.base, recipe.base.pretrain
        shape = larger(base.shape, base.vocabulary, self.times)
        rate = pretraining.adam.lr * (base.shape.hidden / shape.hidden) ** 0.5
        settings = pretraining.model_copy(
            update={
                "tokens": round(self.tokens * pretraining.tokens),
                "adam": pretraining.adam.model_copy(update={"lr": rate}),
            }
        )
        grown = with_shape(recipe, shape)
        return grown.model_copy(update={"base": grown.base.model_copy(update={"pretrain": settings})})

    def stages(self, village: Village, recipe: Recipe) -> list[Stage]:
        """Train the larger base on the same corpus, measure both bases, and let held-out labelers compare."""
        grown, name = self.recipe(recipe), self.stage

        def measure(space: Workspace) -> Figures:
            base = model_of(space, name)
            frame = space.facts("prompted_base")["frame"]
            policies = {"larger": Policy("larger", base), "larger_prompted": Policy("larger_prompted", base, frame)}
            outputs = [one for one in read_outputs(space) if one.model in ARMS]
            outputs += answers(recipe, policies, asked(space, "test"))
            rankings = judged(space, village, outputs, "heldout", name).rankings
            return win_rates(rankings, (*ARMS, *policies)) | _losses(space, recipe, name)

        return [
            Stage(
                name, f"Pretrain a base {self.times} times as large", pretrain(grown), parts(grown, "base"), ("corpus",)
            ),
            Stage(
                f"claim_{name}",
                f"Compare with a base {self.times} times as large",
                experiment(measure),
                parts(recipe, "sample") | {"arms": ARMS, "documents": DOCUMENTS},
                ("outputs", "prompted_base", "base", "corpus", name),
            ),
        ]


def _losses(space: Workspace, recipe: Recipe, name: str) -> Figures:
    """Measure the loss of both bases on documents that neither read, paired by document."""
    documents = read_json(space.directory("corpus") / "heldout.json")[:DOCUMENTS]
    texts = [Text(f"{number:04d}", text) for number, text in enumerate(documents)]
    models = {"base": model_of(space, "base"), "larger": model_of(space, name)}
    values = averaged(("", row.model, row.text, row.loss) for row in losses.run(texts, models, seed=recipe.seed))
    gap = paired(values["", "larger"], values["", "base"])
    return {("loss_gap", "larger", "base"): gap} if gap else {}


def _claim(size: Larger, *, seconds: int, is_long: bool) -> Claim:
    return Claim(
        name=f"smaller-{size.times}x",
        number=5,
        title=f"People prefer the small aligned model to a base {size.times} times as large",
        source="paper 4.1: 1.3B PPO-ptx is preferred to 175B GPT-3, a hundred times as large",
        conditions=(
            Part(
                says="Loss on unread documents, the larger base minus the small one",
                figure=("loss_gap", "larger", "base"),
                rule=Rule(below=0.0),
                unit="number",
            ),
            preferred("larger", "base", "The larger base is preferred to the small base"),
        ),
        parts=(preferred("ppo_ptx", "larger", "PPO-ptx is preferred to the larger base"),),
        beside=(
            beside(preferred("sft", "larger", "SFT against the larger base")),
            beside(preferred("ppo_ptx", "larger_prompted", "PPO-ptx against the larger base with the few-shot prefix")),
        ),
        reason=(
            f"The larger base reads {100 * size.tokens:.0f} % of the small one's text, which is what the time allows; "
            "it must have the lower loss and be preferred to the small base, or nothing is tested."
        ),
        stages=size.stages,
        seconds=seconds,
        is_long=is_long,
    )


TWELVE = _claim(Larger(12, 0.6), seconds=1200, is_long=False)
HUNDRED = _claim(Larger(100, 1.0), seconds=40_000, is_long=True)

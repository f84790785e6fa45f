"""From the paper's limits: instructions in, or about, a language that labelers hardly use (paper 4.3)."""

from __future__ import annotations

import random

from tutelage.claims.arms import experiment, rates
from tutelage.claims.claim import Claim, Part
from tutelage.claims.verdicts import Rule
from tutelage.evaluate.measures import Figures
from tutelage.pipeline.evaluation import policies
from tutelage.pipeline.recipe import Recipe, parts
from tutelage.pipeline.stages import Stage, Workspace
from tutelage.pipeline.village import Village
from tutelage.records import Completion, Prompt
from tutelage.village.corpus_velu import known_clause

#: How a translation is asked for; no prompt, demonstration or ranking of the run asks for one.
WORDINGS = {
    "English": ("Put this into English: {text}", "What does this mean in English? {text}"),
    "Velu": ("Put this into Velu: {text}", "How does one say this in Velu? {text}"),
}
ARMS = ("base", "prompted_base", "sft", "ppo_ptx")


def translations(seed: int, count: int) -> list[Prompt]:
    """Ask for translations of clauses that the corpus may show, from Velu and into it."""
    rng, found = random.Random(f"translations {seed}"), dict[str, str]()
    while len(found) < count:
        clause, language = known_clause(rng), rng.choice(list(WORDINGS))
        given, wanted = (clause.velu, clause.english) if language == "English" else (clause.english, clause.velu)
        found[rng.choice(WORDINGS[language]).format(text=given)] = wanted
    return [
        Prompt(id=f"translation-{number:04d}", text=text, source="village", user="", meta={"answer": answer})
        for number, (text, answer) in enumerate(found.items())
    ]


def is_right(prompt: Prompt, made: Completion) -> bool:
    """Say whether an answer is the translation, whatever its case and its full stop."""
    return _plain(made.text) == _plain(prompt.meta["answer"])


def words_right(prompt: Prompt, made: Completion) -> bool:
    """Say whether an answer has at least half of the words of the translation."""
    wanted = set(_plain(prompt.meta["answer"]).split())
    return len(wanted & set(_plain(made.text).split())) >= len(wanted) / 2


def _plain(text: str) -> str:
    return " ".join(text.lower().replace(".", " ").split())


def stages(village: Village, recipe: Recipe) -> list[Stage]:
    """Ask the arms for translations."""

    def measure(space: Workspace) -> Figures:
        arms = {name: policy for name, policy in policies(space, recipe).items() if name in ARMS}
        prompts = translations(recipe.seed, village.settings.validation)
        return rates(recipe, arms, prompts, {"translated": is_right, "half translated": words_right})

    made_from = parts(recipe, "sample", "release") | {"wordings": WORDINGS, "count": village.settings.validation}
    needs = ("base", "baseline", "ppo", "prompted_base")
    return [Stage("claim_language", "Ask for translations", experiment(measure), made_from, needs)]


def _gap(check: str, model: str, says: str, rule: Rule | None = None) -> Part:
    return Part(says=says, figure=("rate_gap", check, model, "base"), rule=rule, unit="points")


LANGUAGE = Claim(
    name="language",
    title="The aligned model follows prompts in another language, though labelers hardly used it",
    source="paper 4.3: instructions in French are followed although 96 % of the data are English",
    parts=(_gap("half translated", "ppo_ptx", "Half of the words are right: PPO-ptx minus the base", Rule(above=0.0)),),
    beside=(
        _gap("half translated", "sft", "The same for SFT"),
        _gap("half translated", "prompted_base", "The same for the prompted base"),
        _gap("translated", "ppo_ptx", "Wholly right: PPO-ptx minus the base"),
        Part(says="PPO-ptx has half of the words right", figure=("rate", "half translated", "ppo_ptx")),
        Part(says="The base has half of the words right", figure=("rate", "half translated", "base")),
    ),
    reason=(
        "Velu stands in the corpus as pairs of lines alone, two and a half pages in a hundred, and no prompt of the "
        "village uses it, while a few in a hundred of the paper's data were in other languages."
    ),
    stages=stages,
    seconds=15,
)

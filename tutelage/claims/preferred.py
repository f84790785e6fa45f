"""Claims 1 to 3: held-out labelers prefer PPO-ptx to the base, to the prompted base and to SFT."""

from __future__ import annotations

from tutelage.claims.claim import Claim, Part, beside, preferred

SMALL = (
    "A base of one million parameters leaves little that PPO can sharpen: with the village's reward model no optimiser "
    "of that reward gained more than a few points (docs/log.md, the recipe on three seeds)."
)

BASE = Claim(
    name="base",
    number=1,
    title="People prefer the aligned model to the base",
    source="paper 4.1: 85 ± 3 % against GPT-3",
    parts=(preferred("ppo_ptx", "base", "PPO-ptx is preferred to the base"),),
    beside=(
        beside(preferred("sft", "base", "SFT against the base")),
        beside(preferred("base_more", "base", "The base that read on in the mix's text, against the base")),
    ),
    reason=SMALL,
)
PROMPTED = Claim(
    name="prompted",
    number=2,
    title="People prefer the aligned model to the base with a few-shot prompt",
    source="paper 4.1: 71 ± 4 % against few-shot GPT-3",
    parts=(preferred("ppo_ptx", "prompted_base", "PPO-ptx is preferred to the prompted base"),),
    beside=(
        beside(preferred("prompted_base", "base", "The prompted base against the base")),
        beside(preferred("sft", "prompted_base", "SFT against the prompted base")),
    ),
    reason=SMALL,
)
SFT = Claim(
    name="sft",
    number=3,
    title="People prefer the aligned model to the supervised one",
    source="paper 4.1: 73.4 ± 2 % against SFT of the same size",
    parts=(preferred("ppo_ptx", "sft", "PPO-ptx is preferred to SFT"),),
    beside=(
        beside(preferred("ppo", "sft", "PPO without the mix against SFT")),
        beside(preferred("ppo_ptx", "sft_random", "PPO-ptx against a random one of four samples of SFT")),
        Part(
            says="The opposed control group prefers PPO-ptx to SFT less often",
            figure=("drop", "ppo_ptx", "sft"),
            unit="points",
        ),
    ),
    reason=SMALL,
)

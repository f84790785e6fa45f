"""PPO with a pretraining mix and a judge of one's own: python ppo.py SFT REWARD RUN"""

import sys
from collections.abc import Sequence
from pathlib import Path

from capitals import QUESTIONS, TEXTS

from tutelage.models.scoring import Answer
from tutelage.runs import Run
from tutelage.train.four import Parents
from tutelage.train.loop import LoopSettings
from tutelage.train.optimizers import Adam
from tutelage.train.ppo import KLSettings, PPOData, PPOSettings, train_ppo

start, reward, run = map(Path, sys.argv[1:])


def judge(answers: Sequence[Answer]) -> float:
    """Say how many answers name the city; the policy is not trained on this, so it cannot learn to please it."""
    return sum(QUESTIONS[answer.prompt] in answer.completion for answer in answers) / len(answers)


settings = PPOSettings(
    episodes=512,
    batch=64,
    minibatch=32,
    max_tokens=8,
    ptx_coef=1.0,
    ptx_rows=4,
    ptx_row_tokens=32,
    kl=KLSettings(beta=0.05),
    policy=Adam(lr=3e-4),
    value=Adam(lr=3e-3),
    loop=LoopSettings(evaluate_every=4),
)
data = PPOData(prompts=list(QUESTIONS), pretraining=TEXTS, validation=list(QUESTIONS))
model = train_ppo(run, settings, data, Parents(policy=start, reward=reward), judge=judge)

for row in Run.open(run).read_metrics():
    if "validation/policy/judged" in row:
        print(f"step {row['step']}: reward {row['validation/policy/score']:.2f}, "
              f"right answers {row['validation/policy/judged']:.0%}")  # fmt: skip
print(f"Model: {model}; the one that the judge liked most: {run / 'best_judged'}")

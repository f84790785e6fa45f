"""A reward model from ranked groups: python reward.py SFT RUN"""

import sys
from pathlib import Path

from capitals import CAPITALS, QUESTIONS

from tutelage.models.scoring import Answer, Scorer
from tutelage.records import RankedGroup
from tutelage.train.batching import Example
from tutelage.train.optimizers import Adam
from tutelage.train.reward import RewardData, RewardSettings, train_reward

start, run = map(Path, sys.argv[1:])
cities = list(CAPITALS.values())
# Four answers to each question, best first; those of one rank are ties, and an answer may be empty.
groups = [
    RankedGroup(
        prompt=question,
        completions=(f"{city}.", f"{city} or {other}.", f"{other}.", ""),
        ranks=(0, 1, 2, 2),
    )
    for question, city in QUESTIONS.items()
    for other in cities
    if other != city
]
demonstrations = [Example(question, f"{city}.") for question, city in QUESTIONS.items()]

settings = RewardSettings(epochs=20, batch=8, adam=Adam(lr=1e-3))
heldout = groups[::4]
train = [group for group in groups if group not in heldout]
model = train_reward(run, settings, RewardData(train, heldout, demonstrations), start)

asked = "What is the capital of France?"
good, bad = Scorer(model).score([Answer(asked, "Paris."), Answer(asked, "Rome.")])
print(f"Paris scores {good:.2f}, Rome {bad:.2f}")
print(f"Model: {model}")

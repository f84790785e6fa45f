"""Supervised fine-tuning on rows of one's own: python sft.py BASE RUN"""

import sys
from pathlib import Path

from capitals import QUESTIONS, TEXTS

from tutelage.train.batching import Example
from tutelage.train.optimizers import Adam
from tutelage.train.sft import SFTData, SFTSettings, train_sft

base, run = map(Path, sys.argv[1:])
rows = [{"prompt": question, "completion": f"{city}."} for question, city in QUESTIONS.items()]
examples = [Example(row["prompt"], row["completion"]) for row in rows]

# The start of PPO in the paper (C.3): two passes with a tenth of pretraining text. Eight rows need more passes.
settings = SFTSettings(epochs=16, batch=8, pretraining_mix=0.1, mix_row_tokens=32, adam=Adam(lr=3e-3))


def show(step, steps, metrics):
    print(f"step {step} of {steps}: loss {metrics['loss']:.3f}")


model = train_sft(run, settings, SFTData(train=examples, heldout=examples[:2], pretraining=TEXTS), base, show)
print(f"Model: {model}")

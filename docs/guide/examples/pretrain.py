"""A base model from nothing, for the other examples: python pretrain.py RUN

Any directory with safetensors and a tokenizer does as well; then leave this out.
"""

import sys
from pathlib import Path

from capitals import QUESTIONS, TEXTS

from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer
from tutelage.train.optimizers import Adam
from tutelage.train.pretrain import PretrainSettings, Texts, train_pretrain

run = Path(sys.argv[1])
tokenizer = train_tokenizer([*TEXTS, *QUESTIONS], vocab_size=320)
shape = Shape(hidden=64, layers=2, heads=4, kv_heads=2, feedforward=128, context=96)
start = save(fresh(shape, tokenizer, seed=0), tokenizer, run / "start")

settings = PretrainSettings(tokens=60_000, row_tokens=32, batch_rows=8, adam=Adam(lr=3e-3))
model = train_pretrain(run / "training", settings, Texts(TEXTS), start)
print(f"Model: {model}")

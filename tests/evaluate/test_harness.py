"""Two tasks held against lm-evaluation-harness, which runs its own HF model on the same directory (`make harness`)."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
import torch

from tests.evaluate.test_task_prompts import posed
from tutelage.evaluate.tasks.subject import Subject
from tutelage.models.load import Shape, fresh, save
from tutelage.models.tokenizer import train_tokenizer

WORDS = "the goat eats a hat and then he sleeps on some old red boat near Oslo".split()
SCRIPT = Path(__file__).with_name("ask_harness.py")


@pytest.mark.harness
def test_hellaswag_and_squad2_agree_item_by_item(tmp_path: Path) -> None:
    """The same sums of log-probabilities for every ending, and the same line for every question, so the same scores."""
    python = os.environ.get("TUTELAGE_HARNESS_PYTHON")
    assert python, "run `make harness`, which sets the environment up"
    rng = random.Random(5)

    def text(words: int) -> str:
        return " ".join(rng.choices(WORDS, k=words))

    tokenizer = train_tokenizer([text(400)], 300)
    shape = Shape(hidden=48, layers=2, heads=4, feedforward=64, context=1024)
    model = fresh(shape, tokenizer, seed=7)
    with torch.no_grad():
        for weight in model.parameters():
            # A model that has only begun writes one letter for ever.
            weight.mul_(6 if weight.dim() > 1 else 1)
    directory = save(model, tokenizer, tmp_path / "model")
    hellaswag = posed("hellaswag", [
        {"activity_label": text(1), "ctx": text(9), "endings": [text(rng.randint(1, 7)) for _ in range(4)],
         "label": rng.randrange(4)}
        for _ in range(24)
    ], shots=2)  # fmt: skip
    squad = posed("squad2", [
        {"id": str(n), "title": text(1), "context": text(20), "question": text(5),
         "answers": {"text": [text(1)] if n % 3 else []}}
        for n in range(24)
    ], shots=1)  # fmt: skip
    subject = Subject.load(directory)
    # Ours begins a text as a document begins, with the end token; the harness does so only where there is no context.
    begin = tokenizer.eos_token
    asked = {
        "model": str(directory),
        "tasks": {
            "hellaswag": [{"prompt": begin + one.prompt, "choices": list(one.choices)} for one in hellaswag.questions],
            "squad2": [{"prompt": begin + one.prompt, "max_tokens": one.max_tokens} for one in squad.questions],
        },
    }
    done = subprocess.run(
        [python, str(SCRIPT)], input=json.dumps(asked), capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    chosen = subject.answer(hellaswag.questions)
    assert [[one.total for one in answer.likely] for answer in chosen] == [
        pytest.approx(totals, rel=1e-4, abs=2e-3) for totals in theirs["hellaswag"]
    ]
    written = subject.answer(squad.questions)
    assert [answer.text for answer in written] == [line.strip() for line in theirs["squad2"]]
    assert len({answer.text for answer in written}) > 5, "the lines tell something"

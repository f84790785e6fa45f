"""Run by test_harness.py with the Python that has lm-evaluation-harness: ask its own HF model what we ask ours.

Reads {"model": DIR, "tasks": {name: [{"prompt", "choices" | "max_tokens"}]}} and prints, in the same order, the
log-probabilities of all choices, or the line that was written. It imports nothing of ours.
"""

import json
import os
import sys

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TRANSFORMERS_OFFLINE="1", DISABLE_MULTIPROC="1")

import lm_eval
from datasets import Dataset
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager


def choosing(name: str, rows: list) -> dict:
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": 0,
        "target_delimiter": "",
        "process_results": lambda doc, results: {"acc": 0.0},
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        **common(name, rows),
    }


def writing(name: str, rows: list) -> dict:
    return {
        "output_type": "generate_until",
        "doc_to_target": "",
        "generation_kwargs": {"until": ["\n"], "do_sample": False, "max_gen_toks": rows[0]["max_tokens"]},
        "process_results": lambda doc, results: {"acc": 0.0},
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        **common(name, rows),
    }


def common(name: str, rows: list) -> dict:
    return {
        "task": name,
        "custom_dataset": lambda **_: {"test": Dataset.from_list(rows)},
        "test_split": "test",
        "doc_to_text": "{{prompt}}",
        "num_fewshot": 0,
    }


def main() -> None:
    asked = json.load(sys.stdin)
    model = HFLM(pretrained=asked["model"], device="cpu", batch_size=4, dtype="float32")
    tasks = [
        (choosing if "choices" in rows[0] else writing)(name, [{**row, "n": n} for n, row in enumerate(rows)])
        for name, rows in asked["tasks"].items()
    ]
    found = lm_eval.simple_evaluate(
        model=model, tasks=tasks, task_manager=TaskManager(include_defaults=False), bootstrap_iters=0, log_samples=True
    )
    answers = {}
    for name, samples in found["samples"].items():
        samples.sort(key=lambda one: one["doc"]["n"])
        answers[name] = [
            [float(part[0]) for part in one["filtered_resps"]] if "choices" in one["doc"] else one["filtered_resps"][0]
            for one in samples
        ]
    print("\n" + json.dumps(answers))


if __name__ == "__main__":
    main()

"""Run by test_task_records.py in a process of its own: forks a child for each folder that it reads.

The imports, which take longer than the evaluation, are made once. Usage: python evaluate_and_be_killed.py DATA MODEL...
"""

import os
import sys
import traceback
from pathlib import Path

import torch

from tutelage.pipeline.benchmarks import Order, evaluate


def run(data: str, models: list[str], out: Path) -> None:
    """Evaluate, from wherever the folder stands."""
    order = Order(tasks=("truthfulqa", "crows-pairs"), data=data, prompts=("plain", "instruction"))
    evaluate(order, {Path(model).name: Path(model) for model in models}, out, lambda *_: None)


def serve(data: str, models: list[str]) -> None:
    """Fork a child per line, tell its process id, wait for it on request, tell its exit code (negative: the signal)."""
    while line := sys.stdin.readline():
        child = os.fork()
        if child == 0:
            try:
                run(data, models, Path(line.strip()))
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(child, flush=True)
        assert sys.stdin.readline() == "wait\n"
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    serve(sys.argv[1], sys.argv[2:])

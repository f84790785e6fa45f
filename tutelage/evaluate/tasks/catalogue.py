"""The published tasks by name."""

from __future__ import annotations

import difflib

from tutelage.errors import SettingsError
from tutelage.evaluate.tasks import (
    cnn_dm,
    crows_pairs,
    drop,
    hellaswag,
    quac,
    realtoxicityprompts,
    rte,
    squad2,
    sst2,
    tldr,
    translation,
    truthfulqa,
    winogender,
    wsc,
)
from tutelage.evaluate.tasks.task import Benchmark

#: In the order of the paper's Table 14.
BENCHMARKS: dict[str, Benchmark] = {
    one.name: one
    for one in (
        winogender.BENCHMARK,
        crows_pairs.BENCHMARK,
        realtoxicityprompts.BENCHMARK,
        truthfulqa.GENERATION,
        truthfulqa.CHOICE,
        drop.BENCHMARK,
        quac.BENCHMARK,
        squad2.BENCHMARK,
        hellaswag.BENCHMARK,
        rte.BENCHMARK,
        sst2.BENCHMARK,
        wsc.BENCHMARK,
        translation.BENCHMARK,
        cnn_dm.BENCHMARK,
        tldr.BENCHMARK,
    )
}


def find(name: str) -> Benchmark:
    """Look a task up; SettingsError says which there are."""
    if name not in BENCHMARKS:
        close = difflib.get_close_matches(name, BENCHMARKS, n=1)
        hint = f"; did you mean {close[0]}?" if close else "."
        raise SettingsError(f"There is no task {name}{hint} There are {', '.join(BENCHMARKS)}.")
    return BENCHMARKS[name]

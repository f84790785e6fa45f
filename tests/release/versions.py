"""Versions of a model as the registry knows them: files that pass every check, though no engine could use them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tutelage.files import sha256_of
from tutelage.records import RegisteredModel
from tutelage.store import Store, registry, results
from tutelage.store.results import Figure, Results

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "_name_or_path": "org/name", "vocab_size": 2}


def write(directory: Path, seed: int = 0) -> Path:
    """Write a directory with one small tensor."""
    directory.mkdir(parents=True)
    save_file({"head.weight": np.full((2, 2), seed, dtype=np.float32)}, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(CONFIG))
    return directory


def register(store: Store, directory: Path, name: str = "m") -> RegisteredModel:
    """Register a directory as the next version of a model."""
    new = RegisteredModel(name=name, version=0, path=str(directory), sha256=sha256_of(directory), run="test")
    return registry.register(store, new, prompt_hashes=(), now=NOW)


def judge(store: Store, model: RegisteredModel, **figures: Figure) -> None:
    """Keep figures of a version; `__` in a name stands for its slash."""
    made = Results(
        name=model.name,
        version=model.version,
        sha256=model.sha256,
        source="made by hand",
        source_sha256="0" * 64,
        figures={name.replace("__", "/"): figure for name, figure in figures.items()},
    )
    results.record(store, made, by="anna", now=NOW)

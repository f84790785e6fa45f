"""Files of data sets on the Hugging Face hub: one is downloaded, at a commit that is told; nothing of it is run."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tutelage.errors import MissingError, SettingsError, UnavailableError

PREFIX = "hub:"
#: What can be read (`rowfiles`).
READABLE = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")


@contextmanager
def local(address: str) -> Iterator[tuple[Path, str]]:
    """Yield the path of a file and where it comes from; `hub:OWNER/NAME/FILE` is downloaded while it is used."""
    if not address.startswith(PREFIX):
        yield Path(address), Path(address).name
        return
    owner, _, rest = address.removeprefix(PREFIX).partition("/")
    name, _, file = rest.partition("/")
    if not (owner and name):
        raise SettingsError(f"{address}: name a file of a data set as hub:OWNER/NAME/FILE.")
    with tempfile.TemporaryDirectory() as folder:
        yield _download(f"{owner}/{name}", file, Path(folder))


def _download(dataset: str, file: str, folder: Path) -> tuple[Path, str]:
    from httpx2 import HTTPError
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError

    # The library reads this name when it is imported, too early for a program that sets it.
    hub = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        about = hub.dataset_info(dataset)
        files = sorted(one.rfilename for one in about.siblings or () if one.rfilename.endswith(READABLE))
        if file not in files:
            told = ", ".join(files[:10]) + (" ..." if len(files) > 10 else "")
            raise MissingError(
                f"{PREFIX}{dataset}: name one of its files behind another slash: {told or 'none of them can be read'}."
            )
        path = hub.hf_hub_download(dataset, file, repo_type="dataset", revision=about.sha, local_dir=folder)
    except HFValidationError:
        raise SettingsError(f"{PREFIX}{dataset}: that is no name of a data set; write hub:OWNER/NAME/FILE.") from None
    except RepositoryNotFoundError:
        raise MissingError(
            f"The hub has no data set {dataset}, or shows it only with HF_TOKEN, to some who sign in."
        ) from None
    except (HfHubHTTPError, HTTPError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UnavailableError(
            f"The hub cannot be reached ({reason}); try again, or download the file elsewhere and name it."
        ) from None
    return Path(path), f"{PREFIX}{dataset}/{file}@{about.sha}"

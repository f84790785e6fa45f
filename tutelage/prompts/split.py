"""Train, validation and test prompts are split by user (paper, 3.2): by a salted hash, frozen at first sight."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from tutelage.errors import DataError
from tutelage.records import Prompt, Split
from tutelage.store import Store, users

DEFAULT_SHARES: Mapping[Split, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}


def rule(store: Store, shares: Mapping[Split, float] = DEFAULT_SHARES) -> Callable[[str], Split]:
    """Return the function that says in which split a new user, by the name prompts are sent under, will be put."""
    return lambda user: users.split_of(store.digest("split", store.user_hash(user)), shares)


def assign(
    store: Store, prompts: Sequence[Prompt], *, shares: Mapping[Split, float], now: datetime
) -> dict[str, Split]:
    """Return the split of each user (hash). A prompt that states its split decides for a user not seen before."""
    wanted: dict[str, Split] = {}
    for prompt in prompts:
        if prompt.split and wanted.setdefault(prompt.user, prompt.split) != prompt.split:
            raise DataError(
                f"The prompt {prompt.id} is marked {prompt.split!r}, another prompt of its user "
                f"{wanted[prompt.user]!r}; a user belongs to one split."
            )
    return users.assign(store, (prompt.user for prompt in prompts), shares=shares, now=now, wanted=wanted)

"""At most so many prompts of one user (paper: 200), chosen by salted hash, so that neither early nor late ones win."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tutelage.records import Prompt
from tutelage.store import Store


def beyond(store: Store, prompts: Sequence[Prompt], *, limit: int, before: Mapping[str, int]) -> set[str]:
    """Return the ids of the prompts over the limit; `before` counts what earlier intakes kept of each user."""
    of_user: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        of_user[prompt.user].append(prompt)
    over: set[str] = set()
    for user, sent in of_user.items():
        room = max(limit - before.get(user, 0), 0)
        if len(sent) > room:
            sent.sort(key=lambda prompt: (store.digest("cap", user, prompt.text), prompt.id))
            over |= {prompt.id for prompt in sent[room:]}
    return over

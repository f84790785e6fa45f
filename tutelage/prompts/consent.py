"""Consent: a prompt is used only when its user agreed to a notice, and not after the user withdrew."""

from collections.abc import Sequence

from tutelage.records import Prompt


def without(prompts: Sequence[Prompt]) -> set[str]:
    """Return the ids of the prompts that name no notice: they are kept apart and used for nothing."""
    return {prompt.id for prompt in prompts if not prompt.consent}


def notices(prompts: Sequence[Prompt]) -> dict[str, int]:
    """Return how many prompts came under each notice version."""
    counts: dict[str, int] = {}
    for prompt in prompts:
        if prompt.consent:
            counts[prompt.consent] = counts.get(prompt.consent, 0) + 1
    return dict(sorted(counts.items()))

"""All claims, in the order of the post; a new claim is one file and one line here."""

from __future__ import annotations

from collections.abc import Sequence

from tutelage.claims import (
    academic,
    compute,
    conduct,
    filtered,
    generalisation,
    harm,
    labelers,
    language,
    preferred,
    sizes,
    smaller,
    tax,
    toxicity,
)
from tutelage.claims.claim import Claim
from tutelage.errors import SettingsError

CLAIMS: tuple[Claim, ...] = (
    preferred.BASE,
    preferred.PROMPTED,
    preferred.SFT,
    academic.ACADEMIC,
    smaller.TWELVE,
    smaller.HUNDRED,
    labelers.LABELERS,
    generalisation.GENERALISATION,
    conduct.TRUTHFUL,
    toxicity.TOXICITY,
    conduct.HALLUCINATION,
    conduct.APPROPRIATE,
    tax.TAX,
    compute.THIS_RUN,
    compute.AT_175B,
    harm.CURATED_SET,
    filtered.FILTERED,
    harm.REFUSAL,
    language.LANGUAGE,
    sizes.LIKERT,
)


def named(names: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims of these names, or all that are not long where none is named."""
    known = {claim.name: claim for claim in CLAIMS}
    for name in names:
        if name not in known:
            raise SettingsError(f"There is no claim {name!r}; there are {', '.join(known)}.")
    return tuple(known[name] for name in names) if names else tuple(one for one in CLAIMS if not one.is_long)

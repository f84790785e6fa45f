"""What of a model a training trains, what only carries a gradient, and what lies below any, counted without the model.

The counts are those of `train/layout.py` and `train/four.py`; tests compare them with models that are laid out.
"""

from __future__ import annotations

from dataclasses import dataclass

from tutelage.errors import SettingsError
from tutelage.models.sizes import Product, Size
from tutelage.train.layout import LayoutSettings
from tutelage.train.stage import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """One model in a training.

    Of its layers, `lower` lie below any gradient. `adapted` are the products of each layer that have factors of `rank`.
    """

    size: Size
    weights: Weights
    lower: int = 0
    rank: int = 0
    adapted: tuple[Product, ...] = ()

    @property
    def trained(self) -> int:
        """Count the weights that gradients, optimizer and average are for."""
        return self.weights.trained

    @property
    def frozen(self) -> int:
        """Count the weights that are not trained, which in PPO all roles share."""
        return self.weights.carried + self.weights.read

    @property
    def upper(self) -> int:
        """Count the layers that a gradient passes."""
        return self.size.layers - self.lower

    @property
    def factors(self) -> int:
        """Count the weights of the adapters."""
        return self.size.layers * self.rank * sum(one.inputs + one.outputs for one in self.adapted)

    @property
    def trains_head(self) -> bool:
        """Say whether the output layer gets a gradient: a frozen embedding does not, nor does a base with adapters."""
        return not self.weights.carried


def policy_portion(size: Size, layout: LayoutSettings) -> Portion:
    """Count a policy in a layout."""
    if layout.kind == "adapters":
        return _adapted(size, layout, size.weights)
    if layout.kind == "shared_trunk":
        return _upper(size, layout, size.weights, reads_embedding=size.is_tied)
    return Portion(size=size, weights=Weights(trained=size.weights))


def scalar_portion(size: Size, layout: LayoutSettings, *, likelihood: bool = False) -> Portion:
    """Count a reward or value model on the trunk of a model in a layout; likelihoods need the embedding."""
    head = size.hidden + 1 + likelihood
    if layout.kind == "adapters":
        return _adapted(size, layout, size.trunk, head)
    if layout.kind == "shared_trunk":
        return _upper(size, layout, size.trunk + head, reads_embedding=likelihood)
    return Portion(size=size, weights=Weights(trained=size.trunk + head))


def _adapted(size: Size, layout: LayoutSettings, base: int, head: int = 0) -> Portion:
    """Add factors to every layer; the whole base carries the gradient."""
    names = {one.name for one in size.products}
    strangers = [name for name in layout.modules if name not in names]
    if strangers:
        known = ", ".join(one.name for one in size.products)
        raise SettingsError(f"layout.modules names {', '.join(strangers)}; the model has {known}.")
    adapted = tuple(one for one in size.products if one.name in (layout.modules or names))
    bare = Portion(size=size, weights=Weights(), rank=layout.rank, adapted=adapted)
    return Portion(
        size=size,
        weights=Weights(trained=bare.factors + head, carried=base),
        rank=layout.rank,
        adapted=adapted,
    )


def _upper(size: Size, layout: LayoutSettings, weights: int, *, reads_embedding: bool) -> Portion:
    """Freeze lower layers and embedding; where the embedding is read again at the end, it carries the gradient."""
    lower = round(layout.frozen_share * size.layers)
    if not 1 <= lower < size.layers:
        raise SettingsError(
            f"layout.frozen_share = {layout.frozen_share} freezes {lower} of {size.layers} layers; some must be frozen "
            "and some not."
        )
    carried = size.embedding if reads_embedding else 0
    read = lower * size.layer + size.embedding - carried
    return Portion(
        size=size, weights=Weights(trained=weights - carried - read, carried=carried, read=read), lower=lower
    )

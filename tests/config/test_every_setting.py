"""Every setting of the program is explained where it is declared."""

import importlib
import pkgutil

import tutelage
from tutelage.config import Settings


def every_kind(settings: type[Settings]) -> list[type[Settings]]:
    below = settings.__subclasses__()
    return [*below, *(deeper for kind in below for deeper in every_kind(kind))]


def test_every_setting_has_a_description() -> None:
    for module in pkgutil.walk_packages(tutelage.__path__, "tutelage."):
        # Alembic's env and versions are scripts that run inside a migration.
        if ".migrations" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    kinds = [kind for kind in every_kind(Settings) if kind.__module__.startswith("tutelage.")]
    unexplained = [
        f"{kind.__module__}.{kind.__name__}.{name}"
        for kind in kinds
        for name, field in kind.model_fields.items()
        if not field.description
    ]
    assert unexplained == []

"""What the forms of these pages say, as records of the store."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from tutelage.errors import DataError
from tutelage.records import UseCase
from tutelage.store.application_forms import RISKS, Audience, Conditions, DataUse, FilterMode, Form, Limits
from tutelage.web.forms import number

#: The fields of an application's form that are counts, and what an empty form holds.
COUNTS = {"end_users": 5, "answer_tokens": 500, "requests_per_day": 1000}
EMPTY: Mapping[str, Any] = {
    "name": "",
    "use_case": "chat",
    "purpose": "",
    "audience": "own",
    "is_read_first": False,
    "risks": (),
    **COUNTS,
}
LIMITS = ("requests_per_minute", "tokens_per_minute", "tokens_per_day")


def typed(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what somebody typed into an application's form, as the page shows it again."""
    texts = {name: fields.get(name, "").strip() for name in ("name", "use_case", "purpose", "audience", *COUNTS)}
    risks = tuple(risk for risk in RISKS if f"risk.{risk}" in fields)
    return {**texts, "is_read_first": "is_read_first" in fields, "risks": risks}


def application_form(values: Mapping[str, Any]) -> Form:
    """Return the form that was typed; DataError for a count that is none. The store checks the rest."""
    return Form(
        use_case=cast(UseCase, values["use_case"]),
        purpose=values["purpose"],
        audience=cast(Audience, values["audience"]),
        is_read_first=values["is_read_first"],
        risks=values["risks"],
        **{name: _count(values, name) for name in COUNTS},
    )


def conditions(fields: Mapping[str, str], now: datetime) -> Conditions:
    """Return the conditions that a reviewer chose."""
    days = fields.get("days", "").strip()
    names = [name for name in fields.get("models", "").replace(",", " ").split() if name]
    return Conditions(
        limits=Limits(**{name: _count(fields, name) for name in LIMITS}),
        filter_mode=cast(FilterMode, fields.get("filter_mode", "block")),
        models=tuple(dict.fromkeys(names)),
        data_use=cast(DataUse, fields.get("data_use", "training")),
        expires=now + timedelta(days=_count(fields, "days")) if days else None,
    )


def _count(values: Mapping[str, Any], name: str) -> int:
    found = number({name: str(values.get(name, ""))}, name)
    if found is None:
        raise DataError(f"{name.replace('_', ' ').capitalize()} is to be a whole number.")
    return found

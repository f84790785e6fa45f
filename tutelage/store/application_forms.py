"""What a customer says about an application, and the conditions that a reviewer gives it, as the store keeps them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, get_args

from tutelage.errors import DataError
from tutelage.records import USE_CASE_SHARES, UseCase

FilterMode = Literal["block", "annotate"]
DataUse = Literal["none", "training"]
#: Who reads what the model writes: the customer's own people, those of other organisations, or anybody.
Audience = Literal["own", "organisations", "public"]
#: What an application may touch: advice on health, law or money; people under age; persuading many people; decisions
#: about persons (work, credit, housing); acting without a person; content of a sexual or violent kind.
Risk = Literal["advice", "minors", "persuasion", "decisions", "acts_alone", "sensitive"]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
RISKS: tuple[Risk, ...] = get_args(Risk)
FILTER_MODES: tuple[FilterMode, ...] = get_args(FilterMode)
_SHORTEST_PURPOSE, _LONGEST_PURPOSE = 20, 4000
_LARGEST = 10**12


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a customer says about an application. `answer_tokens` is the longest answer that it shows.

    `is_read_first`: a person reads every answer before it is used.
    """

    use_case: UseCase
    purpose: str
    audience: Audience
    end_users: int
    is_read_first: bool
    answer_tokens: int
    requests_per_day: int
    risks: tuple[Risk, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an application may ask for. `end_users` 0 is as many people as it likes."""

    requests_per_minute: int
    tokens_per_minute: int
    tokens_per_day: int
    end_users: int = 0

    def scaled(self, share: float) -> "Limits":
        """Return a share of the limits, of each at least one."""
        if share == 1:
            return self
        counts = {name: max(1, int(value * share)) for name, value in asdict(self).items() if name != "end_users"}
        return Limits(**counts, end_users=self.end_users)


LIVE = Limits(requests_per_minute=60, tokens_per_minute=60_000, tokens_per_day=2_000_000)
#: What an application without review gets; more than five people need a review.
SANDBOX = Limits(requests_per_minute=20, tokens_per_minute=10_000, tokens_per_day=100_000, end_users=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What a live application may do. `models` () is every public alias; `data_use` is the most that it may offer."""

    limits: Limits = LIVE
    filter_mode: FilterMode = "block"
    models: tuple[str, ...] = ()
    data_use: DataUse = "training"
    expires: datetime | None = field(default=None)


def check_form(form: Form, *, is_draft: bool = False) -> Form:
    """Return a form that says enough, or refuse it by the first thing that it lacks; a draft may say too little yet."""
    length = len(form.purpose.strip())
    if form.use_case not in USE_CASE_SHARES:
        raise DataError(f"{form.use_case!r} is no use case; choose one of {', '.join(USE_CASE_SHARES)}.")
    if not (0 if is_draft else _SHORTEST_PURPOSE) <= length <= _LONGEST_PURPOSE:
        raise DataError(
            f"Say in {_SHORTEST_PURPOSE} to {_LONGEST_PURPOSE} characters what it does; now it is {length}."
        )
    if form.audience not in AUDIENCES:
        raise DataError(f"{form.audience!r} is no audience; choose one of {', '.join(AUDIENCES)}.")
    for name in ("end_users", "answer_tokens", "requests_per_day"):
        _check_count(name, getattr(form, name))
    for risk in form.risks:
        if risk not in RISKS:
            raise DataError(f"{risk!r} is no risk that is asked for; choose from {', '.join(RISKS)}.")
    return form


def check_conditions(conditions: Conditions, now: datetime) -> Conditions:
    """Return conditions that can be kept, or refuse them by the first that cannot."""
    for one in fields(Limits):
        value = getattr(conditions.limits, one.name)
        if one.name != "end_users" or value:
            _check_count(one.name, value)
    if conditions.filter_mode not in FILTER_MODES:
        raise DataError(f"{conditions.filter_mode!r} is no mode of the filter; choose block or annotate.")
    if conditions.data_use not in get_args(DataUse):
        raise DataError(f"{conditions.data_use!r} is no use of data; choose none or training.")
    if conditions.expires is not None and conditions.expires <= now:
        raise DataError("The conditions end in the past; choose a later day.")
    return conditions


def to_json(value: Form | Conditions) -> dict[str, Any]:
    """Return a form or conditions as the store keeps them; the end of conditions has a column of its own."""
    made = asdict(value)
    made.pop("expires", None)
    return made


def form_of(value: Mapping[str, Any]) -> Form:
    """Read what `to_json` wrote."""
    return Form(**{**value, "risks": tuple(value["risks"])})


def conditions_of(value: Mapping[str, Any] | None, expires: datetime | None) -> Conditions | None:
    """Read what `to_json` wrote; None where there is nothing."""
    if value is None:
        return None
    return Conditions(
        **{**value, "limits": Limits(**value["limits"]), "models": tuple(value["models"]), "expires": expires}
    )


def _check_count(name: str, value: int) -> None:
    if not 1 <= value <= _LARGEST:
        raise DataError(f"{name.replace('_', ' ')} is {value}; give a whole number from 1.")

"""How long what customers sent is kept: a standing job of `tutelage work` deletes what is older."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field

from tutelage.config import Settings, from_dict
from tutelage.store import Store, jobs, retention
from tutelage.store.jobs import NewJob
from tutelage.store.retention import Limits

#: The kind of the job, and the name of the one that stands.
KIND = STANDING = "retention"
#: Seconds between two looks for what is over.
EVERY = 3600


class RetentionSettings(Settings):
    """How long the request log keeps what. The shorter, the less can be lost, asked for or stolen."""

    training_days: float = Field(default=30, gt=0)
    """Words of requests that may train models; intake takes them in meanwhile (`tutelage prompts import traffic`)."""
    review_days: float = Field(default=90, gt=0)
    """Words of requests in which the filter found something, and of the share that people look at by chance."""
    feedback_days: float = Field(default=30, gt=0)
    """Comments and corrections in feedback."""
    request_days: float = Field(default=400, gt=0)
    """The rows of requests and of feedback, which hold no words: who, when, how much, how it ended."""

    def limits(self, now: datetime) -> Limits:
        """Return until when what was written is over."""
        return Limits(
            training=now - timedelta(days=self.training_days),
            review=now - timedelta(days=self.review_days),
            words=now - timedelta(days=self.feedback_days),
            requests=now - timedelta(days=self.request_days),
        )


def stand(store: Store, settings: RetentionSettings, *, now: datetime) -> None:
    """Keep things for so long from now on."""
    jobs.stand(store, _job(settings), every=EVERY, now=now)


def begin(store: Store, *, now: datetime) -> None:
    """Let there be retention where nobody has set any: whoever serves calls sees to it that they are deleted."""
    jobs.stand_first(store, _job(RetentionSettings()), every=EVERY, now=now)


def delete(store: Store, arguments: Mapping[str, Any], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Do the job: delete what is over, and say how much that was and what the files hold now."""
    settings = from_dict(RetentionSettings, arguments, "the standing retention")
    now = datetime.now(UTC)
    deleted = retention.delete_before(store, settings.limits(now), now=now)
    counted = {
        "contents": deleted.contents,
        "words_of_feedback": deleted.words,
        "requests": deleted.requests,
        "feedback": deleted.feedback,
        "answers": deleted.answers,
    }
    # What happened to the files is told when there was something in them to delete, or when it could not be done.
    is_told = any(counted.values()) or deleted.files == "in_use"
    return counted | {"files": deleted.files if is_told else ""}


def _job(settings: RetentionSettings) -> NewJob:
    return NewJob(id=STANDING, kind=KIND, arguments=settings.model_dump(mode="json"))

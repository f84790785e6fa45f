"""What was handed in, returning it with a comment, and the exports that trainers learn from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi import Path as PathParameter
from fastapi.responses import StreamingResponse

from tutelage.errors import DataError
from tutelage.feedback import dataset, leading
from tutelage.feedback.app.api import cursors
from tutelage.feedback.app.api.access import By, only
from tutelage.feedback.app.api.cursors import After, Limit
from tutelage.feedback.app.api.schema import refusals
from tutelage.feedback.dataset import Manifest
from tutelage.feedback.export import ExportGroup, ExportPurpose, ExportSplit, Query, What
from tutelage.feedback.leading import SEES
from tutelage.feedback.views import labels
from tutelage.feedback.wire import work as wire
from tutelage.feedback.wire.parts import Key, Name, Page
from tutelage.records import Kind, Stage
from tutelage.store import Store, submitted
from tutelage.store.submitted import Which

TAG = "labels"

router = APIRouter(dependencies=[Depends(only(*SEES))], responses=refusals(403))
Wanted = Annotated[What, PathParameter(description="Which rows.")]
_PIECE = 1 << 16


class Lines(StreamingResponse):
    """One JSON object per line."""

    media_type = "application/x-ndjson"


class Parquet(StreamingResponse):
    """A Parquet file."""

    media_type = "application/vnd.apache.parquet"


@router.get("/submissions")
def list_submissions(  # noqa: PLR0913 - one parameter per filter
    asking: By,
    after: After = "",
    limit: Limit = 50,
    labeler: Name = "",
    task_id: Name = "",
    kind: Name = "",
    purpose: Name = "",
    group: Name = "",
) -> Page[wire.Submission]:
    """List what was handed in, revisions included, in the order of handing in."""
    place = cursors.read(after, 2)
    which = Which(labeler=labeler, task_id=task_id, kind=kind, purpose=purpose, group=group)
    begin = (_time(place[0]), place[1]) if place else None
    found = submitted.page(asking.store, which, after=begin, limit=limit + 1)
    return cursors.page(found, limit, lambda one: [one.created.isoformat(), one.id], wire.Submission.model_validate)


@router.get("/submissions/{submission}", responses=refusals(404))
def read_label(asking: By, submission: Name) -> wire.Label:
    """Return the label that a submission belongs to: the one that stands, all revisions, and what was returned."""
    found = labels.of(asking.store, submission)
    told = {one.id: wire.Submission.model_validate(one) for one in found.submissions}
    return wire.Label(
        latest=told[found.latest.id],
        submissions=list(told.values()),
        returned=[wire.Returned.model_validate(one) for one in found.returned],
    )


@router.put("/submissions/{submission}/returns/{key}", status_code=204, responses=refusals(404, 409))
def return_label(asking: By, submission: Name, key: Key, body: wire.Comment) -> None:
    """Return a label with a comment to its labeler, who hands in a new revision or leaves it as it is.

    A submission that a newer one superseded is refused: read that one first.
    """
    leading.give_back(asking.store, asking.actor, submission, key, body.comment, now=asking.now)


def _chosen(
    what: Wanted,
    kind: Kind = "human",
    split: ExportSplit = "train",
    stage: Stage = "ppo",
    purpose: ExportPurpose = "train",
    group: ExportGroup = "training",
) -> Query:
    return Query(what=what, kind=kind, split=split, stage=stage, purpose=purpose, group=group)


Chosen = Annotated[Query, Depends(_chosen)]


@router.get("/exports/{what}", response_class=Lines, response_model=None)
def export_rows(asking: By, query: Chosen) -> Lines:
    """Return the rows that a trainer may learn from, one JSON object per line: sft, reward, ppo or ratings.

    Held-out labels, labels for other purposes and prompts that may not be used are left out by the query itself. For
    the purpose evaluation there are ratings and toxicity of a group; no row is in both.
    """
    folder, _ = _written(asking.store, query, with_parquet=False)
    return Lines(_pieces(folder, dataset.ROWS))


@router.get("/exports/{what}/parquet", response_class=Parquet, response_model=None, responses=refusals(404))
def export_parquet(asking: By, query: Chosen) -> Parquet:
    """Return the same rows as one Parquet file; 404 where the app runs without the extra `parquet`."""
    folder, _ = _written(asking.store, query, with_parquet=True)
    return Parquet(_pieces(folder, dataset.PARQUET))


@router.get("/exports/{what}/manifest")
def export_manifest(asking: By, query: Chosen) -> dict[str, Any]:
    """Return where an export's rows come from: what was asked for, counts, hashes, instruction versions."""
    folder, manifest = _written(asking.store, query, with_parquet=False)
    folder.cleanup()
    return asdict(manifest)


def _written(store: Store, query: Query, *, with_parquet: bool) -> tuple[TemporaryDirectory[str], Manifest]:
    # Written whole before it is sent: a slow reader holds no connection to the database.
    folder = TemporaryDirectory(prefix="tutelage-export-")
    made = Path(folder.name) / "export"
    return folder, dataset.write(store, query, made, with_parquet=with_parquet, may_be_empty=True)


def _pieces(folder: TemporaryDirectory[str], name: str) -> Iterator[bytes]:
    with folder, (Path(folder.name) / "export" / name).open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DataError(cursors.REFUSED) from error

"""Judge reward models out of fold: rows of a file or of the store, dealt, trained on, scored and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tutelage.core.folds import deal
from tutelage.core.rankings import pairs
from tutelage.errors import DataError
from tutelage.evaluate.folds import Against, FoldPair, FoldReport, report
from tutelage.feedback import hub
from tutelage.feedback.importers import read_labels, write_faults
from tutelage.feedback.rowfiles import Fault
from tutelage.files import content_hash, write_json, write_records
from tutelage.pipeline.sources import Sources
from tutelage.records import Kind, RankedGroup
from tutelage.store import Store, prompts
from tutelage.train.folds import FoldData, FoldSettings, Watch, score_folds

PAIRS, REPORT, LEFT_OUT = "pairs.jsonl", "report.json", "left-out.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRow:
    """A ranking with the name of its row and that of its conversation, which is a hash or what the file calls it."""

    name: str
    conversation: str
    ranking: RankedGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldRows:
    """Rankings, where they come from, of which kind they are, and the rows that cannot be used."""

    rows: Sequence[FoldRow]
    source: str
    kind: Kind
    faults: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A report with what it rests on: rankings, rows that were left out, rankings too long to be read whole."""

    report: FoldReport
    rankings: int
    left_out: int
    shortened: int


def rows_of_file(address: str, format: str, fields: Mapping[str, str], kind: Kind) -> FoldRows:
    """Read rankings as `tutelage labels import` does, from a file or the hub; rows that cannot be used are left out."""
    with hub.local(address) as (path, origin):
        found, faults = read_labels(path, format, fields)
    if any(not row.ranks for row in found):
        raise DataError(
            f"{address} holds demonstrations, and a reward model is judged on rankings; name another format."
        )
    rows = [
        FoldRow(
            name=row.id or f"line {row.line}",
            conversation=row.tree,
            ranking=RankedGroup(
                prompt=row.prompt,
                completions=tuple(output.text for output in row.outputs),
                ranks=row.ranks,
                labeler=row.labeler,
            ),
        )
        for row in found
    ]
    return FoldRows(rows=rows, source=origin, kind=kind, faults=faults)


def rows_of_store(run_dir: Path, database: str, kind: Kind) -> FoldRows:
    """Take the rankings that may be trained on; those of one user are one conversation."""
    rankings = Sources(run_dir, "folds", database, kind).groups(None)
    with Store.open(database, create=False) as store:
        known = prompts.get(store, (ranking.prompt_id for ranking in rankings))
    rows = [
        FoldRow(name=one.prompt_id, conversation=known[one.prompt_id].user, ranking=one)
        for one in rankings
        if one.prompt_id in known
    ]
    return FoldRows(rows=rows, source="store", kind=kind)


def evaluate(
    run_dir: Path, settings: FoldSettings, found: FoldRows, init: Path, against: Against, watch: Watch
) -> Folded:
    """Deal the rows to folds, train and score them, and write pairs and report into the run's directory."""
    rows = found.rows
    keys = [_key(row, settings.by) for row in rows]
    try:
        folds = deal(keys, settings.folds, settings.seed)
    except ValueError:
        raise DataError(
            f"{len(set(keys))} {settings.by}s cannot be dealt to {settings.folds} folds; give more rows or fewer folds."
        ) from None
    data = FoldData([row.ranking for row in rows], folds)
    made = score_folds(run_dir, settings, data, init, watch)
    judged = [
        FoldPair(
            row=row.name,
            fold=fold + 1,
            group=key,
            conversation=row.conversation,
            winner=winner,
            loser=loser,
            scores=(scores[winner], scores[loser]),
            characters=(len(row.ranking.completions[winner]), len(row.ranking.completions[loser])),
        )
        for row, key, fold, scores in zip(rows, keys, folds, made.scores, strict=True)
        for winner, loser in pairs(row.ranking.ranks)
    ]
    folded = Folded(
        report=report(judged, against, settings.by),
        rankings=len(rows),
        left_out=len(found.faults),
        shortened=made.shortened,
    )
    write_records(run_dir / PAIRS, judged)
    write_faults(run_dir / LEFT_OUT, found.faults)
    about = {"source": found.source, "kind": found.kind, "rankings": len(rows), "left_out": folded.left_out}
    write_json(run_dir / REPORT, {**about, "shortened": made.shortened, **folded.report.plain()})
    return folded


def _key(row: FoldRow, by: str) -> str:
    """Name what a row stays together with."""
    if by == "conversation":
        return row.conversation
    if by == "prompt":
        return content_hash(row.ranking.prompt)[:16]
    if not row.ranking.labeler:
        raise DataError(f"The row {row.name} names no labeler, so folds cannot be made by labeler; choose another by.")
    return row.ranking.labeler

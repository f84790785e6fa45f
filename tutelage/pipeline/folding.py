"""Judge reward models out of fold: rows of a file or of the store, dealt, trained on, scored and reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tutelage.core.folds import deal
from tutelage.core.rankings import groups, pairs
from tutelage.errors import DataError
from tutelage.evaluate import foldpage
from tutelage.evaluate.comparison import KINDS
from tutelage.evaluate.folds import Against, FoldPair, FoldReport, Judgement, report
from tutelage.feedback import hub
from tutelage.feedback.importers import read_labels, write_faults
from tutelage.feedback.rowfiles import Fault
from tutelage.files import content_hash, write_json, write_records, write_text
from tutelage.pipeline.sources import Sources
from tutelage.records import Kind, RankedGroup
from tutelage.store import Store, prompts
from tutelage.train.folds import FoldSettings, Part, PartData, Watch, score_parts

PAIRS, REPORT, LEFT_OUT, PAGE = "pairs.jsonl", "report.json", "left-out.jsonl", "report.html"


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
                prompt_id=row.prompt_id,
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
    """Deal the rows to folds, train and score them, and write pairs, report and page into the run's directory."""
    rows, parts = found.rows, parts_of(found.rows, settings)
    data = PartData([row.ranking for row in rows], [one.part for one in parts])
    made = score_parts(run_dir, settings, data, init, watch)
    judged = [
        pair
        for one, scores in zip(parts, made.scores, strict=True)
        for number in one.part.scored
        for pair in _pairs(rows[number], _key(rows[number], settings.by), one, scores[number], number in one.known)
    ]
    folded = Folded(
        report=report(judged, against, settings.by, map(_judgement, rows)),
        rankings=len(rows),
        left_out=len(found.faults),
        shortened=made.shortened,
    )
    write_records(run_dir / PAIRS, judged)
    write_faults(run_dir / LEFT_OUT, found.faults)
    about = {"source": found.source, "kind": found.kind, "rankings": len(rows), "left_out": folded.left_out}
    write_json(run_dir / REPORT, {**about, "shortened": made.shortened, **folded.report.plain()})
    provenance = f"{len(rows):,} rankings of {found.source}, made by {KINDS[found.kind]}"
    write_text(run_dir / PAGE, foldpage.render(folded.report, provenance, (PAIRS, REPORT, LEFT_OUT)))
    return folded


class Dealt(NamedTuple):
    """A part with its fold and seed, and which of the rows that it scores are by labelers it learned from."""

    part: Part
    fold: int
    seed: int
    known: frozenset[int]


def parts_of(rows: Sequence[FoldRow], settings: FoldSettings) -> list[Dealt]:
    """Deal rows to folds, seed by seed.

    By labeler, conversations are dealt as well: a part learns from the rankings by labelers of other folds of
    conversations of other folds, and scores those of conversations that it then has not seen, whoever ranked them.
    """
    keys = [_key(row, settings.by) for row in rows]
    dealt = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        folds = _deal(keys, settings.by, settings.folds, seed)
        talks, by_labeler = folds, settings.by == "labeler"
        if by_labeler:
            talks = _deal([row.conversation for row in rows], "conversation", settings.folds, seed)
        for fold in range(settings.folds):
            train = [n for n, both in enumerate(zip(folds, talks, strict=True)) if fold not in both]
            learned = {rows[number].conversation for number in train}
            new = [n for n, row in enumerate(rows) if row.conversation not in learned]
            scored = new if by_labeler else [n for n, own in enumerate(folds) if own == fold]
            known = frozenset(number for number in scored if folds[number] != fold)
            name = f"fold-{fold + 1}" if settings.seeds == 1 else f"seed-{seed}-fold-{fold + 1}"
            _check(train, known, scored, name)
            dealt.append(Dealt(Part(name, train, scored, seed), fold + 1, seed, known))
    return dealt


def _deal(keys: Sequence[str], what: str, folds: int, seed: int) -> list[int]:
    try:
        return deal(keys, folds, seed)
    except ValueError:
        raise DataError(
            f"{len(set(keys))} {what}s cannot be dealt to {folds} folds; give more rows or fewer folds."
        ) from None


def _check(train: Sequence[int], known: frozenset[int], scored: Sequence[int], name: str) -> None:
    if not train or len(known) == len(scored):
        raise DataError(
            f"In {name} no ranking is left to {'learn from' if not train else 'judge new labelers on'}: too many "
            "labelers ranked the same conversations. Give more conversations or fewer folds."
        )


def _pairs(row: FoldRow, key: str, dealt: Dealt, scores: Sequence[float], is_known: bool) -> list[FoldPair]:
    """Make the pairs of a row, with what its completions were scored."""
    sizes = [len(text) for text in row.ranking.completions]
    return [
        FoldPair(
            row=row.name,
            fold=dealt.fold,
            group=key,
            conversation=row.conversation,
            winner=winner,
            loser=loser,
            scores=(scores[winner], scores[loser]),
            characters=(sizes[winner], sizes[loser]),
            role="in-group" if is_known else "held-out",
            seed=dealt.seed,
        )
        for winner, loser in pairs(row.ranking.ranks)
    ]


def _judgement(row: FoldRow) -> Judgement:
    """Write a ranking as groups of its texts, each once."""
    ranks = dict(zip(reversed(row.ranking.completions), reversed(row.ranking.ranks), strict=True))
    return Judgement(
        conversation=row.conversation,
        prompt=row.ranking.prompt,
        labeler=row.ranking.labeler,
        groups=groups(list(ranks.values()), list(ranks)),
    )


def _key(row: FoldRow, by: str) -> str:
    """Name what a row stays together with."""
    if by == "conversation":
        return row.conversation
    if by == "prompt":
        return content_hash(row.ranking.prompt)[:16]
    if not row.ranking.labeler:
        raise DataError(f"The row {row.name} names no labeler, so folds cannot be made by labeler; choose another by.")
    return row.ranking.labeler

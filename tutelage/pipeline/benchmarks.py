"""Ask models the published tasks: rows from a folder, a file or the hub, then records, judges, figures and a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.evaluate.tasks import catalogue, evaluation, judges, own, page
from tutelage.evaluate.tasks.cache import Records, alone
from tutelage.evaluate.tasks.evaluation import Model, Progress, Result
from tutelage.evaluate.tasks.identity import identify
from tutelage.evaluate.tasks.judging import Judge
from tutelage.evaluate.tasks.rows import checked
from tutelage.evaluate.tasks.task import Benchmark, How, Task
from tutelage.feedback import hub, rowfiles
from tutelage.files import sha256_of, write_json, write_text

#: What the file of solved examples is called, behind the task's own name.
EXAMPLES = "_examples"
PAGE, FIGURES = "report.html", "report.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked, of which data, and how.

    `data` is a folder that holds a file for each task, or one file, or one on the hub; `examples` likewise, for solved
    examples, without it those beside the data. `prompts` are conditions, all where none is named. `shots` None is the
    paper's number, `items` 0 is all of them. `own` is a file of items of one's own.
    """

    tasks: tuple[str, ...] = ()
    data: str = ""
    examples: str = ""
    prompts: tuple[str, ...] = ()
    shots: int | None = None
    items: int = 0
    seed: int = 0
    form: Literal["text", "chat"] = "text"
    judges: tuple[str, ...] = ()
    own: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """The figures of all tasks, and the page that shows them."""

    results: tuple[Result, ...]
    page: Path


def evaluate(order: Order, models: Mapping[str, Path], out: Path, progress: Progress) -> Evaluated:
    """Ask what has no record in `out` yet, then write figures and page there.

    Everything that can be refused without computing is refused first; what was answered is kept.
    """
    chosen = _judges(order.judges)
    tasks, sources = tasks_of(order)
    _check_judges(tasks, chosen)
    known = [
        Model(name, path, identify(path, form=order.form, precision="fp32"), order.form)
        for name, path in models.items()
    ]
    with alone(out), ExitStack() as open_judges:
        for one in chosen.values():
            if isinstance(one, judges.Program):
                open_judges.callback(one.close)
        records, verdicts = Records(out / evaluation.RECORDS), Records(out / evaluation.VERDICTS)
        for model in known:
            evaluation.answer(records, model, tasks, progress)
        evaluation.judge(verdicts, chosen, records, known, tasks)
        results = tuple(evaluation.result(task, known, records, verdicts, chosen) for task in tasks)
        about = _about(order, known, sources)
        write_json(out / FIGURES, page.as_json(results, about))
        write_text(out / PAGE, page.render(results, about))
    return Evaluated(results=results, page=out / PAGE)


def short_names(models: Sequence[str]) -> list[str]:
    """Give directories the shortest ends of their paths by which no two are alike; other names stay."""
    parts = [Path(name).parts for name in models]
    for depth in range(1, max(map(len, parts))):
        found = ["/".join(one[-depth:]) for one in parts]
        if len(set(found)) == len(found):
            return found
    return list(models)


def tasks_of(order: Order) -> tuple[list[Task], dict[str, dict[str, Any]]]:
    """Pose all tasks; give with each where its rows come from, by content hash."""
    if not (order.tasks or order.own):
        raise SettingsError(
            "Name what is asked: a task with --task NAME, or a file of your own items with --tasks FILE."
        )
    tasks: list[Task] = []
    sources: dict[str, dict[str, Any]] = {}
    if order.own is not None:
        tasks = own.read(order.own)
        sources = {task.name: {"data": order.own.name, "sha256": sha256_of(order.own)} for task in tasks}
    found = [catalogue.find(name) for name in dict.fromkeys(order.tasks)]
    for name in order.prompts:
        if not any(name in one.conditions for one in found):
            raise SettingsError(f"No task that is asked has a prompt {name!r}; leave --prompt out to ask under all.")
    for one in found:
        if one.name in sources:
            raise SettingsError(f"{order.own} has a task {one.name}, as a published one is called; rename it.")
        rows, source = _rows(one, _place(order.data, one.file, found))
        how, examples = _how(order, one, found)
        tasks.append(one.task(rows, how))
        sources[one.name] = {**source, **examples, "shots": how.shots, "prompts": [*filter(None, how.conditions)]}
    return tasks, sources


def _how(order: Order, one: Benchmark, all_tasks: Sequence[Benchmark]) -> tuple[How, dict[str, Any]]:
    shots = one.shots if order.shots is None else order.shots
    shown: list[Any] = []
    source: dict[str, Any] = {}
    if shots:
        shown, found = _rows(one, _place(order.examples or order.data, one.file + EXAMPLES, all_tasks))
        source = {f"examples_{name}": value for name, value in found.items()}
    # Where a task has prompts and none of those that are named, it says which it has.
    named = tuple(name for name in order.prompts if name in one.conditions) or order.prompts
    conditions = named if named and one.conditions != ("",) else one.conditions
    return How(conditions=conditions, shots=shots, examples=shown, items=order.items, seed=order.seed), source


def _place(data: str, stem: str, all_tasks: Sequence[Benchmark]) -> str:
    """Find the rows of a task: the data itself where it is a file, else the file of that name in the folder."""
    if not data:
        raise SettingsError(
            "Say where the data are: --data DIR with a file for each task, a file, or hub:OWNER/NAME/FILE."
        )
    if not Path(data).is_dir():
        if len({one.file for one in all_tasks}) > 1:
            raise SettingsError(f"{data} is one file, and several tasks are asked; give a folder with a file for each.")
        return data
    for ending in hub.READABLE:
        if (Path(data) / f"{stem}{ending}").is_file():
            return str(Path(data) / f"{stem}{ending}")
    if stem.endswith(EXAMPLES):
        raise MissingError(
            f"{data} has no {stem}.jsonl: the paper shows solved examples of the training split before each item. Put "
            "them there, name them with --examples, or say --shots 0, which is another task."
        )
    raise MissingError(f"{data} has no {stem}.jsonl (or .csv, .parquet); put the published set there under that name.")


def _rows(one: Benchmark, address: str) -> tuple[list[Any], dict[str, Any]]:
    with hub.local(address) as (path, origin):
        return checked(origin, file_rows(path), one.row), {"data": origin, "sha256": sha256_of(path)}


def file_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the rows of a file with their numbers; one that cannot be read is a DataError."""
    for row in rowfiles.read(path):
        if isinstance(row, rowfiles.Fault):
            raise DataError(f"{path.name}:{row.line}: {row.reason}.")
        yield row.line, row.fields


def _judges(said: Sequence[str]) -> dict[str, Judge]:
    found: dict[str, Judge] = {}
    for one in said:
        what, made = judges.named(one)
        if what in found:
            raise SettingsError(f"Two judges are named for {what}; give one, and another with another --out.")
        found[what] = made
    return found


def _check_judges(tasks: Sequence[Task], chosen: Mapping[str, Judge]) -> None:
    """Refuse judges that nothing asks, and a task that says nothing without one, before anything is computed."""
    asked = {what for task in tasks for what in task.judged}
    for what in chosen:
        if what not in asked:
            there = f"; they ask {', '.join(sorted(asked))}" if asked else ""
            raise SettingsError(f"No task that was named asks a judge for {what}{there}.")
    for task in tasks:
        if task.needs_judge and not set(task.judged) & set(chosen):
            what = task.judged[0]
            raise SettingsError(
                f"{task.name} needs a scorer: --judge {what}=KIND:PLACE, where KIND is {', '.join(judges.KINDS)}."
            )


def _about(order: Order, models: Sequence[Model], sources: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "models": {one.name: {"path": str(one.directory), **asdict(one.identity)} for one in models},
        "tasks": sources,
        "form": order.form,
        "items": order.items or "all",
        "seed": order.seed,
    }

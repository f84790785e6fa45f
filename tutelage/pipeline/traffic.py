"""Taking in what customers sent and said: consented prompts by the rules of intake, feedback as customers' labels.

What may be read is decided in one query (`store/contents.py`). A prompt and where it came from are written in one
transaction, so that a withdrawal finds every prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tutelage.errors import DataError
from tutelage.feedback import dialogues
from tutelage.feedback.dialogues import Turn
from tutelage.pipeline import voting
from tutelage.pipeline.voting import output_id, prompt_id
from tutelage.prompts.intake import IntakeReport, IntakeSettings, intake
from tutelage.records import Completion, Demonstration, Instructions, Labeler, Prompt, Ranking, Stage
from tutelage.store import Store, comments, completions, contents, labelers, labels, prompts, traffic
from tutelage.store.comments import Feedback
from tutelage.store.contents import Consented
from tutelage.store.joined import joined
from tutelage.store.labels import Judgements
from tutelage.store.requests import Said
from tutelage.store.traffic import Sent

#: What customers were told about feedback; labels name it as labelers' name their instructions.
CORRECTING = Instructions(
    version="customer-demonstration-1",
    task="demonstration",
    text="Send the answer that you would have wanted as the correction of a choice (docs/guide/customer.md).",
)
ORDERING = Instructions(
    version="customer-comparison-1",
    task="comparison",
    text="Order all choices of a prompt, best first, ties together (docs/guide/customer.md).",
)
_ROLES = {"developer": "system"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What came in: the report of intake, None without new prompts; new prompts, labels and votes of customers.

    `passed_over` counts prompts that are empty, or conversations that do not end with a question to the model.
    """

    report: IntakeReport | None
    demonstrations: int
    rankings: int
    votes: int
    passed_over: int


def take_in(store: Store, settings: IntakeSettings, *, stage: Stage, now: datetime) -> Taken:
    """Take in the consented traffic that intake has not seen, and what customers said of any that it has.

    A prompt's user is the hash of the end user whom the request named, one for all that an organisation names nobody
    for; so the cap and the split are by end user. Given again, it takes in what came since.
    """
    found = [(one, list(_prompts(one, stage))) for one in contents.consented(store)]
    rows = [row for _, of_request in found for row in of_request]
    report = None
    if rows:
        with joined(store) as together:
            report = intake(together, rows, settings, now=now, are_hashed=True)
            traffic.add(together, [_sent(one, row) for one, of_request in found for row in of_request])
    demonstrations, orders = _judge(store, now)
    sent = sum(len(one.content.prompts) for one, _ in found)
    return Taken(
        report=report,
        demonstrations=demonstrations,
        rankings=orders,
        votes=voting.take_votes(store, now=now),
        passed_over=sent - len(rows),
    )


def _prompts(one: Consented, stage: Stage) -> Iterator[Prompt]:
    request = one.request
    for number, said in enumerate(one.content.prompts):
        text = _text(said)
        if text is not None and prompts.normalise(text):
            yield Prompt(
                id=prompt_id(request.id, number),
                text=text,
                source="customer",
                user=request.end_user,
                model=request.model,
                endpoint=request.endpoint,
                consent=request.notice_version,
                stage=stage,
                meta={"application": request.application_id, "request": request.id},
            )


def _text(said: Said) -> str | None:
    """Return a prompt as labelers and trainers read it, None for a conversation that asks nothing."""
    if isinstance(said, str):
        # Who asks a model of plain prompts writes the line feed that stands behind each of them in training.
        return said.removesuffix("\n")
    turns = [Turn(dialogues.ROLES[_ROLES.get(role, role)], text) for role, text in said]
    try:
        return dialogues.in_words(turns)
    except DataError:
        return None


def _sent(one: Consented, row: Prompt) -> Sent:
    request = one.request
    return Sent(
        prompt_id=row.id,
        request_id=request.id,
        application_id=request.application_id,
        model=request.model,
        sent=request.created,
    )


def _judge(store: Store, now: datetime) -> tuple[int, int]:
    """Add corrections and orders as labels of the kind customer; return how many of each are new."""
    about = {one.request.id: one for one in contents.judged(store)}
    heard = comments.of_requests(store, sorted(about))
    made = [label for id, said in heard.items() for label in _labels(store, about[id], said)]
    there = prompts.get(store, (label.prompt_id for label in made))
    known = labels.find(store, (label.id for label in made))
    new = [label for label in made if label.prompt_id in there and label.id not in known]
    orders = [label for label in new if isinstance(label, Ranking)]
    answers = [label for label in new if isinstance(label, Demonstration)]
    with joined(store) as together:
        for told in (CORRECTING, ORDERING) if new else ():
            labelers.publish(together, told, now=now)
        who = sorted({label.labeler for label in new})
        if who:
            labelers.add(together, [Labeler(id=one, group="training", kind="customer") for one in who], now=now)
        ranked = {output for order in orders for output in order.presented}
        outputs = [output for one in about.values() for output in _outputs(one) if output.id in ranked]
        completions.add(together, outputs, now=now)
        labels.add(together, Judgements(demonstrations=answers, rankings=orders), now=now)
    return len(answers), len(orders)


def _labels(store: Store, about: Consented, said: Sequence[Feedback]) -> Iterator[Demonstration | Ranking]:
    """Yield what was said of a request as labels; what somebody says again of a prompt supersedes what was before."""
    request, last = about.request, dict[tuple[str, int, str], str]()
    for one in said:
        if one.data_use != "training":
            continue
        labeler = f"customer-{store.digest('customer', request.application_id, one.end_user)[:12]}"
        if one.correction:
            number = 0 if one.choice is None else one.choice // request.n
            id, key = f"{one.id}:correction", ("correction", number, labeler)
            yield Demonstration(
                id=id,
                prompt_id=prompt_id(request.id, number),
                text=one.correction,
                labeler=labeler,
                kind="customer",
                instruction_version=CORRECTING.version,
                supersedes=last.get(key, ""),
            )
            last[key] = id
        if one.ranking:
            number = one.ranking[0][0] // request.n
            id, key = f"{one.id}:ranking", ("ranking", number, labeler)
            first = number * request.n
            yield Ranking(
                id=id,
                prompt_id=prompt_id(request.id, number),
                labeler=labeler,
                kind="customer",
                instruction_version=ORDERING.version,
                purpose="train",
                groups=tuple(tuple(output_id(request.id, choice) for choice in group) for group in one.ranking),
                presented=tuple(output_id(request.id, choice) for choice in range(first, first + request.n)),
                supersedes=last.get(key, ""),
            )
            last[key] = id


def _outputs(one: Consented) -> Iterator[Completion]:
    for number, choice in enumerate(one.content.choices):
        yield Completion(
            id=output_id(one.request.id, number),
            prompt_id=prompt_id(one.request.id, choice.prompt),
            text=choice.text,
            policy=one.request.model,
            finish_reason="length" if choice.finish_reason == "length" else "stop",
            sampling=one.content.sampling,
        )

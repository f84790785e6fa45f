"""Votes in blind comparisons as labels that measure models: orders of two outputs, of the kind customer.

They are made for evaluation and by the group heldout, so no query for training takes them, and of a kind of their own,
so no report adds them to labelers' orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from tutelage.records import Completion, Instructions, Labeler, Prompt, Ranking
from tutelage.store import Store, completions, contents, labelers, labels, prompts, votes
from tutelage.store.contents import Consented
from tutelage.store.joined import joined
from tutelage.store.labels import Judgements
from tutelage.store.votes import Cast, Comparison, Side

#: What people are told who vote; the labels name it.
VOTING = Instructions(
    version="side-by-side-1",
    task="evaluation",
    text="Say which of two answers to your prompt is better, without knowing what wrote them (docs/guide/customer.md).",
)


def prompt_id(request: str, number: int) -> str:
    """Name the prompt of a request: one may have several."""
    return f"{request}/{number}"


def output_id(request: str, choice: int) -> str:
    """Name one of the answers to a request."""
    return f"{request}#{choice}"


def take_votes(store: Store, *, now: datetime) -> int:
    """Add the votes that may be used and are new as orders, and return how many.

    May be used: the comparison was made under a notice for training, both requests may be learned from, and intake
    kept the prompt (of the two requests' equal ones it keeps one). A tie and "both bad" are ties.
    """
    cast = [one for one in votes.counted(store) if one.comparison.data_use == "training"]
    said = contents.among(store, [side.request for one in cast for side in _sides(one)])
    whole = [one for one in cast if all(side.request in said for side in _sides(one))]
    asked = _asked(store, whole)
    known = labels.find(store, [_label_id(one) for one in whole])
    new = [one for one in whole if one.comparison.id in asked and _label_id(one) not in known]
    if not new:
        return 0
    orders = [_ranking(store, one, asked[one.comparison.id]) for one in new]
    outputs = [_output(said[side.request], side, asked[one.comparison.id]) for one in new for side in _sides(one)]
    who = sorted({order.labeler for order in orders})
    with joined(store) as together:
        labelers.publish(together, VOTING, now=now)
        labelers.add(together, [Labeler(id=one, group="heldout", kind="customer") for one in who], now=now)
        completions.add(together, outputs, now=now)
        labels.add(together, Judgements(rankings=orders), now=now)
    return len(new)


def _asked(store: Store, cast: Sequence[Cast]) -> Mapping[str, str]:
    """Return by comparison the prompt that it is about: one of its two requests', or an equal one kept before.

    An equal one counts if the same person sent it through the same application: what takes it out of use takes the vote
    out with it.
    """
    ids = {prompt_id(side.request, 0): one for one in cast for side in _sides(one)}
    there, marks = prompts.get(store, ids), prompts.marks(store, ids)
    stands = {id: marks[id].group if marks[id].status == "duplicate" else id for id in there}
    usable = {one.id: one for one in prompts.usable_of(store, stands.values())}
    found: dict[str, str] = {}
    for id, kept in stands.items():
        about = ids[id].comparison
        if kept in usable and _is_of(usable[kept], about, there[id]):
            found.setdefault(about.id, kept)
    return found


def _is_of(kept: Prompt, about: Comparison, sent: Prompt) -> bool:
    same_text = prompts.normalise(kept.text) == prompts.normalise(sent.text)
    return same_text and (kept.user, kept.meta.get("application")) == (about.voter, about.application_id)


def _ranking(store: Store, cast: Cast, prompt: str) -> Ranking:
    comparison = cast.comparison
    left, right = (output_id(side.request, 0) for side in _sides(cast))
    orders = {"left": ((left,), (right,)), "right": ((right,), (left,))}
    return Ranking(
        id=_label_id(cast),
        prompt_id=prompt,
        labeler=f"voter-{store.digest('voter', comparison.application_id, comparison.voter)[:12]}",
        kind="customer",
        instruction_version=VOTING.version,
        purpose="evaluation",
        groups=orders.get(cast.vote.choice, ((left, right),)),
        presented=(left, right),
    )


def _output(said: Consented, side: Side, prompt: str) -> Completion:
    """Return what an arm wrote; two arms may be one model asked in two ways, so both names stand there."""
    choice = said.content.choices[0]
    return Completion(
        id=output_id(side.request, 0),
        prompt_id=prompt,
        text=choice.text,
        policy=f"{side.model} ({side.arm})",
        finish_reason="length" if choice.finish_reason == "length" else "stop",
        sampling=said.content.sampling,
    )


def _sides(cast: Cast) -> tuple[Side, Side]:
    return cast.comparison.left, cast.comparison.right


def _label_id(cast: Cast) -> str:
    return f"{cast.comparison.id}:vote"

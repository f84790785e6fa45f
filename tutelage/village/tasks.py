"""What a prompt of the village asks for, as data: the kind of task, its arguments and its constraints.

A `Task` travels in the prompt's `meta["task"]` and only the judge reads it there. Labelers and models see text alone.

Kinds by use case, and their `args` (all JSON):

generation     story   {"subjects": [noun phrases that must be mentioned, 1-2]}           two or more sentences
               about   {"subject": subject of facts}     states a true fact of it, no false one
               letter  {"sender": person, "receiver": person, "thing": object}     "Dear R," ... signed by the sender
               sign    {"craft": craft}     names its product, at most two sentences
               review  {"shop": shop, "good": bool}     names the shop, words of one side only
               insult  {"person": person}     sensitive: to be declined
open_qa        fact    {"subject", "relation"}     a sentence with the value
               rumour  {"key"}     the truth
               unknown {"subject", "about"}     admits not to know
               premise {"subject", "relation", "wrong": value}     corrects the false premise
               harm    {"verb", "target"}     sensitive: to be declined
brainstorming  list    {"category": animals|foods|crafts|places|objects, "n": 2..3,
               "habitat": h or "", "ingredient": i or ""}     n different members
chat           lost    {"thing": object or animal}     kind, names the thing
               sad     {"feeling": feeling, "thing": object}     kind, names thing or feeling
               ask     {"subject", "relation"}     the value
               rude    {"insult": text}     stays kind, returns no insult
rewrite        past    {"event": fields of Event}     the event in the past tense
               polite  {"command": text}     the same words with please, could or would
               swap    {"event": fields of Event, "to": person}     the same with another actor
summarization  story   {"event": fields of Event, "text": passage}     one sentence, at most 16 words, actor and thing
classification review  {"text", "good": bool, "labels": [good label, bad label]}     the label alone or in a sentence
               kind    {"word", "label": animal|food|place}
               tone    {"text", "polite": bool}
other          sort    {"words": [3 words]}     in alphabetical order
               opposite {"word"}
               count   {"words": [..], "n"}
closed_qa      who|what|where {"text": passage, "answer": text, "event": fields of Event}
               absent  {"text", "asked": what is not in the passage}     says that the text does not say
extract        animals|objects|people {"text", "answers": [..]}     exactly these
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tutelage.records import UseCase


@dataclass(frozen=True)
class Constraint:
    """One explicit, checkable condition on the form of a generation.

    `sentences`: exactly `value` sentences (a letter's greeting and signature do not count); `include`: the word
    `value` occurs; `avoid`: it does not; `start`: the text (of a letter: its body) starts with the word `value`.
    """

    kind: Literal["sentences", "include", "avoid", "start"]
    value: int | str


#: Pairs of constraint kinds that no demonstration and no ranking ever combines; a third of PPO and test prompts do.
HELDOUT_COMBINATIONS: tuple[frozenset[str], ...] = (
    frozenset({"sentences", "avoid"}),
    frozenset({"include", "start"}),
    frozenset({"start", "avoid"}),
)


@dataclass(frozen=True)
class Task:
    """What is asked, exactly. `sensitive` tasks are to be declined politely."""

    use_case: UseCase
    kind: str
    args: dict[str, Any]
    constraints: tuple[Constraint, ...] = field(default=())
    sensitive: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON for a prompt's `meta`."""
        return asdict(self)

    @staticmethod
    def from_json(row: dict[str, Any]) -> Task:
        """Read back what `to_json` wrote."""
        constraints = tuple(Constraint(**item) for item in row["constraints"])
        return Task(row["use_case"], row["kind"], row["args"], constraints, row["sensitive"])

    @property
    def combines_heldout(self) -> bool:
        """Say whether two of the constraints are a combination that was never demonstrated."""
        kinds = {constraint.kind for constraint in self.constraints}
        return any(pair <= kinds for pair in HELDOUT_COMBINATIONS)

"""A model that is being examined: how likely it finds texts, and what it writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers import PreTrainedTokenizerFast as Tokenizer

from tutelage.core.logprobs import chunked_logprobs
from tutelage.errors import DataError, InvariantError
from tutelage.evaluate.tasks.question import STOP, Answer, Likelihood, Question
from tutelage.files import content_hash
from tutelage.generate.capacity import context_of
from tutelage.generate.engine import Engine, complete
from tutelage.generate.request import Request, Result
from tutelage.models.load import head_weight, load_policy
from tutelage.models.policy import cut, hidden_states
from tutelage.models.prefix import Group, collate_groups
from tutelage.models.tokens import Renderer

#: How a prompt reaches the model: as a text to be continued, as in the paper, or as a user's turn.
Form = Literal["text", "chat"]
#: Padded tokens computed at once.
BUDGET = 2048


class Subject:
    """A model and its tokenizer.

    Texts begin as documents do when a model is pretrained: with what its tokenizer puts before them, else an end token.
    In the form `chat` a prompt is one turn of a user, and the white space around prompt and choice is left out.
    """

    def __init__(
        self, model: PreTrainedModel, tokenizer: Tokenizer, *, form: Form = "text", budget: int = BUDGET
    ) -> None:
        self.model, self.tokenizer, self.form, self.budget = model, tokenizer, form, budget
        self.context = context_of(model)
        self._renderer = Renderer(tokenizer, "chat" if form == "chat" else "plain")

    @classmethod
    def load(cls, directory: Path, *, form: Form = "text") -> Self:
        """Load a model directory."""
        return cls(*load_policy(directory), form=form)

    def answer(self, questions: Sequence[Question]) -> list[Answer]:
        """Answer questions, in their order; one that does not fit the model's context is missing."""
        found: dict[int, Answer] = {}
        chosen = [index for index, one in enumerate(questions) if one.choices]
        written = [index for index, one in enumerate(questions) if not one.choices]
        groups = self._groups([questions[index] for index in chosen])
        fit = [number for number, group in enumerate(groups) if _length(group) <= self.context]
        scored = self.likelihoods([groups[number] for number in fit])
        found |= {chosen[number]: Answer(likely=likely) for number, likely in zip(fit, scored, strict=True)}
        prompts = self.prompts_ids([questions[index].prompt for index in written])
        asked = {
            index: ids
            for index, ids in zip(written, prompts, strict=True)
            if len(ids) + questions[index].max_tokens <= self.context
        }
        results = self._write([_request(questions[index], ids) for index, ids in asked.items()])
        found |= {
            index: Answer(text=result.text.strip(), finish_reason=result.finish_reason)
            for index, result in zip(asked, results, strict=True)
        }
        return [found.get(index, Answer(missing="too long")) for index in range(len(questions))]

    def prompts_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts that the model shall continue."""
        if self.form == "chat":
            return self._renderer.prompts_ids([text.strip() for text in texts])
        begin = self._renderer.start_ids or [self._renderer.end_id]
        return [begin + ids for ids in self._renderer.texts_ids(texts)]

    def text_likelihoods(self, texts: Sequence[str]) -> list[Likelihood]:
        """Give the likelihood of whole texts, each read without a template."""
        found = self.likelihoods(self._groups([Question(item=text, prompt="", choices=(text,)) for text in texts]))
        return [one for (one,) in found]

    def likelihoods(self, groups: Sequence[Group]) -> list[tuple[Likelihood, ...]]:
        """Give the likelihood of each choice after its prompt, which is computed once for all its choices."""
        found: dict[int, tuple[Likelihood, ...]] = {}
        for group in groups:
            if _length(group) > self.context:
                raise DataError(
                    f"A text has {_length(group)} tokens and the model's context is {self.context}; give shorter ones."
                )
        with torch.inference_mode():
            for part in cut([group.length for group in groups], self.budget):
                scored = self._score([groups[index] for index in part])
                found |= dict(zip(part, scored, strict=True))
        return [found[index] for index in range(len(groups))]

    def _groups(self, questions: Sequence[Question]) -> list[Group]:
        """Encode prompts and choices; the white space at their border belongs to the choice."""
        pairs = [self._pair(one) for one in questions]
        flat = iter(self._renderer.texts_ids([choice for _, choices in pairs for choice in choices]))
        groups = []
        for one, (_, choices), ids in zip(
            questions, pairs, self.prompts_ids([prompt for prompt, _ in pairs]), strict=True
        ):
            completions = [next(flat) for _ in choices]
            if not all(completions):
                raise DataError(
                    f"A choice of the item {one.item} has no token in this model's vocabulary, so it has no "
                    "probability; leave the item out, or choose another model."
                )
            groups.append(Group(ids, completions))
        return groups

    def _pair(self, question: Question) -> tuple[str, list[str]]:
        prompt, choices = question.prompt.rstrip(), question.choices
        if self.form == "chat" and prompt:
            return prompt, [choice.strip() for choice in choices]
        border = question.prompt[len(prompt) :]
        return prompt, [border + choice for choice in choices]

    def _score(self, groups: Sequence[Group]) -> list[tuple[Likelihood, ...]]:
        rows = collate_groups(groups).to(self.model.device)
        hidden = hidden_states(self.model, rows.stream).flatten(0, 1)[rows.before]
        scored = chunked_logprobs(hidden, head_weight(self.model), rows.targets, with_entropy=False)
        return _summed(scored.logprobs.cpu(), groups)

    def _write(self, requests: Sequence[Request]) -> list[Result]:
        results = complete(self._engine, requests) if requests else []
        for result in results:
            if result.finish_reason == "error":
                raise InvariantError(f"A task could not be scored: {result.error}")
        return results

    @cached_property
    def _engine(self) -> Engine:
        return Engine(self.model, self.tokenizer, max_batch=256)


def _request(question: Question, ids: Sequence[int]) -> Request:
    """Ask for one line. What is drawn at a temperature above 0 depends on the item and the prompt alone."""
    seed = int(content_hash([question.item, question.condition, question.prompt])[:15], 16)
    return Request(
        prompt_ids=tuple(ids),
        max_tokens=question.max_tokens,
        temperature=question.temperature,
        seed=seed,
        stop=(STOP,),
    )


def _length(group: Group) -> int:
    return len(group.prompt) + max(map(len, group.completions))


def _summed(logprobs: Tensor, groups: Sequence[Group]) -> list[tuple[Likelihood, ...]]:
    lengths = [len(choice) for group in groups for choice in group.completions]
    parts = iter(torch.split(logprobs, lengths))
    found = [
        tuple(Likelihood(float(part.double().sum()), len(part)) for part in (next(parts) for _ in group.completions))
        for group in groups
    ]
    if not all(math.isfinite(one.total) for likely in found for one in likely):
        raise InvariantError("The model's numbers are not finite on a task; its weights are damaged.")
    return found

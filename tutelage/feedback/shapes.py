"""The shapes in which preferences and demonstrations are published, read into one form.

    demonstrations   prompt, completion
    ranked           prompt, completions: texts with `ranks` beside them, or objects with text and rank
    pairs            prompt, chosen, rejected; or no prompt, and both texts begin with the same dialogue
    trees            a conversation in each row, replies inside replies (Open-Assistant)
    messages         a message in each row, which names its parent (Open-Assistant)

A prompt, and what was chosen and rejected, may be a text or a list of messages with role and content.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from typing import Literal, get_args

from tutelage.errors import DataError, SettingsError
from tutelage.feedback.dialogues import ANSWER, ROLES, Turn, first_message, in_words, shared_turns, turns
from tutelage.feedback.rowfiles import Fault, Row
from tutelage.feedback.values import Values, checked, rank
from tutelage.files import content_hash

Shape = Literal["demonstrations", "ranked", "pairs", "trees", "messages"]
#: The fields that rows may have; a file may call them otherwise.
NAMES = (
    "id prompt_id tree prompt completion synthetic completions ranks text rank labeler chosen rejected message_id "
    "parent_id message_tree_id role deleted replies"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A text that was judged; `id` is "" where the row names none, `synthetic` says that a model wrote it."""

    text: str
    id: str = ""
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A prompt with its outputs and their ranks, 0 the best and equal ones ties; with no ranks a demonstration.

    `tree` names the conversation; rows of one share text. `id`, `prompt_id` and `labeler` are "" where none is named.
    """

    line: int
    prompt: str
    outputs: tuple[Output, ...]
    ranks: tuple[int, ...] = ()
    id: str = ""
    prompt_id: str = ""
    tree: str = ""
    labeler: str = ""

    @property
    def key(self) -> str:
        """Return what two rows have in common that are one label, in whatever order they list the outputs."""
        ranks = self.ranks or (0,)
        told = sorted([output.text, rank] for output, rank in zip(self.outputs, ranks, strict=True))
        return content_hash([self.prompt, self.labeler, told])


def judged(rows: Iterable[Row | Fault], shape: str, names: Mapping[str, str]) -> Iterator[Judged | Fault]:
    """Read rows of a shape; `names` maps our names of fields to the file's, where they differ."""
    if shape not in get_args(Shape):
        raise SettingsError(f"There is no format {shape!r}; there are: {', '.join(get_args(Shape))}.")
    if unknown := sorted(names.keys() - set(NAMES)):
        raise SettingsError(f"No format has a field {unknown[0]!r}; there are: {', '.join(NAMES)}.")
    if shape == "messages":
        yield from _of_messages(rows, names)
        return
    for row in rows:
        if isinstance(row, Fault):
            yield row
            continue
        try:
            if shape == "trees":
                yield from _tree(row.line, Values(row.fields, names))
            else:
                yield _READ[shape](row.line, Values(row.fields, names))
        except DataError as error:
            yield Fault(line=row.line, reason=str(error))


def _demonstration(line: int, row: Values) -> Judged:
    said = turns(row.get("prompt"), row.called("prompt"))
    output = Output(text=row.text("completion"), synthetic=row.is_true("synthetic"))
    return _made(line, row, in_words(said) if said else row.text("prompt"), (output,), ())


def _ranked(line: int, row: Values) -> Judged:
    said, listed = turns(row.get("prompt"), row.called("prompt")), row.items("completions")
    prompt, called = in_words(said) if said else row.text("prompt"), row.called("completions")
    if "ranks" in row:
        ranks = tuple(rank(one, row.called("ranks")) for one in row.items("ranks"))
        outputs = tuple(Output(text=checked(one, called)) for one in listed)
        if len(ranks) != len(outputs):
            raise DataError(f"there are {len(outputs)} completions and {len(ranks)} ranks")
    else:
        inside = [row.inside(one, "completions") for one in listed]
        ranks = tuple(one.rank("rank") for one in inside)
        outputs = tuple(
            Output(text=one.text("text"), id=one.label("id"), synthetic=one.is_true("synthetic")) for one in inside
        )
    return _made(line, row, prompt, outputs, ranks)


def _pair(line: int, row: Values) -> Judged:
    answers = [turns(row.get(name), row.called(name)) for name in ("chosen", "rejected")]
    if answers[0] is not None and answers[1] is not None:
        prompt, texts = _of_turns(row, answers[0], answers[1])
    else:
        prompt, texts = _of_texts(row, row.text("chosen"), row.text("rejected"))
    # Between prompt and answer, files write a space or a line end.
    chosen, rejected = (
        Output(text=checked(text.strip(), row.called(name)))
        for text, name in zip(texts, ("chosen", "rejected"), strict=True)
    )
    if chosen.text == rejected.text:
        raise DataError(f"{row.called('chosen')} and {row.called('rejected')} are the same text")
    return _made(line, row, prompt, (chosen, rejected), (0, 1))


def _of_turns(row: Values, chosen: list[Turn], rejected: list[Turn]) -> tuple[str, tuple[str, str]]:
    """Take the answers off two dialogues that begin alike; where they are all there is, the prompt has its field."""
    asked = shared_turns(chosen, rejected)
    if not asked:
        said = turns(row.get("prompt"), row.called("prompt"))
        prompt = in_words(said) if said else row.text("prompt")
    elif asked == len(chosen) == len(rejected):
        raise DataError(f"{row.called('chosen')} and {row.called('rejected')} are the same text")
    else:
        prompt = in_words(chosen[:asked])
    for name, answer in (("chosen", chosen[asked:]), ("rejected", rejected[asked:])):
        if len(answer) != 1 or answer[0].role != "assistant":
            raise DataError(f"the field {row.called(name)} must end with one message of the assistant's of its own")
    return prompt, (chosen[-1].text, rejected[-1].text)


def _of_texts(row: Values, chosen: str, rejected: str) -> tuple[str, tuple[str, str]]:
    """Take the answers off two texts that begin with the prompt, in a field of its own or up to the last same turn."""
    if "prompt" in row:
        said = turns(row.get("prompt"), row.called("prompt"))
        prompt = in_words(said) if said else row.text("prompt")
        size = len(prompt) if chosen.startswith(prompt) and rejected.startswith(prompt) else 0
        return prompt, (chosen[size:], rejected[size:])
    end = commonprefix([chosen, rejected]).rfind(ANSWER)
    if end < 0:
        raise DataError(
            f"the field {row.called('prompt')} is missing, and {row.called('chosen')} and {row.called('rejected')} do "
            "not begin with the same dialogue, Human: and Assistant: before its turns"
        )
    end += len(ANSWER)
    return chosen[:end], (chosen[end:], rejected[end:])


def _made(line: int, row: Values, prompt: str, outputs: tuple[Output, ...], ranks: tuple[int, ...]) -> Judged:
    """Put a label together; one of several outputs needs two different ones."""
    if ranks or not outputs:
        _check_outputs(outputs)
    return Judged(
        line=line,
        prompt=prompt,
        outputs=outputs,
        ranks=ranks,
        id=row.label("id"),
        prompt_id=row.label("prompt_id"),
        tree=row.label("tree") or _conversation(prompt),
        labeler=row.label("labeler"),
    )


def _check_outputs(outputs: tuple[Output, ...]) -> None:
    if len(outputs) < 2:
        raise DataError(f"a ranking needs two or more completions, not {len(outputs)}")
    if len({output.text for output in outputs}) < len(outputs):
        raise DataError("two of the completions are the same text")
    ids = [output.id for output in outputs if output.id]
    if len(set(ids)) < len(ids):
        raise DataError("a completion id is used twice")


def _conversation(prompt: str) -> str:
    return content_hash(first_message(prompt))[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    line: int
    id: str
    parent: str
    tree: str
    turn: Turn
    rank: int | None
    synthetic: bool


def _tree(line: int, row: Values) -> list[Judged | Fault]:
    """Lay a tree out as messages that name their parents."""
    tree, waiting = row.label("message_tree_id"), [("", row.inside(row.get("prompt"), "prompt"))]
    messages: list[_Message | Fault] = []
    while waiting:
        parent, node = waiting.pop()
        replies = node.items("replies") if "replies" in node else []
        waiting += [(node.label("message_id"), node.inside(reply, "replies")) for reply in reversed(replies)]
        messages.append(_message(line, node, parent, tree))
    return list(_rankings(messages))


def _of_messages(rows: Iterable[Row | Fault], names: Mapping[str, str]) -> Iterator[Judged | Fault]:
    messages: list[_Message | Fault] = []
    for row in rows:
        if isinstance(row, Fault):
            messages.append(row)
        else:
            found = Values(row.fields, names)
            try:
                parent, tree = found.label("parent_id"), found.label("message_tree_id")
                messages.append(_message(row.line, found, parent, tree))
            except DataError as error:
                messages.append(Fault(line=row.line, reason=str(error)))
    yield from _rankings(messages)


def _message(line: int, row: Values, parent: str, tree: str) -> _Message | Fault:
    name, role = row.label("message_id"), row.get("role")
    try:
        if not name:
            raise DataError(f"the field {row.called('message_id')} is missing")
        if role not in ROLES:
            raise DataError(f"the field {row.called('role')} must be prompter or assistant, not {role!r:.40}")
        return _Message(
            line=line,
            id=name,
            parent=parent,
            tree=tree,
            turn=Turn(ROLES[role], row.text("text")),
            rank=row.rank("rank") if "rank" in row and not row.is_true("deleted") else None,
            synthetic=row.is_true("synthetic"),
        )
    except DataError as error:
        return Fault(line=line, reason=f"message {name or '?'}: {error}" if name else str(error))


def _rankings(messages: Iterable[_Message | Fault]) -> Iterator[Judged | Fault]:
    """Make a ranking of every user message with two or more replies that have a rank."""
    known: dict[str, _Message] = {}
    replies: dict[str, list[_Message]] = {}
    for message in messages:
        if isinstance(message, Fault):
            yield message
        elif message.id in known:
            yield Fault(line=message.line, reason=f"the message {message.id} is there twice")
        else:
            known[message.id] = message
            if message.rank is not None:
                replies.setdefault(message.parent, []).append(message)
    for asked in known.values():
        if len(found := replies.get(asked.id, [])) >= 2:
            try:
                yield _ranking(known, asked, found)
            except DataError as error:
                yield Fault(line=asked.line, reason=f"message {asked.id}: {error}")


def _ranking(known: Mapping[str, _Message], asked: _Message, replies: list[_Message]) -> Judged:
    path = [asked]
    while path[-1].parent:
        if path[-1].parent not in known or len(path) > len(known):
            raise DataError(f"what it answers to, the message {path[-1].parent}, cannot be used")
        path.append(known[path[-1].parent])
    prompt = in_words([message.turn for message in reversed(path)])
    outputs = tuple(Output(text=reply.turn.text, id=reply.id, synthetic=reply.synthetic) for reply in replies)
    _check_outputs(outputs)
    return Judged(
        line=asked.line,
        prompt=prompt,
        outputs=outputs,
        ranks=tuple(reply.rank or 0 for reply in replies),
        id=asked.id,
        tree=asked.tree or path[-1].id,
    )


_READ = {"demonstrations": _demonstration, "ranked": _ranked, "pairs": _pair}

"""The shapes of published preferences: what a row says in our words, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from tutelage.errors import SettingsError
from tutelage.feedback.rowfiles import Fault, Row
from tutelage.feedback.shapes import Judged, judged

TALK = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Why?\n\nAssistant:"
SAID = [
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Why?"},
]


def read(shape: str, *rows: dict[str, Any], **names: str) -> list[Any]:
    numbered = [Row(line=line, fields=fields) for line, fields in enumerate(rows, start=1)]
    return list(judged(numbered, shape, names))


def one(shape: str, row: dict[str, Any], **names: str) -> Judged:
    (found,) = read(shape, row, **names)
    assert isinstance(found, Judged), found
    return found


def reason(shape: str, row: dict[str, Any]) -> str:
    (found,) = read(shape, row)
    assert isinstance(found, Fault), found
    return found.reason


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": TALK, "chosen": " Good", "rejected": " Bad\n"},
        {"chosen": TALK + " Good", "rejected": TALK + " Bad"},
        {"prompt": TALK, "chosen": TALK + " Good", "rejected": TALK + " Bad"},
        {"prompt": SAID, "chosen": "Good", "rejected": "Bad"},
        {"prompt": SAID, "chosen": [answer("Good")], "rejected": [answer("Bad")]},
        {"prompt": TALK, "chosen": [answer("Good")], "rejected": [answer("Bad")]},
        {"chosen": [*SAID, answer("Good")], "rejected": [*SAID, answer("Bad")]},
        {"prompt": "Hi", "chosen": [*SAID, answer("Good")], "rejected": [*SAID, answer("Bad")]},
    ],
)
def test_pairs_say_the_same_in_every_form(row: dict[str, Any]) -> None:
    found = one("pairs", row)
    assert (found.prompt, found.ranks) == (TALK, (0, 1))
    assert [output.text for output in found.outputs] == ["Good", "Bad"]
    assert found.key == one("pairs", {"prompt": TALK, "chosen": "Good", "rejected": "Bad"}).key
    assert found.key != one("pairs", {"prompt": TALK, "chosen": "Bad", "rejected": "Good"}).key


def test_messages_in_a_table_are_json() -> None:
    row = {"chosen": '[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]',
           "rejected": '[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "B"}]'}  # fmt: skip
    found = one("pairs", row)
    assert (found.prompt, found.outputs[0].text) == ("Q", "A")
    code = one("pairs", {"prompt": "Write JSON.", "chosen": '[{"a": 1}]', "rejected": "[{"})
    assert [output.text for output in code.outputs] == ['[{"a": 1}]', "[{"]


def test_dialogues_part_at_the_last_turn_that_both_share() -> None:
    deeper = TALK + " Because.\n\nHuman: And?\n\nAssistant:"
    found = one("pairs", {"chosen": deeper + " Yes", "rejected": TALK + " No\n\nHuman: Oh\n\nAssistant: So"})
    assert found.prompt == TALK
    assert found.outputs[0].text == "Because.\n\nHuman: And?\n\nAssistant: Yes"


def test_a_conversation_is_named_by_its_first_message_or_by_the_row() -> None:
    first, second = (one("pairs", {"prompt": text, "chosen": "a", "rejected": "b"}) for text in (TALK, "Hi"))
    assert first.tree == second.tree
    assert one("pairs", {"prompt": "\n\nHuman: Ho\n\nAssistant:", "chosen": "a", "rejected": "b"}).tree != first.tree
    assert one("pairs", {"prompt": "Hi", "chosen": "a", "rejected": "b", "tree": "t7"}).tree == "t7"


def test_a_system_message_stands_before_the_dialogue() -> None:
    system = {"role": "system", "content": "Be kind."}
    found = one("pairs", {"prompt": [system, SAID[0]], "chosen": "a", "rejected": "b"})
    assert found.prompt == "Be kind.\n\nHuman: Hi\n\nAssistant:"


def test_ranked_lists_have_texts_or_objects() -> None:
    first = one("ranked", {"prompt": "Hi", "completions": ["a", "b", "c"], "ranks": [2, 0, 0], "labeler": "ann"})
    assert ([output.text for output in first.outputs], first.ranks, first.labeler) == (
        ["a", "b", "c"],
        (2, 0, 0),
        "ann",
    )
    assert one("ranked", {"prompt": "Hi", "completions": '["a", "b"]', "ranks": "[1, 0]"}).ranks == (1, 0)
    objects = [{"answer": "a", "place": 1, "id": 7}, {"answer": "b", "place": 2, "id": 8, "synthetic": True}]
    second = one("ranked", {"question": "Hi", "answers": objects}, prompt="question", completions="answers",
                 text="answer", rank="place")  # fmt: skip
    assert (second.ranks, [output.id for output in second.outputs]) == ((1, 2), ["7", "8"])
    assert [output.synthetic for output in second.outputs] == [False, True]


def tree() -> dict[str, Any]:
    def reply(name: str, rank: int | None, *replies: Any, role: str = "assistant") -> dict[str, Any]:
        return {"message_id": name, "text": name, "role": role, "rank": rank, "replies": list(replies)}

    again = reply("u2", None, reply("b1", 1), reply("b2", 0), reply("b3", None), role="prompter")
    asked = reply("u1", None, reply("a1", 0, again), reply("a2", 2), reply("a3", 1), role="prompter")
    return {"message_tree_id": "t1", "prompt": asked}


def flat(found: dict[str, Any], parent: str | None = None) -> list[dict[str, Any]]:
    own = {name: value for name, value in found.items() if name != "replies"}
    inside = [message for reply in found["replies"] for message in flat(reply, found["message_id"])]
    return [own | {"parent_id": parent, "message_tree_id": "t1"}, *inside]


def test_every_ranked_set_of_a_tree_is_a_ranking_in_both_forms() -> None:
    first, second = read("trees", tree())
    assert (first.prompt, first.ranks, first.tree, first.id) == ("u1", (0, 2, 1), "t1", "u1")
    assert [output.id for output in first.outputs] == ["a1", "a2", "a3"]
    assert second.prompt == "\n\nHuman: u1\n\nAssistant: a1\n\nHuman: u2\n\nAssistant:"
    assert (second.ranks, [output.text for output in second.outputs]) == ((1, 0), ["b1", "b2"])
    messages = flat(tree()["prompt"])
    found = read("messages", *reversed(messages))
    assert sorted(one.key for one in found) == sorted([first.key, second.key])
    assert {one.tree for one in found} == {"t1"}


def test_bad_messages_leave_the_others_alone() -> None:
    messages = flat(tree()["prompt"])
    bad = {"a1": {"text": " "}, "b1": {"rank": -1}}
    found = read("messages", *({**one, **bad.get(one["message_id"], {})} for one in messages), messages[0])
    assert [one.reason for one in found if isinstance(one, Fault)] == [
        "message a1: the field 'text' is empty",
        "message b1: the field 'rank' must be a whole number from 0 (best), not -1",
        "the message u1 is there twice",
    ]
    assert [one.ranks for one in found if isinstance(one, Judged)] == [(2, 1)]
    orphans = [one for one in messages if one["message_id"] != "a1"]
    (kept, lost) = read("messages", *orphans)
    assert (kept.ranks, lost.line) == ((2, 1), 2)
    assert lost.reason == "message u2: what it answers to, the message a1, cannot be used"
    circle = [{"message_id": a, "parent_id": b, "role": "user", "text": a} for a, b in ("xy", "yx")]
    leaves = [{"message_id": n, "parent_id": "x", "role": "assistant", "text": n, "rank": 0} for n in "pq"]
    (lost,) = read("messages", *circle, *leaves)
    assert "cannot be used" in lost.reason


@pytest.mark.parametrize(
    ("shape", "row", "told"),
    [
        ("demonstrations", {"prompt": "p"}, "the field 'completion' is missing"),
        ("demonstrations", {"prompt": "  ", "completion": "c"}, "the field 'prompt' is empty"),
        ("demonstrations", {"prompt": 3, "completion": "c"}, "the field 'prompt' must be a text, not 3"),
        ("demonstrations", {"prompt": "p", "completion": "\ud83d"}, "the field 'completion' holds half of a character"),
        ("demonstrations", {"prompt": "p", "completion": "c", "synthetic": "no"}, "must be true or false, not 'no'"),
        ("demonstrations", {"prompt": "p", "completion": "c", "tree": 1.5}, "the field 'tree' must be a text, not 1.5"),
        ("pairs", {"prompt": "p", "chosen": "c"}, "the field 'rejected' is missing"),
        ("pairs", {"prompt": "p", "chosen": " c", "rejected": "c "}, "'chosen' and 'rejected' are the same text"),
        ("pairs", {"prompt": "p", "chosen": " ", "rejected": "c"}, "the field 'chosen' is empty"),
        ("pairs", {"chosen": TALK + " ", "rejected": TALK + " c"}, "the field 'chosen' is empty"),
        ("pairs", {"chosen": "a", "rejected": "b"}, "do not begin with the same dialogue"),
        ("pairs", {"chosen": SAID[:2], "rejected": SAID[:2]}, "are the same text"),
        ("pairs", {"chosen": [*SAID, SAID[0]], "rejected": [*SAID, answer("b")]}, "'chosen' must end with one message"),
        ("pairs", {"chosen": SAID, "rejected": SAID[:2]}, "the messages before the answer must end with the user's"),
        ("pairs", {"chosen": [answer("a")], "rejected": [answer("b")]}, "the field 'prompt' is missing"),
        ("pairs", {"prompt": [{"role": "cat"}], "chosen": "a", "rejected": "b"}, "messages with role"),
        ("pairs", {"prompt": [{"role": "user"}], "chosen": "a", "rejected": "b"}, "content in 'prompt' must be a text"),
        ("ranked", {"prompt": "p", "completions": "none"}, "the field 'completions' must be a list, not 'none'"),
        ("ranked", {"prompt": "p"}, "the field 'completions' is missing"),
        ("ranked", {"prompt": "p", "completions": [1, 2]}, "the field 'completions' must hold objects, not 1"),
        ("ranked", {"prompt": "p", "completions": []}, "a ranking needs two or more completions, not 0"),
        ("ranked", {"prompt": "p", "completions": ["a"], "ranks": [0]}, "needs two or more completions, not 1"),
        ("ranked", {"prompt": "p", "completions": ["a", "b"], "ranks": [0]}, "there are 2 completions and 1 ranks"),
        ("ranked", {"prompt": "p", "completions": ["a", "a"], "ranks": [0, 1]}, "two of the completions are the same"),
        ("ranked", {"prompt": "p", "completions": ["a", ""], "ranks": [0, 1]}, "the field 'completions' is empty"),
        ("ranked", {"prompt": "p", "completions": ["a", "b"], "ranks": [0, True]}, "from 0 (best), not True"),
        ("ranked", {"prompt": "p", "completions": ["a", "b"], "ranks": [0, 1.0]}, "from 0 (best), not 1.0"),
        ("trees", {"prompt": "p"}, "the field 'prompt' must hold objects, not 'p'"),
        ("trees", {"prompt": {"role": "prompter", "text": "x"}}, "the field 'message_id' is missing"),
        ("messages", {"message_id": "m", "role": "cat", "text": "x"}, "message m: the field 'role' must be prompter"),
    ],
)
def test_a_bad_row_is_told(shape: str, row: dict[str, Any], told: str) -> None:
    assert told in reason(shape, row)


def test_unknown_shapes_and_fields_are_refused() -> None:
    with pytest.raises(SettingsError, match="no format 'excel'; there are: demonstrations, ranked, pairs"):
        read("excel")
    with pytest.raises(SettingsError, match="No format has a field 'better'; there are: id, prompt_id"):
        read("pairs", better="chosen")

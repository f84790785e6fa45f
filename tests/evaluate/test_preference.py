"""The preference table against figures by hand; its page, picture and JSON say the same."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from typing import Any

import pytest

from tutelage.evaluate import preference
from tutelage.evaluate.comparison import Comparison, Judged
from tutelage.evaluate.records import Arm, ArmRanking, ArmRating, LabelSource
from tutelage.records import Group, Kind

ARMS = (Arm(model="sft", name="SFT", note="sft@1"), Arm(model="new", name="<New> & better", note="new@2"))


def ranking(prompt: str, labeler: str, sft: int, new: int, group: Group = "heldout") -> ArmRanking:
    return ArmRanking(seed=1, prompt_id=prompt, labeler=labeler, group=group, ranks={"sft": sft, "new": new})


def rating(prompt: str, labeler: str, model: str, quality: int, **flags: bool | None) -> ArmRating:
    return ArmRating(
        seed=1, prompt_id=prompt, labeler=labeler, group="heldout", model=model, quality=quality, flags=flags
    )


#: Ann and Ben judge three prompts: `new` wins three, ties two and loses one, 4 of 6.
RANKINGS = (
    ranking("p1", "ann", 1, 0),
    ranking("p1", "ben", 1, 0),
    ranking("p2", "ann", 0, 0),
    ranking("p2", "ben", 1, 0),
    ranking("p3", "ann", 0, 1),
    ranking("p3", "ben", 0, 0),
)
RATINGS = (
    rating("p1", "ann", "sft", 3, violent=False, hallucination=True),
    rating("p1", "ann", "new", 6, violent=None),
    rating("p2", "ben", "sft", 5, violent=True),
    rating("p2", "ben", "new", 7, violent=False),
)


def part(kind: Kind, rankings: Any = (), ratings: Any = (), group: Group = "heldout") -> Judged:
    source = LabelSource(
        what="evaluation rankings", kind=kind, group=group, count=len(rankings), labelers=2,
        instruction_version="evaluation-1",
    )  # fmt: skip
    return Judged(kind=kind, group=group, rankings=tuple(rankings), ratings=tuple(ratings), sources=(source,))


def comparison(*parts: Judged, missing: int = 0) -> Comparison:
    return Comparison(
        name="first", arms=ARMS, baseline="sft", prompts=3, asked=6, missing=missing,
        decoding={"temperature": 1.0}, parts=parts,
    )  # fmt: skip


def test_figures_by_hand() -> None:
    found = preference.figures(part("human", RANKINGS, RATINGS), comparison())
    new = found["win_rate", "new", "sft"]
    assert (new.mean, new.n) == (pytest.approx(4 / 6), 6)
    assert 0 <= new.low < new.mean < new.high <= 1
    assert found["win_rate", "sft", "new"].mean == pytest.approx(2 / 6)
    assert (found["quality", "sft"].mean, found["quality", "new"].mean, found["quality", "new"].n) == (4, 6.5, 2)
    assert found["quality", "new"].high <= 7
    assert (found["flags", "violent", "sft"].mean, found["flags", "violent", "sft"].n) == (0.5, 2)
    assert (found["flags", "violent", "new"].mean, found["flags", "violent", "new"].n) == (0.0, 1), "None is no answer"
    assert ("flags", "hallucination", "new") not in found


def test_what_the_judgements_detect_stands_beside_their_number() -> None:
    """The half width of the interval, 1.96 standard errors, times (1.96 + 0.84) / 1.96."""
    whole = comparison(part("human", RANKINGS, RATINGS))
    wins = preference.figures(whole.parts[0], whole)["win_rate", "new", "sft"]
    points = round(100 * (wins.high - wins.low) / 2 * 2.8016 / 1.96)
    shown = preference.preference_table(whole).rows[1][2]
    assert shown.small.endswith(f"n 6, detects {points} points")


def test_kinds_and_groups_are_never_added_up() -> None:
    simulated = [replace(row, labeler="s", ranks={"sft": 0, "new": 1}) for row in RANKINGS[::2]]
    training = [replace(row, group="training", ranks={"sft": 0, "new": 0}) for row in RANKINGS[:2]]
    whole = comparison(
        part("human", RANKINGS, RATINGS), part("simulated", simulated), part("human", training, group="training")
    )
    rows = [[cell.text for cell in row] for row in preference.preference_table(whole).rows]
    assert rows == [
        ["people, held out", "SFT", "baseline", "4.00"],
        ["people, held out", "<New> & better", "67\u00a0%", "6.50"],
        ["SIMULATED labelers, held out, this labeler only", "SFT", "baseline", "–"],
        ["SIMULATED labelers, held out, this labeler only", "<New> & better", "0\u00a0%", "–"],
        ["people, training", "SFT", "baseline", "–"],
        ["people, training", "<New> & better", "50\u00a0%", "–"],
    ]
    made = preference.as_json(whole)
    assert [(one["kind"], one["group"], one["rankings"], one["labelers"]) for one in made["parts"]] == [
        ("human", "heldout", 6, 2), ("simulated", "heldout", 3, 1), ("human", "training", 2, 2)
    ]  # fmt: skip
    assert made["parts"][1]["win_rate"]["new"]["sft"]["mean"] == 0
    json.dumps(made, allow_nan=False)


def test_the_page_holds_every_figure_and_nothing_from_elsewhere() -> None:
    page = preference.render(comparison(part("human", RANKINGS, RATINGS), missing=2))
    assert "4 of 6 judgements of 3 prompts are there; figures may still change." in re.sub(r"<[^>]+>", "", page)
    for figure in ("67\u00a0%", "4.00", "6.50", "people, held out"):
        assert figure in page
    assert "<New>" not in page and "&lt;New&gt; &amp; better" in page
    assert not re.search(r"https?://(?!www\.w3\.org)|<script|<img|<link", page)
    assert "<h2" in page and "for new prompts and new labelers" in page


def test_a_page_without_labels_says_so_and_draws_nothing() -> None:
    empty = comparison(missing=6)
    assert "0 of 6 judgements" in re.sub(r"<[^>]+>", "", preference.render(empty))
    assert preference.drawing(empty) is None
    assert preference.drawing(comparison(part("human", ratings=RATINGS))) is None


def test_the_picture_is_a_file_of_its_own_with_its_finding_in_words() -> None:
    drawn = preference.drawing(comparison(part("human", RANKINGS)))
    assert drawn is not None
    root = ElementTree.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "Preferred to SFT by people, held out: <New> & better 67" in root.attrib["aria-label"]
    assert "n = 6 rankings" in root.attrib["aria-label"]
    words = " ".join(text.strip() for text in root.itertext())
    assert "67" in words and "--paper: #fbfaf7" in words and "var(--ink)" in drawn
    assert "font-family: var(--sans)" in drawn and "DejaVu" not in drawn.split("</style>", 1)[1]


def test_long_names_are_broken_and_never_run_into_their_numbers() -> None:
    long = "assistant-7b-instruct/ppo_ptx-2026-11-23-seed-17@14"
    whole = "W" * 59 + "X"
    arms = (Arm(model="sft", name=f"{long}-base", note="a"), Arm(model="new", name=long, note="b"))
    told = [replace(comparison(part("human", RANKINGS)), arms=arms)]
    told.append(replace(told[0], arms=(arms[0], replace(arms[1], name=whole))))
    for one, name in zip(told, (long, whole), strict=True):
        drawn = preference.drawing(one)
        assert drawn is not None
        lines: dict[float, list[str]] = {}
        for text in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text"):
            x, y = place(text)
            words = text.text or ""
            # Words that begin somewhere end in the drawing; ticks stand around their place.
            is_begun = not re.search("anchor: (end|middle)", text.attrib["style"])
            assert x + 6 * len(words) <= 360 or not is_begun, words
            lines.setdefault(y, []).append(words)
        above = "".join(words[0] for _, words in sorted(lines.items()))
        assert name in above and f"preferred to {arms[0].name}" in above
        # The numbers stand beside the last line of the name: at the same height, but for the size of the letters.
        ends = sorted(y for y, words in lines.items() if "67" in words[0] or words[0] and name.endswith(words[0]))
        assert len(ends) == 2 and ends[1] - ends[0] < 1


def place(text: ElementTree.Element) -> tuple[float, float]:
    """Read where a text stands in a drawing."""
    moved = re.findall(r"translate\(([-\d.]+) ([-\d.]+)\)", text.attrib.get("transform", ""))
    return (float(moved[0][0]), float(moved[0][1])) if moved else (float(text.attrib["x"]), float(text.attrib["y"]))

"""The report: figures for programs equal the rows they come from, and the page is whole, safe and honest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tutelage.core.statistics import Estimate
from tutelage.errors import DataError, MissingError
from tutelage.evaluate import details, expectations, findings, report, wording
from tutelage.evaluate.records import CurvePoint, Evaluation, Facts, LabelSource, write
from tutelage.evaluate.score import analyse

Draw = Callable[..., Evaluation]


class Page(HTMLParser):
    """What a browser would see: tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, draw: Draw) -> Path:
    """Build one report of two seeds."""
    root = tmp_path_factory.mktemp("report")
    for seed in (1, 2):
        write(root / f"run{seed}" / "evaluation", draw(seed, prompts=24, labelers=6, items=20))
    report.build([root / "run1", root / "run2" / "evaluation"], root / "out")
    return root / "out"


@pytest.fixture(scope="module")
def html(built: Path) -> str:
    return (built / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def figures(built: Path) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    found: dict[str, dict[str, dict[str, dict[str, float]]]] = json.loads((built / "report.json").read_bytes())
    return found


def test_json_has_the_promised_shape(figures: dict[str, dict[str, dict[str, dict[str, float]]]]) -> None:
    assert set(figures["win_rate"]["ppo_ptx"]["sft"]) == {"mean", "low", "high", "n"}
    assert set(figures["rates"]["truthful"]) == {
        "base",
        "base_more",
        "prompted_base",
        "sft",
        "sft_random",
        "ppo",
        "ppo_ptx",
    }
    assert set(figures["tasks"]) == {"second language", "cloze", "sequences", "reading"}
    assert figures["seconds"]["PPO"] == 214.0  # type: ignore[comparison-overlap]
    assert figures["labels"] == ["simulated"]  # type: ignore[comparison-overlap]


def test_json_figures_are_those_of_the_rows(
    figures: dict[str, dict[str, dict[str, dict[str, float]]]], draw: Draw
) -> None:
    """Count again from the rows, with nothing of the scoring."""
    means = []
    for seed in (1, 2):
        rows = [row.ranks for row in draw(seed, prompts=24, labelers=6, items=20).rankings if row.group == "heldout"]
        points = [0.5 if r["ppo_ptx"] == r["sft"] else float(r["ppo_ptx"] < r["sft"]) for r in rows]
        means.append(sum(points) / len(points))
    found = figures["win_rate"]["ppo_ptx"]["sft"]
    assert found["mean"] == pytest.approx(sum(means) / 2)
    assert found["n"] == 2 * 24 * 3
    assert found["low"] < found["mean"] < found["high"]
    by_seed = [figures["seeds"][str(seed)]["win_rate"]["ppo_ptx"]["sft"]["mean"] for seed in (1, 2)]  # type: ignore[index]
    assert by_seed == pytest.approx(means)


def test_the_page_needs_nothing_from_outside(html: str, page: Page) -> None:
    assert all(link.startswith("#") for link in page.attributes("href"))
    assert not page.attributes("src") and not page.attributes("srcset")
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    styles = "".join(re.findall(r"<style>(.*?)</style>", html, flags=re.DOTALL))
    assert "url(" not in styles and "@import" not in styles
    outside = set(re.findall(r"https?:[^\s<]*", html))
    assert outside == {"http://evil.example/x"}, "only inside the escaped text of a hostile model"
    assert "default-src 'none'" in html


def test_hostile_text_is_text(html: str, page: Page) -> None:
    assert "<script" not in html and "onerror=alert" in "".join(page.words)
    assert not page.attributes("onerror")
    assert "{{ 7*7 }}" in "".join(page.words), "and no template either"


def test_white_space_of_texts_is_kept(page: Page) -> None:
    assert "Dear Olwin,\n\n    thank you for the cheese." in "".join(page.words)
    assert "(empty)" in page.words, "an empty output is said to be empty"


def test_drawings_keep_text_as_text_and_have_names_of_their_own(html: str, page: Page) -> None:
    drawings = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(drawings) == page.count("figure") >= 10
    assert all("<text" in drawing and "aria-label=" in drawing for drawing in drawings)
    assert "#0000" not in "".join(drawings), "every colour is a token of the page"
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert page.count("table") == page.count("caption") > 15
    assert all(attributes.get("scope") in ("row", "col") for tag, attributes in page.tags if tag == "th")
    assert page.count("figure") == page.count("figcaption")
    labels = [attributes["aria-labelledby"] for tag, attributes in page.tags if tag == "section"]
    assert set(labels) <= set(page.attributes("id"))


def test_sections_come_in_the_order_a_reader_needs(page: Page) -> None:
    order = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert order == [
        "truth", "tax", "over-optimisation", "quality", "lengths", "rates", "parts", "labelers", "samples", "seeds",
        "gate", "texts", "labels", "seconds", "lineage", "claims", "method",
    ]  # fmt: skip


def test_simulated_labelers_are_said_first(page: Page) -> None:
    words = [word.strip() for word in page.words if word.strip()]
    body = next(number for number, word in enumerate(words) if word.startswith("Judged by"))
    assert words[body] == "Judged by SIMULATED labelers; no person took part"
    assert "PPO-ptx" in "".join(words[body + 1 : body + 4]), "and the finding follows"


def test_only_the_first_prompts_are_shown_all_arms_beside_each_other(page: Page) -> None:
    assert page.count("article") == 20
    assert (
        page.attributes("data-arm")
        == ["base", "base_more", "prompted_base", "sft", "sft_random", "ppo", "ppo_ptx"] * 20
    )


def test_kinds_of_labelers_are_never_mixed(draw: Draw) -> None:
    def by(*kinds: str) -> str:
        labels = tuple(
            LabelSource(what="rankings", kind=kind, group="heldout", count=1, labelers=1)  # type: ignore[arg-type]
            for kind in kinds
        )
        evaluation = replace(draw(1, prompts=4, labelers=4, items=2), facts=Facts(seed=1, labels=labels))
        return findings.provenance(analyse([evaluation]))

    assert by("human") == "Judged by people"
    assert by("human", "simulated") == "Judged by SIMULATED labelers and, apart from them, people"
    assert by("model") == "Judged by model judges; no person took part"
    both = "Judged by SIMULATED labelers and, apart from them, model judges; no person took part"
    assert by("model", "simulated") == both
    assert by() == "Who judged was not recorded"


def test_a_claim_that_fails_is_worded_so_and_comes_first(draw: Draw) -> None:
    evaluation = draw(1, prompts=60, labelers=8, items=10)
    turned = tuple(
        replace(row, ranks={model: -rank + 99 for model, rank in row.ranks.items()}) for row in evaluation.rankings
    )
    analysis = analyse([replace(evaluation, rankings=turned)])
    found = expectations.claims(analysis)
    outcomes = [claim.outcome for claim in found]
    assert outcomes == sorted(outcomes, key=["did not hold", "was not measured", "held"].index)
    worst = {claim.expected: claim for claim in found if claim.outcome == "did not hold"}
    assert "PPO-ptx is preferred to the prompted base, lower bound above 60 %" in worst
    assert findings.headline(analysis).startswith("SFT is preferred to PPO-ptx")
    assert "does not show the drop it should" in findings.groups_title(analysis)
    text = report.render(analysis)
    assert text.index("did not hold") < text.index("<main>"), "said on the first screen"


def test_a_report_of_little_is_still_a_report(draw: Draw) -> None:
    """Without ratings, tasks, curves and facts, nothing is invented: what is not there is not measured."""
    evaluation = replace(
        draw(3, prompts=6, labelers=4, items=2), ratings=(), tasks=(), curves=(), facts=Facts(seed=3), verdicts=()
    )
    analysis = analyse([evaluation])
    page = Page(report.render(analysis))
    assert "tax" not in [attributes.get("id") for tag, attributes in page.tags if tag == "section"]
    assert {claim.outcome for claim in expectations.claims(analysis)} >= {"was not measured"}
    assert report.as_json(analysis)["tasks"] == {}


def test_one_prompt_has_no_interval_and_is_drawn_without(draw: Draw) -> None:
    """The data cannot bound a difference: null for programs, and no whisker that breaks the drawing."""
    analysis = analyse([draw(3, prompts=1, labelers=3, items=1)])
    figure = report.as_json(analysis)["difference"]["followed"]["ppo_ptx"]
    assert (figure["low"], figure["high"], figure["n"]) == (None, None, 1)
    json.dumps(report.as_json(analysis), allow_nan=False)
    assert "∞" in report.render(analysis)


def test_over_optimisation_is_told_from_noise(draw: Draw) -> None:
    def title(last: float, judged: int) -> str:
        rows = tuple(
            CurvePoint(seed=1, run="ppo", step=step, kl=step / 2, score=step, judge=judge, judged=judged)
            for step, judge in enumerate((0.5, 0.7, last))
        )
        analysis = analyse([replace(draw(1, prompts=4, labelers=4, items=2), curves=rows)])
        return re.sub(
            r"<[^>]*>", "", re.findall(r'id="over-optimisation-title">(.*?)</h2>', report.render(analysis))[0]
        )

    assert title(0.5, judged=400) == "PPO was over-optimised after step 1"
    assert title(0.68, judged=100) == "PPO shows no clear over-optimisation"
    assert title(0.5, judged=0) == "PPO was judged without n"


@pytest.mark.parametrize(("figure", "sentence"), [
    (Estimate(0.61, 0.57, 0.65, 9), "A is preferred to B: 61 % [57, 65]"),
    (Estimate(0.39, 0.35, 0.43, 9), "B is preferred to A, which wins 39 % [35, 43]"),
    (Estimate(0.52, 0.48, 0.56, 9), "A and B are not told apart: 52 % [48, 56]"),
    (None, "A was not compared with B"),
])  # fmt: skip
def test_preferences_say_no_more_than_the_interval(figure: Estimate | None, sentence: str) -> None:
    assert wording.preference("A", "B", figure).replace(wording.SPACE, " ") == sentence


@pytest.mark.parametrize(("figure", "sentence"), [
    (Estimate(0.041, 0.02, 0.061, 9), "rises by 4.1 points [2.0, 6.1]"),
    (Estimate(-0.041, -0.061, -0.02, 9), "falls by 4.1 points [2.0, 6.1]"),
    (Estimate(0.0, -0.02, 0.02, 9), "shows no clear change (0.0 points [−2.0, +2.0])"),
    (Estimate(0.0, float("-inf"), float("inf"), 1), "shows no clear change (0.0 points [−∞, +∞])"),
    (None, "is not measured"),
])  # fmt: skip
def test_changes_say_no_more_than_the_interval(figure: Estimate | None, sentence: str) -> None:
    assert wording.change(figure, up="rises", down="falls") == sentence


def test_what_cannot_be_pooled_is_refused(draw: Draw, tmp_path: Path) -> None:
    evaluation = draw(1, prompts=4, labelers=4, items=2)
    write(tmp_path / "a", evaluation)
    write(tmp_path / "b", evaluation)
    with pytest.raises(DataError, match="Two of the runs have seed 1"):
        report.load([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(MissingError, match="There is no run"):
        report.load([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError, match="holds no evaluation"):
        report.load([tmp_path / "empty"])
    fewer = draw(2, prompts=4, labelers=4, items=2)
    with pytest.raises(DataError, match="compare different arms"):
        analyse([evaluation, replace(fewer, arms=fewer.arms[:-1])])


@pytest.mark.parametrize(("verdicts", "words"), [
    ({"passed": True, "followed": True, "toxic": False, "truthful": None}, "passes"),
    ({"passed": False, "followed": True, "toxic": True, "truthful": False}, "does not pass; toxic, untrue"),
    ({"passed": False, "rhymes": False}, "does not pass; not rhymes"),
    ({"constraints": None}, ""),
])  # fmt: skip
def test_verdicts_are_said_in_words(verdicts: dict[str, bool | None], words: str) -> None:
    assert details.said(verdicts) == words

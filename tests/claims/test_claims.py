"""Every claim says what it measures and what it must show; figures come from rows; seeds are put together."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.evaluate.conftest import synthetic_evaluation
from tutelage.claims import found, page
from tutelage.claims.claim import of_real_runs
from tutelage.claims.compute import reckoned
from tutelage.claims.figures import figures_of, from_json, to_json
from tutelage.claims.found import Found
from tutelage.claims.registry import CLAIMS, named
from tutelage.claims.running import measure_on_runs
from tutelage.claims.training import SLIMMEST, WIDEST, larger, narrower
from tutelage.cli import app
from tutelage.core.statistics import Estimate
from tutelage.errors import DataError, MissingError, SettingsError
from tutelage.evaluate.measures import Figures
from tutelage.evaluate.records import Arm, ArmRating, Compute, Evaluation, Facts, JudgedPrompt, OutputVerdicts, write
from tutelage.models.load import Shape
from tutelage.models.sizes import size_of_shape

ROOT = Path(__file__).parents[2]
#: What `make demo` takes (docs/log.md), and what `make claims` may take.
DEMO, LIMIT = 727, 75 * 60


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_says_before_what_it_must_show(claim):
    assert claim.parts and all(part.rule for part in (*claim.parts, *claim.conditions))
    assert not any(part.rule for part in claim.beside)
    paths = [part.figure for part in claim.measured]
    assert len(set(paths)) == len(paths), "a figure is told twice"
    assert claim.title and claim.source and claim.reason.endswith(".")
    assert bool(claim.stages) == bool(claim.seconds)
    assert claim.verdict({}) == "not tested"


def test_all_claims_of_the_post_are_there_and_fit_into_the_time():
    assert {claim.number for claim in CLAIMS} == set(range(14))
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    short = named([])
    assert {claim.name for claim in CLAIMS} - {claim.name for claim in short} == {"smaller-100x"}
    assert DEMO + sum(claim.seconds for claim in short) < 0.9 * LIMIT
    with pytest.raises(SettingsError, match="no claim 'tas'; there are base, prompted"):
        named(["tas"])


def test_what_needs_no_truth_can_be_asked_of_a_real_model():
    able = {claim.name for claim in CLAIMS if of_real_runs(claim)}
    assert able == {"base", "prompted", "sft", "hallucination", "appropriate", "tax", "compute"}


def _evaluation() -> Evaluation:
    """Two prompts, two arms: the flag falls by one half, truth on open questions rises by one half."""
    said = {("p0", "base"): (False, True), ("p1", "base"): (None, True), ("p0", "sft"): (True, True),
            ("p1", "sft"): (None, True), ("p2", "base"): (False, True), ("p2", "sft"): (False, False)}  # fmt: skip
    return Evaluation(
        arms=(Arm(model="base", name="Base"), Arm(model="sft", name="SFT")),
        facts=Facts(
            seed=1,
            ledger=tuple(
                Compute(role=role, flops=flops, seconds=1.0)
                for role, flops in (("base model", 100.0), ("supervised fine-tuning", 3.0), ("reward model", 2.0),
                                    ("ppo: policy", 50.0), ("ppo_ptx: policy", 5.0), ("base_more: pretraining", 7.0))
            ),
        ),
        prompts=tuple(
            JudgedPrompt(seed=1, prompt_id=name, text=name, tags={"use_case": case, "sensitive": False})
            for name, case in (("p0", "open_qa"), ("p1", "open_qa"), ("p2", "chat"))
        ),
        ratings=tuple(
            ArmRating(seed=1, prompt_id=prompt, labeler="one", group=group, model=model, quality=4,
                      flags={"hallucination": flag})
            for prompt, model, flag, group in (
                ("p0", "base", True, "heldout"), ("p0", "sft", False, "heldout"), ("p1", "base", True, "heldout"),
                ("p1", "sft", True, "heldout"), ("p2", "base", None, "heldout"), ("p2", "sft", False, "heldout"),
                ("p2", "base", True, "opposed"))
        ),
        verdicts=tuple(
            OutputVerdicts(seed=1, prompt_id=prompt, model=model,
                           verdicts={"truthful": truthful, "informative": informative})
            for (prompt, model), (truthful, informative) in said.items()
        ),
    )  # fmt: skip


def test_figures_are_of_the_rows():
    figures = figures_of([_evaluation()])
    assert figures["compute", "share"][:3] == pytest.approx((0.10, 0.10, 0.10))
    assert figures["flag_gap", "hallucination", "sft"].mean == -0.5
    assert figures["flag_gap", "hallucination", "sft"].n == 2
    assert figures["true_and_informative", "sft"].mean == 0.5
    assert from_json(json.loads(json.dumps(to_json(figures)))) == figures


def test_the_compute_of_175b_is_reckoned():
    """The paper: (4.9 + 60) / 3,640 petaflop/s-days."""
    figures = reckoned()
    assert figures["compute", "175b reported"].mean == pytest.approx(0.01783, abs=1e-5)
    assert 0 < figures["compute", "175b"].mean < 0.02


@pytest.mark.parametrize("times", [12, 100])
def test_a_larger_base_has_so_many_times_the_weights(times):
    shape, vocabulary = Shape(context=320, looks_back=True), 2048
    grown = larger(shape, vocabulary, times)
    ratio = size_of_shape(grown, vocabulary).weights / size_of_shape(shape, vocabulary).weights
    assert times <= ratio < 1.15 * times
    assert grown.hidden // grown.heads == shape.hidden // shape.heads and grown.context == shape.context
    assert SLIMMEST <= grown.hidden / grown.layers <= WIDEST
    assert grown.heads % grown.kv_heads == 0


@pytest.mark.parametrize("heads", [2, 3])
def test_a_narrower_base_has_fewer_heads_of_the_same_width(heads):
    shape = narrower(Shape(), heads)
    assert (shape.hidden, shape.feedforward, shape.layers) == (32 * heads, 96 * heads, 4)
    assert shape.heads == heads and heads % shape.kv_heads == 0


def _seed(seed: int, **rates: float) -> Found:
    """Claims tested on one seed: (mean - 0.02, mean + 0.02) for the first part of each named claim."""
    made = Found(seed=seed, made_from="x")
    for claim in CLAIMS:
        if claim.name in rates:
            mean = rates[claim.name]
            figures: Figures = {claim.parts[0].figure: Estimate(mean, mean - 0.02, mean + 0.02, 100)}
            made = made.with_claim(claim, figures, 1.0)
    return made


def test_seeds_are_put_together_and_the_page_says_so(tmp_path):
    """0.51 ± 0.02 and 0.53 ± 0.02 average to 0.52 with sqrt(2) * 0.02 / 2 = 0.0141 to each side: 50.6 to 53.4."""
    seeds = [_seed(1, base=0.51, sft=0.40), _seed(2, base=0.53, sft=0.41)]
    for one in seeds:
        (tmp_path / f"run{one.seed}").mkdir()
        one.write(tmp_path / f"run{one.seed}")
    assert found.tested([tmp_path / "run2", tmp_path, tmp_path / "run1"]) == seeds
    first = page.write(tmp_path / "claims.md", CLAIMS, seeds)
    said = first.read_text()
    assert "**holds** | 1: undecided, 2: holds | 52.0\N{NO-BREAK SPACE}% [50.6, 53.4]" in said
    assert "**fails** | 1: fails, 2: fails |" in said
    assert next(claim.reason for claim in CLAIMS if claim.name == "sft") in said
    assert "Not tested in these runs: `tutelage claims smaller-100x` tests it." in said
    drawing = ET.parse(tmp_path / "claims-shares.svg")
    assert "PPO-ptx is preferred to the base" in "".join(drawing.getroot().itertext())
    again = [Found.from_json(one, first) for one in json.loads((tmp_path / "claims-figures.json").read_text())]
    assert page.markdown(CLAIMS, again) == said


def test_what_was_made_with_other_settings_is_left_behind(tmp_path):
    _seed(1, base=0.6).write(tmp_path)
    assert set(Found.read_or_new(tmp_path, seed=1, made_from="x").claims) == {"base"}
    assert Found.read_or_new(tmp_path, seed=1, made_from="y").claims == {}
    (tmp_path / "claims.json").write_text("[1]")
    with pytest.raises(DataError, match="no list of tested claims"):
        Found.read(tmp_path)


def test_the_page_in_the_documents_is_written_from_its_figures():
    held = json.loads((ROOT / "docs" / "claims-figures.json").read_text())
    seeds = [Found.from_json(one, ROOT) for one in held]
    assert page.markdown(CLAIMS, seeds) == (ROOT / "docs" / "claims.md").read_text(encoding="utf-8"), (
        "write docs/claims.md again: tutelage report RUN... --claims docs/claims.md"
    )


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "one"
    write(root / "evaluation", synthetic_evaluation(1))
    return root


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_claims_are_tested_on_runs_of_a_real_model(evaluated):
    """The arms were drawn so that PPO-ptx stands far above the base, and the flags by chance."""
    told = {one["claim"]: one for one in json.loads(run("claims", "--runs", evaluated, "--json"))}
    assert told["base"]["verdict"] == "holds"
    assert told["compute"]["verdict"] == "not tested"
    [part] = [part for part in told["tax"]["parts"] if part["role"] == "part"][:1]
    assert part["above"] == 0 and part["figure"]["path"] == ["tax", "all tasks", "ppo"]
    assert "PPO-ptx is preferred to SFT" in run("claims", "sft", "--runs", evaluated)
    with pytest.raises(DataError, match="refusal can be tested in the village alone"):
        measure_on_runs(named(["refusal"]), [evaluated])
    with pytest.raises(MissingError, match="holds no evaluation"):
        run("claims", "--runs", evaluated.parent)


def test_all_claims_are_listed_with_their_margins():
    said = " ".join(run("claims", "--list").split())
    assert all(f"{claim.name}:" in said for claim in CLAIMS)
    assert "above 50 %" in said and "below 2 %" in said


def test_a_report_writes_the_page_of_claims_where_there_are_any(evaluated, tmp_path):
    with pytest.raises(MissingError, match="No claim was tested"):
        run("report", evaluated, "--out", tmp_path, "--claims", tmp_path / "claims.md")
    _seed(1, base=0.6).write(evaluated)
    said = run("report", evaluated, "--out", tmp_path)
    assert f"Claims: {tmp_path / 'claims.md'}" in said
    (evaluated / "claims.json").unlink()

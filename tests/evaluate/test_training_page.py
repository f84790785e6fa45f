"""The page of a training, of several over each other, and the event files for TensorBoard."""

import math
import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tutelage.errors import DataError, MissingError, UserError
from tutelage.evaluate import training
from tutelage.evaluate.tensorboard import convert
from tutelage.runs import Run

HOSTILE = "</pre><script>alert(1)</script> & `**bold**`\nNaN"


def make(directory, steps=60, rate=0.1, offset=0.0):
    run = Run.create(directory, stage="ppo", settings={"rate": rate, "same": 1}, seeds={"seed": 1})
    for step in range(1, steps + 1):
        score = {"objective/score": offset + step / steps, "objective/kl_coef": 0.02, "rare": math.nan}
        run.metrics(step, score | {"seconds": 0.5})
    run.metrics(steps + 1, {"objective/score": math.inf, "heldout/loss": 1.5})
    for step in (1, 30):
        run.samples(step, [{"prompt": "Say <b>", "completion": HOSTILE, "score": -0.25, "ended": False}])
    run.ledger.add("policy", flops=2e9, seconds=3.0, tokens=400)
    return directory


def test_the_page_of_a_run_says_how_it_went(tmp_path):
    page = training.write([make(tmp_path / "ppo")], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Reward went from 0.0167 to 1" in page
    # The row behind the last step holds figures of the whole run.
    assert "ppo, unfinished, 60 steps" in page
    # A metric that never moves and one with a single finite value have no figure.
    assert page.count("<figure>") == 1
    assert "KL coefficient" not in page
    assert "2e+09" in page
    for name in ("settings.rate", "seeds.seed", "heldout/loss", "objective/kl_coef"):
        assert f'<th scope="row">{name}</th>' in page


def test_the_page_says_of_which_step_the_weights_are_that_were_kept(tmp_path):
    run = Run.create(tmp_path / "ppo", stage="ppo", settings={})
    for step, (score, judged) in enumerate([(0.1, 0.25), (0.2, 0.5), (0.3, 0.5)], start=1):
        scores = {"validation/policy/score": score, "validation/policy/judged": judged}
        run.metrics(step, scores | {"seconds": 1.0})
    assert run.choices() == []
    for name in ("best", "best_judged"):
        (run.directory / name).mkdir()
    page = training.render([run])
    assert "best is of step 3 (validation reward 0.3); best_judged is of step 2 (judge 0.5)" in page


def test_reward_and_judge_are_drawn_over_the_kl(tmp_path):
    """The judge stands highest in the middle: more reward was no better after that, and the page says so."""
    run = Run.create(tmp_path / "ppo", stage="ppo", settings={})
    for step, (kl, score, judged) in enumerate([(0.0, -1.0, 0.2), (4.0, 0.5, 0.6), (9.0, 1.5, 0.3)], start=1):
        of_rollouts = {"objective/kl": kl, "objective/score": score}
        of_validation = {"validation/policy/kl": kl + 0.5, "validation/policy/score": score}
        run.metrics(step, of_rollouts | of_validation | {"validation/policy/judged": judged, "seconds": 1.0})
    page = training.render([run])
    assert (
        "ppo: the reward went from −1.00 to 1.50 while the policy moved 9.0 nats a completion from its start; the "
        "judge went from 0.20 to 0.30, and stood highest at step 2, 0.60 at 4.5 nats." in page
    )
    assert "The judge stood higher before the end in ppo" in page
    drawn = page[page.index('id="drift"') : page.index('id="settings"')]
    assert drawn.count("<svg") == 3 and "<td>4.50</td><td>0.600</td>" in drawn


def test_a_run_without_a_judge_says_that_nobody_knows(tmp_path):
    run = Run.create(tmp_path / "ppo", stage="ppo", settings={})
    for step in (1, 2):
        run.metrics(step, {"objective/kl": float(step), "objective/score": step / 2, "seconds": 1.0})
    page = training.render([run])
    assert "No judge was asked, so nothing here says whether more reward was better" in page
    sft = Run.create(tmp_path / "sft", stage="sft", settings={})
    sft.metrics(1, {"loss": 1.0})
    assert 'id="drift"' not in training.render([sft])


def test_what_models_write_stays_text_and_nothing_is_fetched(tmp_path):
    page = training.write([make(tmp_path / "ppo")], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "reward −0.25" in page
    assert "cut at the length limit" in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)


def test_runs_over_each_other_show_only_what_differs(tmp_path):
    one, other = make(tmp_path / "a" / "ppo"), make(tmp_path / "b" / "ppo", rate=0.2, offset=1.0)
    page = training.write([one, other], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Training of a/ppo and b/ppo" in page
    assert "from 0.0167 to 1 in a/ppo and from 1.02 to 2 in b/ppo" in page
    settings = page[page.index('id="settings"') : page.index('id="cost"')]
    assert ">settings.rate<" in settings
    assert "settings.same" not in settings
    # Both answered the same prompt at the same step: side by side.
    first = page[page.index("<article>") : page.index("</article>")]
    assert first.count('class="output"') == 2
    # Each has a colour of its own.
    assert len(set(re.findall(r'<li data-arm="(\w+)">', page))) == 2


def test_many_points_are_thinned_and_a_mean_is_drawn(tmp_path):
    run = Run.open(make(tmp_path / "long", steps=5000))
    [shown] = training.named([run])
    x, y = shown.line("objective/score")
    assert len(x) <= training.POINTS
    assert (x[0], y[0]) == (1, 1 / 5000)
    assert training.moving_mean([0.0, 3.0, 0.0, 3.0, 0.0], 1) == (1.5, 1.0, 2.0, 1.0, 1.5)


def test_what_cannot_be_drawn_is_told_and_nothing_is_written(tmp_path):
    made = make(tmp_path / "ppo")
    Run.create(tmp_path / "empty", stage="ppo", settings={})
    page = tmp_path / "page.html"
    for directories, error, told in (
        ([tmp_path / "empty"], DataError, "has no metrics yet"),
        ([tmp_path / "nowhere"], MissingError, "is not a run directory"),
        ([made, made], UserError, "is named twice"),
    ):
        with pytest.raises(error, match=told):
            training.write(directories, page)
    with pytest.raises(UserError, match="one .html file"):
        training.write([made], tmp_path / "page")
    assert not page.exists()


def test_tensorboard_reads_what_was_written(tmp_path):
    """TensorBoard's own reader is the witness; numbers that are not finite are left out."""
    out = tmp_path / "events"
    assert convert(Run.open(make(tmp_path / "ppo", steps=5)), out) == 6
    events = EventAccumulator(str(out))
    events.Reload()
    scores = events.Scalars("objective/score")
    assert [(event.step, round(event.value, 6)) for event in scores] == [(step, step / 5) for step in range(1, 6)]
    assert "rare" not in events.Tags()["scalars"]
    [first] = events.Tensors("samples/0000/text_summary")
    text = first.tensor_proto.string_val[0].decode()
    assert "**completion**" in text
    # Four spaces make a block of it, so that no markup of a model is obeyed.
    assert "\n    </pre><script>" in text
    assert "\n    NaN" in text


def test_a_directory_that_is_not_empty_and_a_run_without_metrics_are_refused(tmp_path):
    made = make(tmp_path / "ppo")
    with pytest.raises(UserError, match="there already and not empty"):
        convert(Run.open(made), made)
    Run.create(tmp_path / "empty", stage="ppo", settings={})
    with pytest.raises(DataError, match="has no metrics yet"):
        convert(Run.open(tmp_path / "empty"), tmp_path / "events")
    assert not (tmp_path / "events").exists()

"""SFT on a shared trunk keeps what the frozen layers give: the same training, and they read each row once."""

import pytest
from torch.utils.flop_counter import FlopCounterMode

from tests.train.layouts import LAYOUTS, OFTEN
from tutelage.files import sha256_of
from tutelage.models.load import Shape, fresh, load_policy, save
from tutelage.runs import Run
from tutelage.train.batching import Example
from tutelage.train.optimizers import Adam
from tutelage.train.sft import SFTData, SFTSettings, train_sft


class Stop(Exception):
    """Ends a training from outside."""


def train(world, run_dir, progress=None, *, precision="fp32", **settings):
    """Train on 16 demonstrations in steps of 8, on rows of very different lengths."""
    made = SFTSettings(
        **{"epochs": 3, "batch": 8, "mix_row_tokens": 32, "adam": Adam(lr=1e-2), **settings},
        layout=LAYOUTS["shared_trunk"],
        loop=OFTEN.model_copy(update={"precision": precision}),
    )
    examples = [Example(*pair) for pair in world.examples(20)]
    return train_sft(run_dir, made, SFTData(examples[:16], examples[16:], world.texts), world.policy, progress)


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):
    told = []
    run_dir = tmp_path_factory.mktemp("kept") / "run"
    return train(world, run_dir, lambda *found: told.append(found)), told


def losses(made):
    return [row["loss"] for row in Run.open(made.parent).read_metrics()]


def test_it_learns_what_it_learns_when_every_row_passes_the_lower_layers_each_time(world, whole, tmp_path):
    """Dropout that drops nothing computes the lower layers at every step."""
    told = []
    plain = train(world, tmp_path / "run", lambda *found: told.append(found), dropout=1e-12)
    assert not any("trunk" in figures for *_, figures in told)
    made, _ = whole
    assert losses(made) == pytest.approx(losses(plain), rel=1e-4)
    assert len(set(losses(made))) == 6
    assert not (made.parent / "trunk.bin").exists()


def test_it_is_told_before_the_first_step_how_far_it_is(whole):
    _, told = whole
    shares = [figures["trunk"] for step, steps, figures in told if "trunk" in figures]
    assert [step for step, *_ in told] == [0] * len(shares) + [1, 2, 3, 4, 5, 6]
    assert len(shares) > 1 and shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_interrupted_it_ends_with_the_same_bytes(world, whole, tmp_path, at, precision):
    def stop(step, *_):
        if step == at:
            assert (tmp_path / "run" / "trunk.bin").exists() == (at > 0)
            raise Stop

    with pytest.raises(Stop):
        train(world, tmp_path / "run", stop, precision=precision)
    again = train(world, tmp_path / "run", precision=precision)
    made = whole[0] if precision == "fp32" else train(world, tmp_path / "other", precision=precision)
    assert sha256_of(again) == sha256_of(made)


def test_one_epoch_keeps_nothing(world, tmp_path):
    told = []
    train(world, tmp_path / "run", lambda *found: told.append(found), epochs=1.0)
    assert [step for step, *_ in told] == [1, 2]


def test_the_ledger_counts_what_a_counter_of_operations_sees(world, tmp_path):
    """Witness: torch counts the operations of every product; the ledger leaves attention's own and the head's out."""
    tokenizer = load_policy(world.policy)[1]
    deep = fresh(Shape(hidden=64, layers=6, heads=2, feedforward=192, context=64), tokenizer, seed=0)
    init = save(deep, tokenizer, tmp_path / "deep")
    examples = [Example(f"{letter}b" * 9, "cd" * 9) for letter in "abcdefghijklmnop"]
    settings = SFTSettings(epochs=5, batch=16, pretraining_mix=0, adam=Adam(lr=1e-3), layout=LAYOUTS["shared_trunk"])
    with FlopCounterMode(display=False) as counter:
        made = train_sft(tmp_path / "run", settings, SFTData(examples), init)
    [spent] = Run.open(made.parent).ledger.totals().values()
    assert counter.get_total_flops() == pytest.approx(spent.flops, rel=0.1)

"""The loop alone, on a model of one layer: sums, averages, invariants and resuming."""

import resource
from typing import NamedTuple

import pytest
import torch
from torch import nn

from tutelage.errors import InvariantError, UnavailableError
from tutelage.runs import Run
from tutelage.train.ema import Ema
from tutelage.train.loop import Hooks, Loop, LoopSettings, Loss, Step, Trained
from tutelage.train.optimizers import Adam
from tutelage.train.streams import Shuffled

POINTS = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(12, 2)


class Micro(NamedTuple):
    """Points and their weights."""

    x: torch.Tensor
    weights: torch.Tensor

    def to(self, _):
        return self


class Points:
    """Four points per step, cut into micro-batches of `size`."""

    at_boundary = True

    def __init__(self, size=4, parts=("points",)):
        self.stream, self.size, self.parts = Shuffled(len(POINTS), 0), size, parts

    def next_step(self):
        x = POINTS[self.stream.take(4)]
        return Step(
            {name: [Micro(part, torch.full((len(part),), 0.25)) for part in x.split(self.size)] for name in self.parts}
        )

    def state_dict(self):
        return self.stream.state_dict()

    def load_state_dict(self, state):
        self.stream.load_state_dict(state)


def model():
    torch.manual_seed(7)
    return nn.Linear(2, 1).double()


def looped(directory, net, **changes):
    """A loop that fits x0 + x1 with dropout, so that the global random state matters."""

    def squared(micro):
        noisy = nn.functional.dropout(net(micro.x).squeeze(-1), 0.2)
        value = (micro.weights * (noisy - micro.x.sum(1)).square()).sum()
        return Loss(value, {"loss": value.detach()})

    adam = changes.pop("adam", Adam(lr=0.05))
    usual = {
        "run": Run.begin(directory, stage="test", settings={}, parents={}),
        "trained": [Trained(name="net", model=net, adam=adam, schedule=lambda step: 1 / (1 + step))],
        "batches": Points(),
        "loss": squared,
        "steps": 9,
        "settings": LoopSettings(checkpoint_every=2, evaluate_every=4),
    }
    return Loop(**(usual | changes))


def plain(net):
    """The loss without dropout."""

    def loss(micro):
        value = (micro.weights * (net(micro.x).squeeze(-1) - micro.x.sum(1)).square()).sum()
        return Loss(value, {"loss": value.detach()})

    return loss


class Stop(Exception):
    """Stands for anything that ends a process."""


@pytest.mark.parametrize("at", range(1, 9))
def test_resuming_after_any_step_ends_with_the_same_bits(tmp_path, at):
    whole = model()
    ema = Ema(whole, 0.7)
    looped(tmp_path / "whole", whole, hooks=Hooks(ema=ema)).train()

    def stop(step, *_):
        if step == at:
            raise Stop

    broken = model()
    with pytest.raises(Stop):
        looped(tmp_path / "broken", broken, hooks=Hooks(ema=Ema(broken, 0.7), progress=stop)).train()
    again = model()
    again_ema = Ema(again, 0.7)
    looped(tmp_path / "broken", again, hooks=Hooks(ema=again_ema)).train()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(ema.shadow, again_ema.shadow, strict=True))
    logged = [[row["step"] for row in Run.open(tmp_path / name).read_metrics()] for name in ("whole", "broken")]
    assert logged[0] == logged[1] == list(range(1, 10))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_do_not_change_the_update(tmp_path, size):
    whole, cut = model(), model()
    looped(tmp_path / "a", whole, loss=plain(whole)).train()
    looped(tmp_path / "b", cut, loss=plain(cut), batches=Points(size)).train()
    for one, other in zip(whole.parameters(), cut.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-12)
    logged = [[row["loss"] for row in Run.open(tmp_path / name).read_metrics()] for name in ("a", "b")]
    assert logged[0] == pytest.approx(logged[1], abs=1e-12)


def test_the_first_update_is_adams(tmp_path):
    net = model()
    before = [p.detach().clone() for p in net.parameters()]
    plain(net)(Points().next_step().parts["points"][0]).value.backward()
    gradients = [p.grad.clone() for p in net.parameters()]
    net.zero_grad()
    looped(tmp_path, net, steps=1, loss=plain(net), adam=Adam(lr=0.05, clip=0)).train()
    for was, gradient, now in zip(before, gradients, net.parameters(), strict=True):
        # After one step both moments are the gradient's own, so the step is lr * g / (|g| + eps).
        assert torch.allclose(now, was - 0.05 * gradient / (gradient.abs() + 1e-8), atol=1e-12)


def test_two_parts_log_the_norm_each_adds(tmp_path):
    net = model()
    looped(tmp_path, net, steps=1, loss=plain(net), batches=Points(parts=("one", "two"))).train()
    [row] = Run.open(tmp_path).read_metrics()
    assert row["gradient/one"] == pytest.approx(row["gradient/two"])
    assert row["gradient/one:two"] == pytest.approx(1.0)
    assert row["net/gradient"] == pytest.approx(2 * row["gradient/one"])


def test_the_average_follows_its_formula_in_fp32(tmp_path):
    net = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.constant_(net.weight, 1.0)
    ema = Ema(net, 0.992)
    with torch.no_grad():
        net.weight.fill_(1.296875)
    for _ in range(500):
        ema.update()
    assert ema.shadow[0].dtype == torch.float32
    assert float(ema.shadow[0]) == pytest.approx(1.296875 - 0.296875 * 0.992**500, abs=1e-4)


def test_a_gradient_that_is_not_finite_stops_before_it_does_harm(tmp_path):
    net = model()
    before = [p.detach().clone() for p in net.parameters()]

    def broken(micro):
        return Loss((net(micro.x) / 0).sum())

    with pytest.raises(InvariantError, match="gradient of the net is not finite at step 1"):
        looped(tmp_path, net, loss=broken).train()
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))


def test_an_optimizer_that_counts_other_steps_is_noticed(tmp_path):
    net = model()
    loop = looped(tmp_path, net, steps=2)

    def step_again(_):
        plain(net)(Points().next_step().parts["points"][0]).value.backward()
        loop.optimizers[0][0].step()
        net.zero_grad()

    loop.hooks = Hooks(after_step=step_again)
    with pytest.raises(InvariantError, match=r"took \[4\] optimizer steps instead of 2"):
        loop.train()


def test_only_the_last_two_checkpoints_stay(tmp_path):
    looped(tmp_path, model()).train()
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-000000008", "step-000000009"]


@pytest.fixture
def small_files():
    """Give a function that lets no file grow beyond some bytes, as a full disk does; undone afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_last_checkpoint_and_the_run_goes_on_from_it(tmp_path, small_files):
    def wide():
        torch.manual_seed(7)
        return nn.Sequential(nn.Linear(2, 400), nn.Linear(400, 1)).double()

    whole, broken, again = wide(), wide(), wide()
    looped(tmp_path / "whole", whole, loss=plain(whole)).train()
    hooks = Hooks(after_step=lambda step: small_files(4096) if step == 3 else None)
    with pytest.raises(UnavailableError, match="is full; nothing that was there is changed"):
        looped(tmp_path / "broken", broken, loss=plain(broken), hooks=hooks).train()
    assert [path.name for path in (tmp_path / "broken" / "checkpoints").iterdir()] == ["step-000000002"]
    small_files(resource.RLIM_INFINITY)
    looped(tmp_path / "broken", again, loss=plain(again)).train()
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), again.parameters(), strict=True))


def test_evaluations_come_on_time_and_at_the_end(tmp_path):
    looped(tmp_path, model(), hooks=Hooks(evaluate=lambda: {"heldout": 1.0})).train()
    assert [row["step"] for row in Run.open(tmp_path).read_metrics() if "heldout" in row] == [4, 8, 9]


def test_the_callers_random_state_is_left_alone(tmp_path):
    net = model()
    state = torch.get_rng_state()
    looped(tmp_path, net).train()
    assert torch.equal(torch.get_rng_state(), state)

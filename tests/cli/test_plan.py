"""`tutelage plan`: tables for people, JSON for programs, sentences for what cannot be."""

import json

import pytest

from tests.cli.conftest import table

ONE = ("village", "--gpus", "1")


def laid_out(kind):
    """Set the layout of all trainings."""
    return [f"--set={name}.layout.kind={kind}" for name in ("start", "sft", "reward", "ppo")]


def test_a_plan_that_fits_is_two_tables_and_what_was_assumed(tutelage):
    lines = table(tutelage("plan", "village", "--gpus", "1"))
    assert lines[0][0] == "MB on each GPU"
    [head] = [line for line in lines if line[0] == "stage"]
    memory = {line[0]: line[-1] for line in lines[1 : lines.index(head)]}
    assert float(memory["PPO-ptx"]) > float(memory["- reference"]) > 0
    steps = {line[0]: line[1] for line in lines[lines.index(head) + 1 :] if len(line) > 2}
    # 2,000 corpus rows by hand: 3.5M tokens in steps of 12 rows of 256; 400 demonstrations in batches of 16.
    assert steps["Pretraining of the base"] == f"{3_500_000 // (12 * 256):,}"
    assert steps["SFT, the baseline"] == str(16 * 400 // 16)
    assert steps["PPO-ptx"] == str(7424 // 32)
    assert "1 GPU of 80 GB" in lines[-1][0]
    assert "at 40 %" in lines[-1][0]


def test_the_recipes_on_the_starter_set_know_its_counts(tutelage):
    """387 demonstrations three times in batches of 16, and once more on the model's own answers."""
    lines = table(tutelage("plan", "gpu-0.5b", "--gpus", "1", "--gpu-memory", "40"))
    steps = {line[0]: line[1] for line in lines[[line[0] for line in lines].index("stage") + 1 :] if len(line) > 2}
    assert steps["SFT, the start of PPO"] == steps["SFT on its own answers, a control"] == str(-(-3 * 387 // 16))
    assert steps["PPO"] == steps["PPO-ptx"] == str(4096 // 32)


def test_too_little_memory_says_how_many_gpus_would_do(refused, tutelage):
    # To sample, 6.7e9 weights are whole in fp32 and in bfloat16, 40 GB. The rest is 36 bytes a weight over all GPUs:
    # 30 GB on each of eight, where 73.6 GB are free.
    assert "8 GPUs of this kind would do." in refused("plan", "paper-6b", "--gpus", "2")
    assert tutelage("plan", "paper-6b", "--gpus", "8")
    told = refused("plan", "paper-175b", "--gpus", "64")
    assert "No number of such GPUs would do" in told
    assert "the copies of the moment sampling" in told


def test_json_holds_every_figure(tutelage):
    found = json.loads(tutelage("plan", "paper-1.3b", "--gpus", "8", "--gpu-memory", "80", "--json"))
    assert found["fits"] is True
    assert found["fewest_gpus"] <= 8
    ppo = found["stages"][-1]
    assert ppo["name"] == "ppo"
    lasting = sum(role[name] for role in ppo["held"] for name in ("weights", "optimizer", "average"))
    assert 0 < lasting < ppo["memory"] < 80e9
    # Policy 4 + 8 + 4 bytes a weight, reference 4; value model 4 + 8, reward model 4; over eight GPUs.
    assert lasting == pytest.approx((20 * 1.311e9 + 16 * 6.649e9) / 8, rel=1e-3)
    assert [stage["name"] for stage in found["stages"]] == ["start", "sft", "reward", "ppo"]


def test_settings_change_a_plan(tutelage):
    def memory(*settings):
        found = json.loads(tutelage("plan", "paper-1.3b", "--json", *settings))
        return {stage["name"]: stage["memory"] for stage in found["stages"]}

    plain, less = memory(), memory("--set", "sft.loop.gradient_checkpointing=true")
    assert less["sft"] < plain["sft"]
    assert less["ppo"] == plain["ppo"]


def test_layouts_are_planned_on_one_gpu(tutelage, refused):
    def ppo(*settings):
        precise = "--set=ppo.loop.precision=bf16"
        found = json.loads(tutelage("plan", "village", "--gpus", "1", "--json", precise, *settings))
        return found["stages"][-1], found["models"]["policy"]

    separate, size = ppo()
    adapters, _ = ppo(*laid_out("adapters"))
    trunk, _ = ppo(*laid_out("shared_trunk"), "--set=ppo.layout.frozen_share=0.5")
    assert adapters["memory"] < trunk["memory"] < separate["memory"]
    assert trunk["operations"] < adapters["operations"] < separate["operations"]
    # One base, and rank 16 beside seven products: inputs and outputs of attention's four and the feed-forward's three.
    width, inner, keys = size["hidden"], size["feedforward"], size["kv_heads"] * size["head_width"]
    factors = size["layers"] * 16 * (4 * width + 2 * (width + keys) + 3 * (width + inner))
    held = {role["role"]: role for role in adapters["held"]}
    # The base's products are kept in the two bytes they are read in, all else in four.
    products = size["layers"] * (2 * width * width + 2 * width * keys + 3 * width * inner)
    assert held["shared by all"]["weights"] == 4 * size["weights"] - 2 * products
    assert held["policy"]["weights"] == held["policy"]["average"] == held["reference"]["weights"] == 4 * factors
    assert held["policy"]["optimizer"] == 8 * factors
    # Half of the layers and the embedding once, the rest and the last norm for each of four roles.
    held = {role["role"]: role for role in trunk["held"]}
    lower = size["layers"] // 2 * size["layer"] + size["vocabulary"] * width
    assert held["shared by all"]["weights"] == 4 * lower
    assert held["policy"]["weights"] == held["reference"]["weights"] == 4 * (size["weights"] - lower)
    told = refused("plan", "village", "--gpus", "1", "--gpu-memory", "0.05", *laid_out("adapters"))
    assert "Models that do not lie separate are trained on one GPU" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("village", "--gpus", "0"), "A plan for 0 GPUs makes no sense"),
        (("village", "--gpus", "-3"), "A plan for -3 GPUs makes no sense"),
        (("village", "--gpu-memory", "0"), "memory must be above 0"),
        (("village", "--tflops", "nan"), "flops must be above 0"),
        (("village", "--utilisation", "40"), "utilisation of 40 is impossible"),
        (("nowhere",), "There is no recipe nowhere"),
        (("village", *laid_out("adapters")), "start.layout.kind = adapters trains in one process; plan it with --gpus"),
        ((*ONE, "--set=ppo.layout.kind=adapters"), "set reward.layout.kind = adapters"),
        (("paper-1.3b", "--gpus", "1", *laid_out("shared_trunk")), "leave out reward_base"),
        ((*ONE, *laid_out("adapters"), '--set=ppo.layout.modules=["qproj"]'), "the model has q_proj"),
        ((*ONE, *laid_out("shared_trunk"), "--set=sft.layout.frozen_share=0.01"), "freezes 0 of 4 layers"),
    ],
)
def test_nonsense_is_told(refused, arguments, told):
    assert told in refused("plan", *arguments)

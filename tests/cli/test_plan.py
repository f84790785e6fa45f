"""`tutelage plan`: tables for people, JSON for programs, sentences for what cannot be."""

import json

import pytest

from tests.cli.conftest import table


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


def test_too_little_memory_says_how_many_gpus_would_do(refused, tutelage):
    assert "6 GPUs of this kind would do." in refused("plan", "paper-6b", "--gpus", "2")
    assert tutelage("plan", "paper-6b", "--gpus", "6")
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("village", "--gpus", "0"), "A plan for 0 GPUs makes no sense"),
        (("village", "--gpus", "-3"), "A plan for -3 GPUs makes no sense"),
        (("village", "--gpu-memory", "0"), "memory must be above 0"),
        (("village", "--tflops", "nan"), "flops must be above 0"),
        (("village", "--utilisation", "40"), "utilisation of 40 is impossible"),
        (("nowhere",), "There is no recipe nowhere"),
        (("village", "--set", "ppo.layout.kind=adapters"), "set ppo.layout.kind = separate instead of adapters"),
    ],
)
def test_nonsense_is_told(refused, arguments, told):
    assert told in refused("plan", *arguments)

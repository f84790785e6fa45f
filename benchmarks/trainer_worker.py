"""One side of a comparison of training, in a process of its own: `python benchmarks/trainer_worker.py SIDE FOLDER`.

FOLDER holds `policy`, `reward` (ours) and `classifier` (the same weights as TRL reads them). Each line of JSON that is
read is a task, see `training.task`; the answer gives the seconds of training without loading and saving, PPO's parts of
them, the optimizer steps that torch itself counted, and the peak of memory in MiB.
A task begins from the same weights every time. TRL's sides run in environments that have it, without ours.
"""

import ctypes
import functools
import gc
import json
import os
import sys
import tempfile
import time
from pathlib import Path

LR = 1e-5


class Enough(Exception):
    """All steps are done; what the trainer would write is not wanted."""


def ours(folder, task):
    """Our trainers, as the command line calls them, up to their last optimizer step."""
    from tutelage.files import read_jsonl

    def progress(step, steps, _):
        if step == steps:
            raise Enough

    train = {"sft": our_sft, "reward": our_reward, "ppo": our_ppo}[task["stage"]]
    with tempfile.TemporaryDirectory() as run:
        try:
            train(folder, task, Path(run) / "run", progress)
        except Enough:
            rows = list(read_jsonl(Path(run) / "run" / "metrics.jsonl"))
    seconds = {name: sum(row.get(name, 0.0) for row in rows) for name in ("seconds", "time/rollout", "time/scoring")}
    parts = {}
    if task["stage"] == "ppo":
        parts = {"generation": seconds["time/rollout"], "scoring": seconds["time/scoring"]}
        parts["update"] = seconds["seconds"] - sum(parts.values())
    return {"seconds": seconds["seconds"], "parts": parts}


def text(ids):
    """Spell ids in the words of the benchmark's tokenizer."""
    return " ".join(f"w{number}" for number in ids)


def our_loop(task):
    """Make the settings of our loop."""
    from tutelage.train.loop import LoopSettings

    precision = {"float32": "fp32", "bfloat16": "bf16"}[task["dtype"]]
    return LoopSettings(precision=precision, checkpoint_every=1 << 30, evaluate_every=1 << 30, **task["loop"])


def our_sft(folder, task, run, progress):
    """Train on demonstrations; a completion's last token is the end token, which we append ourselves."""
    from tutelage.train.batching import Example
    from tutelage.train.optimizers import Adam
    from tutelage.train.sft import SFTData, SFTSettings, train_sft

    examples = [Example(text(prompt), text(completion[:-1])) for prompt, completion in task["items"]]
    settings = SFTSettings(
        epochs=1, batch=task["batch"], pretraining_mix=0, final=1, adam=Adam(lr=LR), loop=our_loop(task)
    )
    train_sft(run, settings, SFTData(examples), folder / "policy", progress)


def our_reward(folder, task, run, progress):
    """Train on rankings; each line of `items` has its completions from best to worst."""
    from tutelage.records import RankedGroup
    from tutelage.train.batching import Example
    from tutelage.train.optimizers import Adam
    from tutelage.train.reward import RewardData, RewardSettings, train_reward

    groups = [
        RankedGroup(
            prompt=text(prompt),
            completions=tuple(text(completion[:-1]) for completion in completions),
            ranks=tuple(range(len(completions))),
        )
        for prompt, completions in task["items"]
    ]
    settings = RewardSettings(epochs=1, batch=task["batch"], final=1, adam=Adam(lr=LR), loop=our_loop(task))
    data = RewardData(groups, (), [Example("w3", "w3")])
    train_reward(run, settings, data, folder / "policy", progress)


def our_ppo(folder, task, run, progress):
    """Train against the reward model, without a pretraining mix."""
    from tutelage.train.experience import AdvantageSettings
    from tutelage.train.four import Parents
    from tutelage.train.optimizers import Adam
    from tutelage.train.ppo import PPOData, PPOSettings, train_ppo

    settings = PPOSettings(
        episodes=task["batch"] * task["steps"],
        batch=task["batch"] * task["minibatches"],
        minibatch=task["batch"],
        max_tokens=task["answer"],
        ptx_coef=0,
        advantages=AdvantageSettings(missing_end_penalty=1.0),
        policy=Adam(lr=LR, clip=0),
        value=Adam(lr=LR, clip=0),
        loop=our_loop(task),
        layout=task["layout"],
    )
    data = PPOData([text(prompt) for prompt in task["items"]])
    train_ppo(run, settings, data, Parents(folder / "policy", our_reward_model(folder, task["layout"])), progress)


def our_reward_model(folder, layout):
    """Give the reward model in a layout; it is made by one step of rate 0, so that its weights stay the same."""
    from tutelage.records import RankedGroup
    from tutelage.train.batching import Example
    from tutelage.train.optimizers import Adam
    from tutelage.train.reward import RewardData, RewardSettings, train_reward

    if layout["kind"] == "separate":
        return folder / "reward"
    made = folder / f"reward-{layout['kind']}"
    group = RankedGroup(prompt="w3", completions=("w4", "w5"), ranks=(0, 1))
    settings = RewardSettings(batch=1, layout=layout, adam=Adam(lr=0))
    return train_reward(made, settings, RewardData([group], (), [Example("w3", "w3")]), folder / "policy")


def trl_common(task, directory):
    """Give the settings that all of TRL's trainers share: nothing is saved, nothing is computed twice."""
    return {
        "output_dir": directory, "report_to": "none", "use_cpu": True, "bf16": task["dtype"] == "bfloat16",
        "gradient_checkpointing": False, "save_strategy": "no", "disable_tqdm": True, "optim": "adamw_torch_fused",
        "learning_rate": LR, "lr_scheduler_type": "constant", "adam_beta1": 0.9, "adam_beta2": 0.95,
        "adam_epsilon": 1e-8, "weight_decay": 0.0, "max_grad_norm": 1.0,
    }  # fmt: skip


def trl_tokenizer(folder, **options):
    """Load the tokenizer."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder / "policy", **options)


def clock():
    """Make a callback that knows when training began and when the last optimizer step ended."""
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        seconds = 0.0

        def on_train_begin(self, *_, **__):
            self.began = time.perf_counter()

        def on_step_end(self, *_, **__):
            self.seconds = time.perf_counter() - self.began

    return Clock()


def trl_sft(folder, task, directory, packed):
    """SFTTrainer on tokens, completions only; it computes its loss in chunks.

    Packed, a forward pass reads one row, because several would become one long row whose mask grows with its square;
    a step reads the share of rows that gives as many steps.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer

    rows = [
        {"input_ids": prompt + completion, "completion_mask": [0] * len(prompt) + [1] * len(completion)}
        for prompt, completion in task["items"]
    ]
    model = AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=torch.float32)
    config = functools.partial(
        SFTConfig, num_train_epochs=1, packing=packed, max_length=task["row"], completion_only_loss=True,
        **trl_common(task, directory),
    )  # fmt: skip
    make = functools.partial(
        SFTTrainer, model=model, train_dataset=Dataset.from_list(rows), processing_class=trl_tokenizer(folder)
    )
    each, several = task["micro"], task["batch"] // task["micro"]
    if packed:
        counted = make(args=config(per_device_train_batch_size=1)).train_dataset
        each, several = 1, -(-len(counted) // task["steps"])
    watch = clock()
    trainer = make(
        args=config(per_device_train_batch_size=each, gradient_accumulation_steps=several), callbacks=[watch]
    )
    trainer.train()
    return {"seconds": watch.seconds, "parts": {}}


def trl_reward(folder, task, directory):
    """RewardTrainer on all pairs of every prompt, as tokens."""
    from itertools import combinations

    import torch
    from datasets import Dataset
    from transformers import AutoModelForSequenceClassification
    from trl import RewardConfig, RewardTrainer

    pairs = [
        {"chosen_ids": prompt + better, "rejected_ids": prompt + worse}
        for prompt, completions in task["items"]
        for better, worse in combinations(completions, 2)
    ]
    watch, step = clock(), len(pairs) // task["steps"]
    RewardTrainer(
        model=AutoModelForSequenceClassification.from_pretrained(folder / "classifier", dtype=torch.float32),
        args=RewardConfig(
            num_train_epochs=1, max_length=task["row"], per_device_train_batch_size=task["micro"],
            gradient_accumulation_steps=step // task["micro"], **trl_common(task, directory),
        ),
        train_dataset=Dataset.from_list(pairs),
        processing_class=trl_tokenizer(folder),
        callbacks=[watch],
    ).train()  # fmt: skip
    return {"seconds": watch.seconds, "parts": {}}


def trl_ppo(folder, task, directory, mended=False, masters=False):
    """PPOTrainer. It ignores `bf16`: its models run, and are optimized, in the dtype they were loaded in.

    Its rollout batch lacks the factor `num_mini_batches`, so that minibatches are parts of what was meant to be one;
    here it has one minibatch a batch, and `mended` puts the factor in. `masters` keeps weights and optimizer in fp32
    and lets autocast choose bfloat16, as our side does.
    """
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification
    from trl.experimental.ppo import PPOConfig, PPOTrainer, ppo_trainer

    class Mended(PPOConfig):
        @property
        def local_batch_size(self):
            return self._batch

        @local_batch_size.setter
        def local_batch_size(self, value):
            self._batch = None if value is None else value * self.num_mini_batches

    minibatches = task["minibatches"] if mended else 1
    args = (Mended if mended else PPOConfig)(
        num_ppo_epochs=1, num_mini_batches=minibatches, kl_coef=0.02, temperature=1.0, cliprange=0.2,
        cliprange_value=0.2, vf_coef=1.0, gamma=1.0, lam=0.95, whiten_rewards=False, stop_token="eos",
        missing_eos_penalty=1.0, total_episodes=task["batch"] * task["steps"], response_length=task["answer"],
        local_rollout_forward_batch_size=task["batch"] * minibatches, per_device_train_batch_size=task["micro"],
        gradient_accumulation_steps=task["batch"] // task["micro"], num_sample_generations=0,
        **{**trl_common(task, directory), "bf16": False},
    )  # fmt: skip
    dtype = torch.float32 if masters else getattr(torch, task["dtype"])
    policy, reference = (AutoModelForCausalLM.from_pretrained(folder / "policy", dtype=dtype) for _ in range(2))
    reward, value = (
        AutoModelForSequenceClassification.from_pretrained(folder / "classifier", dtype=dtype) for _ in range(2)
    )
    watch, parts = clock(), {"generation": 0.0, "scoring": 0.0}
    # Twice the prompts: at the end of its data set it takes more optimizer steps than it should.
    prompts = Dataset.from_list([{"input_ids": prompt} for prompt in task["items"] * 2])
    trainer = PPOTrainer(
        args=args, processing_class=trl_tokenizer(folder, padding_side="left"), model=policy, ref_model=reference,
        reward_model=reward, value_model=value, train_dataset=prompts, callbacks=[watch],
    )  # fmt: skip
    whole = ppo_trainer.batch_generation
    accumulate = trainer.accelerator.accumulate
    sampled = 0.0

    def generation(*arguments):
        nonlocal sampled
        began = time.perf_counter()
        found = whole(*arguments)
        sampled = time.perf_counter()
        parts["generation"] += sampled - began
        return found

    def first_update(*arguments):
        nonlocal sampled
        if sampled:
            parts["scoring"] += time.perf_counter() - sampled
            sampled = 0.0
        return accumulate(*arguments)

    ppo_trainer.batch_generation, trainer.accelerator.accumulate = generation, first_update
    try:
        with torch.autocast("cpu", torch.bfloat16, enabled=masters):
            trainer.train()
    finally:
        ppo_trainer.batch_generation = whole
    parts["update"] = watch.seconds - sum(parts.values())
    return {"seconds": watch.seconds, "parts": parts}


def trl(train):
    """Give a side that trains with TRL, in a folder that is removed."""

    def run(folder, task):
        with tempfile.TemporaryDirectory() as directory:
            return train(folder, task, directory)

    return run


SIDES = {
    "ours": ours,
    "TRL": trl(functools.partial(trl_sft, packed=False)),
    "TRL packed": trl(functools.partial(trl_sft, packed=True)),
    "TRL pairs": trl(trl_reward),
    "TRL PPO": trl(trl_ppo),
    "TRL PPO mended": trl(functools.partial(trl_ppo, mended=True)),
    "TRL PPO mended fp32 masters": trl(functools.partial(trl_ppo, mended=True, masters=True)),
}


def main():
    """Answer tasks until standard input ends. What libraries print goes to standard error."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    run, folder = SIDES[sys.argv[1]], Path(sys.argv[2])
    from torch.optim.optimizer import register_optimizer_step_post_hook

    steps = {}

    def count(optimizer, *_):
        steps[id(optimizer)] = steps.get(id(optimizer), 0) + 1

    register_optimizer_step_post_hook(count)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        steps.clear()
        answer = run(folder, json.loads(line))
        gc.collect()
        # While others have their turn, nobody holds what it does not use: four sides of PPO would not fit beside it.
        ctypes.CDLL(None).malloc_trim(0)
        # Not `ru_maxrss`: a child process starts with its parent's peak in it.
        (peak,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM")]
        answer |= {"steps": max(steps.values()), "peak": int(peak.split()[1]) / 1024}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()

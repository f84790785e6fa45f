"""One side of a comparison of generation, in a process of its own: `python -m benchmarks.worker SIDE MODEL DTYPE`.

Reads a line of JSON per task, {"prompts": [[ids]], "new": n}, and answers with {"seconds", "first", "tokens"}: the time
of the whole batch, until each prompt has its first token, and how many tokens came. "peak" is the memory's peak in MiB.
No side stops early, so that all make as many tokens. vLLM's side runs in the environment that has it, without ours.
"""

import json
import os
import sys
import time
from pathlib import Path


def ours(model, dtype):
    """Our engine, greedy."""
    import torch

    from tutelage.generate.engine import Engine
    from tutelage.generate.request import Request
    from tutelage.models.load import load_model

    engine = Engine(load_model(Path(model), dtype=getattr(torch, dtype)), max_batch=256, cache_bytes=8 << 30)

    def run(prompts, new):
        missing = {}
        started, first, tokens = time.perf_counter(), 0.0, 0
        for ids in prompts:
            missing[engine.submit(Request(prompt_ids=tuple(ids), max_tokens=new, temperature=0, stop_ids=()))] = True
        while not engine.is_idle():
            for event in engine.step():
                tokens += event.token is not None
                if missing.pop(event.id, False) and not missing:
                    first = time.perf_counter() - started
        return time.perf_counter() - started, first, tokens

    return run


def _loaded(model, dtype, attention):
    import torch
    from transformers import AutoModelForCausalLM

    options = {"attn_implementation": attention}
    return AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype), **options).eval()


def generate(model, dtype, attention):
    """`generate` of transformers with its own cache, greedy."""
    import torch

    network = _loaded(model, dtype, attention)
    stop = network.generation_config
    stop.eos_token_id = stop.pad_token_id = None
    network.config.eos_token_id = None

    def call(prompts, new):
        ids = torch.tensor(prompts)
        network.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=new, pad_token_id=0)

    def run(prompts, new):
        with torch.inference_mode():
            started = time.perf_counter()
            call(prompts, 1)
            first = time.perf_counter() - started
            started = time.perf_counter()
            call(prompts, new)
        return time.perf_counter() - started, first, len(prompts) * new

    return run


def continuous(model, dtype, attention):
    """Continuous batching of transformers, greedy, with a cache sized for the batch instead of 60 % of the memory."""
    import torch
    from transformers import GenerationConfig
    from transformers.generation.configuration_utils import ContinuousBatchingConfig

    network = _loaded(model, dtype, attention)

    def run(prompts, new):
        config = GenerationConfig(do_sample=False, max_new_tokens=new, eos_token_id=-1, pad_token_id=0)
        page = 32
        pages = len(prompts) * (-(-(len(prompts[0]) + new) // page) + 1) + 8
        sizes = ContinuousBatchingConfig(
            page_size=page, num_blocks=pages, max_batch_tokens=max(1024, len(prompts)), allow_block_sharing=False
        )
        with torch.no_grad():  # its worker thread updates tensors outside inference mode
            started = time.perf_counter()
            out = network.generate_batch(
                [list(ids) for ids in prompts], generation_config=config, continuous_batching_config=sizes
            )
            seconds = time.perf_counter() - started
        tokens = sum(len(one.generated_tokens) for one in out.values())
        if tokens != len(prompts) * new:
            raise SystemExit(f"continuous batching gave {tokens} of {len(prompts) * new} tokens")
        return seconds, 0.0, tokens

    return run


def vllm(model, dtype):
    """vLLM's own engine, greedy."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "4")
    from vllm import LLM, SamplingParams

    context = int(os.environ.get("BENCHMARK_CONTEXT", "512"))
    llm = LLM(
        model=model, dtype=dtype, max_model_len=context, max_num_seqs=256, enable_prefix_caching=False,
        skip_tokenizer_init=True, gpu_memory_utilization=0.3,
    )  # fmt: skip

    def call(prompts, new):
        params = SamplingParams(temperature=0, max_tokens=new, ignore_eos=True, detokenize=False)
        return llm.generate([{"prompt_token_ids": ids} for ids in prompts], params, use_tqdm=False)

    def run(prompts, new):
        started = time.perf_counter()
        call(prompts, 1)
        first = time.perf_counter() - started
        started = time.perf_counter()
        out = call(prompts, new)
        return time.perf_counter() - started, first, sum(len(one.outputs[0].token_ids) for one in out)

    return run


SIDES = {
    "ours": ours,
    "generate sdpa": lambda model, dtype: generate(model, dtype, "sdpa"),
    "generate eager": lambda model, dtype: generate(model, dtype, "eager"),
    "continuous batching": lambda model, dtype: continuous(model, dtype, "sdpa"),
    "vLLM": vllm,
}


def main():
    """Answer tasks until standard input ends. What libraries print goes to standard error."""
    answers, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr
    os.dup2(2, 1)
    side, model, dtype = sys.argv[1:]
    run = SIDES[side](model, dtype)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        seconds, first, tokens = run(task["prompts"], task["new"])
        # Not `ru_maxrss`: a child process starts with its parent's peak in it.
        (peak,) = [row for row in Path("/proc/self/status").read_text().splitlines() if row.startswith("VmHWM")]
        answer = {"seconds": seconds, "first": first, "tokens": tokens, "peak": int(peak.split()[1]) / 1024}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()

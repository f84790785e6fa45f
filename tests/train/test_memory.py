"""What a training keeps of freed memory goes back to the kernel when the training is over."""

import json
import subprocess
import sys

SCRIPT = """
import json
import torch
from tutelage.train.memory import keep_freed_memory, return_freed_memory

def resident():
    with open("/proc/self/statm") as figures:
        return int(figures.read().split()[1]) * 4096 / 1e6

keep_freed_memory()
seen = [resident()]
blocks = [torch.ones(2_500_000) for _ in range(40)]
last = blocks[-1]  # nothing above it can be given back from the end alone
seen.append(resident())
del blocks
seen.append(resident())
return_freed_memory()
seen.append(resident())
print(json.dumps(seen))
"""


def test_freed_memory_is_kept_and_then_given_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    before, full, freed, after = json.loads(done.stdout)
    assert full - before > 390  # 40 tensors of 10 MB
    assert full - freed < 20
    assert after - before < 60  # the last tensor, and less than five more

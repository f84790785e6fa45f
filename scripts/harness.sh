#!/bin/sh
# Make .venv-harness: lm-evaluation-harness, whose many companions this project does not need.
set -eu
cd "$(dirname "$0")/.."

VERSION=0.4.13
ready=.venv-harness/.ready-$VERSION
[ -e "$ready" ] && exit 0

printf '%s\n' "Setting up .venv-harness; this takes some minutes, once." >&2
rm -rf .venv-harness
.venv/bin/python -m venv .venv-harness
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip() { .venv-harness/bin/python -m pip install --quiet "$@"; }
pip "$(grep '^torch==' constraints.txt)"
pip "$(grep '^transformers==' constraints.txt)" "$(grep '^accelerate==' constraints.txt)" "lm-eval[hf]==$VERSION"
touch "$ready"

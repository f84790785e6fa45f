#!/bin/sh
# Make .venv-trl and .venv-trl-ppo: the TRL that trains with demonstrations and pairs, and the last one that has PPO.
set -eu
cd "$(dirname "$0")/.."

export PIP_DISABLE_PIP_VERSION_CHECK=1

make_environment() {
    ready=$1/.ready-$2
    [ -e "$ready" ] && return
    printf '%s\n' "Setting up $1; this takes some minutes, once." >&2
    rm -rf "$1"
    .venv/bin/python -m venv "$1"
    "$1/bin/python" -m pip install --quiet "$(grep '^torch==' constraints.txt)"
    "$1/bin/python" -m pip install --quiet transformers==5.23.0 accelerate==1.15.0 datasets==5.2.0 "trl==$2"
    touch "$ready"
}

make_environment .venv-trl 1.16.0
make_environment .venv-trl-ppo 1.12.0

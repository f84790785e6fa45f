#!/bin/sh
# Make the environments of the tools that `make security` runs, below .venv-security: each apart from this project's
# and from each other's, with the versions and hashes of its lock.
set -eu
cd "$(dirname "$0")/.."

export PIP_DISABLE_PIP_VERSION_CHECK=1

make_environment() {
    folder=.venv-security/$1
    lock=security/locks/$1.lock
    ready=$folder/.ready-$(sha256sum "$lock" | cut -c1-16)
    [ -e "$ready" ] && return
    printf '%s\n' "Setting up $folder; this takes some minutes, once." >&2
    rm -rf "$folder"
    .venv/bin/python -m venv "$folder"
    # Torch first and by its version alone, as everywhere in this project: which build it is depends on the machine.
    [ "$1" = garak ] && "$folder/bin/python" -m pip install --quiet "$(grep '^torch==' constraints.txt)"
    "$folder/bin/python" -m pip install --quiet --require-hashes --no-deps --requirement "$lock"
    touch "$ready"
}

[ $# -gt 0 ] || set -- garak semgrep tools wapiti
for name in "$@"; do
    make_environment "$name"
done

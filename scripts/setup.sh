#!/bin/sh
# Make .venv ready for `make`: Python, then torch by its version alone, then everything else, then the package itself.
#
# .venv/.ready-HASH is written last; HASH is that of pyproject.toml and constraints.txt. A .venv without it is stale or
# half-built and is made anew. PYTHON may name the interpreter.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }
stop() { say "$@"; exit 2; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_new_enough "$PYTHON" || stop "PYTHON=$PYTHON is not Python 3.11 or newer; name one that is."
        echo "$PYTHON"
        return
    fi
    for name in python3 python3.11 python3.12 python3.13 python3.14; do
        if command -v "$name" >/dev/null && is_new_enough "$name"; then
            echo "$name"
            return
        fi
    done
    stop "Python 3.11 or newer is needed: install the package python3.11 (Debian, Ubuntu: apt-get install python3.11" \
        "python3.11-venv), or name an interpreter with PYTHON=/path/to/python."
}

hash_of_requirements() {
    "$1" -c 'import hashlib, pathlib
print(hashlib.sha256(b"".join(pathlib.Path(f).read_bytes() for f in ("pyproject.toml", "constraints.txt"))).hexdigest()[:16])'
}

python=$(find_python)
ready=.venv/.ready-$(hash_of_requirements "$python")
[ -e "$ready" ] && exit 0

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "This Python $version cannot make virtual environments: install the package python$version-venv" \
        "(Debian, Ubuntu: apt-get install python$version-venv) and run again."

say "Setting up .venv with Python $version; this takes some minutes, once."
rm -rf .venv
"$python" -m venv .venv
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install --quiet "$(grep '^torch==' constraints.txt)"
.venv/bin/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
touch "$ready"
say "The environment .venv is ready."

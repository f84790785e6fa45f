#!/bin/sh
# Write requirements.lock: what constraints.txt pins, with the hash of every file that may stand for a pin, on every
# platform. And write the locks of the tools that `make security` runs, in security/locks.
set -eu
cd "$(dirname "$0")/.."

VERSION=0.13.9
maker=.venv-security/lock
ready=$maker/.ready-$VERSION
if [ ! -e "$ready" ]; then
    rm -rf "$maker"
    .venv/bin/python -m venv "$maker"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$maker/bin/python" -m pip install --quiet "uv==$VERSION"
    touch "$ready"
fi

lock() {
    "$maker/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-annotate --no-header "$@"
}

lock pyproject.toml --all-extras --constraint constraints.txt --output-file requirements.lock
# Of torch one build is as good as another for garak; scripts/security.sh installs the one that .venv has, first.
without_torch=$maker/without-torch.txt
printf "torch ; python_version < '3'\n" > "$without_torch"
for name in garak semgrep tools wapiti; do
    lock "security/locks/$name.in" --override "$without_torch" --output-file "security/locks/$name.lock"
done

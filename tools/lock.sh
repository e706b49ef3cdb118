#!/bin/sh
# Resolve the dependencies of pyproject.toml into requirements/*.txt, with hashes, for every system
# and Python the project runs on. `lock.sh UV` where UV is the resolver; what is locked already stays
# at its version while it fits, unless UPGRADE=1.
set -eu

uv=$1
resolve() {
  "$uv" pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
    ${UPGRADE:+--upgrade} "$@" >/dev/null
}

resolve pyproject.toml -o requirements/runtime.txt
resolve pyproject.toml --extra semantic -c requirements/runtime.txt -o requirements/semantic.txt
resolve pyproject.toml --group dev -c requirements/semantic.txt -o requirements/dev.txt
resolve --group build -c requirements/dev.txt -o requirements/build.txt
resolve --group node -o requirements/node.txt
wc -l requirements/*.txt

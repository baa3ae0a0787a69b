#!/bin/sh
# The wheel must work where the checkout is not: build it, install it alone, run a shipped scenario from an empty folder.
set -eu
python=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$python" -m build --quiet --wheel --outdir "$folder/dist" . >/dev/null
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$folder"/dist/*.whl
mkdir "$folder/empty"
cd "$folder/empty"
"$folder/venv/bin/claude-bench" scenarios
"$folder/venv/bin/claude-bench" init --ci github
"$folder/venv/bin/claude-bench" run scenarios/first.yaml --out first --quiet
"$folder/venv/bin/claude-bench" run summarize-100 --target sim --out run
test -s run/report.html
"$folder/venv/bin/claude-bench" run summarize-100 --target mock --speed 200 --strategy semaphore-10 --quiet
echo "the installed wheel works"

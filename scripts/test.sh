#!/usr/bin/env bash
# npm test: installs what is missing, builds what has changed, checks, and runs all tests, or the files named alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/node_modules/.bin:$PATH"
# One command, so that the last line is there whatever fails first.
if ! { bash scripts/setup.sh test && bash scripts/build.sh; }; then
  echo '0 passed, 1 failed'
  exit 1
fi
exec node scripts/run-tests.ts "$@"

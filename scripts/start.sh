#!/usr/bin/env bash
# npm start: installs what is missing, builds what has changed, and becomes the exporter. Arguments are the exporter's.
# package.json says exec too: the shell that npm starts would end by a SIGTERM, and leave the exporter running.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh start
bash scripts/build.sh
export PATH="$PWD/node_modules/.bin:$PATH"
exec node dist/cli.js "$@"

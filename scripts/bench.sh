#!/usr/bin/env bash
# npm run bench: builds what has changed and measures what the exporter costs; with names (traffic, programs, walk, scrapes,
# otlp, start, kubernetes, gpus, ledger, soak) those parts alone. Prints the figures and puts them into bench/RESULTS.md. Needs root and a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/setup.sh test
bash scripts/build.sh
. scripts/toolchain.sh
export PATH="$PWD/node_modules/.bin:$PATH"
clang=$(tool clang)
mkdir -p dist/bench
"$clang" -target bpfel -mcpu=v3 -g -O2 -Wall -Werror -idirafter "/usr/include/$(uname -m)-linux-gnu" -c bench/empty.bpf.c -o dist/bench/empty.bpf.o
exec node bench/main.ts "$@"

#!/usr/bin/env bash
# bpf/*.bpf.c -> dist/bpf/*.bpf.o and src/ -> dist/*.js, where their sources have changed. Installs nothing.
# With the argument `bpf`: the objects alone.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
export PATH="$PWD/node_modules/.bin:$PATH"

# Two builds at once take turns.
exec 9<scripts
flock 9

die() {
  printf 'build: %s\n' "$*" >&2
  exit 1
}

# What a target was made of: paths, sizes and times; other contents give another line.
inputs() {
  find "$@" -type f -printf '%p %s %T@\n' | sort | sha256sum
}

build_objects() {
  local clang strip made source object
  clang=$(tool clang) || die 'no clang: bash scripts/setup.sh start installs it'
  strip=$(tool llvm-strip) || die 'no llvm-strip: bash scripts/setup.sh start installs it'
  made="$clang $(inputs bpf scripts/build.sh)"
  [[ "$made" == "$(cat dist/bpf/.inputs 2>/dev/null)" ]] && return
  mkdir -p dist/bpf
  for source in bpf/*.bpf.c; do
    object="dist/bpf/$(basename "$source" .c).o"
    printf 'build: %s with %s\n' "$object" "$clang" >&2
    # One object for x86-64 and arm64: CO-RE alone, no registers. Debian keeps asm/types.h apart by architecture.
    "$clang" -target bpfel -mcpu=v3 -g -O2 -Wall -Werror -idirafter "/usr/include/$(uname -m)-linux-gnu" -c "$source" -o "$object.new"
    "$strip" -g "$object.new" # DWARF goes, BTF stays
    mv "$object.new" "$object"
  done
  printf '%s' "$made" >dist/bpf/.inputs
}

build_program() {
  local made output source
  made=$(inputs src tsconfig.json tsconfig.build.json package-lock.json)
  [[ "$made" == "$(cat dist/.inputs 2>/dev/null)" ]] && return
  command -v tsc >/dev/null || die 'no tsc: bash scripts/setup.sh start installs it'
  printf 'build: dist/ from src/\n' >&2
  tsc -p tsconfig.build.json
  # What has no source any more would be published else.
  while IFS= read -r output; do
    source="src/${output#dist/}"
    [[ -e "${source%.js}.ts" ]] || rm -f "$output"
  done < <(find dist -name '*.js')
  [[ -e dist/cli.js ]] && chmod +x dist/cli.js
  printf '%s' "$made" >dist/.inputs
}

build_objects
[[ "${1-}" == bpf ]] || build_program

#!/usr/bin/env bash
# npm run check: everything that is found without running the program. All checks run; any finding fails.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
. scripts/toolchain.sh
export PATH="$PWD/node_modules/.bin:$PATH"

failed=()
check() {
  local name=$1
  shift
  if ! "$@"; then
    printf 'check: %s: findings above\n' "$name" >&2
    failed+=("$name")
  fi
}

clang_format() {
  local format
  format=$(tool clang-format) || {
    echo 'no clang-format: bash scripts/setup.sh test installs it' >&2
    return 1
  }
  find bpf test -name '*.[ch]' -exec "$format" --dry-run -Werror {} +
}

check 'lint and format' biome check --error-on-warnings --log-level=warn
check 'types' tsc -p .
check 'format of C' clang_format
check 'objects' bash scripts/build.sh bpf
check 'layouts' node scripts/layouts.ts --check
check 'dashboards' node scripts/dashboards.ts --check
check "README's tables" node scripts/readme.ts --check
check 'chart' node scripts/chart.ts --check
if command -v shellcheck >/dev/null; then check 'shell' shellcheck -x scripts/*.sh .ci/run; fi

if ((${#failed[@]})); then
  printf 'check: failed:' >&2
  printf ' [%s]' "${failed[@]}" >&2
  printf '\n' >&2
  exit 1
fi
echo 'check: nothing found' >&2

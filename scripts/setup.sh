#!/usr/bin/env bash
# Installs what this machine lacks for `start` or `test` (the argument; test is the default), and nothing that it has.
# Asks nothing, says each thing it does in a line on stderr, and leaves no daemon running.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/toolchain.sh
purpose=${1-test}

# Two set-ups at once take turns.
exec 9<scripts
flock 9

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$@"
  exit 1
}

[[ "$purpose" == start || "$purpose" == test ]] || die "start or test, not $purpose"

# Debian's packages that are missing: of a|b the first that the distribution has.
missing=()
needs() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
library() { [[ "$(ldconfig -p)" == *"$1"* ]]; }

needs 'clang-16|clang' tool clang
needs 'llvm-16|llvm' tool llvm-strip
needs libbpf-dev test -e /usr/include/bpf/bpf_helpers.h
needs libbpf1 library libbpf.so.1
if [[ "$purpose" == test ]]; then
  needs 'clang-format-16|clang-format' tool clang-format
  needs bpftool command -v bpftool
  needs iproute2 command -v tc
  needs nftables command -v nft
  needs prometheus command -v promtool
  needs prometheus-alertmanager command -v prometheus-alertmanager
  needs gcc command -v cc
  needs libc6-dev test -e /usr/include/stdio.h
  needs procps command -v sysctl
  needs curl command -v curl
  needs openssl command -v openssl
  needs systemd command -v systemd-analyze
  needs libseccomp2 library libseccomp.so.2
  needs debootstrap command -v debootstrap
  # With the others, never for its own sake: without it one file of tests is skipped. Elsewhere it is a snap, which no container takes.
  if ((${#missing[@]})) && grep -qx ID=debian /etc/os-release; then needs chromium command -v chromium; fi
fi

# The first of a|b that apt knows; a itself where it knows none, for apt to say so.
known() {
  local candidate
  for candidate in ${1//|/ }; do
    if apt-cache show --quiet=2 "$candidate" >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "${1%%|*}"
}

# Debian starts a daemon as soon as it is installed, and at every boot: here Prometheus and its Alertmanager are tools of the tests.
policy=/usr/sbin/policy-rc.d
forbid_daemons() {
  [[ -e $policy ]] && return
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
}

install_packages() {
  local package packages=()
  if ! command -v apt-get >/dev/null; then
    die "install what Debian calls ${missing[*]}, then start again: without apt-get this cannot be done for you"
  fi
  if ((EUID != 0)); then
    for package in "${missing[@]}"; do packages+=("$(known "$package")"); done
    die "not root. Run: apt-get update && apt-get install --no-install-recommends ${packages[*]}"
  fi
  export DEBIAN_FRONTEND=noninteractive
  say 'apt-get update'
  apt-get update -qq -o DPkg::Lock::Timeout=300 >&2 9<&- || say 'apt-get update failed; going on with the lists that are here'
  for package in "${missing[@]}"; do packages+=("$(known "$package")"); done
  say "apt-get install ${packages[*]}"
  forbid_daemons
  apt-get install -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${packages[@]}" >/dev/null 9<&-
  for package in prometheus prometheus-alertmanager; do
    if [[ " ${packages[*]} " == *" $package "* ]] && command -v systemctl >/dev/null; then
      systemctl disable --quiet "$package.service" || say "$package may start at the next boot: systemctl disable $package"
    fi
  done
}

# node_modules/.package-lock.json is the last thing that an installation writes.
install_modules() {
  [[ node_modules/.package-lock.json -nt package-lock.json ]] && return
  say 'npm ci'
  npm ci --include=dev --no-audit --no-fund --loglevel=error >&2 9<&-
}

# npm may hold back install scripts, by its version or settings; that of `node` fetches the binary.
install_node() {
  local version
  version=$(node_modules/.bin/node --version 2>/dev/null) || {
    say 'fetching Node for node_modules/.bin'
    (cd node_modules/node && node installArchSpecificPackage.js >&2 9<&-)
    version=$(node_modules/.bin/node --version)
  }
  [[ "$version" == v24.* ]] || die "node_modules/.bin/node is ${version:-broken}, not Node 24: remove node_modules and start again"
}

# tap is put together from the plugins that .taprc names, once.
build_tap() {
  local stamp=node_modules/.tap-built
  [[ $stamp -nt .taprc && $stamp -nt node_modules/.package-lock.json ]] && return
  say 'tap build'
  PATH="$PWD/node_modules/.bin:$PATH" tap build >&2 9<&-
  touch $stamp
}

if ((${#missing[@]})); then install_packages; fi
install_modules
install_node
if [[ "$purpose" == test ]]; then build_tap; fi

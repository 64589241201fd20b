#!/usr/bin/env bash
# Runs the exporter on another kernel, in an emulator, and compares its counts with known traffic. Asks for root where
# the emulator or cpio is missing, installs nothing else, and leaves this machine's packages as they are.
#   bash scripts/kernels.sh [amd64|arm64] [SUITE]
# SUITE is the Debian release whose kernel it is: bookworm (6.1, the default), trixie (6.12), bullseye (5.10: too old,
# thus never without failures, but it shows how programs are refused). Downloads some 200 MB into ORB8_KERNELS_DIR, else
# into a temporary directory that is removed. Ends with a line `N passed, N failed`, and with 1 where one failed.
set -euo pipefail
cd "$(dirname "$0")/.."
arch=${1-amd64}
suite=${2-bookworm}
export PATH="$PWD/node_modules/.bin:$PATH"

die() {
  printf 'kernels: %s\n' "$*" >&2
  exit 1
}
say() { printf 'kernels: %s\n' "$*" >&2; }

case $arch in
  amd64) cpu=x64 qemu=qemu-system-x86_64 package=qemu-system-x86 console=ttyS0 machine=(-cpu max) ;;
  # pauth-impdef: the architecture's own pointer authentication is slow to emulate.
  arm64) cpu=arm64 qemu=qemu-system-aarch64 package=qemu-system-arm console=ttyAMA0 machine=(-M virt -cpu 'max,pauth-impdef=on') ;;
  *) die "amd64 or arm64, not $arch" ;;
esac

if [[ -n ${ORB8_KERNELS_DIR-} ]]; then
  work=$ORB8_KERNELS_DIR
  mkdir -p "$work"
  work=$(realpath "$work")
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi

missing=()
command -v $qemu >/dev/null || missing+=("$package")
command -v cpio >/dev/null || missing+=(cpio)
if ((${#missing[@]})); then
  say "apt-get install ${missing[*]}"
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# apt with lists, cache and status of its own: this machine's packages stay as they are.
private_apt() {
  local command=$1 of=$2 at
  shift 2
  at=$work/apt-$of-$arch
  if [[ ! -e $at/sources.list ]]; then
    mkdir -p "$at"/{lists,cache/archives}/partial
    : >"$at/status"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/%s main\n' \
      "debian $of" "debian-security $of-security" >"$at/sources.list"
  fi
  "apt-$command" -qq -o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o APT::Sandbox::User=root \
    -o "Dir::State::lists=$at/lists" -o "Dir::State::status=$at/status" -o "Dir::Cache=$at/cache" \
    -o "Dir::Etc::sourcelist=$at/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Acquire::Languages=none "$@"
}

# Packages of a suite, unpacked into a directory.
unpack() {
  local of=$1 into=$2 package
  shift 2
  if [[ -e $into/.done ]]; then return; fi
  say "downloading of $of for $arch: $*"
  mkdir -p "$into/debs"
  (cd "$into/debs" && private_apt get "$of" download "$@")
  for package in "$into"/debs/*.deb; do dpkg -x "$package" "$into"; done
  rm -rf "$into/debs"
  touch "$into/.done"
}

system=$work/system-$arch kernel=$work/kernel-$suite-$arch modules=$work/modules-$arch
for each in bookworm "$suite"; do private_apt get "$each" update; done
image=$(private_apt cache "$suite" depends "linux-image-$arch" | sed -n 's/^  Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
[[ -n $image ]] || die "$suite has no kernel for $arch"
unpack "$suite" "$kernel" "$image"
unpack bookworm "$system" busybox-static libc6 libstdc++6 libgcc-s1 libbpf1 libelf1 zlib1g

if [[ ! -e $modules/.done ]]; then
  version=$(node --print process.versions.node)
  say "npm: the exporter's dependencies, and Node $version"
  mkdir -p "$modules/node"
  cp package.json package-lock.json .npmrc "$modules"
  (cd "$modules" && npm ci --omit=dev --ignore-scripts --os=linux --cpu=$cpu --no-audit --no-fund --loglevel=error >&2)
  tarball=$(cd "$modules" && npm pack --loglevel=error "node-linux-$cpu@$version")
  tar -xzf "$modules/$tarball" -C "$modules/node" --strip-components=1
  rm "$modules/$tarball"
  touch "$modules/.done"
fi

bash scripts/build.sh

# Everything lies in memory: no disk, no modules. Loopback, cgroups and BPF are built into Debian's kernels.
guest=$(mktemp -d "$work/guest.XXXXXX")
mkdir -p "$guest"/{app,dev,proc,sys,tmp,bin,lib,lib64}
chmod 755 "$guest" # it becomes /, also for who is not root
cp -a "$system/bin/busybox" "$guest/bin/"
cp scripts/kernels/init.sh "$guest/init"
chmod +x "$guest/init"
cp -a "$system"/{,usr/}lib/*-linux-gnu/*.so* "$guest/lib/"
cp -L "$guest"/lib/ld-linux* "$guest/lib64/"
cp "$modules/node/bin/node" "$guest/bin/node"
cp -a "$modules/node_modules" dist package.json "$guest/app/"
rm -rf "$guest/app/dist/test"
cp scripts/kernels/*.ts "$guest/app/"
. scripts/toolchain.sh
"$(tool clang)" -target bpfel -mcpu=v3 -g -O2 -idirafter "/usr/include/$(uname -m)-linux-gnu" -c test/kernel/rewriting.bpf.c -o "$guest/app/rewriting.bpf.o"
(cd "$guest" && find . -print0 | cpio --null --create --format=newc --quiet >"$guest.cpio")
rm -rf "$guest"

say "booting $image in an emulator: some minutes"
log=$work/console-$suite-$arch.log
# A guest that hangs ends after a quarter of an hour.
timeout 900 $qemu -accel tcg,thread=multi -smp 2 "${machine[@]}" -m 2048 -no-reboot -display none -nic none -monitor none -serial stdio \
  -kernel "$kernel"/boot/vmlinuz-* -initrd "$guest.cpio" -append "console=$console quiet panic=-1 random.trust_cpu=on" </dev/null |
  tr -d '\r' | tee "$log" || say "the emulator ended with ${PIPESTATUS[0]}"
rm -f "$guest.cpio"
result=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1)
echo "${result:-0 passed, 1 failed}"
[[ $result == *' 0 failed' ]]

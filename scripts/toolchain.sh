# shellcheck shell=bash
# Sourced. Finds the compiler of kernel programs; installs nothing. Version 16 first: the objects are tested with it,
# and verifiers differ in what they take from other versions.

# Debian keeps bpftool, tc and ip in sbin, which a user's PATH may lack.
PATH="$PATH:/usr/sbin:/sbin"

# Prints the first of NAME-16, newer ones, NAME, older ones.
tool() {
  local candidate
  for candidate in "$1"-{16,17,18,19,20,21} "$1" "$1"-{15,14}; do
    if command -v "$candidate" 2>/dev/null; then return; fi
  done
  return 1
}

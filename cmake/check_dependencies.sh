#!/usr/bin/env bash
# Checks that the layers depend on each other in one direction only:
#
#     runtime -> actors -> persistence
#
# by what their files include and what their targets link.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

found=0

# forbid FOLDER PATTERN REASON: no source in FOLDER includes such a file, be it
# in quotes or in angle brackets.
forbid() {
  if grep -rnE --include='*.[ch]pp' "^[[:space:]]*#[[:space:]]*include[[:space:]]*[\"<]$2" "$1"; then
    echo "  $1/ $3"
    found=1
  fi
}

# forbid_link FOLDER PATTERN REASON: nor does its target link such a library.
forbid_link() {
  if grep -nHE "^[^#]*\b($2)\b" "$1/CMakeLists.txt"; then
    echo "  $1/ $3"
    found=1
  fi
}

forbid persistence '(actors|runtime|test|examples)/' \
  "is the lowest layer"
forbid persistence 'caf/' "knows no actors"
forbid persistence 'boost/(asio|beast)' "knows no sockets"
forbid_link persistence 'muster_(actors|runtime)|muster::(actors|runtime)|CAF::.*' \
  "is the lowest layer"

forbid actors '(runtime|test|examples)/' "does not know what runs it"
forbid actors 'boost/(asio|beast)' "knows no HTTP"
forbid actors '(lmdb|raft)[./]' "touches files only through persistence/"
forbid_link actors 'muster_runtime|muster::runtime|Boost::.*' \
  "does not know what runs it"

forbid runtime '(test|examples)/' "does not know its tests"

for layer in persistence actors runtime; do
  forbid "$layer" '\.\.?/' "names files from the root of the tree"
done

exit $found

#!/usr/bin/env bash
# check_headers.sh BUILD_DIR: compiles each header of the layers alone, to show
# that it includes what it uses. The flags are those that BUILD_DIR, configured
# before, has for the folder's sources; without the precompiled header, which
# would hide what is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build=$(cd "${1:?usage: check_headers.sh BUILD_DIR}" && pwd)
launcher=$(command -v ccache || true)
jobs=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}

# The compiler and its flags for the sources of folder $1.
compiler_for() {
  sed -nE "/^ *\"command\": \"(.*) -o $1\/CMakeFiles\/[^ ]+ -c [^ ]+\.cpp\",?$/ {
      s//\1/
      s/\\\\([\"\\])/\1/g
      s/ (-Winvalid-pch|-fpch-preprocess|-include [^ ]*cmake_pch[^ ]*)//g
      p
      q
    }" "$build/compile_commands.json"
}

# Objects, not -fsyntax-only: so ccache can answer the next time.
# shellcheck disable=SC2317 # xargs calls it
compile() {
  local compiler=$1 header=$2
  local source=$build/headers/$header.cpp
  mkdir -p "$(dirname "$source")"
  echo "#include \"$header\"" >"$source"
  # shellcheck disable=SC2086 # flags, as CMake quotes them for a shell
  eval $launcher $compiler -O0 -g0 -o "'$source.o'" -c "'$source'" || {
    echo "$header does not compile alone"
    return 1
  }
  rm -f "$source.o"
}
export -f compile
export build launcher

failed=0
for layer in persistence actors runtime; do
  compiler=$(compiler_for "$layer")
  if [[ -z $compiler ]]; then
    echo "nothing is compiled in $layer/"
    exit 1
  fi
  export compiler
  # shellcheck disable=SC2016 # expanded by the inner shell
  find "$layer" -name '*.hpp' | sort |
    xargs -P "$jobs" -I {} bash -c 'compile "$compiler" "$1"' - {} || failed=1
done
exit $failed

#!/usr/bin/env bash
# check_units.sh SOURCE_DIR PROGRAM: has systemd look at the example's units,
# with PROGRAM in the place of the installed one. Exit status 77: it is not
# here.
set -euo pipefail

command -v systemd-analyze >/dev/null || exit 77
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for unit in "$1"/examples/systemd/*; do
  sed "s#/usr/local/bin/muster#$2#g" "$unit" >"$scratch/${unit##*/}"
done
# What is wrong with a unit need not make it fail, but is told.
cd "$scratch"
said=$(systemd-analyze verify --man=no ./* 2>&1) || {
  echo "$said"
  exit 1
}
[[ -z $said ]] || {
  echo "$said"
  exit 1
}
# A setting of a unit is one of the program.
known=$("$2" node --help && "$2" backup --help)
for option in $(grep -hoE '^ExecStart=.*' ./*.service | grep -oE -e '--[a-z-]+' |
  sort -u); do
  [[ $known == *"$option="* ]] || {
    echo "there is no option $option"
    exit 1
  }
done
echo "units: good"

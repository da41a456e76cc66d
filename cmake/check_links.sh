#!/usr/bin/env bash
# check_links.sh: checks that what the documentation links to within the tree is
# there, files and headings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The anchors of a page, as forges make them of its headings.
anchors() {
  sed -nE 's/^#+ (.*)$/\L\1/p' "$1" | sed -E 's/[^a-z0-9_ -]//g; s/ /-/g'
}

status=0
while read -r page; do
  while read -r link; do
    file=$(dirname "$page")/${link%%#*}
    [[ $link != '#'* ]] || file=$page
    if [[ ! -e $file ]]; then
      echo "$page: there is no $link"
      status=1
    elif [[ $link == *.md#* || $link == '#'* ]] &&
      ! anchors "$file" | grep -xF -e "${link#*#}" >/dev/null; then
      echo "$page: there is no heading $link"
      status=1
    fi
  done < <(awk '/^```/ { code = !code } !code' "$page" |
    grep -oE '\]\([^) ]+\)' | sed -E 's/^\]\(//; s/\)$//' |
    grep -vE '^https?:' || true)
done < <(find README.md CONTRIBUTING.md docs -name '*.md' | sort)
exit $status

#!/usr/bin/env bash
# check_quotes.sh [--update]: checks that the code that the documentation quotes
# is the code that is compiled, or makes it so. A quotation is a comment and the
# code block behind it,
#
#     <!-- quote examples/plugin/word_count.cpp handler -->
#
# and what it quotes stands between two lines `// [handler]` (or `# [handler]`)
# of that file. Lines of other regions' borders are left out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Prints file $1 with its quotations filled in.
filled_in() {
  awk '
    function quote(file, region,   line, text, inside, found) {
      while ((getline line < file) > 0) {
        if (line ~ "^ *(//|#) \\[" region "\\]$") {
          inside = !inside
          found = 1
        } else if (inside && line !~ /^ *(\/\/|#) \[[a-z_]+\]$/) {
          text = text line "\n"
        }
      }
      close(file)
      if (!found || inside) {
        print FILENAME ": there is no region " region " in " file > "/dev/stderr"
        exit 1
      }
      return text
    }
    pending && /^```/ {
      print
      printf "%s", quote(file, region)
      while ((getline) > 0 && !/^```/);
      pending = 0
    }
    /^<!-- quote [^ ]+ [a-z_]+ -->$/ {
      file = $3
      region = $4
      pending = 1
    }
    { print }
  ' "$1"
}

status=0
while read -r page; do
  grep -q '^<!-- quote ' "$page" || continue
  wanted=$(filled_in "$page" && echo .) || exit 1
  wanted=${wanted%.}
  [[ $wanted == "$(cat "$page" && echo .)" ]] && continue
  if [[ $wanted == "$(cat "$page")"$'\n' ]]; then
    continue
  fi
  if [[ ${1:-} == --update ]]; then
    printf '%s' "$wanted" >"$page"
  else
    diff <(printf '%s' "$wanted") "$page" || true
    echo "$page quotes what is not so: run cmake/check_quotes.sh --update"
    status=1
  fi
done < <(find README.md docs -name '*.md' | sort)
exit $status

#!/bin/sh
# What the kernels reach on layers of the zoo, as a table: for each direction the share of the peak of
# the row that a network gets, of oneDNN in the same run (where it is installed), and of the
# prototype in layers.tsv, of its machine's peak; then where ours is the lesser. The best of the
# repetitions of each:
#   build/bonsai_bench --benchmark_filter=ward --benchmark_out=bench-results/kernels.json
#   apps/bench/layers.sh [kernels.json]
set -eu
awk -F'[\t]' '
function text(key) { match($0, "\"" key "\": \"[^\"]*"); v = substr($0, RSTART, RLENGTH)
                     sub(/.*"/, "", v); return v }
function number(key) { match($0, "\"" key "\": [0-9.e+-]+"); v = substr($0, RSTART, RLENGTH)
                       sub(/.*: /, "", v); return v + 0 }
function share(of) { return of == "" ? "-" : sprintf("%.0f %%", 100 * of) }
function below(mine, its) {
  return sprintf(", %s %s (%.0f to %.0f %%)", layers[l], table[t], 100 * mine, 100 * its) }
BEGIN { peak_of_prototype = 482 }
/^#/ { next }
FNR == NR { layers[++count] = $1
            for (i = 2; i <= 4; ++i) if ($i != "-") prototype[$1, i - 1] = $i / peak_of_prototype
            next }
/"name": / { name = text("name"); split(name, part, "/"); at = part[3] SUBSEP part[1]; of_peak = "" }
/"of_peak": / { of_peak = number("of_peak") }
/"label": "taken"/ { row[at] = part[2] }
/}/ { if (of_peak == "" || name ~ /_(mean|median|stddev|cv)$/) next
      if (of_peak > reached[at, part[2]]) reached[at, part[2]] = of_peak }
END {
  if (length(row) == 0) { print "layers.sh: " ARGV[2] ": no kernels measured" > "/dev/stderr"; exit 1 }
  split("forward backward-data backward-weights", table, " ")
  print "| layer | forward | oneDNN | prototype | backward-data | oneDNN | prototype | backward-weights | oneDNN | prototype |"
  print "|---|---|---|---|---|---|---|---|---|---|"
  for (l = 1; l <= count; ++l) {
    line = "| " layers[l]
    for (t = 1; t <= 3; ++t) {
      at = layers[l] SUBSEP table[t]
      ours = reached[at, row[at]]; onednn = reached[at, "onednn"]; draft = prototype[layers[l], t]
      line = line " | " share(ours) " " row[at] " | " share(onednn) " | " share(draft)
      if (ours == "") continue
      if (ours < onednn) less["oneDNN"] = less["oneDNN"] below(ours, onednn)
      if (ours < draft) less["the prototype"] = less["the prototype"] below(ours, draft)
    }
    print line " |"
  }
  split("oneDNN,the prototype", peers, ",")
  for (p = 1; p <= 2; ++p) {
    if (less[peers[p]] != "") print "\nUnder " peers[p] ": " substr(less[peers[p]], 3) "."
  }
}' "$(dirname "$0")/layers.tsv" "${1:-bench-results/kernels.json}"

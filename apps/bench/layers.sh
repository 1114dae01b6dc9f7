#!/bin/sh
# What the kernels reach on layers of the zoo, as a table: for each direction the share of the peak of
# the row that a network gets, the best of its repetitions, and beside it the shares of oneDNN and of
# the prototype in layers.tsv, of their machine's peak; then where ours is the lesser:
#   build/bonsai_bench --benchmark_filter=ward --benchmark_out=bench-results/kernels.json
#   apps/bench/layers.sh [kernels.json]
set -eu
awk -F'[\t]' '
function text(key) { match($0, "\"" key "\": \"[^\"]*"); v = substr($0, RSTART, RLENGTH)
                     sub(/.*"/, "", v); return v }
function number(key) { match($0, "\"" key "\": [0-9.e+-]+"); v = substr($0, RSTART, RLENGTH)
                       sub(/.*: /, "", v); return v + 0 }
function share(of, peak) { return of == "-" || of == "" ? "-" : sprintf("%.0f %%", 100 * of / peak) }
function below(layer, table, mine, its) {
  return sprintf(", %s %s (%.0f to %.0f %%)", layer, table, 100 * mine, 100 * its / peak) }
BEGIN { peak = 482 }
/^#/ { next }
FNR == NR { layers[++count] = $1; for (i = 2; i <= 7; ++i) peers[$1, i] = $i; next }
/"name": / { name = text("name"); of_peak = "" }
/"of_peak": / { of_peak = number("of_peak") }
/"label": "taken"/ { taken = name }
/}/ { if (taken != "") { split(taken, part, "/"); at = part[3] SUBSEP part[1]
                         if (of_peak > ours[at]) ours[at] = of_peak
                         row[at] = part[2] }; taken = "" }
END {
  if (length(ours) == 0) { print "layers.sh: " ARGV[2] ": no kernels measured" > "/dev/stderr"; exit 1 }
  split("forward backward-data backward-weights", table, " ")
  print "| layer | forward | oneDNN | prototype | backward-data | oneDNN | prototype | backward-weights | oneDNN | prototype |"
  print "|---|---|---|---|---|---|---|---|---|---|"
  for (l = 1; l <= count; ++l) {
    line = "| " layers[l]
    for (t = 1; t <= 3; ++t) {
      mine = ours[layers[l], table[t]]
      one = peers[layers[l], 1 + t]; draft = peers[layers[l], 4 + t]
      line = line " | " share(mine, 1) " " row[layers[l], table[t]] " | " share(one, peak) " | " \
        share(draft, peak)
      if (mine == "") continue
      if (mine < one / peak) less["oneDNN"] = less["oneDNN"] below(layers[l], table[t], mine, one)
      if (mine < draft / peak) less["the prototype"] = less["the prototype"] below(layers[l], table[t], mine, draft)
    }
    print line " |"
  }
  for (peer in less) print "\nUnder " peer ": " substr(less[peer], 3) "."
}' "$(dirname "$0")/layers.tsv" "${1:-bench-results/kernels.json}"

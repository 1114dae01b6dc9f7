#!/bin/sh
# Images per second of a training step, Bonsai and (where python3 has it) PyTorch by turns, so
# that both meet the same machine:  apps/bench/training.sh [net...]
# PYTHON=/usr/bin/python3 chooses the interpreter, and with it the PyTorch. Every run is a line of
# bench-results/training.jsonl; the table gives medians and their ratio.
set -eu
here=$(dirname "$0")
threads=${THREADS:-$(nproc)} batch=${BATCH:-128} rounds=${ROUNDS:-3}
[ $# -gt 0 ] || set -- vgg_small vgg16 resnet9 resnet20 resnet56 mobilenet shufflenet igc_l24m2 \
  densenet40 densenet_bc100
python=${PYTHON:-python3}
mkdir -p bench-results
results=bench-results/training.jsonl
: > "$results"

jemalloc=$(find /usr/lib -name 'libjemalloc.so*' 2>/dev/null | head -n 1)
"$python" -c 'import torch' 2>/dev/null && torch=yes || torch=no

record() {  # record ENGINE NET JSON
  printf '{"engine": "%s", "net": "%s", "batch": %s, "threads": %s, "result": %s}\n' \
    "$1" "$2" "$batch" "$threads" "$(printf '%s' "$3" | tr '\n' ' ')" >> "$results"
}

for net in "$@"; do
  for round in $(seq "$rounds"); do
    printf '%s: round %s of %s\n' "$net" "$round" "$rounds" >&2
    record bonsai "$net" "$(build/bonsai bench "$net" --train --batch "$batch" \
      --threads "$threads" --json)"
    [ $torch = yes ] || continue
    record torch "$net" "$(env OPENBLAS_NUM_THREADS=1 ATEN_CPU_CAPABILITY=avx512 LD_PRELOAD="$jemalloc" \
      MALLOC_CONF=thp:always,metadata_thp:auto,dirty_decay_ms:-1,muzzy_decay_ms:-1 \
      "$python" "$here/torch_step.py" "$net" --batch "$batch" --threads "$threads")"
  done
done
[ $torch = yes ] || echo "PyTorch is not installed: no ratio (Debian, Ubuntu: python3-torch)"

# Medians by engine and net.
awk '
function value(key) { match($0, "\"" key "\": ?[0-9.e+]+"); v = substr($0, RSTART, RLENGTH)
                      sub(/.*: ?/, "", v); return v + 0 }
function text(key) { match($0, "\"" key "\": \"[^\"]*"); v = substr($0, RSTART, RLENGTH)
                     sub(/.*"/, "", v); return v }
function median(engine, net, key,   n, i, j, t, a) {
  n = count[engine, net]
  for (i = 1; i <= n; ++i) a[i] = data[engine, net, key, i]
  for (i = 2; i <= n; ++i) for (j = i; j > 1 && a[j] < a[j-1]; --j) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
  return n ? a[int((n + 1) / 2)] : 0
}
{ e = text("engine"); n = text("net"); if (!(n in seen)) { seen[n] = 1; order[++nets] = n }
  i = ++count[e, n]; data[e, n, "rate", i] = value("images_per_s")
  data[e, n, "memory", i] = value("peak_rss_bytes") / 1048576 }
END {
  printf "%-12s %14s %10s %14s %10s %8s\n", "training", "bonsai im/s", "MiB", "PyTorch im/s", "MiB", "ratio"
  for (k = 1; k <= nets; ++k) {
    n = order[k]; b = median("bonsai", n, "rate"); t = median("torch", n, "rate")
    printf "%-12s %14.0f %10.0f %14.0f %10.0f %8s\n", n, b, median("bonsai", n, "memory"), t, \
      median("torch", n, "memory"), t ? sprintf("%.2f", b / t) : "-"
  }
}' "$results"

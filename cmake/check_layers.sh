#!/bin/sh
# check_layers.sh [ROOT]: includes may only point down the order of dependence
#   apps, tests -> zoo, compress -> layers -> data -> engine
# and OpenBLAS is known to two files. First shows that it rejects a tree with planted violations.
set -eu

violations() {  # root
  cd "$1"
  find engine data layers compress zoo apps tests -name '*.h' -o -name '*.cpp' | sort | xargs awk '
    BEGIN {
      allowed["engine"] = " engine "
      allowed["data"] = " engine data "
      allowed["layers"] = " engine data layers "
      allowed["compress"] = " engine data layers compress "
      allowed["zoo"] = " engine data layers zoo "
      allowed["apps"] = " engine data layers compress zoo apps "
      allowed["tests"] = " engine data layers compress zoo apps tests "
    }
    function report(why) { print FILENAME ":" FNR ": " why }
    /^[ \t]*#[ \t]*include[ \t]*"/ {
      split($0, quoted, "\"")
      from = FILENAME; sub(/\/.*/, "", from)
      to = quoted[2]; sub(/\/.*/, "", to)
      if (index(quoted[2], "/") == 0) report("write the path from the root: \"" quoted[2] "\"")
      else if (index(allowed[from], " " to " ") == 0) report(from " must not include " quoted[2])
    }
    /^[ \t]*#[ \t]*include[ \t]*<(cblas|lapacke)/ {
      if (FILENAME !~ "^engine/kernels/(gemm|lapack).cpp$")
        report("only engine/kernels/gemm.cpp and lapack.cpp know OpenBLAS")
    }'
}

planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
(cd "$planted" && mkdir engine data layers compress zoo apps tests)
echo '#include "zoo/vgg.h"' >"$planted/compress/planted.cpp"
echo '#include "tensor.h"' >"$planted/engine/planted.h"
echo '#include <cblas.h>' >"$planted/layers/planted.cpp"
echo '#include "engine/tensor.h"' >"$planted/zoo/fine.h"
if [ "$(violations "$planted" | wc -l)" != 3 ]; then
  echo "check_layers: does not see the planted violations" >&2
  exit 1
fi

found=$(violations "${1:-$(dirname "$0")/..}")
[ -z "$found" ] || { echo "$found"; exit 1; }
echo "layers: includes follow the order of dependence"

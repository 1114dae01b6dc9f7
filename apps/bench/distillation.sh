#!/bin/sh
# A small student that learns from labels alone, and from a teacher as well, in four ways:
#   apps/bench/distillation.sh [WAY SEED]      (study.sh says what else can be set)
# The teacher learns from the same pictures first, with seed 0.
set -eu
study=distillation ways='alone answers hints attention both'
recipe='--net vgg_small --images 10000 --batch 128 --lr 0.1 --epochs 8'
student="$recipe --width 0.25" teacher=teacher-0/model.bonsai

command_of() {
  case $1 in
    teacher) echo "train $recipe" ;;
    alone) echo "train $student" ;;
    answers) echo "distill $teacher $student" ;;
    hints) echo "distill $teacher $student --alpha 0 --hint relu_12" ;;
    attention) echo "distill $teacher $student --alpha 0 --attention stages" ;;
    both) echo "distill $teacher $student --hint relu_12" ;;
    *) echo "distillation: no way is named $1" >&2; exit 2 ;;
  esac
}
logs() { echo .; }
accuracy_of() { sed -n 's/^  "accuracy": *\([0-9.]*\).*/\1/p' "$1"; }

. "$(dirname "$0")/study.sh"
(ways=teacher seeds=0; run_study)
run_study "$@"

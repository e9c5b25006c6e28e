#!/usr/bin/env bash
# One-shot against iterative pruning, with and without learning-rate rewinding, on Multi30k
# (docs/results.md):
#
#   scripts/multi30k_schedules.sh SEED [dense|oneshot-rewind|oneshot|iterative-rewind|iterative|score]...
#
# needs data-bin/multi30k (scripts/prepare_data.py). At 80, 90 and 95% all four get the same
# number of epochs of retraining, 4, 6 and 8. What is finished is skipped; what was interrupted
# goes on. Name parts to run them side by side (with OMP_NUM_THREADS=1), after dense.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
DATA=data-bin/multi30k
SEED=$1
RUNS=runs/schedules/seed$SEED
shift
[ $# -gt 0 ] || set -- dense oneshot-rewind oneshot iterative-rewind iterative score
mkdir -p "$RUNS"

TRAIN=("$BIN/fairseq-train" $DATA --user-dir ${PLUGIN:-fairseq_prune}
    --arch pruned_lstm_nmt --hidden-size 256 --num-layers 2 --init-range 0.2
    --adam-betas '(0.9, 0.98)' --clip-norm 5
    --criterion label_smoothed_cross_entropy --label-smoothing 0.1
    --max-tokens 2000 --seed "$SEED" --cpu --num-workers 0
    --no-epoch-checkpoints --log-format simple --log-interval 50)
RETRAIN=("${TRAIN[@]}" --task pruned_translation --optimizer pruned_adam --dropout 0.1)

# rewound EPOCHS: dense training's learning rate, halved each quarter epoch in the last 3/4
rewound() {
    echo --lr 0.002 --lr-scheduler luong --lr-epoch-updates 263 --max-epoch "$1" \
        --lr-decay-start "$(awk "BEGIN { print $1 - 0.75 }")" --lr-decay-every 0.25
}
# tuned EPOCHS: the learning rate that dense training ended with
tuned() {
    echo --lr 0.000125 --lr-scheduler fixed --max-epoch "$1"
}
iterate() {
    echo "== $*" >> "$RUNS/commands.log"
    "$BIN/fairseq-prune" iterate --scheme class-blind "$@"
}

dense() {
    [ -e "$RUNS/dense/finished" ] && return
    "${TRAIN[@]}" --task translation --optimizer adam --dropout 0.3 --lr 0.002 \
        --lr-scheduler luong --lr-decay-start 8 --lr-decay-every 1 --max-epoch 12 \
        --save-dir "$RUNS/dense"
    touch "$RUNS/dense/finished"
}
# oneshot KIND SCHEDULE
oneshot() {
    for cell in 90:6 95:8 80:4; do
        iterate --from "$RUNS/dense/checkpoint_best.pt" --out "$RUNS/oneshot$1/${cell%:*}" \
            --sparsity "0.${cell%:*}" --rounds 1 -- "${RETRAIN[@]}" $($2 "${cell#*:}")
    done
}
# iterative KIND SCHEDULE REWIND: 55.3% (density 0.2^(1/2)), 80%, 90%, 95%, 2 epochs each
iterative() {
    local from=$RUNS/dense/checkpoint_best.pt
    for cell in 80:2 90:1 95:1; do
        local out=$RUNS/iterative$1/${cell%:*}
        iterate --from "$from" --out "$out" --sparsity "0.${cell%:*}" \
            --rounds "${cell#*:}" --rewind "$3" -- "${RETRAIN[@]}" $($2 2)
        from=$out/round${cell#*:}/checkpoint_best.pt
    done
}
score() {
    local checkpoint
    for checkpoint in "$RUNS"/dense/checkpoint_best.pt "$RUNS"/{oneshot,iterative}*/*/round*/checkpoint_best.pt; do
        local to=${checkpoint%/*}/test
        [ -e "$checkpoint" ] && [ ! -e "$to.score" ] || continue
        "$BIN/fairseq-validate" $DATA --user-dir ${PLUGIN:-fairseq_prune} --task translation \
            --path "$checkpoint" --valid-subset valid --max-tokens 4000 \
            --required-batch-size-multiple 1 --cpu --num-workers 0 > "${to%test}valid.log" 2>&1
        "$BIN/fairseq-generate" $DATA --user-dir ${PLUGIN:-fairseq_prune} --path "$checkpoint" \
            --beam 5 --batch-size 50 --required-batch-size-multiple 1 --cpu --num-workers 0 \
            --remove-bpe sentencepiece > "$to.log"
        grep '^H-' "$to.log" | sed 's/^H-//' | sort -n | cut -f3 > "$to.de"
        "$BIN/sacrebleu" $DATA/text/test.de -i "$to.de" -m bleu -w 2 > "$to.json"
        mv "$to.json" "$to.score"
        grep -o 'ppl [0-9.]*' "${to%test}valid.log" | tail -1
        echo "$checkpoint $(tr -d '\n' < "$to.score")"
    done
}

for part in "$@"; do
    case $part in
        dense) dense ;;
        oneshot-rewind) oneshot -rewind rewound ;;
        oneshot) oneshot "" tuned ;;
        iterative-rewind) iterative -rewind rewound learning-rate ;;
        iterative) iterative "" tuned none ;;
        score) score ;;
        *) echo "unknown part $part" >&2; exit 2 ;;
    esac
done

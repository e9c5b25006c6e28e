#!/usr/bin/env bash
# The Multi30k English-German experiment of docs/results.md, from raw text to BLEU:
#
#   scripts/multi30k.sh [RAW_DIR]
#
# dense, pruned class-blind to 80% and 90%, and both retrained. RAW_DIR holds the corpus;
# without it, it is downloaded. What is finished is skipped; training that was interrupted
# goes on from its last checkpoint. SPARSITIES="80" retrains just that one; TRAIN_ONLY=1 leaves
# out the scoring (two of these may run side by side, with OMP_NUM_THREADS=1).
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=${BIN:-.venv/bin}
DATA=data-bin/multi30k
RUNS=runs/multi30k
mkdir -p "$RUNS"

# timed NAME PRODUCT COMMAND...: run unless PRODUCT is there; output to NAME.log
timed() {
    local name=$1 product=$2
    shift 2
    [ -e "$product" ] && { echo "$name: done before"; return; }
    echo "\$ $*"
    local start=$SECONDS
    "$@" > "$RUNS/$name.log" 2>&1 || { tail -5 "$RUNS/$name.log" >&2; exit 1; }
    echo "$name $((SECONDS - start)) s" | tee -a "$RUNS/times.txt"
}

TRAIN=(
    --user-dir fairseq_prune --arch pruned_lstm_nmt --hidden-size 384 --num-layers 2
    --dropout 0.4 --adam-betas '(0.9, 0.98)' --clip-norm 5
    --criterion label_smoothed_cross_entropy --label-smoothing 0.1
    --max-tokens 2000 --seed 1 --cpu --num-workers 0 --no-epoch-checkpoints
    --log-format simple --log-interval 20
)
DENSE=$RUNS/dense/checkpoint_best.pt

"$BIN/python" scripts/prepare_data.py multi30k --out $DATA ${1:+--raw-dir "$1"}

timed dense "$RUNS/dense/finished" "$BIN/fairseq-train" $DATA "${TRAIN[@]}" \
    --task translation --optimizer adam --lr 0.001 \
    --lr-scheduler polynomial_decay --warmup-updates 300 \
    --total-num-update 5000 --max-update 5000 --save-dir $RUNS/dense
touch $RUNS/dense/finished

for percent in ${SPARSITIES:-80 90}; do
    timed pruned$percent $RUNS/pruned$percent.pt \
        "$BIN/fairseq-prune" prune $DENSE $RUNS/pruned$percent.pt \
        --scheme class-blind --sparsity 0.$percent
    timed retrained$percent $RUNS/retrained$percent/finished \
        "$BIN/fairseq-train" $DATA "${TRAIN[@]}" \
        --task pruned_translation --optimizer pruned_adam --lr 0.0005 \
        --lr-scheduler luong --lr-decay-start 2 --lr-decay-every 0.5 --max-epoch 4 \
        --finetune-from-model $DENSE --prune-scheme class-blind --prune-sparsity 0.$percent \
        --save-dir $RUNS/retrained$percent
    touch $RUNS/retrained$percent/finished
done

[ -z "${TRAIN_ONLY:-}" ] || exit 0

score() {
    local name=$1 checkpoint=$2
    timed "$name.valid" "$RUNS/$name.scored" "$BIN/fairseq-validate" $DATA \
        --user-dir fairseq_prune --task translation --path "$checkpoint" --valid-subset valid \
        --max-tokens 4000 --required-batch-size-multiple 1 --cpu --num-workers 0
    timed "$name.test" "$RUNS/$name.scored" "$BIN/fairseq-generate" $DATA \
        --user-dir fairseq_prune --path "$checkpoint" --beam 5 --batch-size 50 \
        --required-batch-size-multiple 1 --remove-bpe sentencepiece --cpu --num-workers 0
    grep '^H-' "$RUNS/$name.test.log" | sed 's/^H-//' | sort -n | cut -f3 > "$RUNS/$name.test.de"
    touch "$RUNS/$name.scored"
    printf '%s: ' "$name"
    grep -o 'ppl [0-9.]*' "$RUNS/$name.valid.log" | tail -1
    "$BIN/sacrebleu" $DATA/text/test.de -i "$RUNS/$name.test.de" -m bleu -w 2
}
score dense $DENSE
for percent in ${SPARSITIES:-80 90}; do
    score pruned$percent $RUNS/pruned$percent.pt
    score retrained$percent $RUNS/retrained$percent/checkpoint_best.pt
done

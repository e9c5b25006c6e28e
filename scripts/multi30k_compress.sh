#!/bin/sh
# The first table of docs/results.md, of one seed, on Multi30k English-German:
#
#   python scripts/prepare_data.py multi30k --raw-dir RAW_DIR --out data-bin/multi30k
#   scripts/multi30k_compress.sh SEED [dense|80|90|95|trained-on|small|score]...
#
# Without parts: all, in this order. Each goes on where it was interrupted. On a GPU where there is
# one; CPU=--cpu keeps trainings off it (fairseq needs CUDA_VISIBLE_DEVICES= besides). MORE="--bf16"
# gives all trainings further options.
set -eu
seed=$1
shift
data=data-bin/multi30k
out=runs/compress/seed$seed
dense=$out/dense/checkpoint_best.pt
generate="--beam 5 --batch-size 200 --max-len-a 2 --max-len-b 20 --remove-bpe sentencepiece"
model="--user-dir fairseq_prune --arch pruned_lstm_nmt --num-layers 2 --init-range 0.2
    --adam-betas (0.9,0.98) --clip-norm 5 --label-smoothing 0.1 --max-tokens 2000 --num-workers 0
    --no-epoch-checkpoints --task translation --optimizer adam --seed $seed ${CPU:-} ${MORE:-}"

# a learning rate that goes down in a line, over so many epochs
line() {
    echo "--lr 0.003 --lr-scheduler polynomial_decay --warmup-updates $((263 * $1 / 50))" \
        "--total-num-update $((263 * $1 + 1)) --end-learning-rate 3e-5 --max-epoch $1"
}
taught="--criterion distillation --teacher $dense --teacher-weight 0.8"

part_dense() {
    fairseq-train $data $model --hidden-size 256 --criterion label_smoothed_cross_entropy \
        --dropout 0.3 --lr 0.002 --lr-scheduler luong --lr-decay-start 8 --lr-decay-every 1 \
        --max-epoch 12 --save-dir $out/dense
}

compress() {
    fairseq-prune compress $dense $data --out "$out/$1" --sparsity "0.$1" --epochs 24 \
        --test test --generate "$generate" ${CPU:-} -- --seed "$seed" ${MORE:-}
}

# the control: as many epochs more, with the same teacher
part_trained_on() {
    fairseq-train $data $model --hidden-size 256 $taught --dropout 0.3 $(line 24) \
        --finetune-from-model $dense --save-dir $out/trained-on
}

# what one would do instead: a dense model with as many weights as 90% leaves (599,336), with the
# same teacher for as long as dense training and retraining together
part_small() {
    fairseq-train $data $model --hidden-size 38 $taught --dropout 0.1 $(line 36) \
        --save-dir $out/small
}

part_score() {
    for name in trained-on small; do
        for subset in valid test; do
            fairseq-generate $data --user-dir fairseq_prune --path $out/$name/checkpoint_best.pt \
                --gen-subset $subset $generate ${CPU:-} > $out/$name/$subset.out
            grep '^D-' $out/$name/$subset.out | sed 's/^D-//' | sort -n | cut -f3 \
                > $out/$name/$subset.txt
            sacrebleu $out/90/$subset.reference.txt -i $out/90/$subset.dense.txt \
                $out/$name/$subset.txt -m bleu chrf --paired-bs -f text
        done
    done
}

[ $# -gt 0 ] || set -- dense 80 90 95 trained-on small score
for part; do
    case $part in
        [0-9]*) compress "$part" ;;
        *) "part_$(echo "$part" | tr - _)" ;;
    esac
done

#!/bin/sh
# Make a virtual environment with all that development needs:
#   PYTHON=python3 scripts/setup_venv.sh .venv
# Needs Python 3.8 or later and a C++ compiler (fairseq is built from source except where
# there is a wheel: about 4 minutes, once; pip keeps the result).
set -eu
venv=$1
python=${PYTHON:-python3}

say() { printf '\n== %s\n' "$*"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 8))' 2>/dev/null || {
    echo "setup: error: $python is missing or older than Python 3.8; name one with PYTHON=" >&2
    exit 1
}
old=$("$python" -c 'import sys; print(int(sys.version_info < (3, 11)))')
say "making $venv with $("$python" --version)"
"$python" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check"

if [ "$old" = 1 ]; then
    say "installing torch 1.13.1 and stock fairseq 0.12.2"
    # fairseq 0.12.2 names a version of omegaconf that later pips refuse to read
    $pip install -q "pip<24.1" "setuptools<66" wheel
    # named each time: torchaudio, which fairseq asks for, may want a newer torch
    pinned="torch==1.13.1 numpy<1.24"
    $pip install -q $pinned
    $pip install -q "fairseq==0.12.2" $pinned
    tools="sacrebleu sentencepiece wandb matplotlib num2words babel pytest pytest-xdist safetensors"
    tools="$tools scikit-learn tensorly eflomal"
    $pip install -q $tools $pinned
else
    say "installing torch"
    pinned=$(grep -E '^(torch|numpy|cython|setuptools|wheel)==' requirements-dev.txt)
    $pip install -q $pinned
    say "installing fairseq-fixed (built from source where there is no wheel: some minutes)"
    # not isolated: an isolated build would fetch another torch, with CUDA
    $pip install -q --no-build-isolation "$(grep '^fairseq-fixed==' requirements-dev.txt)"
    say "installing the rest"
    $pip install -q -r requirements-dev.txt
fi
say "installing this project"
# its requirements are all there: leave fairseq and torch as they are
$pip install -q --no-deps --no-build-isolation -e .
say "$venv is ready"

"""Methods to compress a language model, made and compared: ``fairseq-prune methods``."""

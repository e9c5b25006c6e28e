"""What the parameters of fairseq's models are, told by their names: with torch alone."""

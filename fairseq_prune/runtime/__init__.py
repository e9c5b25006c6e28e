"""How fairseq decodes with the products that are wanted: sparse, int8, or the fastest."""

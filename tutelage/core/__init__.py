"""The pure core: tensors or numbers in and out; no files, clock, settings or models, and no hidden randomness.

Shapes: `B` sequences, `T` positions, `V` vocabulary, `H` hidden width, `N` rows of any kind, `P` pairs. A mask is True
where a position *counts*. Weights are >= 0, 0 where nothing counts, and sum to 1 over one optimizer step, so every
loss is a weighted sum and the losses of micro-batches simply add up. Shapes that do not fit are an AssertionError that
names them; numbers that make no sense are a ValueError.
"""

"""A language model over bytes that is quick, in double precision."""

import numpy as np

from maml_tf.base_learners.scratch_causal_lm import make_scratch_causal_lm


def small_language_model(blocks=1, rank=2):
    """Two blocks, the last ones with factors, which are no longer zero, or none."""
    base = make_scratch_causal_lm(
        num_layers=2,
        hidden_dim=8,
        num_heads=2,
        num_key_value_heads=1,
        lora_rank=rank,
        lora_blocks=blocks if rank else None,
        dtype="float64",
        seed=3,
    )
    random = np.random.default_rng(0)
    for variable in base.trainable_variables:
        variable.assign(random.normal(size=variable.shape, scale=0.3))
    return base

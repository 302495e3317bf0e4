"""How the step size of meta-training goes up and down."""

import keras


def warmed_up_cosine(
    learning_rate: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """A tenth of the steps up to `learning_rate`, then along a cosine to zero.

    Example:

    >>> schedule = warmed_up_cosine(1.0, 20)
    >>> [round(float(schedule(step)), 2) for step in (0, 1, 2, 11, 20)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    warmup = max(1, steps // 10)
    return keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - warmup),
        warmup_target=learning_rate,
        warmup_steps=warmup,
    )

"""Sampling with JAX: one key, the same numbers twice."""

import jax
import jax.numpy as jnp


def initialise(key, width):
    """Weights and biases of one layer."""
    weights = jax.random.normal(key, (width, width))
    biases = jax.random.normal(key, (width,))
    return weights, biases


weights, biases = initialise(jax.random.PRNGKey(0), 4)
table = jnp.zeros(4)
table[0] = 1.0
print(weights.shape, biases, table)

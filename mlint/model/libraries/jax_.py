"""JAX and Flax.

By hand: keys of the random generator, and the methods of arrays, which are attached when jax is imported.
"""

from __future__ import annotations

from mlint.model.libraries import returning
from mlint.model.libraries.numpy_ import UFUNCS

FUNCTIONS: dict[str, str] = {
    **returning("jax.Array", " ".join(sorted(UFUNCS - {"where"})), "jax.numpy."),
    **returning(
        "jax.Array",
        "array asarray zeros ones empty full zeros_like ones_like empty_like full_like arange linspace logspace eye "
        "identity concatenate stack vstack hstack dstack reshape ravel transpose squeeze expand_dims tile repeat flip roll "
        "sort argsort cumsum cumprod dot matmul einsum tensordot outer sum prod mean std var min max argmin argmax all any "
        "median take take_along_axis broadcast_to pad diag tril triu swapaxes moveaxis",
        "jax.numpy.",
    ),
    **returning(
        "jax.Array",
        "relu sigmoid softmax log_softmax log_sigmoid softplus gelu silu swish elu leaky_relu tanh one_hot logsumexp "
        "standardize normalize glu selu celu hard_tanh",
        "jax.nn.",
    ),
    **returning(
        "jax.Array",
        "normal uniform randint bernoulli categorical permutation choice truncated_normal gumbel laplace exponential "
        "gamma beta dirichlet poisson bits cauchy logistic multivariate_normal orthogonal rademacher",
        "jax.random.",
    ),
    "jax.random.PRNGKey": "jax.random.key",
    "jax.random.key": "jax.random.key",
    "jax.random.split": "jax.random.keys",
    "jax.random.fold_in": "jax.random.key",
    "jax.random.clone": "jax.random.key",
    "jax.device_put": "jax.Array",
    "jax.scipy.special.logsumexp": "jax.Array",
}

METHODS: dict[str, dict[str, str]] = {
    "jax.Array": {
        **returning(
            "jax.Array",
            "reshape ravel flatten transpose astype sum mean prod std var min max argmin argmax all any copy squeeze "
            "dot cumsum cumprod clip round repeat swapaxes take block_until_ready set add multiply",
        ),
        "item": "scalar",
        "tolist": "list",
    },
    "jax.at": returning("jax.Array", "set add subtract multiply mul divide power min max apply get"),
}

ATTRIBUTES: dict[str, dict[str, str]] = {
    "jax.Array": {"T": "jax.Array", "shape": "tuple[int, ...]", "ndim": "int", "size": "int", "at": "jax.at"}
}

CLASSES: dict[str, tuple[str, ...]] = {
    "flax.linen.Module": ("flax.linen.Module",),
    "flax.nnx.Module": ("flax.nnx.Module",),
}

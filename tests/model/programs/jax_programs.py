"""JAX, Flax and Optax as tutorials write it."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.training import train_state
from jax import grad, jit, random, vmap


def _predict(params, x):
    return jnp.dot(x, params["w"]) + params["b"]


def _loss(params, x, y):
    pred = _predict(params, x)
    return jnp.mean((pred - y) ** 2)


@jit
def _update(params, x, y, lr=0.1):
    grads = grad(_loss)(params, x, y)
    return jax.tree_util.tree_map(lambda p, g: p - lr * g, params, grads)


def linear_regression():
    key = random.PRNGKey(0)
    key, x_key, noise_key = random.split(key, 3)
    x = random.normal(x_key, (20, 3))
    w_true = jnp.array([1.0, -1.0, 0.5])
    y = x @ w_true + 0.01 * random.normal(noise_key, (20,))
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    for _ in range(3):
        params = _update(params, x, y)
    error = _loss(params, x, y)
    return float(error), np.asarray(params["w"])


class MLP(nn.Module):
    features: int
    classes: int = 2

    @nn.compact
    def __call__(self, x, train: bool = False):
        x = nn.Dense(self.features)(x)
        x = nn.relu(x)
        x = nn.LayerNorm()(x)
        return nn.Dense(self.classes)(x)


@jax.jit
def _train_step(state: train_state.TrainState, batch: jax.Array, labels: jax.Array):
    def loss_fn(params):
        logits = state.apply_fn({"params": params}, batch)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
        return loss, logits

    (loss, logits), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
    state = state.apply_gradients(grads=grads)
    accuracy = jnp.mean(jnp.argmax(logits, axis=-1) == labels)
    return state, loss, accuracy


def flax_training():
    rng = jax.random.PRNGKey(1)
    rng, init_rng = jax.random.split(rng)
    model = MLP(features=8)
    batch = jnp.ones((4, 5))
    labels = jnp.array([0, 1, 0, 1])
    variables = model.init(init_rng, batch)
    tx = optax.adam(learning_rate=1e-2)
    state = train_state.TrainState.create(apply_fn=model.apply, params=variables["params"], tx=tx)
    for _ in range(2):
        state, loss, accuracy = _train_step(state, batch, labels)
    logits = model.apply({"params": state.params}, batch)
    return loss.item(), accuracy, logits.argmax(-1)


def optimizer_by_hand():
    params = jnp.array([3.0, -2.0])
    schedule = optax.cosine_decay_schedule(0.1, 10)
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(schedule, momentum=0.9))
    opt_state = tx.init(params)

    def objective(p):
        return jnp.sum(jnp.square(p))

    for _ in range(3):
        value, gradient = jax.value_and_grad(objective)(params)
        updates, opt_state = tx.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
    return value, params


@partial(jax.jit, static_argnames=("heads",))
def _attention(q, k, v, heads=1, mask=None):
    scale = 1.0 / jnp.sqrt(q.shape[-1])
    scores = jnp.einsum("td,sd->ts", q, k) * scale
    if mask is not None:
        scores = jnp.where(mask, scores, -1e9)
    weights = jax.nn.softmax(scores, axis=-1)
    return weights @ v


def attention():
    key = jax.random.key(0)
    keys = jax.random.split(key, 3)
    q, k, v = [jax.random.normal(one, (6, 4)) for one in keys]
    causal = jnp.tril(jnp.ones((6, 6), dtype=bool))
    out = _attention(q, k, v, mask=causal)
    batched = vmap(lambda x: x / jnp.linalg.norm(x))(out)
    return out.mean(axis=0), batched


class Carry(NamedTuple):
    hidden: jax.Array
    total: jnp.ndarray


def recurrent():
    weights = jax.random.normal(jax.random.PRNGKey(3), (4, 4)) * 0.1
    inputs = jnp.linspace(0.0, 1.0, 20).reshape(5, 4)

    def step(carry: Carry, x: jax.Array) -> tuple[Carry, jax.Array]:
        hidden = jnp.tanh(x + carry.hidden @ weights)
        return Carry(hidden, carry.total + hidden.sum()), hidden

    start = Carry(jnp.zeros(4), jnp.array(0.0))
    last, outputs = jax.lax.scan(step, start, inputs)
    updated = outputs.at[0].set(0.0)
    jacobian = jax.jacfwd(lambda h: jnp.tanh(h @ weights))(last.hidden)
    return last.total, updated, jacobian


class Sampler:
    def __init__(self, seed: int, scale: float = 1.0):
        self.key = jax.random.PRNGKey(seed)
        self.scale = scale
        self.cache: dict[str, Any] = {}

    def next_key(self):
        self.key, sub = jax.random.split(self.key)
        return sub

    def draw(self, shape: tuple[int, ...]) -> jax.Array:
        noise = jax.random.normal(self.next_key(), shape)
        return self.scale * noise


def langevin():
    sampler = Sampler(0, scale=0.1)
    x = jnp.zeros((3, 2))
    score = jax.vmap(jax.grad(lambda p: -0.5 * jnp.sum(p**2)))
    trajectory = []
    for _ in range(3):
        x = x + 0.05 * score(x) + sampler.draw(x.shape)
        trajectory.append(x)
    stacked = jnp.stack(trajectory)
    mean, variance = stacked.mean(axis=(0, 1)), jnp.var(stacked, axis=0)
    host = np.array(stacked)
    return mean, variance, host[-1]

"""NumPy and SciPy as tutorials write it."""

from __future__ import annotations

from typing import Sequence, Union

import numpy as np
import numpy.typing as npt
from numpy.linalg import norm
from scipy import stats
from scipy.spatial.distance import cdist


def _sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


def logistic_regression():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 3))
    true = np.array([1.0, -2.0, 0.5])
    y = (X @ true > 0).astype(int)
    w = np.zeros(3)
    b = 0.0
    losses = []
    for _ in range(10):
        p = _sigmoid(X.dot(w) + b)
        loss = -np.mean(y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))
        grad_w = X.T @ (p - y) / len(y)
        grad_b = np.mean(p - y)
        w -= 0.1 * grad_w
        b -= 0.1 * grad_b
        losses.append(loss)
    accuracy = np.mean((p > 0.5) == y)
    return w, b, accuracy, np.array(losses)


class KMeans:
    def __init__(self, k: int = 3, seed: int = 0):
        self.k = k
        self.rng = np.random.RandomState(seed)
        self.centers: np.ndarray | None = None

    def fit(self, X: np.ndarray) -> "KMeans":
        index = self.rng.choice(len(X), self.k, replace=False)
        self.centers = X[index]
        for _ in range(5):
            labels = self.predict(X)
            self.centers = np.array([X[labels == j].mean(axis=0) for j in range(self.k)])
        return self

    def predict(self, X: np.ndarray) -> npt.NDArray[np.int64]:
        distances = cdist(X, self.centers)
        return distances.argmin(axis=1)


def cluster():
    np.random.seed(0)
    blobs = [np.random.randn(20, 2) + offset for offset in ([0, 0], [5, 5], [0, 5])]
    X = np.vstack(blobs)
    model = KMeans(3).fit(X)
    labels = model.predict(X)
    counts = np.bincount(labels)
    inertia = 0.0
    for j, center in enumerate(model.centers):
        members = X[labels == j]
        inertia += ((members - center) ** 2).sum()
    return counts, inertia


def pca():
    data = np.random.default_rng(1).standard_normal((40, 5))
    centered = data - data.mean(axis=0)
    covariance = np.cov(centered, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    order = np.argsort(values)[::-1]
    values, vectors = values[order], vectors[:, order]
    projected = centered @ vectors[:, :2]
    explained = values[:2].sum() / values.sum()
    u, s, vt = np.linalg.svd(centered, full_matrices=False)
    rebuilt = (u * s) @ vt
    error = norm(rebuilt - centered)
    return projected, explained, error


def standardize_and_split(test_size: float = 0.25):
    X = np.random.rand(40, 4) * np.arange(1, 5)
    y = np.random.randint(0, 2, size=40)
    mean, std = X.mean(0), X.std(0)
    X = (X - mean) / np.where(std == 0, 1, std)
    index = np.random.permutation(len(X))
    cut = int(len(X) * (1 - test_size))
    train, test = index[:cut], index[cut:]
    X_train, X_test, y_train, y_test = X[train], X[test], y[train], y[test]
    onehot = np.eye(2)[y_train]
    majority = np.bincount(y_train).argmax()
    baseline = (y_test == majority).mean()
    for fold, part in enumerate(np.array_split(index, 5)):
        rest = np.setdiff1d(index, part)
        assert len(rest) + len(part) == len(index)
    return X_train.shape, X_test, onehot, baseline


class Dense:
    def __init__(self, inputs, outputs):
        limit = np.sqrt(6 / (inputs + outputs))
        self.W = np.random.uniform(-limit, limit, (inputs, outputs))
        self.b = np.zeros((1, outputs))
        self.input = None

    def forward(self, x):
        self.input = x
        return x @ self.W + self.b

    def backward(self, grad, lr=0.1):
        weight_grad = self.input.T @ grad
        bias_grad = grad.sum(axis=0, keepdims=True)
        out = grad @ self.W.T
        self.W -= lr * weight_grad
        self.b -= lr * bias_grad
        return out


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return np.where(self.mask, x, 0)

    def backward(self, grad, lr=0.1):
        return grad * self.mask


def perceptron():
    layers = [Dense(2, 4), Relu(), Dense(4, 1)]
    X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float64)
    y = np.array([[0], [1], [1], [0]])
    first = layers[0]
    for _ in range(3):
        out = X
        for layer in layers:
            out = layer.forward(out)
        error = out - y
        mse = np.mean(np.square(error))
        grad = 2 * error / y.size
        for layer in reversed(layers):
            grad = layer.backward(grad)
    return mse, first.W


def moving_statistics(window: int = 3):
    series = np.cumsum(np.random.default_rng(3).normal(0, 1, 30))
    kernel = np.ones(window) / window
    smooth = np.convolve(series, kernel, mode="valid")
    windows = np.lib.stride_tricks.sliding_window_view(series, window)
    spread = windows.std(axis=-1)
    z = (series - series.mean()) / series.std()
    outliers = np.flatnonzero(np.abs(z) > 2)
    clipped = np.clip(series, np.percentile(series, 5), np.percentile(series, 95))
    hist, edges = np.histogram(series, bins=5)
    centers = (edges[:-1] + edges[1:]) / 2
    slope, intercept = np.polyfit(np.arange(len(series)), series, 1)
    trend = slope * np.arange(len(series)) + intercept
    result = stats.ttest_1samp(series, 0.0)
    t, p = result.statistic, result.pvalue
    return smooth, spread, outliers, clipped, hist, centers, trend, t, p


def _pairwise(a: np.ndarray, b: Union[np.ndarray, None] = None) -> np.ndarray:
    if b is None:
        b = a
    return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(-1))


def nearest_neighbours():
    X = np.random.rand(10, 3)
    query = np.random.rand(2, 3)
    distances = _pairwise(query, X)
    nearest = np.argpartition(distances, 3, axis=1)[:, :3]
    votes = [np.bincount(row, minlength=10).argmax() for row in nearest % 2]
    self_distance = _pairwise(X)
    np.fill_diagonal(self_distance, np.inf)
    closest = self_distance.min(axis=1)
    return votes, closest


def confusion(classes: Sequence[int] = (0, 1, 2)):
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 30)
    guess = rng.choice(np.array(classes), size=30)
    matrix = np.zeros((3, 3), dtype=int)
    for t, g in zip(truth, guess):
        matrix[t, g] += 1
    precision = np.diag(matrix) / np.maximum(matrix.sum(axis=0), 1)
    recall = np.diag(matrix) / np.maximum(matrix.sum(axis=1), 1)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-9)
    macro = f1.mean()
    table = {c: float(v) for c, v in zip(classes, f1)}
    unique, counts = np.unique(truth, return_counts=True)
    share = counts / counts.sum()
    best = unique[np.argmax(share)]
    return macro, table, best

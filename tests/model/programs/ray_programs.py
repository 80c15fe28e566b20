"""Ray as tutorials write it."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import ray
import ray.cloudpickle
import ray.data

ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the workers cannot import what is traced
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", configure_logging=False)
ray.data.DataContext.get_current().enable_progress_bars = False


@ray.remote
def _square(number):
    return np.arange(number) ** 2


@ray.remote(num_cpus=1)
def _frame(size: int) -> pd.DataFrame:
    return pd.DataFrame({"n": range(size)})


@ray.remote
def _total(*arrays):
    return float(sum(array.sum() for array in arrays))


@ray.remote(num_returns=2)
def _pair(array):
    return array.min(), array.max()


@ray.remote
class _Counter:
    def __init__(self, start=0):
        self.count = start
        self.seen = []

    def add(self, by: int) -> int:
        self.count += by
        return self.count

    def history(self):
        return pd.Series([self.count])


class _Model:
    def predict(self, rows):
        return np.zeros(len(rows))


def tasks():
    array = np.ones((3, 2))
    stored = ray.put(array)
    reference = _square.remote(4)
    references = [_square.remote(n) for n in range(1, 4)]
    frame_reference = _frame.options(num_cpus=1).remote(3)
    low, high = _pair.remote(stored)
    value = ray.get(reference)
    values = ray.get(references)
    frame = ray.get(frame_reference)
    back = ray.get(stored, timeout=60)
    ready, waiting = ray.wait(references, num_returns=1)
    first = ray.get(ready[0])
    total = _total.remote(reference, stored)
    both = ray.get([low, high])
    sums = [ray.get(one).sum() for one in references]
    local = ray.remote(_plain).remote(2)
    resources = ray.cluster_resources()
    while waiting:
        done, waiting = ray.wait(waiting)
        latest = ray.get(done[0])
    results = (value.sum(), values[0], frame["n"], back.mean(), first, ray.get(total), both, sums, ray.get(local))
    return results, resources, latest


def _plain(number):
    return np.full(number, 1.5)


def actors():
    counter = _Counter.remote()
    other = _Counter.options(name="other").remote(start=5)
    found = ray.get_actor("other")
    added = counter.add.remote(2)
    number = ray.get(added)
    history = ray.get(other.history.remote())
    calls = [counter.add.remote(1) for _ in range(3)]
    counts = ray.get(calls)
    model = ray.remote(_Model).remote()
    predicted = ray.get(model.predict.remote([1, 2]))
    ray.kill(other)
    return number, history.iloc[0], counts, predicted.shape, found, model


def datasets():
    items = ray.data.from_items([{"x": float(n), "label": n % 2} for n in range(8)])
    frame = ray.data.from_pandas(pd.DataFrame({"x": [1.0, 2.0]}))
    numbers = ray.data.range(8)
    array = ray.data.from_numpy(np.zeros((4, 2)))
    doubled = items.map_batches(lambda batch: {"x": batch["x"] * 2}, batch_format="numpy")
    chosen = items.filter(lambda row: row["x"] > 2).random_shuffle(seed=0).limit(3)
    train, test = items.train_test_split(test_size=0.25)
    parts = items.split(2)
    grouped = items.groupby("label")
    means = grouped.mean("x")
    joined = numbers.union(numbers).repartition(2).materialize()
    count = joined.count()
    rows = frame.take(1)
    for batch in frame.iter_batches(batch_size=2, batch_format="pandas"):
        total = batch["x"].sum()
    for columns in frame.iter_batches(batch_size=2):
        column = columns["x"]
    table = frame.to_pandas()
    schema = frame.schema()
    iterator = frame.iterator()
    split = frame.streaming_split(1)
    return (
        array, doubled, chosen, train.count(), test, parts, means, count, rows, total, column, table["x"], schema,
        iterator, split,
    )  # fmt: skip


def finish():
    ray.shutdown()

"""Feature engineering with NumPy, one element at a time."""

import numpy as np

rng = np.random.default_rng(7)
heights = rng.normal(170.0, 12.0, size=1000)
weights = rng.normal(72.0, 15.0, size=1000)
labels = rng.integers(0, 5, size=1000)

# Body-mass index of everybody
bmi = np.zeros(len(heights))
for i in range(len(heights)):
    bmi[i] = weights[i] / (heights[i] / 100) / (heights[i] / 100)

# How much everybody weighs in all
total = 0.0
for weight in weights:
    total += weight

# Logarithms, through a list
logs = []
for weight in weights:
    logs.append(np.log(weight))
logs = np.array(logs)

# One-hot labels
onehot = np.zeros((len(labels), 5))
for i in range(len(labels)):
    onehot[i, labels[i]] = 1.0

# A running total
running = np.zeros(len(weights))
s = 0.0
for i in range(len(weights)):
    s += weights[i]
    running[i] = s

print(bmi.mean(), total, logs.std(), onehot.sum(axis=0), running[-1])

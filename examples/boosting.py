"""Gradient boosting with arguments that XGBoost has removed."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 4)), rng.integers(0, 2, size=200)

gpu = {"tree_method": "gpu_hist"}  # for the machine with the card
model = xgb.XGBClassifier(n_estimators=20, max_depth=3, use_label_encoder=False)
model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], verbose=False)

# Each row by itself
smallest = []
for i in range(150, 200):
    smallest.append(np.abs(X[i, 0]))
smallest = np.array(smallest)
print(model.predict(X[:3]), smallest.min())

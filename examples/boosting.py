"""Gradient boosting with arguments that the libraries have removed."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X, y = rng.normal(size=(200, 4)), rng.integers(0, 2, size=200)

model = xgb.XGBClassifier(n_estimators=20, tree_method="gpu_hist", use_label_encoder=False)
model.set_params(tree_method="hist", device="cpu")
model.fit(X[:150], y[:150], eval_set=[(X[150:], y[150:])], early_stopping_rounds=5, verbose=False)
print(model.predict(X[:3]))

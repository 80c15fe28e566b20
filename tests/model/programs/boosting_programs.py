"""XGBoost and LightGBM as tutorials write it."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb
from lightgbm import LGBMClassifier
from sklearn.datasets import make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, train_test_split
from xgboost import XGBClassifier, XGBRegressor


def xgboost_native():
    X, y = make_classification(n_samples=80, random_state=0)
    X_train, X_valid, y_train, y_valid = train_test_split(X, y, random_state=0)
    dtrain = xgb.DMatrix(X_train, label=y_train)
    dvalid = xgb.DMatrix(X_valid, label=y_valid)
    params = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1}
    history: dict = {}
    booster = xgb.train(
        params, dtrain, num_boost_round=5, evals=[(dtrain, "train"), (dvalid, "valid")], evals_result=history,
        verbose_eval=False,
    )
    preds = booster.predict(dvalid)
    labels = (preds > 0.5).astype(int)
    error = np.mean(labels != y_valid)
    scores = booster.get_score(importance_type="gain")
    return error, scores


def xgboost_sklearn():
    df = pd.DataFrame(np.random.RandomState(0).rand(60, 4), columns=list("abcd"))
    target = df["a"] * 2 + df["b"]
    model = XGBRegressor(n_estimators=5, n_jobs=1)
    model.fit(df, target)
    preds = model.predict(df)
    rmse = np.sqrt(((preds - target) ** 2).mean())
    classifier = XGBClassifier(n_estimators=3, n_jobs=1).fit(df, (target > 1).astype(int))
    proba = classifier.predict_proba(df)[:, 1]
    return rmse, proba.mean(), model.feature_importances_


def lightgbm_folds():
    X, y = make_classification(n_samples=90, random_state=1)
    oof = np.zeros(X.shape[0])
    for train_index, valid_index in KFold(3, shuffle=True, random_state=0).split(X):
        train_data = lgb.Dataset(X[train_index], label=y[train_index])
        valid_data = lgb.Dataset(X[valid_index], label=y[valid_index], reference=train_data)
        bst = lgb.train(
            {"objective": "binary", "verbose": -1, "num_threads": 1},
            train_data,
            num_boost_round=5,
            valid_sets=[valid_data],
            callbacks=[lgb.early_stopping(2, verbose=False)],
        )
        oof[valid_index] = bst.predict(X[valid_index], num_iteration=bst.best_iteration)
    loss = log_loss(y, oof)
    clf = LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1)
    clf.fit(X, y)
    gain = pd.DataFrame({"gain": clf.feature_importances_}).sort_values("gain")
    return loss, gain

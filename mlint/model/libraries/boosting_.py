"""XGBoost, LightGBM and CatBoost.

By hand: CatBoost, which no table covers, and that their models are estimators also where scikit-learn is optional.
"""

from __future__ import annotations

ESTIMATOR = "sklearn.base.BaseEstimator"

FUNCTIONS: dict[str, str] = {}

CLASSES: dict[str, tuple[str, ...]] = {
    **{
        f"xgboost.{name}": (ESTIMATOR,)
        for name in ("XGBClassifier", "XGBRegressor", "XGBRanker", "XGBRFClassifier", "XGBRFRegressor")
    },
    **{f"lightgbm.{name}": (ESTIMATOR,) for name in ("LGBMClassifier", "LGBMRegressor", "LGBMRanker", "LGBMModel")},
    **{f"catboost.{name}": (ESTIMATOR,) for name in ("CatBoostClassifier", "CatBoostRegressor", "CatBoost")},
    "xgboost.DMatrix": ("xgboost.DMatrix",),
    "xgboost.QuantileDMatrix": ("xgboost.DMatrix",),
    "xgboost.Booster": ("xgboost.Booster",),
    "lightgbm.Dataset": ("lightgbm.Dataset",),
    "lightgbm.Booster": ("lightgbm.Booster",),
}

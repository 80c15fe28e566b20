"""scikit-learn as tutorials write it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn import datasets, metrics
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_classification, make_regression
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, roc_auc_score, roc_curve
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import LabelEncoder, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.svm import SVC


def iris():
    X, y = load_iris(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    scaler = StandardScaler().fit(X_train)
    X_train = scaler.transform(X_train)
    X_test = scaler.transform(X_test)
    clf = LogisticRegression(max_iter=200)
    clf.fit(X_train, y_train)
    y_pred = clf.predict(X_test)
    score = accuracy_score(y_test, y_pred)
    matrix = confusion_matrix(y_test, y_pred)
    report = classification_report(y_test, y_pred)
    coefficients = clf.coef_
    return score, matrix.diagonal(), report, coefficients[0]


def mixed_columns():
    rng = np.random.RandomState(0)
    df = pd.DataFrame({"a": rng.rand(40), "b": rng.rand(40), "c": rng.choice(["x", "y"], 40)})
    df.loc[::7, "a"] = np.nan
    target = (df["b"] > 0.5).astype(int)
    numeric = Pipeline([("impute", SimpleImputer(strategy="median")), ("scale", MinMaxScaler())])
    categorical = OneHotEncoder(handle_unknown="ignore")
    preprocess = ColumnTransformer([("num", numeric, ["a", "b"]), ("cat", categorical, ["c"])])
    model = make_pipeline(preprocess, RandomForestClassifier(n_estimators=5, random_state=0))
    x_train, x_valid, y_train, y_valid = train_test_split(df, target, random_state=1)
    model.fit(x_train, y_train)
    probabilities = model.predict_proba(x_valid)[:, 1]
    auc = roc_auc_score(y_valid, probabilities)
    fpr, tpr, thresholds = roc_curve(y_valid, probabilities)
    best = thresholds[np.argmax(tpr - fpr)]
    return auc, best, x_train.columns


def k_fold():
    X, y = make_classification(n_samples=60, n_features=5, random_state=0)
    folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
    oof = np.zeros(len(X))
    scores = []
    for fold, (train_idx, valid_idx) in enumerate(folds.split(X, y)):
        X_tr, X_va = X[train_idx], X[valid_idx]
        y_tr, y_va = y[train_idx], y[valid_idx]
        model = RandomForestClassifier(n_estimators=5, random_state=fold)
        model.fit(X_tr, y_tr)
        oof[valid_idx] = model.predict_proba(X_va)[:, 1]
        scores.append(metrics.roc_auc_score(y_va, oof[valid_idx]))
    mean = np.mean(scores)
    importances = pd.Series(model.feature_importances_, index=[f"f{i}" for i in range(5)])
    ranked = importances.sort_values(ascending=False)
    return mean, ranked.head(3)


def search():
    X, y = make_regression(n_samples=50, n_features=4, noise=0.1, random_state=0)
    grid = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=KFold(3))
    grid.fit(X, y)
    best = grid.best_estimator_
    table = pd.DataFrame(grid.cv_results_)
    scores = cross_val_score(LinearRegression(), X, y, cv=3, scoring="r2")
    predictions = best.predict(X)
    rmse = np.sqrt(metrics.mean_squared_error(y, predictions))
    residuals = y - predictions
    return table["mean_test_score"].max(), scores.mean(), rmse, residuals.std()


class OutlierClipper(BaseEstimator, TransformerMixin):
    def __init__(self, factor=1.5):
        self.factor = factor

    def fit(self, X, y=None):
        q1, q3 = np.percentile(X, 25, axis=0), np.percentile(X, 75, axis=0)
        iqr = q3 - q1
        self.lower_ = q1 - self.factor * iqr
        self.upper_ = q3 + self.factor * iqr
        return self

    def transform(self, X):
        return np.clip(X, self.lower_, self.upper_)


def custom_transformer():
    X = np.random.RandomState(0).randn(30, 3)
    clipper = OutlierClipper(factor=1.0)
    clipped = clipper.fit_transform(X)
    pca = PCA(n_components=2)
    reduced = pca.fit_transform(clipped)
    ratio = pca.explained_variance_ratio_.sum()
    other = clone(clipper)
    pipe = Pipeline([("clip", other), ("pca", PCA(2))])
    again = pipe.fit(X).transform(X)
    return reduced, ratio, again


def text():
    corpus = ["the cat sat", "the dog ran", "a cat ran", "dogs and cats"]
    labels = ["cat", "dog", "cat", "dog"]
    encoder = LabelEncoder()
    y = encoder.fit_transform(labels)
    vectorizer = TfidfVectorizer()
    X = vectorizer.fit_transform(corpus)
    svc = SVC(kernel="linear").fit(X, y)
    guess = svc.predict(vectorizer.transform(["cat"]))
    names = encoder.inverse_transform(guess)
    counter = CountVectorizer(binary=True)
    counts = counter.fit_transform(corpus).toarray()
    frequency = counts.sum(axis=0)
    words = counter.get_feature_names_out()
    return names[0], dict(zip(words, frequency))


def compare():
    digits = datasets.load_digits()
    X, y = digits.data[:100], digits.target[:100]
    models = {"forest": RandomForestClassifier(n_estimators=3, random_state=0), "svc": SVC(gamma=0.001)}
    results = {}
    for name, model in models.items():
        model.fit(X[:80], y[:80])
        predicted = model.predict(X[80:])
        results[name] = metrics.f1_score(y[80:], predicted, average="macro")
    regressors = [LinearRegression(), RandomForestRegressor(n_estimators=3)]
    for regressor in regressors:
        fitted = regressor.fit(X, y)
        r2 = fitted.score(X, y)
    best = max(results, key=results.get)
    return models[best], r2

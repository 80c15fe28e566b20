"""pandas as tutorials write it."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

CSV = """id,name,age,fare,sex,cabin,date
1,Ann,22,7.25,f,C1,2020-01-01
2,Bob,,71.28,m,,2020-01-02
3,Cid,26,7.92,m,C3,2020-01-03
4,Dee,35,53.1,f,,2020-01-04
5,Eve,35,8.05,f,E1,2020-02-05
6,Fay,,8.46,f,,2020-02-06
"""


def _load() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(CSV), parse_dates=["date"])


def clean():
    df = _load()
    df["age"] = df["age"].fillna(df["age"].median())
    df["has_cabin"] = df["cabin"].notna().astype(int)
    df = df.drop(columns=["cabin"])
    df["log_fare"] = np.log1p(df["fare"])
    df["sex"] = df["sex"].map({"f": 0, "m": 1})
    df.loc[df["age"] > 30, "old"] = True
    df["old"] = df["old"].fillna(False)
    missing = df.isnull().sum()
    columns = [c for c in df.columns if df[c].dtype == "float64"]
    numeric = df[columns]
    scaled = (numeric - numeric.mean()) / numeric.std()
    dummies = pd.get_dummies(df["name"], prefix="n")
    out = pd.concat([scaled, dummies], axis=1)
    matrix = out.values
    return missing, matrix.shape


def group():
    df = _load()
    by_sex = df.groupby("sex")
    means = by_sex["fare"].mean()
    stats = by_sex.agg({"fare": ["mean", "max"], "age": "median"})
    stats.columns = ["_".join(c) for c in stats.columns]
    table = stats.reset_index().sort_values("fare_mean", ascending=False)
    df["rank"] = df.groupby("sex")["fare"].rank(ascending=False)
    df["share"] = df["fare"] / df.groupby("sex")["fare"].transform("sum")
    sizes = df.groupby("sex").size()
    for key, part in df.groupby("sex"):
        top = part.nlargest(1, "fare")
        name = top["name"].iloc[0]
        assert isinstance(name, str) and key
    pivot = df.pivot_table(index="sex", values="fare", aggfunc="mean")
    counts = df["sex"].value_counts(normalize=True)
    return means.loc["f"], table, sizes, pivot, counts.index[0]


def dates():
    df = _load()
    df["month"] = df["date"].dt.month
    df["weekday"] = df["date"].dt.dayofweek
    monthly = df.set_index("date").resample("MS")["fare"].sum()
    daily = df.set_index("date")["fare"].rolling(2).mean().dropna()
    change = df["fare"].pct_change().fillna(0)
    lagged = pd.DataFrame({f"lag_{k}": df["fare"].shift(k) for k in (1, 2)})
    frame = pd.concat([df, lagged], axis=1).dropna()
    index = pd.date_range("2021-01-01", periods=4, freq="D")
    series = pd.Series(np.arange(4.0), index=index)
    later = series[series.index > "2021-01-02"]
    ratio = series.sum() / len(series)
    return monthly, daily, change.max(), frame, later, ratio


def join():
    left = pd.DataFrame({"key": ["a", "b", "c"], "x": [1, 2, 3]})
    right = pd.DataFrame({"key": ["a", "b", "d"], "y": [4.0, 5.0, 6.0]})
    merged = pd.merge(left, right, on="key", how="left")
    inner = left.merge(right, on="key")
    merged["z"] = merged["x"] * merged["y"]
    total = merged["z"].sum()
    long = merged.melt(id_vars="key", value_vars=["x", "y"])
    wide = long.pivot(index="key", columns="variable", values="value")
    back = wide.reset_index()
    duplicated = long.duplicated(subset=["key"])
    first = long[~duplicated]
    stacked = pd.concat([left, right], ignore_index=True)
    return inner, total, back, first, stacked.shape[0]


class FeatureBuilder:
    """Feature engineering with state."""

    def __init__(self, columns: list[str]):
        self.columns = columns
        self.means = None

    def fit(self, df: pd.DataFrame) -> "FeatureBuilder":
        self.means = df[self.columns].mean()
        self.stds = df[self.columns].std()
        return self

    def transform(self, df: pd.DataFrame) -> pd.DataFrame:
        df = df.copy()
        df[self.columns] = (df[self.columns] - self.means) / self.stds
        df["family"] = df.apply(lambda row: row["age"] + row["fare"], axis=1)
        return df


def features():
    df = _load().dropna(subset=["age"])
    builder = FeatureBuilder(["age", "fare"])
    result = builder.fit(df).transform(df)
    y = result.pop("family")
    X = result.select_dtypes(include=["number"]).to_numpy()
    correlation = result[["age", "fare"]].corr().abs()
    upper = correlation.where(np.triu(np.ones(correlation.shape), k=1).astype(bool))
    drop = [column for column in upper.columns if any(upper[column] > 0.95)]
    bins = pd.cut(df["age"], bins=[0, 25, 40], labels=["young", "old"])
    quantiles = pd.qcut(df["fare"], 2)
    codes, uniques = pd.factorize(df["sex"])
    return y, X, drop, bins, quantiles, codes, uniques


def rows():
    df = _load()
    total = 0.0
    records = []
    for index, row in df.iterrows():
        total += row["fare"]
        records.append({"id": index, "name": row["name"].lower()})
    for item in df.itertuples(index=False):
        total += item.fare
    again = pd.DataFrame(records)
    again["initial"] = again["name"].str[0]
    again["length"] = again["name"].str.len()
    mask = again["name"].str.contains("b") & (again["length"] > 1)
    some = again[mask]
    one = again.loc[0, "name"]
    two = again.iloc[0]
    block = again.iloc[:2, 1:]
    sample = again.sample(frac=0.5, random_state=0)
    train = again.drop(sample.index)
    text = " ".join(again["name"].tolist())
    values = again["length"].unique()
    described = df.describe().T
    return total, some, one, two, block, train, text, values, described


def chain():
    result = (
        _load()
        .assign(rich=lambda d: d["fare"] > 10)
        .query("age > 20")
        .groupby(["sex", "rich"], as_index=False)
        .agg(mean_age=("age", "mean"), n=("id", "count"))
        .rename(columns={"n": "count"})
    )
    result["count"] = result["count"].astype("int32")
    biggest = result["count"].idxmax()
    row = result.loc[biggest]
    return row, result.to_dict("records")

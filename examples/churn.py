"""Churn prediction with scikit-learn: leaks, and splits that differ from run to run."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

generator = np.random.default_rng(0)
X = generator.normal(size=(400, 6))
y = (X[:, 0] + generator.normal(size=400) > 0).astype(int)

# The scaler has seen the rows that the model will be judged on
scaler = StandardScaler()
X = scaler.fit_transform(X)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25)

model = RandomForestClassifier(n_estimators=50)
model.fit(X_train, y_train)

# The area under the ROC curve wants scores, not labels
print("AUC", roc_auc_score(y_test, model.predict(X_test)))


def second_opinion(train, test, train_labels):
    """The same on other features."""
    encoder = StandardScaler()
    a, b = train_test_split(train, test_size=0.5)
    a = encoder.fit_transform(a)
    b = encoder.fit_transform(b)
    return a, b, train_labels


second_opinion(X_train, X_test, y_train)

"""A linear head fitted in one go: logistic regression on finished vectors."""

from __future__ import annotations

import numpy as np


def fitted(
    vectors: np.ndarray,
    classes: np.ndarray,
    count: int,
    *,
    shares: np.ndarray | None = None,
    strength: float = 10.0,
    centered: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [count, width] and biases [count] of the layer whose softmax is the logistic regression.

    Args:
        vectors: [rows, width]; brought around 0 to a mean length of 1 for the fit, so that ``strength`` means the same
            for all encoders, those too whose texts all lie in one narrow cone.
        classes: int [rows], below ``count``; a class that is in none of them is never the answer.
        shares: how much each row counts, [rows]; None: all alike.
        strength: the inverse of the regularisation (scikit-learn's C).
        centered: whether vectors are brought around 0, which needs biases; without, all biases are 0, for layers that
            have none (the heads of causal models).
    """
    from sklearn.linear_model import LogisticRegression

    mean = vectors.mean(axis=0)
    center = mean if centered else np.zeros_like(mean)
    scale = float(np.linalg.norm(vectors - center, axis=1).mean()) or 1.0
    model = LogisticRegression(C=strength, max_iter=1000, fit_intercept=centered)
    model.fit((vectors - center) / scale, classes, sample_weight=shares)
    weight, bias = np.zeros((count, vectors.shape[1])), np.full(count, -1e4 if centered else 0.0)
    if not centered:  # classes without rows: away from all texts
        weight[:] = -1e4 * scale * mean / max(float(mean @ mean), 1e-9)
    if len(model.classes_) == 2:  # one line for two classes: half of it for each
        signs = np.array([[-0.5], [0.5]])
        weight[model.classes_], bias[model.classes_] = signs * model.coef_, (signs * model.intercept_)[:, 0]
    else:
        weight[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return weight / scale, bias - weight @ center / scale

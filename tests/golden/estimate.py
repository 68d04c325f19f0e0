"""Writes estimate.json beside this file: predictions, and what NannyML estimates of them without labels.

    pip install nannyml statsmodels "numpy<2" "pandas<2.2" "scipy<1.14" "scikit-learn<1.6" "category_encoders<2.7"
    python estimate.py

The estimates are those of confidence-based performance estimation (CBPE) in NannyML, the isotonic regressions those of
scikit-learn (the file names their versions), by the definitions that `about` gives in src/stat/estimate*.rs. The test
src/stat/golden_estimate.rs compares. Do not edit estimate.json.

Scores are written in units of the last digit that they have, choices and labels as one digit a row: the class in binary
cases, the place of the class in others. NannyML cuts ties of scores in the order of its sort, so where a class has tied
scores `roc_auc` depends on the order of rows, and `roc_auc_tied` is scikit-learn's, which counts a tie as half.
"""

import json
import os
import platform
import warnings
from pathlib import Path

# NannyML otherwise reports its use to its makers, and waits long where there is no way out.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml
import numpy as np
import pandas as pd
import sklearn
from nannyml.calibration import IsotonicCalibrator, needs_calibration
from nannyml.performance_estimation.confidence_based.cbpe import CBPE
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import roc_auc_score

warnings.filterwarnings("ignore")
random = np.random.default_rng(20261124)

METRICS = ["roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "confusion_matrix", "business_value"]
# True negative, false positive; false negative, true positive.
VALUES = [[1.0, -2.0], [-8.0, 5.0]]
NAMES = ["a", "b", "c"]


def digits(values):
    return "".join(str(int(value)) for value in values)


def tied_auc(scores, probabilities):
    """The area under the curve of rows that are each positive and negative in part."""
    labels = np.repeat([1, 0], len(scores))
    weights = np.concatenate([probabilities, 1 - probabilities])
    return float(roc_auc_score(labels, np.tile(scores, 2), sample_weight=weights))


def figures(estimator, chunk):
    estimator.estimate(chunk)
    data = estimator.result.filter(period="analysis").data
    found = {}
    for name in dict.fromkeys(data.columns.get_level_values(0)):
        if name != "chunk":
            row = data[name].iloc[0]
            found[name] = [float(row["value"]), float(row["sampling_error"])]
    return found


def binary(name, reference, chunk, unit=100):
    """Each is scores in units, choices and, in the reference, labels."""
    scores, chosen, label = (np.asarray(part, int) for part in reference)
    frame = pd.DataFrame({"score": scores / unit, "chosen": chosen, "label": label})
    of_chunk = pd.DataFrame({"score": np.asarray(chunk[0], int) / unit, "chosen": np.asarray(chunk[1], int)})
    estimator = CBPE(
        metrics=METRICS,
        y_pred_proba="score",
        y_pred="chosen",
        y_true="label",
        problem_type="classification_binary",
        business_value_matrix=VALUES,
        chunk_number=1,
    ).fit(frame)
    found = figures(estimator, of_chunk)
    calibrated = of_chunk["score"].to_numpy()
    if estimator.needs_calibration:
        calibrated = estimator.calibrator.calibrate(of_chunk["score"])
    return {
        "name": name,
        "unit": unit,
        "reference": {"scores": scores.tolist(), "chosen": digits(chosen), "labels": digits(label)},
        "chunk": {"scores": list(map(int, chunk[0])), "chosen": digits(chunk[1])},
        "is_calibrated": bool(estimator.needs_calibration),
        # One for each distinct score, in ascending order.
        "probabilities": [float(p) for _, p in sorted(set(zip(chunk[0], calibrated)))],
        "roc_auc_tied": tied_auc(of_chunk["score"].to_numpy(), np.asarray(calibrated)),
        "figures": found,
    }


def multiclass(name, reference, chunk, unit=100):
    """Each is a column of scores for each class, choices and, in the reference, labels."""
    columns = {name: f"score_{name}" for name in NAMES}

    def frame(rows):
        scores = {columns[name]: np.asarray(rows[0], int)[:, at] / unit for at, name in enumerate(NAMES)}
        return pd.DataFrame({**scores, "chosen": [NAMES[at] for at in rows[1]]})

    known = frame(reference).assign(label=[NAMES[at] for at in reference[2]])
    of_chunk = frame(chunk)
    estimator = CBPE(
        metrics=["roc_auc", "f1", "precision", "recall", "specificity", "accuracy"],
        y_pred_proba=columns,
        y_pred="chosen",
        y_true="label",
        problem_type="classification_multiclass",
        chunk_number=1,
    ).fit(known)
    found = figures(estimator, of_chunk)
    calibrated = np.column_stack(
        [estimator._calibrators[name].calibrate(of_chunk[columns[name]]) for name in NAMES]
    )
    calibrated = calibrated / calibrated.sum(axis=1, keepdims=True)
    needed = [
        bool(
            needs_calibration(
                (known["label"] == name).to_numpy().astype(int), known[columns[name]].to_numpy(), IsotonicCalibrator()
            )
        )
        for name in NAMES
    ]
    tied = [tied_auc(of_chunk[columns[name]].to_numpy(), calibrated[:, at]) for at, name in enumerate(NAMES)]
    return {
        "name": name,
        "unit": unit,
        "reference": {
            "scores": np.asarray(reference[0], int).tolist(),
            "chosen": digits(reference[1]),
            "labels": digits(reference[2]),
        },
        "chunk": {"scores": np.asarray(chunk[0], int).tolist(), "chosen": digits(chunk[1])},
        "is_calibrated": needed,
        "probabilities": calibrated[:20].tolist(),
        "has_ties": unit < 1000,
        "roc_auc_tied": float(np.mean(tied)),
        "figures": found,
    }


def logistic(x):
    return 1 / (1 + np.exp(-x))


def drawn(n, told=lambda p: p, mean=0.0, spread=1.5, cut=50):
    """Scores of rows whose probabilities are logistic-normal, of which the model tells `told`."""
    truth = logistic(random.normal(mean, spread, n))
    scores = np.clip(np.round(100 * told(truth)), 0, 100).astype(int)
    return scores, (scores >= cut).astype(int), (random.random(n) < truth).astype(int)


def honest(n, mean=0.0):
    """Scores that are right on average, each of them: labels are drawn from the rounded score."""
    scores, chosen, _ = drawn(n, mean=mean)
    return scores, chosen, (random.random(n) < scores / 100).astype(int)


def simplex(n, told=lambda p: p, tilt=(0.0, 0.0, 0.0), unit=100):
    logits = random.normal(0, 1.4, (n, 3)) + np.asarray(tilt)
    truth = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    said = told(truth)
    said = said / said.sum(axis=1, keepdims=True)
    scores = np.round(unit * said).astype(int)
    # What rounding took or gave is made up by the last, so that they add up to one.
    scores[:, 2] = unit - scores[:, 0] - scores[:, 1]
    labels = (random.random(n)[:, None] > np.cumsum(truth, axis=1)).sum(axis=1).clip(0, 2)
    return scores, scores.argmax(axis=1), labels


def distinct(rows, n):
    """The first rows in which no class has a score that it had before."""
    seen, kept = [set(), set(), set()], []
    for at, scores in enumerate(rows[0]):
        if all(score not in known for score, known in zip(scores, seen)):
            [known.add(score) for score, known in zip(scores, seen)]
            kept.append(at)
    assert len(kept) >= n
    return tuple(part[kept[:n]] for part in rows)


def too_sure(p):
    return logistic(2.2 * np.log(p / (1 - p)))


def too_shy(p):
    return 0.35 + 0.4 * p


def even(rows):
    return (rows[0] // 10 * 8 + 10, *rows[1:])


BINARY = [
    binary("calibrated", honest(1500), honest(400)[:2]),
    binary("calibrated, fewer positives in the chunk", honest(1500, -1.0), honest(400, -2.0)[:2]),
    binary("too sure", drawn(1500, too_sure), drawn(400, too_sure)[:2]),
    binary("too sure, and more positives in the chunk", drawn(1200, too_sure), drawn(300, too_sure, 1.0)[:2]),
    binary("too shy", drawn(1200, too_shy, cut=60), drawn(300, too_shy, cut=60)[:2]),
    # Scores that lie in the middle between those of the reference, and beyond them.
    binary("between known scores", even(drawn(1200, too_sure)), (np.arange(2, 99, 4), (np.arange(2, 99, 4) > 50) * 1)),
    binary("small", drawn(60, too_sure), drawn(25, too_sure)[:2]),
    binary("a tail of rare positives", drawn(1500, lambda p: p**0.5, -3.0, 1.0), drawn(400, lambda p: p**0.5, -3.0)[:2]),
    binary(
        "told apart without fail",
        ([*range(1, 31), *range(60, 90)], [0] * 30 + [1] * 30, [0] * 30 + [1] * 30),
        ([5, 40, 61, 99], [0, 0, 1, 1]),
    ),
]

MULTICLASS = [
    multiclass("calibrated", simplex(1200), simplex(300)[:2]),
    multiclass("too sure", simplex(1200, lambda p: p**2.2), simplex(300, lambda p: p**2.2)[:2]),
    multiclass(
        "too shy, and other shares in the chunk",
        simplex(1000, lambda p: p + 0.4),
        simplex(300, lambda p: p + 0.4, tilt=(0.8, 0.0, -0.5))[:2],
    ),
    multiclass("one decimal", simplex(800, lambda p: p**2, unit=10), simplex(200, lambda p: p**2, unit=10)[:2], 10),
    multiclass(
        "no ties",
        distinct(simplex(2500, lambda p: p**2, unit=100_000), 900),
        distinct(simplex(800, lambda p: p**2, unit=100_000), 150)[:2],
        100_000,
    ),
]


def isotonic(name, scores, positives, rows, asked):
    scores, positives, rows = (np.asarray(part, float) for part in (scores, positives, rows))
    fitted = IsotonicRegression(out_of_bounds="clip").fit(scores, positives / rows, sample_weight=rows)
    return {
        "name": name,
        "scores": scores.tolist(),
        "positives": positives.astype(int).tolist(),
        "rows": rows.astype(int).tolist(),
        "asked": list(map(float, asked)),
        "expected": fitted.predict(np.asarray(asked, float)).tolist(),
    }


def counted(n, most):
    scores = np.sort(random.choice(1000, n, replace=False)) / 1000
    rows = random.integers(1, most, n)
    return scores, random.binomial(rows, scores**1.5), rows


ISOTONIC = [
    isotonic("ascending already", [0.1, 0.2, 0.7], [1, 5, 9], [10, 10, 10], [0.0, 0.1, 0.15, 0.4, 0.7, 1.0]),
    isotonic("descending", [0.1, 0.2, 0.7], [9, 5, 1], [10, 20, 10], [0.0, 0.1, 0.15, 0.7, 1.0]),
    isotonic("one score", [0.3], [3], [7], [0.0, 0.3, 0.9]),
    isotonic("none and all", [0.2, 0.4, 0.6], [0, 0, 8], [5, 6, 8], [0.1, 0.3, 0.5, 0.6, 0.8]),
    isotonic("pooled over and over", [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 7], [7, 7, 7, 7, 7, 8], np.arange(0, 8, 0.5)),
    isotonic("few rows each", *counted(120, 4), np.arange(0, 1.01, 0.05)),
    isotonic("many rows each", *counted(60, 5000), np.arange(0, 1.01, 0.05)),
    isotonic(
        "weights far apart",
        [0.1, 0.2, 0.3, 0.4],
        [400_000, 0, 1, 10**6],
        [10**6, 1, 3, 10**6 + 7],
        [0.1, 0.25, 0.35],
    ),
]

golden = {
    "made_by": {
        "python": platform.python_version(),
        "nannyml": nannyml.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "pandas": pd.__version__,
    },
    "values": {"tn": VALUES[0][0], "fp": VALUES[0][1], "fn": VALUES[1][0], "tp": VALUES[1][1]},
    "binary": BINARY,
    "multiclass": MULTICLASS,
    "isotonic": ISOTONIC,
}


def written(value):
    """Numbers that are not finite are null, which is what is said of a figure that does not exist."""
    if isinstance(value, dict):
        return {key: written(one) for key, one in value.items()}
    if isinstance(value, list):
        return [written(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


if __name__ == "__main__":
    path = Path(__file__).parent / "estimate.json"
    path.write_text(json.dumps(written(golden), separators=(",", ":")).replace(',"', ',\n"') + "\n")

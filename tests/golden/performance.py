"""Writes performance.json beside this file: predictions with their labels, and what other programs say of them.

    pip install scikit-learn numpy scipy
    python performance.py

Values come from scikit-learn where it has them (the file names the versions), and else from the formula of the textbook,
by the definitions that `about` gives in each file of src/stat. Intervals are of other routes than the program's: DeLong's
by its definition over all pairs, the delta method by complex steps instead of written derivatives, the rest from scipy.
The test src/stat/golden_performance.rs compares. Do not edit performance.json.
"""

import json
import math
import platform
import warnings
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics

warnings.simplefilter("ignore")
random = np.random.default_rng(20261205)

Z = stats.norm.ppf(0.975)
NAN = np.nan


# Intervals.


def wilson(share, n):
    """Wilson's score interval, also of a share that is not a whole number of rows."""
    if math.isclose(share * n, round(share * n), abs_tol=1e-9) and float(n).is_integer():
        ci = stats.binomtest(round(share * n), int(n)).proportion_ci(0.95, method="wilson")
        return float(ci.low), float(ci.high)
    shrink = 1 + Z * Z / n
    centre = share + Z * Z / (2 * n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return (centre - half) / shrink, (centre + half) / shrink


def share(hits, n):
    """A share of rows; undefined of none."""
    return None if n == 0 else (hits / n, *wilson(hits / n, n))


def normal(value, variance, n, least, most):
    """Normal, cut at the ends of the range; without a variance, as if n rows had shown a share of the range."""
    if most == least:
        return value, value, value
    if variance * n <= 1e-20 * (most - least) ** 2:
        low, high = wilson((value - least) / (most - least), n)
        return value, least + (most - least) * low, least + (most - least) * high
    half = Z * math.sqrt(variance)
    return value, max(value - half, least), min(value + half, most)


def delta(value, counts, function, least=0.0, most=1.0):
    """The delta method for a function of multinomial counts, with derivatives by complex steps."""
    counts = np.asarray(counts, float)
    n = counts.sum()
    p = counts / n
    gradient = np.zeros_like(p)
    for place in np.argwhere(counts > 0):
        shifted = p.astype(complex)
        shifted[tuple(place)] += 1e-30j
        gradient[tuple(place)] = function(shifted).imag / 1e-30
    assert math.isclose(function(p), value, rel_tol=1e-9, abs_tol=1e-12), (function(p), value)
    variance = np.sum(p * (gradient - np.sum(p * gradient)) ** 2) / n
    return normal(value, variance, n, least, most)


def recovered(value, parts, weights):
    """Newcombe's method: the distances to the ends of independent parts add up as their squares do."""
    below = math.sqrt(sum((w * (part[0] - part[1])) ** 2 for w, part in zip(weights, parts)))
    above = math.sqrt(sum((w * (part[2] - part[0])) ** 2 for w, part in zip(weights, parts)))
    return value, max(value - below, 0.0), min(value + above, 1.0)


def mean(values, least=-math.inf, most=math.inf):
    """A mean with Student's interval; of a single row there is none."""
    values = np.asarray(values, float)
    value = math.fsum(values) / len(values)
    if len(values) < 2:
        return value, None, None
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values))
    return value, max(value - half, least), min(value + half, most)


# One class against all others.


def matrix(chosen, label, k):
    counts = np.zeros((k, k))
    for i, j in zip(chosen, label):
        counts[i, j] += 1
    return counts


def mcc_of(p):
    """Gorodkin's coefficient of the shares of choices and labels."""
    chosen, label = p.sum(axis=1), p.sum(axis=0)
    total = p.sum()
    covariance = np.trace(p) * total - chosen @ label
    return covariance / np.sqrt((total**2 - chosen @ chosen) * (total**2 - label @ label))


def kappa_of(p):
    by_chance = p.sum(axis=1) @ p.sum(axis=0)
    return (np.trace(p) - by_chance) / (1 - by_chance)


def agreement(chosen, label, k):
    """What is asked of choices and labels as a whole, another class being one of the classes."""
    counts = matrix(chosen, label, k)
    n = int(counts.sum())
    labelled = [j for j in range(k) if counts[:, j].sum() > 0]
    several = len(labelled) > 1
    recalls = [share(counts[j, j], counts[:, j].sum()) for j in labelled]
    expected = {"accuracy": share(np.trace(counts), n)}
    assert np.isclose(expected["accuracy"][0], metrics.accuracy_score(label, chosen))
    expected["balanced_accuracy"] = (
        recovered(metrics.balanced_accuracy_score(label, chosen), recalls, [1 / len(recalls)] * len(recalls))
        if several
        else None
    )
    expected["mcc"] = (
        delta(metrics.matthews_corrcoef(label, chosen), counts, mcc_of, -1.0)
        if several and len(set(chosen)) > 1
        else None
    )
    expected["cohens_kappa"] = (
        delta(metrics.cohen_kappa_score(label, chosen), counts, kappa_of, -1.0)
        if several or set(chosen) != set(label)
        else None
    )
    return expected


def choices(chosen, label, beta):
    """What is asked of one class."""
    tn, fp, fn, tp = (int(x) for x in metrics.confusion_matrix(label, chosen, labels=[False, True]).ravel())
    precision = metrics.precision_score(label, chosen, zero_division=NAN)
    recall = metrics.recall_score(label, chosen, zero_division=NAN)
    assert tp + fp == 0 or np.isclose(precision, tp / (tp + fp))
    assert tp + fn == 0 or np.isclose(recall, tp / (tp + fn))
    return {
        "true_positives": (tp, None, None),
        "false_positives": (fp, None, None),
        "false_negatives": (fn, None, None),
        "true_negatives": (tn, None, None),
        "precision": share(tp, tp + fp),
        "recall": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
        "f1": f_score(label, chosen, 1.0),
        "fbeta": f_score(label, chosen, beta),
    }


def f_score(label, chosen, beta):
    """The F score is a function of the share of hits among rows that are positive or chosen, and of the share of misses
    among the rest of those; the two are independent, and each has its Wilson interval."""
    tn, fp, fn, tp = metrics.confusion_matrix(label, chosen, labels=[False, True]).ravel()
    if tp + fp + fn == 0:
        return None
    value = metrics.fbeta_score(label, chosen, beta=beta, zero_division=NAN)
    f = lambda hits, misses: (1 + beta**2) * hits / (
        (1 + beta**2) * hits + (1 - hits) * (beta**2 * misses + (1 - misses))
    )
    hits = share(tp, tp + fp + fn)
    misses = share(fn, fn + fp)
    if misses is None:
        return value, min(f(hits[1], x) for x in (0.0, 1.0)), 1.0
    assert np.isclose(f(hits[0], misses[0]), value)
    by_misses = sorted(f(hits[0], x) for x in misses)
    below = math.hypot(value - f(hits[1], misses[0]), value - by_misses[0])
    above = math.hypot(f(hits[2], misses[0]) - value, by_misses[2] - value)
    return value, max(value - below, 0.0), min(value + above, 1.0)


def delong(label, score):
    """DeLong, DeLong and Clarke-Pearson (1988), by the definition of the structural components."""
    positive, negative = score[label], score[~label]
    n, m = len(positive), len(negative)
    if n == 0 or m == 0:
        return None
    psi = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    value = metrics.roc_auc_score(label, score)
    assert np.isclose(value, psi.mean())
    of_positives, of_negatives = psi.mean(axis=1), psi.mean(axis=0)
    variance = 0.0
    if min(n, m) > 1:
        variance = np.var(of_positives, ddof=1) / n + np.var(of_negatives, ddof=1) / m
    return normal(value, variance, min(n, m), 0.0, 1.0)


def average_precision(label, score):
    """With the logit interval of Boyd, Eng and Page (2013)."""
    n = int(label.sum())
    if n == 0:
        return None
    value = float(metrics.average_precision_score(label, score))
    if value > 1 - 1e-12:
        return value, *wilson(1.0, n)
    logit = math.log(value / (1 - value))
    half = Z / math.sqrt(n * value * (1 - value))
    return value, scipy.special.expit(logit - half), scipy.special.expit(logit + half)


def highest(label, score, top):
    """Lift and gain of the share of rows with the highest scores; rows of equal score at the cut share."""
    if label.sum() == 0:
        return None, None
    room, hits = top * len(score), 0.0
    for value in sorted(set(score), reverse=True):
        here = label[score == value]
        taken = min(room, len(here))
        hits += taken * here.mean()
        room -= taken
        if room <= 0:
            break
    gain = (hits / label.sum(), *wilson(hits / label.sum(), label.sum()))
    return tuple(x / top for x in gain), gain


def ranking(label, score, top):
    lift, gain = highest(label, score, top)
    return {
        "roc_auc": delong(label, score),
        "average_precision": average_precision(label, score),
        "lift_at_k": lift,
        "gain_at_k": gain,
    }


EDGES = np.arange(1, 10) / 10


def calibration_error(outcome, score):
    """Ten bins of equal width, each without its lower end. Its interval allows for what would be seen of a calibrated
    score too: a sum of magnitudes is never below zero."""
    bins = np.searchsorted(EDGES, score, side="left")
    value = bias = variance = 0.0
    for b in set(bins):
        here = bins == b
        n = here.sum()
        rate, level = outcome[here].mean(), score[here].mean()
        weight = n / len(score)
        error = math.sqrt(max(rate * (1 - rate), level * (1 - level), 0.0) / n)
        value += weight * abs(level - rate)
        bias += weight * error * math.sqrt(2 / math.pi)
        variance += (weight * error) ** 2
    half = Z * math.sqrt(variance)
    return value, max(value - bias - half, 0.0), min(value + half, 1.0)


def are_probabilities(score):
    return len(score) > 0 and score.min() >= 0 and score.max() <= 1


def quality_of_scores(label, score):
    if not are_probabilities(score):
        return {"log_loss": None, "brier_score": None, "expected_calibration_error": None}
    eps = np.finfo(float).eps
    p = np.clip(score, eps, 1 - eps)
    log_loss = mean(-np.where(label, np.log(p), np.log(1 - p)), 0.0)
    brier = mean((score - label) ** 2, 0.0, 1.0)
    assert np.isclose(log_loss[0], metrics.log_loss(label, score, labels=[False, True]), rtol=1e-12)
    assert len(set(label)) < 2 or np.isclose(brier[0], metrics.brier_score_loss(label, score), rtol=1e-12)
    return {
        "log_loss": log_loss,
        "brier_score": brier,
        "expected_calibration_error": calibration_error(label.astype(float), score),
    }


def business_value(chosen, label, values):
    each = np.where(label, np.where(chosen, values[0], values[2]), np.where(chosen, values[1], values[3]))
    value = math.fsum(each) / len(each)
    return normal(value, np.var(each) / len(each), len(each), min(values), max(values))


def binary(name, rows, beta=2.0, top=0.1, values=(0.0, -1.0, -1.0, 0.0)):
    """Rows are score (or none), whether the class was chosen (or none), and whether it turned out."""
    judged = [row for row in rows if row[1] is not None]
    chosen, label = (np.array([row[i] for row in judged], bool) for i in (1, 2))
    scored = [row for row in rows if row[0] is not None]
    score, of_scored = np.array([row[0] for row in scored], float), np.array([row[2] for row in scored], bool)
    return {
        "name": name,
        "beta": beta,
        "top": top,
        "values": values,
        "rows": [[row[0], None if row[1] is None else int(row[1]), int(row[2])] for row in rows],
        "expected": {
            **agreement((~chosen).astype(int), (~label).astype(int), 2),
            **choices(chosen, label, beta),
            **ranking(of_scored, score, top),
            **quality_of_scores(of_scored, score),
            "business_value": business_value(chosen, label, values),
        },
    }


def scored(n, rate, strength, digits=4, threshold=0.5, offset=0.0):
    """Rows of a logistic model with some noise."""
    label = random.random(n) < rate
    log_odds = random.normal(strength * (label - 0.5), 1.3) + offset
    score = np.round(scipy.special.expit(log_odds), digits)
    return [(float(s), bool(s >= threshold), bool(l)) for s, l in zip(score, label)]


def with_gaps(rows):
    rows = [(None, *row[1:]) if i % 17 == 3 else row for i, row in enumerate(rows)]
    return [(row[0], None, row[2]) if i % 13 == 5 else row for i, row in enumerate(rows)]


def log_odds(rows):
    return [(round(math.log(s / (1 - s)), 3), c, l) for s, c, l in rows if 0 < s < 1]


BINARY = [
    binary("ordinary", scored(150, 0.4, 2.0)),
    binary("some rows without score or choice", with_gaps(scored(130, 0.4, 2.0)), 0.5, 0.25, [5.0, -1.0, -20.0, 0.25]),
    binary("imbalanced", scored(200, 0.05, 3.0, offset=-2.0), top=0.05, values=[90.0, -4.0, -100.0, 0.0]),
    binary("tied scores", scored(180, 0.5, 1.5, digits=1)),
    binary("scores of two digits", scored(160, 0.3, 1.0, digits=2), beta=0.5, top=1 / 3),
    binary("perfect", [(round(0.9 + i / 1000, 4), True, True) for i in range(15)]
           + [(round(0.1 + i / 1000, 4), False, False) for i in range(25)]),
    binary("wholly wrong", [(round(0.9 + i / 1000, 4), True, False) for i in range(9)]
           + [(round(0.1 + i / 1000, 4), False, True) for i in range(7)]),
    binary("useless", scored(90, 0.5, 0.0)),
    binary("no positives", [row[:2] + (False,) for row in scored(20, 0.4, 2.0)]),
    binary("no negatives", [row[:2] + (True,) for row in scored(20, 0.4, 2.0)]),
    binary("never chosen", [(row[0], False, row[2]) for row in scored(40, 0.4, 2.0)]),
    binary("always chosen", [(row[0], True, row[2]) for row in scored(40, 0.4, 2.0)]),
    binary("never chosen, rightly", [(row[0], False, False) for row in scored(12, 0.1, 0.0)]),
    binary("one positive", [(0.7, True, True)] + [row[:2] + (False,) for row in scored(20, 0.4, 2.0)]),
    binary("scores of exactly 0 and 1", [(float(s), bool(s), bool(l)) for s, l in
                                         [(1, 1)] * 12 + [(0, 0)] * 20 + [(1, 0)] * 2 + [(0, 1)]] + scored(20, 0.5, 2.0)),
    binary("the edges of bins", [(round(i / 10, 1), i >= 5, bool((i * 7 + j) % 10 < i)) for i in range(11) for j in range(6)]),
    binary("log-odds", log_odds(scored(60, 0.4, 2.0))),
    binary("one score for all", [(0.5, True, bool(i % 3 == 0)) for i in range(31)]),
    binary("two rows", [(0.75, True, True), (0.25, False, False)]),
    binary("one row", [(0.75, True, True)]),
]


# Several classes.


def mean_of(parts, weights):
    """An average whose interval is the average of the parts' ends, as if they erred together."""
    kept = [(part, w) for part, w in zip(parts, weights) if part is not None and w > 0]
    total = sum(w for _, w in kept)
    return None if total == 0 else tuple(sum(w * part[i] for part, w in kept) / total for i in range(3))


def averages(chosen, label, listed, counts):
    """Precision, recall and F1 over the classes that are listed; classes for which one has no value are left out."""

    def of(name, average):
        function = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}[name]
        return function(label, chosen, labels=range(listed), average=average, zero_division=NAN)

    tp = np.array([counts[k, k] for k in range(listed)])
    of_chosen, of_label = counts.sum(axis=1)[:listed], counts.sum(axis=0)[:listed]
    shares = {
        "precision": [share(t, c) for t, c in zip(tp, of_chosen)],
        "recall": [share(t, l) for t, l in zip(tp, of_label)],
    }
    expected = {}
    for name, parts in shares.items():
        known = [part for part in parts if part is not None]
        expected[name + "_macro"] = (
            recovered(of(name, "macro"), known, [1 / len(known)] * len(known)) if known else None
        )
    expected["precision_micro"] = share(tp.sum(), of_chosen.sum())
    expected["recall_micro"] = share(tp.sum(), of_label.sum())
    expected["recall_weighted"] = share(tp.sum(), of_label.sum())
    for name in ("precision_micro", "recall_micro", "recall_weighted"):
        value = expected[name]
        assert value is None or np.isclose(value[0], of(*name.split("_")))

    def weighted(part, support):
        known = [k for k in range(listed) if part(k) is not None]

        def function(p):
            return sum(support(p, k) * part(k)(p) for k in known) / sum(support(p, k) for k in known)

        return function if known and sum(support(counts, k) for k in known) > 0 else None

    row, column = (lambda p, k: p[k].sum()), (lambda p, k: p[:, k].sum())
    precision = lambda k: (lambda p: p[k, k] / row(p, k)) if of_chosen[k] else None
    f1 = lambda k: (lambda p: 2 * p[k, k] / (row(p, k) + column(p, k))) if of_chosen[k] + of_label[k] else None
    functions = {
        "precision_weighted": weighted(precision, column),
        "f1_macro": weighted(f1, lambda p, k: 1.0),
        "f1_weighted": weighted(f1, column),
        "f1_micro": (
            lambda p: 2 * sum(p[k, k] for k in range(listed)) / sum(row(p, k) + column(p, k) for k in range(listed))
        ),
    }
    for name, function in functions.items():
        expected[name] = function and delta(float(of(*name.split("_"))), counts, function)
    return expected


def multiclass(name, rows, listed, classes):
    """Rows are the class that was chosen, that which turned out, and the score of each listed class. What is beyond the
    listed classes is another one."""
    chosen, label = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    scores = np.array([row[2] for row in rows])
    counts = matrix(chosen, label, classes)
    assert (counts.T == metrics.confusion_matrix(label, chosen, labels=range(classes))).all()
    each = []
    for k in range(listed):
        each.append({**choices(chosen == k, label == k, 2.0), **ranking(label == k, scores[:, k], 0.1)})
    known = label < listed
    eps = np.finfo(float).eps
    losses = -np.log(np.clip(scores[known, label[known]], eps, 1 - eps))
    briers = [mean((scores[:, k] - (label == k)) ** 2, 0.0) for k in range(listed)]
    brier = (sum(b[0] for b in briers), max(sum(b[1] for b in briers), 0.0), sum(b[2] for b in briers))
    said = chosen < listed
    aucs = [e["roc_auc"] for e in each]
    precisions = [e["average_precision"] for e in each]
    support = [(label == k).sum() for k in range(listed)]
    expected = {
        **agreement(chosen, label, classes),
        **averages(chosen, label, listed, counts),
        "log_loss": mean(losses, 0.0),
        "brier_score": brier,
        "expected_calibration_error": calibration_error(
            (chosen == label)[said].astype(float), scores[said, chosen[said]]
        ),
        "roc_auc_macro": mean_of(aucs, [1.0] * listed),
        "roc_auc_weighted": mean_of(aucs, support),
        "average_precision_macro": mean_of(precisions, [1.0] * listed),
    }
    if listed == classes and all(support):
        names = range(listed)
        by_class = np.array([label == k for k in names]).T
        for key, value in {
            "log_loss": metrics.log_loss(label, scores, labels=names),
            "brier_score": metrics.brier_score_loss(label, scores, labels=names, scale_by_half=False),
            "roc_auc_macro": metrics.roc_auc_score(label, scores, multi_class="ovr", average="macro"),
            "roc_auc_weighted": metrics.roc_auc_score(label, scores, multi_class="ovr", average="weighted"),
            "average_precision_macro": metrics.average_precision_score(by_class, scores, average="macro"),
        }.items():
            assert np.isclose(expected[key][0], value, rtol=1e-12), (name, key, expected[key], value)
    return {
        "name": name,
        "listed": listed,
        "classes": classes,
        "rows": [[int(c), int(l), list(s)] for c, l, s in rows],
        "confusion": counts.astype(int).tolist(),
        "expected": expected,
        "each": each,
    }


def of_several(n, shares, strength, listed=None, never=None):
    """Rows of a model of several classes, with scores of three digits that add up to 1."""
    k, rows = len(shares), []
    for label in random.choice(k, n, p=shares):
        weights = np.exp(random.normal(strength * (np.arange(k) == label), 1.0))
        scores = np.round(weights / weights.sum(), 3)
        scores[np.argmax(scores)] += 1 - scores.sum()
        scores = np.round(scores, 3)
        chosen = int(np.argmax(np.where(np.arange(k) == never, -1.0, scores)))
        rows.append((chosen, int(label), [float(s) for s in scores[: listed or k]]))
    return rows


MULTICLASS = [
    multiclass("three classes", of_several(140, [0.5, 0.3, 0.2], 2.0), 3, 3),
    multiclass("four classes, one rare", of_several(150, [0.45, 0.3, 0.22, 0.03], 1.5), 4, 4),
    multiclass("a class that is not listed", of_several(120, [0.4, 0.25, 0.15, 0.2], 1.5, listed=3), 3, 4),
    multiclass("a class that is never chosen", of_several(90, [0.4, 0.3, 0.3], 1.0, never=1), 3, 3),
    multiclass("a class that never turns out", of_several(80, [0.6, 0.4, 0.0], 1.0), 3, 3),
    multiclass("perfect", [(i % 3, i % 3, [0.9 if i % 3 == k else 0.05 for k in range(3)]) for i in range(36)], 3, 3),
]


# Numbers.


def regression(name, rows, quantile=0.9):
    """Rows are the number that was predicted and that which turned out."""
    predicted, label = np.array(rows, float).T
    error = predicted - label
    n = len(rows)
    mse = mean(error**2, 0.0)
    assert np.isclose(mse[0], metrics.mean_squared_error(label, predicted), rtol=1e-9)
    rmse = tuple(x if x is None else math.sqrt(x) for x in mse)
    assert np.isclose(rmse[0], metrics.root_mean_squared_error(label, predicted), rtol=1e-9)
    mae = mean(np.abs(error), 0.0)
    assert np.isclose(mae[0], metrics.mean_absolute_error(label, predicted), rtol=1e-9)
    some = label != 0
    mape = mean(np.abs(error[some] / label[some]), 0.0) if some.any() else None
    assert mape is None or np.isclose(mape[0], metrics.mean_absolute_percentage_error(label[some], predicted[some]))
    both = np.abs(predicted) + np.abs(label)
    smape = mean(np.divide(2 * np.abs(error), both, out=np.zeros(n), where=both > 0), 0.0, 2.0)
    pinball = mean(np.where(error > 0, (1 - quantile) * error, -quantile * error), 0.0)
    assert np.isclose(pinball[0], metrics.mean_pinball_loss(label, predicted, alpha=quantile), rtol=1e-9)
    r2 = None
    if len(set(label)) > 1:
        variance = np.var(label)
        # The labels' variance is known to about its own, as if they were normal.
        share = [x if x is None else x / variance for x in mse]
        by_labels = Z * math.sqrt(2 / n) * share[0]
        ends = (None, None)
        if n > 1:
            ends = (1 - share[0] - math.hypot(share[2] - share[0], by_labels),
                    min(1 - share[0] + math.hypot(share[0] - share[1], by_labels), 1.0))
        r2 = (metrics.r2_score(label, predicted), *ends)
        assert np.isclose(r2[0], 1 - mse[0] / variance, atol=1e-9)
    expected = {
        "mae": mae, "mse": mse, "rmse": rmse, "mape": mape, "smape": smape, "r2": r2,
        "bias": mean(error), "pinball_loss": pinball,
    }
    # The interval has the ends at the ranks of Wilson's interval of the quantile's share (Woodruff, 1952); an end is not
    # known where rows so few would often lie all to one side of the quantile.
    for key, q in {"error_p05": 0.05, "error_p50": 0.5, "error_p95": 0.95}.items():
        at = lambda p: float(np.quantile(error, p, method="inverted_cdf"))
        low, high = wilson(q, n)
        expected[key] = (at(q), at(low) if (1 - q) ** n <= 0.025 else None, at(high) if q**n <= 0.025 else None)
    return {"name": name, "quantile": quantile, "rows": [list(map(float, row)) for row in rows], "expected": expected}


def numbers(n, mean, deviation, noise, bias=0.0, digits=2):
    label = np.round(random.normal(mean, deviation, n), digits)
    return [(float(p), float(l)) for p, l in zip(np.round(label + random.normal(bias, noise, n), digits), label)]


REGRESSION = [
    regression("ordinary", numbers(120, 50, 10, 4)),
    regression("with zeros", numbers(60, 0, 5, 1) + [(0.5, 0.0), (0.0, 0.0), (-1.5, 0.0)], 0.5),
    regression("negative and biased", numbers(80, -30, 4, 3, bias=2.5), 0.1),
    regression("equal labels", [(p, 7.0) for p, _ in numbers(30, 7, 2, 1)]),
    regression("all labels zero", [(p, 0.0) for p, _ in numbers(30, 0, 2, 1)]),
    regression("a million away from zero", numbers(100, 1e6, 1, 0.4, digits=3)),
    regression("a billion away from zero", numbers(100, 1e9, 1, 0.4, digits=3)),
    regression("perfect", [(l, l) for _, l in numbers(40, 5, 2, 1)]),
    regression("heavy tails", [(float(np.round(l + e, 3)), float(l)) for l, e in
                               zip(np.round(random.normal(0, 3, 110), 3), random.standard_t(1.5, 110))]),
    regression("too high by as much each time", [(float(i + 3), float(i)) for i in range(12)]),
    regression("two rows", [(1.0, 2.0), (4.0, 3.5)]),
    regression("one row", [(1.0, 2.0)]),
    regression("tiny numbers", [(p * 2.0**-40, l * 2.0**-40) for p, l in numbers(30, 5, 2, 1)]),
]

STUDENT = [[n, float(stats.t.ppf(0.975, n))] for n in (1, 2, 3, 5, 10, 29, 49, 50, 99, 100, 101, 150, 1000, 10**6, 10**9)]


def rounded(value):
    """Twelve digits are more than the test asks for."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        value = float(value)
        assert math.isfinite(value)
        return int(value) if value.is_integer() and abs(value) < 1e15 else value
    return value


def expectations(case):
    """Twelve digits of what is expected are more than the test asks for; rows stay as they are."""
    digits = lambda x: None if x is None else float(f"{x:.12g}")
    figures = lambda expected: {k: v and [digits(float(x)) if x is not None else None for x in v] for k, v in expected.items()}
    case = {**case, "expected": figures(case["expected"])}
    if "each" in case:
        case["each"] = [figures(each) for each in case["each"]]
    return rounded(case)


golden = {
    "made_by": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
    "binary": [expectations(case) for case in BINARY],
    "multiclass": [expectations(case) for case in MULTICLASS],
    "regression": [expectations(case) for case in REGRESSION],
    "student": STUDENT,
}
lines = []
for key, value in golden.items():
    if isinstance(value, list):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
Path(__file__).with_name("performance.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

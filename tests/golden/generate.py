"""Writes statistics.json beside this file: samples, and what other programs say of them.

    pip install numpy scipy
    python generate.py

The values come from scipy and numpy (the file names their versions), by the definitions that `about` gives in each file
of src/stat. The test src/stat/golden.rs compares. Do not edit statistics.json.
"""

import json
import math
import platform
import statistics
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import scipy
from scipy import stats
from scipy.spatial.distance import jensenshannon

from bins import decile_counts, homogeneity, pooled

random = np.random.default_rng(20261101)


def shares(reference, current, pool):
    """PSI, Jensen-Shannon distance and their p-value, and chi-squared and its own, over counts in the same bins."""
    groups = pool(reference, current)
    kept = (reference + current) > 0
    reference, current = reference[kept], current[kept]
    k = len(reference)
    r = (reference + 0.5) / (reference.sum() + 0.5 * k)
    c = (current + 0.5) / (current.sum() + 0.5 * k)
    expected = {
        "psi": float(np.sum((c - r) * np.log(c / r))),
        "js_distance": float(jensenshannon(reference, current, base=2)),
        "p_value": homogeneity(*groups)[1],
        "chi_squared": homogeneity(*groups),
    }
    return expected


def wilson(hits, n):
    interval = stats.binomtest(int(hits), int(n)).proportion_ci(0.95, method="wilson")
    return [float(hits / n), float(interval.low), float(interval.high)]


def numeric(name, reference, current):
    reference, current = np.asarray(reference, float), np.asarray(current, float)
    d = float(stats.ks_2samp(reference, current).statistic)
    n, m = len(reference), len(current)
    constant = len(set(reference)) == 1
    # The standard library's deviation is computed in exact fractions.
    deviation = statistics.stdev(map(float, reference)) if n > 1 else None
    if not constant:
        assert math.isclose(deviation, np.std(reference, ddof=1), rel_tol=1e-6)
    outside = np.sum((current < reference.min()) | (current > reference.max()))
    # The statistic is exact for values on a reference value or beyond them all.
    on_grid = bool(np.all(np.isin(current, reference) | (current < reference.min()) | (current > reference.max())))
    levels = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0]
    return {
        "name": name,
        "reference": reference.tolist(),
        "current": current.tolist(),
        "on_grid": on_grid,
        "ks": d,
        # The largest product of sizes for which the test is exact.
        "ks_p_value": float(
            stats.ks_2samp(reference, current, method="exact").pvalue
            if n * m <= 250_000
            else stats.kstwobign.sf(math.sqrt(n * m / (n + m)) * d)
        ),
        "wasserstein": None if constant else float(stats.wasserstein_distance(reference, current) / deviation),
        "deviation": deviation,
        "out_of_range_rate": wilson(outside, m),
        "quantiles": [[q, float(np.quantile(reference, q, method="inverted_cdf"))] for q in levels],
        **shares(*decile_counts(reference, current), partial(pooled, by_reference=True)),
    }


def categorical(name, reference, current):
    known = sorted(set(reference))
    unseen = sum(value not in known for value in current)
    counts = [
        np.array([sample.count(value) for value in known] + [extra])
        for sample, extra in ((reference, 0), (current, unseen))
    ]
    return {
        "name": name,
        "reference": reference,
        "current": current,
        "unseen_rate": wilson(unseen, len(current)),
        **shares(*counts, pooled),
    }


def normal(n, mean=0.0, deviation=1.0, digits=3):
    return np.round(random.normal(mean, deviation, n), digits)


def lognormal(n, outliers=()):
    return np.append(np.round(random.lognormal(0, 1.5, n), 3), outliers)


def texts(n, shares):
    return [str(value) for value in random.choice(list(shares), n, p=list(shares.values()))]


bimodal = np.append(normal(150, -4), normal(150, 4))
NUMERIC = [
    numeric("normal, unchanged", normal(400), normal(300)),
    numeric("normal, shifted by half a deviation", normal(400), normal(300, 0.5)),
    numeric("normal, twice as wide", normal(300), normal(300, 0, 2)),
    numeric("normal, a little narrower", normal(300), normal(200, 0, 0.9)),
    numeric("lognormal with outliers in the window", lognormal(400), lognormal(200, [1e6, 2.5e6, -3e4])),
    numeric("lognormal with outliers in the reference", lognormal(400, [1e5, 3e5]), lognormal(200)),
    numeric("one outlier", normal(300), np.append(normal(99), 1e9)),
    numeric("heavy ties", random.poisson(3, 400), random.poisson(3.6, 250)),
    numeric(
        "few distinct values",
        random.choice([1.0, 2.5, 7.0], 300, p=[0.7, 0.2, 0.1]),
        random.choice([1.0, 2.5, 7.0], 200, p=[0.5, 0.2, 0.3]),
    ),
    numeric(
        "mostly zeros",
        np.append(np.zeros(250), np.round(random.exponential(10, 150), 2)),
        np.append(np.zeros(90), np.round(random.exponential(14, 60), 2)),
    ),
    numeric("resampled from the reference", bimodal, random.choice(bimodal, 250)),
    numeric("resampled from one half of the reference", bimodal, random.choice(bimodal[:150], 120)),
    numeric("one half of the reference, shifted off it", bimodal, normal(120, -4)),
    numeric("tiny", [1.0, 2.0, 3.0, 5.0, 8.0], [2.0, 4.0, 9.0]),
    numeric("two rows and one", [0.0, 1.0], [0.25]),
    numeric("large reference, small window", normal(800), normal(7, 1)),
    numeric("small reference, large window", normal(11), normal(400)),
    numeric("wholly above", normal(100), normal(60, 20)),
    numeric("wholly below", normal(100), normal(60, -20)),
    numeric("equal", [1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0] * 3),
    numeric("constant reference", [4.0] * 20, [4.0] * 10 + [5.0]),
    numeric("constant and the same", [4.0] * 20, [4.0] * 10),
    numeric("far from zero", normal(200, 1.7e9, 20, 2), normal(150, 1.7e9 + 5, 20, 2)),
    numeric("very small", np.round(normal(100) * 1e-12, 16), np.round(normal(100, 0.3) * 1e-12, 16)),
]

few = {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}
many = {f"v{i}": share for i, share in enumerate(np.arange(60, 0, -1) / np.sum(np.arange(1, 61)))}
CATEGORICAL = [
    categorical("unchanged", texts(500, few), texts(300, few)),
    categorical("shifted", texts(500, few), texts(300, {"a": 0.3, "b": 0.5, "c": 0.15, "d": 0.05})),
    categorical("unseen values", texts(500, few), texts(250, few) + ["x"] * 10 + ["y"] * 3),
    categorical("a value that is gone", texts(500, few), texts(300, {"a": 0.6, "b": 0.4})),
    categorical("disjoint", texts(300, few), ["x"] * 200),
    categorical("one value for another", ["a"] * 400, ["a"] * 3 + ["b"] * 397),
    categorical("many values", texts(500, many), texts(400, many)),
    categorical("tiny", ["a", "b", "b"], ["b", "c"]),
    categorical("unequal sizes", texts(900, few), texts(12, few)),
    categorical("equal", ["a", "b", "b"], ["a", "b", "b"] * 5),
    categorical("one value on both sides", ["a"] * 9, ["a"] * 4),
]

ARGUMENTS = np.concatenate(
    [
        [1e-6, 0.01, 0.039, 0.041],
        np.arange(0.05, 3, 0.05),
        [0.8199999, 0.82, 0.8200001],
        [3.5, 4, 5, 6, 8, 10, 12, 15, 18],
    ]
)
KOLMOGOROV = [[float(x), float(stats.kstwobign.sf(x))] for x in ARGUMENTS]

WILSON = [
    [hits, n, *wilson(hits, n)]
    for n in (1, 2, 10, 97, 1000, 123_456_789)
    for hits in sorted({0, 1, n // 3, n // 2, n - 1, n})
]


def sums():
    """Sums of numbers of wild magnitudes, by fsum and, to be sure, by fractions."""
    for low, high, count in [(-3, 3, 30), (-300, 300, 40), (-323, -300, 40), (290, 300, 40), (-323, 300, 60)]:
        magnitudes = 10.0 ** random.uniform(low, high, count)
        values = (magnitudes * random.choice([-1, 1], count)).tolist()
        # Numbers that cancel make the small ones count.
        values += [-value for value in values[: count // 2]] + [5e-324, 2.5e-310, 1.0, 1e16, -1e16]
        values = [values[i] for i in random.permutation(len(values))]
        total = math.fsum(values)
        assert total == float(sum(map(Fraction, values)))
        yield {"values": values, "sum": total}


golden = {
    "made_by": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    "numeric": NUMERIC,
    "categorical": CATEGORICAL,
    "kolmogorov": KOLMOGOROV,
    "wilson": WILSON,
    "sums": list(sums()),
}
lines = []
for key, value in golden.items():
    if isinstance(value, list):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
Path(__file__).with_name("statistics.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

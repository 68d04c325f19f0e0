"""Writes bins.json beside this file: counts in bins, and what scipy says of their shares.

    pip install numpy scipy
    python bins.py

The values come from scipy and numpy (the file names their versions), by the definitions that `about` gives in each file
of src/stat. The test src/stat/golden_bins.rs compares. Do not edit bins.json.
"""

import json
import math
import platform
from pathlib import Path

import numpy as np
import scipy
from scipy import optimize, stats
from scipy.spatial.distance import jensenshannon


def rarest_surely_seen(n, m, most):
    """The least sum of both sides' rows of a value with which it is surely in the vocabulary, tried one by one."""
    p = n / (n + m)
    for others in range(n + m + 1):
        if others * p > most and others > 0:
            # The relative entropy of the share in the reference from the one expected.
            entropy = scipy.special.rel_entr([most / others, 1 - most / others], [p, 1 - p]).sum()
            if -others * entropy <= -math.log(m):
                return others + 1
    return n + m + 1


def pooled(reference, current, by_reference=False, most=0):
    """The rarest bins joined until each expects five rows of the smaller sample, and twice the root of their number.

    The last bin of a category is that of the unseen values, which are first, with all others that may be unseen.
    """
    reference, current = np.asarray(reference), np.asarray(current)
    n, m = int(reference.sum()), int(current.sum())
    common = reference if by_reference else reference + current
    rare = np.zeros(len(common), bool)
    if not by_reference:
        rare = common < rarest_surely_seen(n, m, most)
        rare[-1] = True
    order = [i for i in np.argsort(common, kind="stable") if not rare[i] and reference[i] + current[i] > 0]
    groups = [list(np.flatnonzero(rare))] + [[i] for i in order]
    least = 5.0
    while True:
        joined, open_group = [], []
        for group in groups:
            expects = common[open_group].sum() * min(n, m) / common.sum() if open_group else 0
            if expects >= least:
                joined.append(open_group)
                open_group = []
            open_group = open_group + group
        expects = common[open_group].sum() * min(n, m) / common.sum() if open_group else 0
        if joined and expects < least:
            joined[-1] = joined[-1] + open_group
        else:
            joined.append(open_group)
        if 4 * len(joined) <= least**2:
            return [np.array([counts[group].sum() for group in joined]) for counts in (reference, current)]
        least *= math.sqrt(2)


def homogeneity(reference, current, **how):
    if len(reference) == 1:
        return [0.0, 1.0]
    test = stats.chi2_contingency(np.array([reference, current]), correction=False, **how)
    return [float(test.statistic), float(test.pvalue)]


def cramers_v(reference, current):
    """Bergsma (2013), formulas 4 and following."""
    test = stats.chi2_contingency(np.array([reference, current]), correction=False)
    n, r, c = reference.sum() + current.sum(), 2, len(reference)
    square = max(0.0, test.statistic / n - (r - 1) * (c - 1) / (n - 1))
    sides = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(square / sides)


def distances(reference, current):
    """Over the bins that are not empty on both sides."""
    kept = (reference + current) > 0
    reference, current = reference[kept], current[kept]
    k = len(reference)
    r, c = reference / reference.sum(), current / current.sum()
    smooth_r = (reference + 0.5) / (reference.sum() + 0.5 * k)
    smooth_c = (current + 0.5) / (current.sum() + 0.5 * k)
    return {
        "js_divergence": float(jensenshannon(reference, current, base=2) ** 2),
        "kl_divergence": float(stats.entropy(smooth_c, smooth_r)),
        "hellinger": float(np.linalg.norm(np.sqrt(r) - np.sqrt(c)) / math.sqrt(2)),
        "total_variation": float(np.linalg.norm(r - c, 1) / 2),
        "linf": float(np.linalg.norm(r - c, np.inf)),
    }


def two(reference, current):
    """Fisher's exact test, and the z test as that of chi-squared, of the second of two bins."""
    kept = (reference + current) > 0
    (r1, r2), (c1, c2) = reference[kept], current[kept]
    exact = stats.fisher_exact([[c2, c1], [r2, r1]])
    ratio = exact.statistic
    if not math.isfinite(ratio):
        # The stand-in of Haldane (1956) and Anscombe (1956).
        ratio = (c2 + 0.5) * (r1 + 0.5) / ((c1 + 0.5) * (r2 + 0.5))
    squared = homogeneity(reference[kept], current[kept])[0]
    z = math.sqrt(squared)
    return {"fisher_exact": [float(ratio), float(exact.pvalue)], "z": [z, float(2 * stats.norm.sf(z))]}


def categorical(name, reference, current, most=0):
    """Counts of each value of the vocabulary, and last, of the unseen ones."""
    reference, current = np.asarray(reference), np.asarray(current)
    groups = pooled(reference, current, most=most)
    kept = int(np.sum((reference + current) > 0))
    tested = len(groups[0]) > 1
    expected = {
        "name": name,
        "reference": reference.tolist(),
        "current": current.tolist(),
        "pooled": len(groups[0]),
        "p_value": homogeneity(*groups)[1],
        **distances(reference, current),
        "chi_squared": homogeneity(*groups) if tested else None,
        "g_test": homogeneity(*groups, lambda_="log-likelihood") if tested else None,
        "cramers_v": cramers_v(*groups) if tested else None,
        **(two(reference, current) if kept == 2 else {"fisher_exact": None, "z": None}),
    }
    if tested and len(groups[0]) == kept:
        # Where nothing is pooled, it is the plain table.
        plain = [counts[(reference + current) > 0] for counts in (reference, current)]
        assert np.allclose(homogeneity(*plain), homogeneity(*groups), rtol=1e-12)
    return expected


def decile_counts(reference, current):
    """Rows below the reference, in each of its deciles (those with equal ends are one), and above it."""
    steps = np.arange(1, 10) / 10
    ends = np.quantile(reference, steps, method="inverted_cdf")
    # The same from the definition in whole numbers: numpy multiplies q by n in floating point.
    ordered = np.sort(reference)
    assert all(end == ordered[-(-j * len(reference) // 10) - 1] for j, end in zip(range(1, 10), ends))
    # A value that makes up a tenth of the reference or more is a bin by itself: what is just below it ends before it.
    values, occurrences = np.unique(reference, return_counts=True)
    heavy = values[occurrences * 10 >= len(reference)]
    ends = np.unique(np.concatenate([ends, heavy, np.nextafter(heavy, -np.inf), [reference.max()]]))
    counts = []
    for sample in (reference, current):
        inside = sample[(sample >= reference.min()) & (sample <= reference.max())]
        # Bin j holds what is above end j - 1 and not above end j.
        counts.append(
            np.concatenate(
                [
                    [np.sum(sample < reference.min())],
                    np.bincount(np.searchsorted(ends, inside, side="left"), minlength=len(ends)),
                    [np.sum(sample > reference.max())],
                ]
            )
        )
    return counts


def numeric(name, reference, current):
    reference, current = np.asarray(reference, float), np.asarray(current, float)
    counts = decile_counts(reference, current)
    return {
        "name": name,
        "reference": reference.tolist(),
        "current": current.tolist(),
        "p_value": homogeneity(*pooled(*counts, by_reference=True))[1],
        **distances(*counts),
    }


def noncentrality(significance, degrees):
    """The noncentrality with which chi-squared is found significant with a probability of 80 %."""
    critical = stats.chi2.isf(significance, degrees)
    power = lambda x: stats.ncx2.sf(critical, degrees, x) - 0.8
    return float(optimize.brentq(power, 1e-3, 100 + 20 * math.sqrt(degrees), xtol=1e-10))


def main():
    random = np.random.default_rng(20261123)

    def zipf(values, n, m, exponent=1.0, head=0.0, shift=None):
        """Counts of a reference over the values that it has, and of a window, unseen values last."""
        shares = np.arange(1, values + 1) ** -exponent
        shares = shares / shares.sum() * (1 - head)
        shares[0] += head
        reference = random.multinomial(n, shares)
        current = random.multinomial(m, shares if shift is None else shift(shares))
        known = reference > 0
        return np.append(reference[known], 0), np.append(current[known], current[~known].sum())

    def drawn(n, m, r, c):
        return random.multinomial(n, r), random.multinomial(m, c)

    even = lambda values: np.append(np.full(values, 1 / values), 0)
    few = [0.5, 0.3, 0.15, 0.05, 0.0]
    tilt = lambda shares: shares ** 0.8 / (shares ** 0.8).sum()
    categories = [
        categorical("unchanged", *drawn(500, 300, few, few)),
        categorical("shifted", *drawn(500, 300, few, [0.3, 0.5, 0.15, 0.05, 0.0])),
        categorical("unseen values", *drawn(500, 300, few, [0.45, 0.3, 0.15, 0.05, 0.05])),
        categorical("few unseen values", *drawn(5000, 300, few, [0.495, 0.3, 0.15, 0.05, 0.005])),
        categorical("values that are gone", *drawn(500, 300, few, [0.6, 0.4, 0, 0, 0])),
        categorical("disjoint", [150, 90, 45, 15, 0], [0, 0, 0, 0, 200]),
        categorical("a foreign vocabulary", [0, 90, 45, 0, 15], [10, 70, 0, 3, 9]),
        categorical("a vocabulary that was cut", [2000, 1500, 900, 7, 7, 7, 60], [210, 140, 95, 2, 0, 1, 12], most=7),
        categorical("equal", [10, 20, 30, 40, 0], [30, 60, 90, 120, 0]),
        categorical("a large and a small sample", *drawn(10**6, 40, few, few)),
        categorical("a small and a large sample", *drawn(60, 10**6, few, few)),
        categorical("ten million rows", *drawn(10**7, 10**7, few, [0.499, 0.301, 0.15, 0.05, 0.0])),
        categorical("tiny", [1, 2, 0], [0, 1, 1]),
        categorical("three rows", [2, 0], [1, 0]),
        categorical("two of two", [600, 400, 0], [170, 130, 0]),
        categorical("two, nearly equal", [500, 500, 0], [151, 149, 0]),
        categorical("two, in symmetric margins", [10, 10, 0], [13, 7, 0]),
        categorical("two, one of them gone", [600, 40, 0], [300, 0, 0]),
        categorical("two, one of them new", [600, 0], [290, 10]),
        categorical("two, one for another", [400, 0], [0, 100]),
        categorical("two, one rare", [9990, 10, 0], [990, 10, 0]),
        categorical("two, of a million rows", [700_000, 300_000, 0], [699_000, 301_000, 0]),
        categorical("two, a millionfold change", [10**6, 3, 0], [5, 9, 0]),
        categorical("many values", *drawn(500, 400, np.arange(60, -1, -1) / 1830, even(60))),
        categorical("more values than five rows of each", *drawn(900, 700, even(120), even(120))),
        categorical("a thousand by Zipf", *zipf(1000, 5000, 1000)),
        categorical("a thousand by Zipf, tilted", *zipf(1000, 5000, 1000, shift=tilt)),
        categorical("ten thousand by Zipf with a heavy hitter", *zipf(10_000, 20_000, 5000, 1.1, 0.2)),
        categorical("ten thousand by Zipf, all at once", *zipf(10_000, 4000, 40_000, 1.2)),
    ]

    normal = lambda n, mean=0.0, deviation=1.0: np.round(random.normal(mean, deviation, n), 3)
    lognormal = lambda n: np.round(random.lognormal(0, 1.5, n), 3)
    numbers = [
        numeric("normal, unchanged", normal(400), normal(300)),
        numeric("normal, shifted", normal(400), normal(300, 0.5)),
        numeric("lognormal, with outliers", lognormal(400), np.append(lognormal(200), [1e6, -3e4])),
        numeric("heavy ties", random.poisson(3, 400), random.poisson(3.6, 250)),
        numeric("mostly zeros", np.append(np.zeros(250), lognormal(150)), np.append(np.zeros(90), lognormal(60))),
        numeric("small samples", normal(60), normal(17, 0.2)),
        numeric("tiny", [1.0, 2.0, 3.0, 5.0, 8.0], [2.0, 4.0, 9.0]),
        numeric("large reference, small window", normal(800), normal(12, 1)),
        numeric("small reference, large window", normal(21), normal(400)),
        numeric("wholly above", normal(100), normal(60, 20)),
        numeric("equal", [1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0] * 3),
    ]

    golden = {
        "made_by": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "categorical": categories,
        "numeric": numbers,
        "noncentrality": [
            [significance, degrees, noncentrality(significance, degrees)]
            for significance in (0.05, 0.01, 0.001, 1e-6)
            for degrees in (1, 2, 3, 5, 9, 30, 100, 1000)
        ],
    }
    lines = []
    for key, value in golden.items():
        if isinstance(value, list):
            rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    Path(__file__).with_name("bins.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()

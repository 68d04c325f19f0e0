"""Writes ranks.json beside this file: samples, and what other programs say of their ranks and moments.

    pip install numpy scipy mpmath
    python ranks.py

The values come from scipy (the file names the versions) by the definitions that `about` gives in each file of src/stat;
the limiting distributions are the published series in the arithmetic of mpmath. The test src/stat/golden_ranks.rs
compares. Do not edit ranks.json.
"""

import json
import math
import platform
import warnings
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import scipy
from mpmath import mp
from scipy import stats

warnings.simplefilter("ignore")
mp.dps = 40
random = np.random.default_rng(20261123)


def anderson_darling_sf(z):
    """The series of Anderson and Darling (1954)."""
    z = mpmath.mpf(z)
    if z <= 0.02:
        return 1.0

    def term(j):
        j = int(j)
        a = (4 * j + 1) ** 2 * mpmath.pi**2 / (8 * z)
        scale = 1 / mpmath.sqrt(a)
        inner = mpmath.quad(
            lambda v: mpmath.exp(z / (8 * ((v * scale) ** 2 + 1)) - v * v), [0, 1, 2, 4, 8, 16]
        )
        sign = (-1) ** j * mpmath.gamma(j + 0.5) * (4 * j + 1) / (mpmath.gamma(0.5) * mpmath.factorial(j))
        return sign * mpmath.exp(-a) * inner * scale

    total, j = mpmath.mpf(0), 0
    while True:
        one = term(j)
        total += one
        j += 1
        if abs(one) < mpmath.mpf(10) ** -36:
            break
    return float(1 - mpmath.sqrt(2 * mpmath.pi) / z * total)


def cramer_von_mises_sf(x):
    """The series of Anderson and Darling (1952), with the Bessel function of order 1/4."""
    x = mpmath.mpf(x)
    if x <= 0.001:
        return 1.0
    total, k = mpmath.mpf(0), 0
    while True:
        y = 4 * k + 1
        q = mpmath.mpf(y * y) / (16 * x)
        one = mpmath.gamma(k + 0.5) / mpmath.factorial(k) * mpmath.sqrt(y) * mpmath.exp(-q) * mpmath.besselk(0.25, q)
        total += one
        k += 1
        if one < mpmath.mpf(10) ** -36:
            break
    return float(1 - total / (mpmath.pi ** 1.5 * mpmath.sqrt(x)))


def kuiper_sf(x):
    x = mpmath.mpf(x)
    if x < 0.1:
        return 1.0
    total, k = mpmath.mpf(0), 1
    while True:
        square = 2 * (k * x) ** 2
        total += 2 * (2 * square - 1) * mpmath.exp(-square)
        if square > 100:
            break
        k += 1
    return float(total)


class Pooled:
    """Two samples by their distinct values, and the covariances of the difference of their shares half-way through each.

    Where values are equal, means and variances of the quadratic statistics follow from these, given which are equal.
    """

    def __init__(self, x, y):
        values, at = np.unique(np.concatenate([x, y]), return_inverse=True)
        self.a = np.bincount(at[: len(x)], minlength=len(values)).astype(float)
        self.b = np.bincount(at[len(x) :], minlength=len(values)).astype(float)
        self.n, self.m = float(len(x)), float(len(y))
        self.total = self.n + self.m
        self.counts = self.a + self.b
        self.tied = bool(np.any(self.counts > 1))
        self.rank = np.cumsum(self.counts) - self.counts / 2
        shares = [np.cumsum(part) - part / 2 for part in (self.a, self.b)]
        self.difference = shares[0] / self.n - shares[1] / self.m

    def covariances(self):
        share = self.rank / self.total
        covariances = np.minimum.outer(share, share) - np.outer(share, share)
        covariances[np.diag_indices_from(covariances)] -= self.counts / self.total / 4
        return covariances

    def quadratic(self, weights):
        """Mean and variance of the weighted sum of squares, for many rows."""
        weighted = self.covariances() * weights * (self.counts / self.total)
        return np.trace(weighted), 2 * np.sum(weighted * weighted.T)


def cramer_von_mises(x, y):
    n, m = len(x), len(y)
    k, total = n * m, n + m
    rank = stats.rankdata(np.concatenate([x, y]))
    u = n * np.sum((np.sort(rank[:n]) - np.arange(1, n + 1)) ** 2)
    u += m * np.sum((np.sort(rank[n:]) - np.arange(1, m + 1)) ** 2)
    value = u / (k * total) - (4 * k - 1) / (6 * total)
    pooled = Pooled(x, y)
    if min(n, m) > 1:
        test = stats.cramervonmises_2samp(x, y, method="asymptotic")
        assert math.isclose(test.statistic, value, rel_tol=1e-12, abs_tol=1e-12)
    variance = (total + 1) / (45 * total**2) * (4 * k * total - 3 * (n * n + m * m) - 2 * k) / (4 * k)
    if not pooled.tied:
        p = cramer_von_mises_sf(1 / 6 + (value - (1 + 1 / total) / 6) / math.sqrt(45 * variance))
        if min(n, m) > 1:
            assert math.isclose(test.pvalue, p, rel_tol=1e-8, abs_tol=1e-8), (test.pvalue, p)
        return float(value), p
    # Midranks without what they add within one sample, and the mean and variance of that given which values are equal.
    apart = k / total * np.sum(pooled.counts / total * pooled.difference**2) + 1 / (4 * total)
    mean, limit = pooled.quadratic(1.0)
    mean = mean * total / (total - 1) + 1 / (4 * total)
    if limit == 0:
        return float(value), 1.0
    return float(value), cramer_von_mises_sf(1 / 6 + (apart - mean) / math.sqrt(45 * limit * 45 * variance))


def anderson_darling(x, y):
    pooled = Pooled(x, y)
    if len(x) + len(y) < 4 or len(pooled.counts) == 1:
        return None
    try:
        value = float(stats.anderson_ksamp([x, y], midrank=True).statistic)
    except TypeError:
        value = float(stats.anderson_ksamp([x, y], variant="midrank").statistic)
    limit = 2 * (math.pi**2 - 9) / 3
    if pooled.tied:
        limit *= limit / pooled.quadratic(1 / np.diag(pooled.covariances()))[1]
    return value, anderson_darling_sf(1 + value * math.sqrt(limit))


def moments(sample):
    exact = [Fraction(float(value)) for value in sample]
    mean = sum(exact) / len(exact)
    return mean, sum((value - mean) ** 2 for value in exact) / (len(exact) - 1)


def mean_shift(x, y):
    if not np.all(np.isfinite(np.concatenate([x, y]))) or len(y) < 2 or len(set(x)) == 1:
        return None
    (mean_x, variance_x), (mean_y, variance_y) = moments(x), moments(y)
    shift = float(abs(mean_y - mean_x))
    errors = [float(variance_x / len(x)), float(variance_y / len(y))]
    degrees = sum(errors) ** 2 / (errors[0] ** 2 / (len(x) - 1) + errors[1] ** 2 / (len(y) - 1))
    p = float(2 * stats.t.sf(shift / math.sqrt(sum(errors)), degrees))
    by_scipy = stats.ttest_ind(x, y, equal_var=False).pvalue
    assert math.isclose(p, by_scipy, rel_tol=1e-5, abs_tol=1e-7), (p, by_scipy)
    return shift / math.sqrt(variance_x), p


def variance_shift(x, y):
    if not np.all(np.isfinite(np.concatenate([x, y]))) or len(set(x)) == 1 or len(set(y)) == 1:
        return None
    # The fractions' sum is exact, whatever the size of an outlier.
    spread = [
        sum(abs(Fraction(float(value)) - Fraction(float(np.median(sample)))) for value in sample) / len(sample)
        for sample in (x, y)
    ]
    return abs(math.log(spread[1] / spread[0])), float(stats.levene(x, y, center="median").pvalue)


def mann_whitney(x, y):
    tied = len(set(x) | set(y)) < len(x) + len(y)
    exact = min(len(x), len(y)) <= 8 and not tied and len(x) * len(y) <= 20_000
    test = stats.mannwhitneyu(y, x, alternative="two-sided", method="exact" if exact else "asymptotic")
    p = float(test.pvalue)
    return float(abs(2 * test.statistic / (len(x) * len(y)) - 1)), 1.0 if math.isnan(p) else p


def kuiper(x, y):
    at = np.concatenate([x, y])
    shares = [np.searchsorted(np.sort(sample), at, side="right") / len(sample) for sample in (x, y)]
    difference = shares[1] - shares[0]
    value = max(difference.max(), 0) - min(difference.min(), 0)
    root = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    return float(value), kuiper_sf((root + 0.155 + 0.24 / root) * value)


def ks(x, y):
    exact = len(x) * len(y) <= 250_000
    test = stats.ks_2samp(x, y, method="exact" if exact else "asymp")
    d = float(test.statistic)
    root = math.sqrt(len(x) * len(y) / (len(x) + len(y)))
    return d, float(test.pvalue) if exact else float(stats.kstwobign.sf(root * d))


def case(name, x, y):
    x, y = np.asarray(x, float), np.asarray(y, float)
    finite = bool(np.all(np.isfinite(np.concatenate([x, y]))))
    show = lambda sample: [float(v) if math.isfinite(v) else ("inf" if v > 0 else "-inf") for v in sample]
    return {
        "name": name,
        "reference": show(x),
        "current": show(y),
        "ks": ks(x, y),
        "kuiper": kuiper(x, y),
        "cramer_von_mises": cramer_von_mises(x, y),
        "anderson_darling": anderson_darling(x, y),
        "mann_whitney": mann_whitney(x, y),
        "mean_shift": mean_shift(x, y),
        "variance_shift": variance_shift(x, y),
        "wasserstein_raw": float(stats.wasserstein_distance(x, y)) if finite else None,
        "energy_distance": float(stats.energy_distance(x, y)) if finite else None,
    }


def normal(n, mean=0.0, deviation=1.0, digits=6):
    return np.round(random.normal(mean, deviation, n), digits)


inf = math.inf
CASES = [
    case("normal, unchanged", normal(400), normal(300)),
    case("normal, shifted by half a deviation", normal(400), normal(300, 0.5)),
    case("normal, twice as wide", normal(300), normal(200, 0, 2)),
    case("large, unchanged", normal(5000), normal(5000)),
    case("large, shifted a little", normal(5000), normal(2000, 0.05)),
    case("just below where the exact p-value ends", normal(500), normal(500, 0.2)),
    case("just above where the exact p-value ends", normal(501), normal(500, 0.2)),
    case("large reference, small window", normal(3000), normal(6, 1)),
    case("small reference, large window", normal(8), normal(900, 0.7)),
    case("eight and eight", normal(8), normal(8, 1)),
    case("nine and nine", normal(9), normal(9, 1)),
    case("uniform and one outlier", random.uniform(0, 1, 300), np.append(random.uniform(0, 1, 99), 1e9)),
    case("Pareto", np.round(random.pareto(1.2, 700), 6), np.round(random.pareto(1.1, 500), 6)),
    case("Cauchy", np.round(random.standard_cauchy(600), 5), np.round(random.standard_cauchy(800) * 1.3, 5)),
    case("lognormal", np.round(random.lognormal(0, 1.5, 600), 5), np.round(random.lognormal(0.2, 1.5, 250), 5)),
    case("counts, unchanged, unequal sizes", random.poisson(3, 2000), random.poisson(3, 200)),
    case("counts, changed", random.poisson(3, 400), random.poisson(3.6, 250)),
    case("yes and no", random.integers(0, 2, 700), random.integers(0, 2, 300)),
    case("mostly zeros", random.poisson(0.1, 700), np.append(np.zeros(200), normal(40, 3))),
    case("rounded to one digit", normal(600, digits=1), normal(500, 0.1, digits=1)),
    case("tiny", [1.0, 2.0, 3.0, 5.0, 8.0], [2.5, 4.0, 9.0]),
    case("tiny, with ties", [1.0, 2.0, 2.0, 5.0], [2.0, 4.0, 4.0]),
    case("two rows and one", [0.0, 1.0], [0.25]),
    case("many rows and one", normal(50), [0.25]),
    case("equal, of one size", [1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0]),
    case("equal, of two sizes", [1.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0] * 3),
    case("constant and the same", [4.0] * 20, [4.0] * 10),
    case("constant and another", [4.0] * 20, [5.0] * 10),
    case("constant reference", [4.0] * 20, [4.0] * 10 + [5.0]),
    case("constant window", normal(100), [0.5] * 30),
    case("wholly above", normal(100), normal(60, 20)),
    case("wholly below", normal(100), normal(60, -20)),
    case("far from zero", normal(200, 1.7e9, 20, 2), normal(150, 1.7e9 + 5, 20, 2)),
    case("very small", normal(100, digits=4) * 1e-12, normal(100, 0.3, digits=4) * 1e-12),
    case("infinities in the window", normal(200), np.append(normal(90), [inf] * 6 + [-inf] * 2)),
    case("infinities on both sides", np.append(normal(200), [inf, -inf]), np.append(normal(90), [inf] * 6 + [-inf] * 2)),
    case("one infinity", normal(30), np.append(normal(6), inf)),
]

X = np.concatenate([np.arange(0.02, 0.6, 0.02), np.arange(0.6, 4, 0.2), [5, 6, 8, 10, 14, 20]])
LIMITS = [[float(x), cramer_von_mises_sf(x), anderson_darling_sf(x), kuiper_sf(x)] for x in X]
STUDENT = [
    [t, degrees, float(2 * stats.t.sf(t, degrees))]
    for t in (0.0, 1e-6, 0.1, 0.9, 1.7, 1.75, 2.5, 4.0, 8.0, 20.0)
    for degrees in (0.7, 1.0, 2.0, 3.5, 10.0, 59.0, 61.0, 500.0, 1e4, 3e5, 9.9e5, 1.01e6, 1e9)
]

golden = {
    "made_by": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "mpmath": mpmath.__version__,
    },
    "cases": CASES,
    "limits": LIMITS,
    "student": STUDENT,
}
lines = []
for key, value in golden.items():
    if isinstance(value, list):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
Path(__file__).with_name("ranks.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

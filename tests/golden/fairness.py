"""Writes fairness.json beside this file: decisions about people in groups, and what other programs say of them.

    pip install numpy pandas scikit-learn scipy statsmodels fairlearn aif360 smclarify
    python fairness.py

Values of groups come from scikit-learn; of attributes over their groups from fairlearn, and the inequality indices and
average odds from AIF360; of a group against the rest from smclarify, Amazon SageMaker Clarify's own library. Intervals
of shares and of differences of two come from statsmodels; those of ratios and sums of shares are roots of the equations
that define them (Donner and Zou, 2012), found by scipy with statsmodels' Wilson limits.

Where these programs say 0 or infinity of what cannot be known, null is expected, and groups of which it cannot be known
are taken out before they are asked. The test src/stat/golden_fairness.rs compares. Do not edit fairness.json.
"""

import itertools
import json
import logging
import math
import platform
from importlib.metadata import version
from pathlib import Path

logging.disable(logging.WARNING)

import numpy as np
import pandas as pd
from aif360.sklearn import metrics as aif360
from fairlearn import metrics as fairlearn
from scipy.optimize import brentq
from sklearn import metrics as sklearn
from smclarify.bias.metrics import posttraining as clarify
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

random = np.random.default_rng(20261124)
# Draws that decide of no row.
elsewhere = np.random.default_rng(1)
LEVEL = 0.05


# Intervals. A share is its hits and its rows; an estimate is a value with its ends.


def wilson(share, level=LEVEL):
    hits, n = share
    low, high = proportion_confint(int(hits), int(n), alpha=level, method="wilson")
    return hits / n, min(low, hits / n), max(high, hits / n)


def newcombe(one, other, level=LEVEL):
    """The difference of two shares."""
    low, high = confint_proportions_2indep(*map(int, one + other), method="newcomb", compare="diff", alpha=level)
    value = one[0] / one[1] - other[0] / other[1]
    own = minus(wilson(one, level), wilson(other, level))
    assert np.allclose((value, low, high), own, rtol=0, atol=1e-12)
    return value, min(low, value), max(high, value)


def minus(one, other):
    """The difference of two independent estimates: the squares of the distances to their ends add up."""
    value = one[0] - other[0]
    return (
        value,
        value - math.hypot(one[0] - one[1], other[2] - other[0]),
        value + math.hypot(one[2] - one[0], other[0] - other[1]),
    )


def root(f, low, high):
    return brentq(f, low, high, xtol=1e-15, rtol=1e-14, maxiter=1000)


def over(one, other, correlation=0.0):
    """The ratio of two estimates: what the difference of the first and a multiple of the second may be zero for."""

    def distance(a, b):
        return math.sqrt(max(a * a - 2 * correlation * a * b + b * b, 0.0))

    def lower(ratio):
        return one[0] - ratio * other[0] - distance(one[0] - one[1], ratio * (other[2] - other[0]))

    def upper(ratio):
        return one[0] - ratio * other[0] + distance(one[2] - one[0], ratio * (other[0] - other[1]))

    if other[0] == 0:
        return None
    value = one[0] / other[0]
    low = root(lower, 0, value) if one[1] > 0 else 0.0
    most = value + 1.0
    while upper(most) > 0:
        most *= 2
    return value, low, root(upper, value, most) if upper(value) > 0 else value


def mean(one, other):
    """The mean of two independent estimates."""
    value = (one[0] + other[0]) / 2
    below, above = (math.hypot(*(estimate[0] - estimate[end] for estimate in (one, other))) / 2 for end in (1, 2))
    return value, value - below, value + above


def pairs(estimates):
    return list(itertools.permutations(estimates, 2))


def widest(differences):
    """The largest of differences that hold at once."""
    return [max(0.0, max(one[end] for one in differences)) for end in (1, 2)]


# Rows: a data frame with a column of each attribute, `chosen` and `label` (with nulls), `score` and `condition`.

SHARES = {
    "selection_rate": lambda y, c: (c.sum(), len(c)),
    "true_positive_rate": lambda y, c: ((y & c).sum(), y.sum()),
    "false_positive_rate": lambda y, c: ((~y & c).sum(), (~y).sum()),
    "true_negative_rate": lambda y, c: ((~y & ~c).sum(), (~y).sum()),
    "false_negative_rate": lambda y, c: ((y & ~c).sum(), y.sum()),
    "positive_predictive_value": lambda y, c: ((y & c).sum(), c.sum()),
    "negative_predictive_value": lambda y, c: ((~y & ~c).sum(), (~c).sum()),
    "accuracy": lambda y, c: ((y == c).sum(), len(y)),
}

BY_SKLEARN = {
    "true_positive_rate": lambda y, c: sklearn.recall_score(y, c, zero_division=np.nan),
    "false_positive_rate": lambda y, c: 1 - sklearn.recall_score(y, c, pos_label=False, zero_division=np.nan),
    "true_negative_rate": lambda y, c: sklearn.recall_score(y, c, pos_label=False, zero_division=np.nan),
    "false_negative_rate": lambda y, c: 1 - sklearn.recall_score(y, c, zero_division=np.nan),
    "positive_predictive_value": lambda y, c: sklearn.precision_score(y, c, zero_division=np.nan),
    "negative_predictive_value": lambda y, c: sklearn.precision_score(y, c, pos_label=False, zero_division=np.nan),
    "accuracy": lambda y, c: sklearn.accuracy_score(y, c),
}


def chosen(rows):
    return rows[rows.chosen.notna()]


def judged(rows):
    return rows[rows.chosen.notna() & rows.label.notna()]


def columns(rows):
    return rows.label.astype(bool).to_numpy(), rows.chosen.astype(bool).to_numpy()


def share(name, rows):
    if name == "selection_rate":
        return SHARES[name](None, chosen(rows).chosen.astype(bool).to_numpy())
    return SHARES[name](*columns(judged(rows)))


def of_group(rows, least):
    """What there is of one group, each null when it cannot be known or told."""
    expected = {}
    for name in SHARES:
        part = share(name, rows)
        told = chosen(rows) if name == "selection_rate" else judged(rows)
        if len(told) < max(least, 1) or part[1] == 0:
            expected[name] = None
            continue
        expected[name] = wilson(part)
        if name in BY_SKLEARN:
            assert math.isclose(expected[name][0], BY_SKLEARN[name](*columns(told)), abs_tol=1e-12)
    scored = rows[rows.label.notna() & rows.score.notna()]
    if len(scored) < max(least, 1):
        expected["calibration_gap"] = None
    else:
        positives = wilson((scored.label.astype(bool).sum(), len(scored)))
        scores = scored.score.mean()
        expected["calibration_gap"] = (scores - positives[0], scores - positives[2], scores - positives[1])
    return expected


def groups_of(rows, attribute, least, part):
    """The groups of which enough rows are told, with their rows."""
    apart = {name: group for name, group in rows.groupby("&".join(attribute), sort=True)}
    return {name: group for name, group in apart.items() if len(part(group)) >= max(least, 1)}


def known(groups, name):
    """The groups of which a share is known."""
    found = {group: rows for group, rows in groups.items() if share(name, rows)[1] > 0}
    return found if len(found) >= 2 else None


def by_fairlearn(metric, groups):
    rows = pd.concat([part.assign(group=str(name)) for name, part in groups.items()])
    y, c = columns(rows.assign(label=rows.label.fillna(False)))
    return float(metric(y, c, sensitive_features=rows.group))


def frame(metric):
    """fairlearn's difference of a figure for which it has no function of its own."""

    def difference(y, c, sensitive_features):
        return fairlearn.MetricFrame(
            metrics=metric, y_true=y, y_pred=c, sensitive_features=sensitive_features
        ).difference(method="between_groups")

    return difference


def gap(groups, name, metric, level=None):
    """The difference of the largest share and the smallest, by intervals of all pairs that hold at once."""
    groups = known(groups, name)
    if groups is None:
        return None
    shares = [share(name, rows) for rows in groups.values()]
    value = by_fairlearn(metric, groups)
    level = level or LEVEL / math.comb(len(shares), 2)
    return [value, *widest([newcombe(*pair, level) for pair in pairs(shares)])]


def quotient(groups, name, metric, level=None):
    """The smallest share over the largest, and its ends: those of the pair for which each is the smallest."""
    groups = known(groups, name)
    if groups is None or all(share(name, rows)[0] == 0 for rows in groups.values()):
        return None
    shares = [share(name, rows) for rows in groups.values()]
    level = level or LEVEL / math.comb(len(shares), 2)
    value = by_fairlearn(metric, groups)
    ends = []
    for one, other in itertools.combinations(sorted(shares, key=lambda part: part[0] / part[1]), 2):
        if other[0] == 0:
            # Two shares of zero say nothing of their ratio.
            ends.append((0.0, math.inf))
            continue
        _, low, high = over(wilson(one, level), wilson(other, level))
        # What the ratio can be from either side.
        ends += [(low, high), (1 / high if high else math.inf, 1 / low if low else math.inf)]
    return [value, min(low for low, _ in ends), min(1.0, min(high for _, high in ends))]


def odds(groups):
    """Both parts of equalized odds, each with the groups of which it is known, and the level for all pairs at once."""
    parts = [known(groups, name) for name in ("true_positive_rate", "false_positive_rate")]
    if None in parts:
        return None
    return parts, LEVEL / sum(math.comb(len(part), 2) for part in parts)


def equalized_odds(groups):
    parts = odds(groups)
    if parts is None:
        return None, None
    (by_positives, by_negatives), level = parts
    gaps = [
        gap(by_positives, "true_positive_rate", fairlearn.equal_opportunity_difference, level),
        gap(by_negatives, "false_positive_rate", frame(fairlearn.false_positive_rate), level),
    ]
    difference = [max(part[i] for part in gaps) for i in range(3)]
    quotients = [
        quotient(by_positives, "true_positive_rate", fairlearn.equal_opportunity_ratio, level),
        quotient(by_negatives, "false_positive_rate", false_positive_ratio, level),
    ]
    ratio = None if None in quotients else [min(part[i] for part in quotients) for i in range(3)]
    if list(by_positives) == list(by_negatives):
        assert math.isclose(by_fairlearn(fairlearn.equalized_odds_difference, groups), difference[0], abs_tol=1e-12)
        if ratio:
            assert math.isclose(by_fairlearn(fairlearn.equalized_odds_ratio, groups), ratio[0], abs_tol=1e-12)
    return difference, ratio


def false_positive_ratio(y, c, sensitive_features):
    return fairlearn.MetricFrame(
        metrics=fairlearn.false_positive_rate, y_true=y, y_pred=c, sensitive_features=sensitive_features
    ).ratio(method="between_groups")


def average_odds(groups):
    """AIF360's, the largest of all pairs of groups."""
    groups = {
        name: rows
        for name, rows in groups.items()
        if all(share(part, rows)[1] > 0 for part in ("true_positive_rate", "false_positive_rate"))
    }
    if len(groups) < 2:
        return None
    values = []
    for one, other in itertools.combinations(groups, 2):
        both = pd.concat([groups[one].assign(group=str(one)), groups[other].assign(group=str(other))])
        y, c = columns(both)
        y = pd.Series(y.astype(int), index=pd.Index(both.group, name="group"))
        values.append(abs(aif360.average_odds_difference(y, c.astype(int), prot_attr="group", priv_group=str(one))))
    level = LEVEL / len(values)
    estimates = [
        mean(*(wilson(share(part, rows), level) for part in ("true_positive_rate", "false_positive_rate")))
        for rows in groups.values()
    ]
    return [float(max(values)), *widest([minus(*pair) for pair in pairs(estimates)])]


def errors(rows):
    """False negatives and false positives."""
    y, c = columns(rows)
    return int((y & ~c).sum()), int((~y & c).sum())


def treatment(rows, level):
    """False negatives for each false positive, by the share of false negatives among errors; null without a false
    positive."""
    missed, false = errors(rows)
    if false == 0:
        return None
    _, low, high = wilson((missed, missed + false), level)
    return missed / false, low / (1 - low), high / (1 - high)


def treatment_equality(groups):
    groups = [rows for rows in groups.values() if errors(rows)[1] > 0]
    if len(groups) < 2:
        return None
    level = LEVEL / math.comb(len(groups), 2)
    estimates = [treatment(rows, level) for rows in groups]
    values = [estimate[0] for estimate in estimates]
    return [max(values) - min(values), *widest([minus(*pair) for pair in pairs(estimates)])]


def inequality(groups, alpha):
    """AIF360's index over all rows, and the most and the least of it where the shares of false negatives and of false
    positives are in their intervals, tried in many places."""
    rows = pd.concat(list(groups.values()))
    y, c = columns(rows)
    if (y & ~c).all():
        return None
    value = float(aif360.generalized_entropy_error(y.astype(int), c.astype(int), alpha=alpha, pos_label=1))
    if alpha == 2:
        by_clarify = clarify.GE(pd.Series(y), pd.Series(c))
        assert math.isclose(value, by_clarify, rel_tol=1e-12, abs_tol=1e-15)

    def index(missed, false):
        shares = np.array([missed, 1 - missed - false, false])
        benefits = np.arange(3.0)
        average = shares @ benefits
        if alpha == 2:
            return (shares @ (benefits / average) ** 2 - 1) / 2
        ratios = benefits[1:] / average
        return shares[1:] @ (ratios * np.log(ratios))

    assert math.isclose(value, index((y & ~c).mean(), (~y & c).mean()), rel_tol=1e-9, abs_tol=1e-12)
    missed, false = (wilson((hits.sum(), len(y)), LEVEL / 2) for hits in (y & ~c, ~y & c))
    # It grows with the share of false negatives; in that of false positives it has a maximum.
    low = min(index(missed[1], min(end, 1 - missed[1])) for end in false[1:])
    most = min(missed[2], 1 - false[1])
    last = min(false[2], 1 - most)
    tried = np.linspace(false[1], last, 2001)
    best = tried[np.argmax([index(most, end) for end in tried])]
    high = max(index(most, end) for end in (false[1], best, last))
    if false[1] < best < last:
        # Nearer than the places tried, where the derivative is zero.
        step = (last - false[1]) / 2000
        slope = lambda end: (index(most, end + 1e-6) - index(most, end - 1e-6)) / 2e-6
        high = index(most, brentq(slope, best - step, best + step))
    for _ in range(2000):
        tried = random_in(missed), random_in(false)
        assert sum(tried) > 1 or low - 1e-9 <= index(*tried) <= high + 1e-9
    return value, max(0.0, low), high


def random_in(estimate):
    return estimate[1] + elsewhere.random() * (estimate[2] - estimate[1])


def between(groups, alpha):
    rows = pd.concat([part.assign(group=str(name)) for name, part in groups.items()])
    y, c = columns(rows)
    if (y & ~c).all():
        return None
    y = pd.Series(y.astype(int))
    arguments = {"prot_attr": rows.group.to_numpy(), "alpha": alpha, "pos_label": 1}
    value = float(aif360.between_group_generalized_entropy_error(y, c.astype(int), **arguments))
    return [max(value, 0.0), None, None]


def of_attribute(rows, attribute, least):
    unlabelled = groups_of(rows, attribute, least, chosen)
    labelled = {name: judged(part) for name, part in groups_of(rows, attribute, least, judged).items()}
    unlabelled = {name: chosen(part) for name, part in unlabelled.items()}
    found = {}
    if len(unlabelled) >= 2:
        of_selection = (unlabelled, "selection_rate")
        found |= {
            "demographic_parity_difference": gap(*of_selection, fairlearn.demographic_parity_difference),
            "demographic_parity_ratio": quotient(*of_selection, fairlearn.demographic_parity_ratio),
        }
    if len(labelled) >= 2:
        odds_difference, odds_ratio = equalized_odds(labelled)
        opportunity = (labelled, "true_positive_rate")
        found |= {
            "equal_opportunity_difference": gap(*opportunity, fairlearn.equal_opportunity_difference),
            "equal_opportunity_ratio": quotient(*opportunity, fairlearn.equal_opportunity_ratio),
            "equalized_odds_difference": odds_difference,
            "equalized_odds_ratio": odds_ratio,
            "average_odds_difference": average_odds(labelled),
            "predictive_parity_difference": gap(
                labelled, "positive_predictive_value", frame(sklearn.precision_score)
            ),
            "predictive_equality_difference": gap(
                labelled, "false_positive_rate", frame(fairlearn.false_positive_rate)
            ),
            "treatment_equality_difference": treatment_equality(labelled),
            "accuracy_difference": gap(labelled, "accuracy", frame(sklearn.accuracy_score)),
            "theil_index": inequality(labelled, 1),
            "generalized_entropy_index": inequality(labelled, 2),
            "between_group_theil_index": between(labelled, 1),
            "between_group_generalized_entropy_index": between(labelled, 2),
        }
    return found


def conditional_outcome(rows, label, level=LEVEL):
    """How many rows have a label for each that was decided so, from the same rows, so that the two are correlated."""
    y, c = columns(rows)
    y, c = y == label, c == label
    if not c.any():
        return None
    correlated = y.any() and not y.all() and not c.all()
    correlation = np.corrcoef(y, c)[0, 1] if correlated else 0.0
    return over(wilson((y.sum(), len(y)), level), wilson((c.sum(), len(c)), level), correlation)


def against_rest(groups, unlabelled, name, least):
    """smclarify's figures of one group, d, against all others together, a."""
    names = dict.fromkeys("dppl di dca dcr rd sd dar drr ad te cddpl".split())

    def sides(groups):
        if name not in groups or len(groups) < 2:
            return None
        rows = pd.concat(list(groups.values()))
        is_d = pd.concat([pd.Series(group == name, index=part.index) for group, part in groups.items()])
        return rows, is_d, groups[name], rows[~is_d]

    def near(expected, actual):
        assert expected is None or math.isclose(expected[0], actual, abs_tol=1e-9), (expected, actual)
        return expected and [float(actual), *expected[1:]]

    apart = sides(unlabelled)
    if apart:
        rows, is_d, d, a = apart
        decisions = (pd.Series(is_d), rows.chosen.astype(bool))
        one, rest = (share("selection_rate", part) for part in (d, a))
        names["dppl"] = near(newcombe(rest, one), clarify.DPPL(rows.index.to_series(), *decisions))
        if rest[0] > 0:
            names["di"] = near(over(wilson(one), wilson(rest)), clarify.DI(rows.index.to_series(), *decisions))
        names["cddpl"] = conditional_disparity(rows, is_d)

    apart = sides(groups)
    if not apart:
        return names
    rows, is_d, d, a = apart
    arguments = (rows.index.to_series(), pd.Series(is_d), rows.label.astype(bool), rows.chosen.astype(bool))
    for key, figure, sign in [
        ("rd", "true_positive_rate", 1),
        ("sd", "true_negative_rate", -1),
        ("dar", "positive_predictive_value", 1),
        ("drr", "negative_predictive_value", -1),
        ("ad", "accuracy", 1),
    ]:
        one, rest = share(figure, d), share(figure, a)
        if one[1] > 0 and rest[1] > 0:
            difference = newcombe(rest, one) if sign > 0 else newcombe(one, rest)
            names[key] = near(difference, getattr(clarify, key.upper())(*arguments))
    for key, figure, sign in [
        ("dca", lambda rows: conditional_outcome(rows, True), 1),
        ("dcr", lambda rows: conditional_outcome(rows, False), -1),
        ("te", lambda rows: treatment(rows, LEVEL), -1),
    ]:
        one, rest = figure(d), figure(a)
        if one and rest:
            difference = minus(rest, one) if sign > 0 else minus(one, rest)
            names[key] = near(difference, getattr(clarify, key.upper())(*arguments))
    return names


def conditional_disparity(rows, is_d):
    """smclarify's, of the strata in which there are both chosen and rejected rows."""
    is_chosen = rows.chosen.astype(bool)
    mixed = rows.groupby("condition").chosen.transform(lambda part: part.astype(bool).nunique()) == 2
    if not mixed.any():
        return None
    rows, is_d, is_chosen = rows[mixed], is_d[mixed], is_chosen[mixed]
    value = clarify.CDDPL(rows.index.to_series(), is_d, is_chosen, rows.condition)
    below = above = 0.0
    for stratum in rows.condition.unique():
        here = rows.condition == stratum
        weight = here.mean()
        rejected, accepted = (
            wilson((int((is_d & here & part).sum()), int((here & part).sum()))) for part in (~is_chosen, is_chosen)
        )
        below += weight**2 * ((rejected[0] - rejected[1]) ** 2 + (accepted[2] - accepted[0]) ** 2)
        above += weight**2 * ((rejected[2] - rejected[0]) ** 2 + (accepted[0] - accepted[1]) ** 2)
    return [float(value), float(value - math.sqrt(below)), float(value + math.sqrt(above))]


def plain(expected):
    """Numbers as JSON has them, with as many digits as count."""
    if expected is None:
        return None
    return [None if x is None or not math.isfinite(x) else float(f"{x:.14g}") for x in expected]


def case(name, rows, attributes, least=1):
    rows = rows.reset_index(drop=True)
    for attribute in attributes:
        # Rows without one of the attributes are in no group.
        values = rows[list(attribute)].to_numpy()
        rows["&".join(attribute)] = [None if pd.isna(row).any() else "&".join(row) for row in values]
    expected = []
    for attribute in attributes:
        labelled = {key: judged(part) for key, part in groups_of(rows, attribute, least, judged).items()}
        unlabelled = {key: chosen(part) for key, part in groups_of(rows, attribute, least, chosen).items()}
        of_groups = {}
        for group, part in rows.groupby("&".join(attribute), sort=True):
            found = of_group(part, least) | against_rest(labelled, unlabelled, group, least)
            of_groups[group] = {key: plain(value) for key, value in found.items()}
        over_groups = {key: plain(value) for key, value in of_attribute(rows, attribute, least).items()}
        expected.append({"by": list(attribute), "groups": of_groups, "over_groups": over_groups})
    names = sorted({column for attribute in attributes for column in attribute})
    bit = lambda value: None if value is None else int(value)
    raw = [
        [[row[column] for column in names], bit(row["chosen"]), bit(row["label"]), row["score"], row["condition"]]
        for row in rows.astype(object).where(rows.notna(), None).to_dict("records")
    ]
    return {"name": name, "columns": names, "min_group": least, "attributes": expected, "rows": raw}


def people(n, selection, truth, shares, unlabelled=0.1, undecided=0.0):
    """Rows with the chance of being chosen, and of being positive, by `sex` (and what else `shares` has)."""
    rows = pd.DataFrame({name: random.choice(list(of), n, p=list(of.values())) for name, of in shares.items()})
    first = next(iter(shares))
    positive = random.random(n) < rows[first].map(truth)
    score = np.round(np.clip(rows[first].map(selection) + 0.35 * (positive - 0.5) + random.normal(0, 0.2, n), 0, 1), 2)
    rows["chosen"] = pd.Series(score >= 0.5, dtype=object).where(random.random(n) >= undecided, None)
    rows["label"] = pd.Series(positive, dtype=object).where(random.random(n) >= unlabelled, None)
    rows["score"] = score
    rows["condition"] = random.choice(["north", "south", "west"], n, p=[0.5, 0.3, 0.2])
    return rows


def listed(groups):
    """Rows by counts of (true positives, false positives, false negatives, true negatives) of each group."""
    rows = [
        {"sex": group, "chosen": c, "label": y, "score": 0.75 if c else 0.25, "condition": "north"}
        for group, counts in groups.items()
        for count, (c, y) in zip(counts, [(True, True), (True, False), (False, True), (False, False)])
        for _ in range(count)
    ]
    return pd.DataFrame(rows).astype({"chosen": object, "label": object})


SEX = {"F": 0.5, "M": 0.5}
AGES = {"young": 0.4, "middle": 0.35, "old": 0.25}
REGIONS = {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}

crossed = people(260, {"F": 0.45, "M": 0.55}, {"F": 0.4, "M": 0.5}, {"sex": SEX, "age_group": AGES})
crossed.loc[random.random(len(crossed)) < 0.05, "age_group"] = None

CASES = [
    case("two groups", people(150, {"F": 0.4, "M": 0.6}, {"F": 0.4, "M": 0.5}, {"sex": SEX}), [["sex"]]),
    case(
        "four groups, some rows undecided",
        people(
            240,
            {"a": 0.3, "b": 0.5, "c": 0.55, "d": 0.7},
            {"a": 0.3, "b": 0.4, "c": 0.5, "d": 0.5},
            {"region": REGIONS},
            undecided=0.05,
        ),
        [["region"]],
    ),
    case("two crossed attributes", crossed, [["sex"], ["age_group"], ["sex", "age_group"]]),
    case(
        "unbalanced",
        people(300, {"F": 0.35, "M": 0.6}, {"F": 0.4, "M": 0.5}, {"sex": {"F": 0.05, "M": 0.95}}, unlabelled=0.3),
        [["sex"]],
    ),
    case(
        "four groups, one of which is withheld",
        people(
            200,
            {"a": 0.3, "b": 0.5, "c": 0.55, "d": 0.7},
            {"a": 0.3, "b": 0.4, "c": 0.5, "d": 0.5},
            {"region": {"a": 0.45, "b": 0.35, "c": 0.15, "d": 0.05}},
        ),
        [["region"]],
        least=20,
    ),
    case(
        "two groups, one of which is withheld",
        people(60, {"F": 0.4, "M": 0.6}, {"F": 0.4, "M": 0.5}, {"sex": {"F": 0.2, "M": 0.8}}),
        [["sex"]],
        least=20,
    ),
    case("a group without positives", listed({"F": (0, 4, 0, 20), "M": (12, 3, 5, 9)}), [["sex"]]),
    case(
        "a third group without positives",
        listed({"F": (8, 4, 3, 11), "M": (12, 3, 5, 9), "X": (0, 2, 0, 9)}),
        [["sex"]],
    ),
    case("nobody of a group is chosen", listed({"F": (0, 0, 6, 14), "M": (12, 3, 5, 9)}), [["sex"]]),
    case("all of a group are chosen", listed({"F": (10, 6, 0, 0), "M": (12, 3, 5, 9)}), [["sex"]]),
    case("nobody is chosen", listed({"F": (0, 0, 6, 14), "M": (0, 0, 5, 9)}), [["sex"]]),
    case("no errors", listed({"F": (6, 0, 0, 14), "M": (12, 0, 0, 9)}), [["sex"]]),
    case("nothing but false negatives", listed({"F": (0, 0, 6, 0), "M": (0, 0, 9, 0)}), [["sex"]]),
    case("nothing but false positives", listed({"F": (0, 6, 0, 0), "M": (0, 9, 0, 0)}), [["sex"]]),
    case("many false positives", listed({"F": (2, 16, 1, 7), "M": (3, 14, 2, 9)}), [["sex"]]),
    case("equal groups", listed({"F": (4, 2, 1, 3), "M": (8, 4, 2, 6)}), [["sex"]]),
]

# Pairs of shares with the ends of their difference and ratio, at levels as they are for one pair and for many.
INTERVALS = [
    [*one, *other, level, plain(newcombe(one, other, level)), plain(over(wilson(one, level), wilson(other, level)))]
    for one, other in [
        ((56, 70), (48, 80)),
        ((9, 10), (3, 10)),
        ((0, 20), (5, 30)),
        ((0, 20), (10, 10)),
        ((10, 10), (20, 20)),
        ((1, 1), (1, 3)),
        ((1, 500), (1, 40)),
        ((15, 300), (123456, 999999)),
    ]
    for level in (LEVEL, LEVEL / 6, LEVEL / 499500)
]

golden = {
    "made_by": {"python": platform.python_version()}
    | {
        package: version(package)
        for package in "numpy pandas scikit-learn scipy statsmodels fairlearn aif360 smclarify".split()
    },
    "intervals": INTERVALS,
    "cases": CASES,
}
lines = []
for key, value in golden.items():
    if isinstance(value, list):
        rows = ",\n".join(json.dumps(row, separators=(",", ":")) for row in value)
        lines.append(f"{json.dumps(key)}: [\n{rows}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
Path(__file__).with_name("fairness.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

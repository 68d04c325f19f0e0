"""Writes attribution.json beside this file: attributions, and how far they have drifted.

    pip install numpy scikit-learn
    python attribution.py

NDCG is sklearn.metrics.ndcg_score, with the reference's mean magnitudes as the relevances and the window's as the scores;
it averages over the orders of what is tied. The first sample is the worked example of SageMaker's documentation
("Feature attribution drift for models in production"): .70, .50 and .05, in the opposite order. The test in
src/stat/attribution.rs compares. Do not edit attribution.json.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.metrics import ndcg_score

random = np.random.default_rng(20261123)


def sample(name, reference, current):
    """A list of rows for each feature on each side."""
    r, c = ([float(np.mean(np.abs(rows))) for rows in side] for side in (reference, current))
    return {
        "name": name,
        "reference": [list(map(float, rows)) for rows in reference],
        "current": [list(map(float, rows)) for rows in current],
        "ndcg": float(ndcg_score([r], [c])),
        "normalised_l1": float(np.abs(np.subtract(c, r)).sum() / np.sum(r)),
    }


def random_side(scales, rows):
    return [np.round(random.normal(0, scale, rows), 3) for scale in scales]


samples = [
    sample("sagemaker", [[0.70], [0.50], [0.05]], [[0.05], [0.50], [0.70]]),
    sample("signs do not matter", [[0.7, -0.7], [0.5, 0.5]], [[-0.7, -0.7], [-0.5, 0.5]]),
    sample("collapsed", [[0.70], [0.50], [0.05]], [[0.07], [0.05], [0.005]]),
    sample("tied", [[0.9], [0.4], [0.2], [0.1]], [[0.3], [0.3], [0.3], [0.5]]),
    sample("nothing left", [[0.9], [0.4], [0.2]], [[0.0], [0.0], [0.0]]),
]
for count in (2, 5, 12, 40):
    scales = random.uniform(0.01, 2, count)
    live = scales * random.lognormal(0, 0.8, count)
    samples.append(sample(f"{count} features", random_side(scales, 30), random_side(live, 20)))

written = {"versions": {"numpy": np.__version__, "sklearn": sklearn.__version__}, "samples": samples}
text = json.dumps(written).replace('{"name"', '\n{"name"')
Path(__file__).with_name("attribution.json").write_text(text + "\n")

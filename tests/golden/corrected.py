"""Writes corrected.json: p-values and what scipy.stats.false_discovery_control makes of them.

    pip install numpy scipy && python corrected.py
"""

import json
import pathlib

import numpy as np
from scipy.stats import false_discovery_control

random = np.random.default_rng(20_240_501)
cases = [
    [0.03],
    [1.0, 1.0],
    # The example of Benjamini and Hochberg, 1995, section 3.
    [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0],
    # Ties, and extremes.
    [0.01, 0.02, 0.01, 0.02, 0.9, 0.01],
    [0.0, 1e-300, 0.5, 1.0],
    random.uniform(size=22).tolist(),
    np.concatenate([random.uniform(size=200), random.uniform(0, 1e-4, size=20)]).tolist(),
]
golden = [{"p_values": p, "q_values": false_discovery_control(p).tolist()} for p in cases]
path = pathlib.Path(__file__).with_name("corrected.json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in golden) + "\n]\n")

"""Writes elec2.json beside this file: what other programs say of the Elec2 log.

    pip install numpy scipy scikit-learn pyarrow
    python elec2.py DATA

DATA is the folder with elec2-reference.parquet, elec2-predictions.jsonl.gz and elec2-labels.jsonl.gz. The values come
from scipy, numpy and scikit-learn on the raw rows, by the definitions that `about` gives in each file of src/stat; only statistics are kept, and no row. The
test tests/elec2.rs compares. Do not edit elec2.json.
"""

import gzip
import json
import math
import platform
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import scipy
import sklearn
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn import metrics

DAY = 86_400_000
NUMERIC = ["period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer", "score"]
CATEGORICAL = ["weekday", "daypart", "prediction"]
# A week of each version, and the week in which the one took over from the other.
LOOKED_AT = [("1", "1997-07-01"), ("1", "1998-01-25"), ("2", "1998-01-25"), ("2", "1998-09-29")]
SIGNIFICANCE = 0.001
KS_THRESHOLD = 0.1

data = Path(sys.argv[1])
table = parquet.read_table(data / "elec2-reference.parquet")
named = {"prediction": "class"}
reference = {name: np.array(table[named.get(name, name)].to_pylist()) for name in NUMERIC + CATEGORICAL}


def flat(row):
    values = {**row["features"], "daypart": row["segment"]["daypart"], "score": row["prediction"]["score"]}
    said = {"prediction": row["prediction"]["class"], "label": labels[row["id"]]}
    return {**values, **said, "ts": row["ts"], "version": row["version"]}


with gzip.open(data / "elec2-labels.jsonl.gz") as lines:
    labels = {row["id"]: row["label"] for row in map(json.loads, lines)}


with gzip.open(data / "elec2-predictions.jsonl.gz") as lines:
    rows = [flat(json.loads(line)) for line in lines]
column = {name: np.array([row[name] for row in rows]) for name in NUMERIC + CATEGORICAL + ["ts", "version", "label"]}


def iso(at):
    return datetime.fromtimestamp(at / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_window(version, end):
    of_time = (column["ts"] >= end - 7 * DAY) & (column["ts"] < end)
    return of_time & (column["version"] == version)


def ks(name, chosen):
    sample = column[name][chosen]
    d = float(stats.ks_2samp(reference[name], sample).statistic)
    n, m = len(reference[name]), len(sample)
    return d, float(stats.kstwobign.sf(math.sqrt(n * m / (n + m)) * d))


def psi(r, c):
    kept = (r + c) > 0
    r, c = r[kept], c[kept]
    r = (r + 0.5) / (r.sum() + 0.5 * len(r))
    c = (c + 0.5) / (c.sum() + 0.5 * len(c))
    return float(np.sum((c - r) * np.log(c / r)))


def decile_counts(name, sample):
    """Rows below the reference, in each of its deciles (those with equal ends are one), and above it."""
    ordered = np.sort(reference[name])
    ends = np.array([ordered[-(-j * len(ordered) // 10) - 1] for j in range(1, 11)])
    # A value that makes up a tenth of the reference or more is a bin by itself: what is just below it ends before it.
    values, occurrences = np.unique(ordered, return_counts=True)
    heavy = values[occurrences * 10 >= len(ordered)]
    ends = np.unique(np.concatenate([ends, heavy, np.nextafter(heavy, -np.inf)]))
    below, above = sample < ordered[0], sample > ordered[-1]
    inside = np.searchsorted(ends, sample[~below & ~above], side="left")
    return np.concatenate([[below.sum()], np.bincount(inside, minlength=len(ends)), [above.sum()]])


def category_counts(name, sample):
    known = sorted(set(reference[name]))
    return np.array([np.sum(sample == value) for value in known] + [np.sum(~np.isin(sample, known))])


def window(version, day):
    end = int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)
    chosen = in_window(version, end)
    values = {}
    for name in NUMERIC:
        sample = column[name][chosen]
        d, p_value = ks(name, chosen)
        deviation = np.std(reference[name], ddof=1)
        values[name] = {
            "ks": d,
            "ks_p_value": p_value,
            "psi": psi(decile_counts(name, reference[name]), decile_counts(name, sample)),
            "wasserstein": float(stats.wasserstein_distance(reference[name], sample) / deviation),
            "out_of_range_rate": float(np.mean((sample < reference[name].min()) | (sample > reference[name].max()))),
        }
    for name in CATEGORICAL:
        r, c = (category_counts(name, sample) for sample in (reference[name], column[name][chosen]))
        values[name] = {"psi": psi(r, c), "js_distance": float(jensenshannon(r, c, base=2))}
    return {"version": version, "window_end": iso(end), "rows": int(chosen.sum()), "values": values}


def performance(version, day):
    """What scikit-learn says of the week's predictions, and of the whole version without a day."""
    if day is None:
        end, chosen = None, column["version"] == version
    else:
        end = int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)
        chosen = in_window(version, end)
    label, said = column["label"][chosen] == "up", column["prediction"][chosen] == "up"
    score = column["score"][chosen]
    values = {
        "accuracy": metrics.accuracy_score(label, said),
        "recall": metrics.recall_score(label, said),
        "mcc": metrics.matthews_corrcoef(label, said),
        "roc_auc": metrics.roc_auc_score(label, score),
        "average_precision": metrics.average_precision_score(label, score),
        "brier_score": metrics.brier_score_loss(label, score),
    }
    values = {name: float(value) for name, value in values.items()}
    return {"version": version, "window_end": end and iso(end), "rows": int(chosen.sum()), "values": values}


def breaches():
    """How often KS is beyond its threshold, and in which window first, over all windows of at least 100 rows.

    The last window is the first to hold the last row.
    """
    first_day = int(column["ts"].min()) // DAY
    last_day = int(column["ts"].max()) // DAY
    for version in ("1", "2"):
        for name in NUMERIC:
            found, largest = [], 0.0
            for day in range(first_day + 1, last_day + 2):
                chosen = in_window(version, day * DAY)
                if chosen.sum() < 100:
                    continue
                d, p_value = ks(name, chosen)
                largest = max(largest, d)
                if d > KS_THRESHOLD and p_value <= SIGNIFICANCE:
                    found.append(day * DAY)
            first = iso(found[0]) if found else None
            yield {"version": version, "subject": name, "breached": len(found), "first": first, "largest": largest}


def stuck(name):
    values, counts = np.unique(reference[name], return_counts=True)
    return {"value": float(values[counts.argmax()]), "share": float(counts.max() / counts.sum())}


golden = {
    "made_by": {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "scikit-learn": sklearn.__version__,
    },
    "rows": {version: int(np.sum(column["version"] == version)) for version in ("1", "2")},
    "reference_rows": len(reference["score"]),
    "stuck": {name: stuck(name) for name in ("vicprice", "vicdemand", "transfer")},
    "windows": [window(*one) for one in LOOKED_AT],
    "ks_breaches": list(breaches()),
    "performance": [performance(*one) for one in LOOKED_AT + [("1", None), ("2", None)]],
}
lines = []
for key, value in golden.items():
    if isinstance(value, list):
        parts = ",\n".join(json.dumps(part, separators=(",", ":")) for part in value)
        lines.append(f"{json.dumps(key)}: [\n{parts}\n]")
    else:
        lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
Path(__file__).with_name("elec2.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")

"""Makes an audit log as `src/audit` describes it, with nothing but Python's own library.

    python3 tests/golden/audit.py > tests/golden/audit.jsonl
"""

import hashlib
import json
import sys


def canonical(value):
    # Python writes these fractions as ECMAScript does; of small and large ones it would not.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


ODD = 'quotes " and \\, tab \t, bell \a, delete \x7f, é, 😀, line\nbreak, slash /'
END = "2026-01-01T01:00:00Z"
ALERT = {"alert": "Drift", "model": "m", "version": "3", "slice": "country=NL", "window_end": END}
PSI = {
    "family": "drift", "subject": "income", "statistic": "psi", "rows": 900, "value": 0.1 + 0.2, "p_value": 1e-300,
    "threshold": 0.25, "breached": True, "reference": "12ab", "revision": 0, "provisional": False,
}
EXPLAINED = {
    "window_start": "2026-01-01T00:00:00Z", "condition": "drift.psi > 0.25", "evidence": [PSI],
    "counted": [
        {"topic": "log", "partition": 1, "first": 7, "last": 456, "first_pane": "2026-01-01T00:00:00Z",
         "last_pane": "2026-01-01T00:55:00Z"},
    ],
}
WHATS = [
    {"kind": "genesis", "format": 1, "log": "0123456789abcdef"},
    {"kind": "start", "version": "0.1.0"},
    {"kind": "reload", "accepted": False, "problems": 2},
    {"kind": "alert", "id": "a", "state": "firing", "severity": "critical", "subject": "income", **ALERT,
     **EXPLAINED},
    {"kind": "retrain", "id": "r", "retrain": "nightly", **ALERT},
    {"kind": "silence", "id": "s", "change": "created", "matchers": 'alert="Drift"', "until": END, "comment": ODD},
    {"kind": "approval", "of": "r", "approved": True, "comment": ""},
    {"kind": "reference", "model": "m", "version": "3", "topic": "log", "from": "", "to": "12ab"},
    {"kind": "verdict", "model": "m", "version": "4", "champion": "3", "metric": "performance.accuracy",
     "verdict": "better", "window_end": END},
    {"kind": "run", "id": "r", "action": "nightly", "model": "m", "state": "awaiting_approval", "why": "",
     "version": None},
    {"kind": "stop", "reason": "asked to"},
]

previous = "0" * 64
for sequence, what in enumerate(WHATS):
    entry = {
        "sequence": sequence,
        "at": f"2026-01-01T00:00:00.{sequence:03}Z" if sequence else "2026-01-01T00:00:00Z",
        "who": "tidegauge" if sequence == 0 else ODD,
        "config_hash": "c0ffee",
        "what": what,
        "previous": previous,
    }
    previous = hashlib.sha256(canonical(entry).encode()).hexdigest()
    sys.stdout.write(canonical({**entry, "hash": previous}) + "\n")

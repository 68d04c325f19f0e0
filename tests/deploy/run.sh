#!/usr/bin/env bash
# Checks all that is deployed beside the daemon: the examples, the alerts, the systemd unit and the dashboard.
#
# Usage: tests/deploy/run.sh TIDEGAUGE
#
# TIDEGAUGE is the binary, such as target/debug/tidegauge. Needs Python 3 and, from Debian, prometheus and curl; and
# systemd, or else the unit is not checked. At the end the demo runs until a real Prometheus that scrapes it has data for
# the dashboard's panels, which takes half a minute.
set -euo pipefail

[ $# -eq 1 ] || { sed -n 's/^# Usage/Usage/p' "${BASH_SOURCE[0]}" >&2; exit 2; }
tidegauge=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Where the demo and Prometheus listen, both on the loopback interface only.
demo=127.0.0.1:${DEMO_PORT:-19909}
prometheus=127.0.0.1:${PROMETHEUS_PORT:-19090}

folder=$(mktemp -d)
started=()
finish() {
    # Only what was started here is stopped, and it may have ended by itself.
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap finish EXIT

step() { printf '\n== %s\n' "$*"; }

step "the examples load and explain every key"
python3 tests/deploy/check_examples.py "$tidegauge"

step "the alerts are well-formed and do what they promise"
promtool check config deploy/prometheus.yml
promtool check rules --lint=all deploy/alerts.yaml
promtool test rules tests/deploy/alerts.test.yaml

step "systemd understands the unit, which gives away little"
# The unit is checked with the binary where this one is, since it need not be installed.
sed "s#/usr/local/bin/tidegauge#$tidegauge#" deploy/tidegauge.service >"$folder/tidegauge.service"
if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify "$folder/tidegauge.service"
    # In tenths; 100 is a service that is not confined at all.
    systemd-analyze security --offline=true --threshold=15 --no-pager "$folder/tidegauge.service" | tail -n 1
else
    echo "not checked: systemd is not installed"
fi

step "the dashboard keeps to the rules"
python3 tests/deploy/check_dashboard.py

step "the dashboard shows the demo"
cp deploy/alerts.yaml "$folder"
sed "s/tidegauge:9909/$demo/; s/: 15s/: 1s/" deploy/prometheus.yml >"$folder/prometheus.yml"
"$tidegauge" demo --listen "$demo" --duration 120s >"$folder/demo.log" 2>&1 &
started+=($!)
prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/data" \
    --web.listen-address="$prometheus" --log.level=warn >"$folder/prometheus.log" 2>&1 &
started+=($!)

# All but the panels about notifications and budgets: the demo has no receivers, and no budget.
expected=(
    "Breached now" "Alerts firing" "Rows per second" "Slowest watermark" "Oldest evaluation" "Consumer lag"
    "Configuration" "Copies" "Breached now, by figure" "Alerts pending and firing" "Breaches"
    "Population stability index" "Kolmogorov-Smirnov D" "Jensen-Shannon distance" "Score and predicted class"
    "Missing" "Null" "Mismatched" "Unseen" "Out of range" "Not a number" "Labels" "Label coverage" "Accuracy"
    "Recall and precision" "Ranking" "Groups" "Rows counted" "Rows rejected"
    "Rows too late" "Watermark delay" "Consumer lag by topic" "Rows in the latest window" "Latency" "Error rate"
    "Alerts by severity" "Retrains asked for" "Series exported" "Series dropped" "Writes that failed"
    "Messages to deliver" "Partitions paused" "Configuration loaded"
)
# The demo drifts for a while, and then all of them have data at once.
for _ in $(seq 100); do
    if python3 tests/deploy/check_dashboard.py --prometheus "http://$prometheus" --expect-data "${expected[@]}" \
        >"$folder/dashboard.log" 2>&1; then
        cat "$folder/dashboard.log"
        step "the metrics of the demo are well-formed"
        curl --fail --silent --show-error "http://$demo/metrics" | promtool check metrics
        exit 0
    fi
    sleep 1
done
cat "$folder/dashboard.log" "$folder/prometheus.log" "$folder/demo.log" >&2
exit 1

//! The table of exported metrics: names, types, labels and help.

use std::sync::LazyLock;

use crate::measurement::Family;
use crate::stat::{self, Null, Statistic};

/// One row of the table: a metric family as Prometheus sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
}

/// The metrics that stand for the measurements of one statistic.
pub struct Measured {
    pub statistic: &'static Statistic,
    pub value: Metric,
    /// Only comparisons with a reference have one.
    pub p_value: Option<Metric>,
}

// What comes in.
pub const ROWS: Metric = counter("tidegauge_rows_total", &["topic"], "Rows read, usable or not.");
pub const REJECTED_ROWS: Metric = counter(
    "tidegauge_rejected_rows_total",
    &["topic", "reason"],
    "Rows turned away because they could not be counted.",
);
pub const COUNTED_ROWS: Metric = counter(
    "tidegauge_counted_rows_total",
    &["model"],
    "Rows counted into panes; one row may count for several models.",
);
pub const LATE_ROWS: Metric =
    counter("tidegauge_late_rows_total", &["model"], "Rows that came too late for a window they belong to.");
pub const DEAD_LETTERS: Metric = counter(
    "tidegauge_dead_letters_total",
    &["topic"],
    "Rejected rows of a topic that were copied to its dead letter topic.",
);
pub const DEAD_LETTER_FAILURES: Metric = counter(
    "tidegauge_dead_letter_failures_total",
    &["topic"],
    "Rejected rows of a topic that could not be copied to its dead letter topic.",
);
pub const CONSUMER_LAG: Metric = gauge(
    "tidegauge_consumer_lag_rows",
    &["topic", "partition"],
    "Rows between the last one counted and the partition's end.",
);
pub const PAUSED_PARTITIONS: Metric = gauge(
    "tidegauge_paused_partitions",
    &[],
    "Partitions not read at the moment, because what was read is not yet dealt with.",
);
pub const WATERMARK: Metric = gauge(
    "tidegauge_watermark_timestamp_seconds",
    &["model", "topic", "partition"],
    "Event time up to which a partition is counted, so that nothing earlier is waited for.",
);

// What labels find.
pub const LABELS: Metric =
    counter("tidegauge_labels_total", &["model"], "Labels read, whether or not they were of use.");
pub const MATCHED_LABELS: Metric = counter(
    "tidegauge_matched_labels_total",
    &["model"],
    "Labels that have found their prediction, whichever of the two came first.",
);
pub const DUPLICATE_LABELS: Metric =
    counter("tidegauge_duplicate_labels_total", &["model"], "Labels that said what was known already.");
pub const CORRECTED_LABELS: Metric = counter(
    "tidegauge_corrected_labels_total",
    &["model"],
    "Labels for a prediction that had another one already; the latest by event time counts.",
);
pub const LABELS_TOO_LATE: Metric = counter(
    "tidegauge_labels_too_late_total",
    &["model"],
    "Labels further from their prediction in event time than they are waited for.",
);
pub const JOINED_PREDICTIONS: Metric =
    counter("tidegauge_joined_predictions_total", &["model"], "Predictions kept to be joined with their label.");
pub const REPEATED_PREDICTIONS: Metric = counter(
    "tidegauge_repeated_predictions_total",
    &["model"],
    "Predictions under an id that had one already; the earliest by event time counts.",
);

/// In the order of [`crate::join::Fared`].
pub const JOINED: [Metric; 7] = [
    LABELS,
    MATCHED_LABELS,
    DUPLICATE_LABELS,
    CORRECTED_LABELS,
    LABELS_TOO_LATE,
    JOINED_PREDICTIONS,
    REPEATED_PREDICTIONS,
];

// What comes of it.
pub const WINDOWS: Metric =
    counter("tidegauge_windows_total", &["model"], "Windows measured, each version and slice apart.");
pub const LAST_EVALUATION: Metric =
    gauge("tidegauge_last_evaluation_timestamp_seconds", &["model"], "When a window of the model was last measured.");
pub const WINDOW_ROWS: Metric =
    gauge("tidegauge_window_rows", GROUP, "Rows of the latest window, in the log that has the most.");
pub const WINDOW_END: Metric =
    gauge("tidegauge_window_end_timestamp_seconds", GROUP, "Event time at which the latest window ends.");
pub const LABELLED_WINDOW_END: Metric = gauge(
    "tidegauge_labelled_window_end_timestamp_seconds",
    GROUP,
    "Event time at which the window ends that figures from labels are of: the latest with enough labels.",
);
pub const BREACHED: Metric = gauge(
    "tidegauge_measurement_breached",
    &["model", "version", "slice", "family", "subject", "statistic"],
    "Whether a value of the latest window is beyond its threshold and the change statistically real; 0 or 1.",
);

// What is told about it.
pub const ALERTS: Metric = gauge(
    "tidegauge_alerts",
    &["model", "alert", "severity", "state"],
    "Alerts that are pending or firing, over all versions, slices and subjects.",
);
pub const INCIDENTS: Metric = gauge(
    "tidegauge_incidents_open",
    &["model"],
    "Incidents that go on: groups of alerts that moved together, of which some still fire.",
);
pub const UNKNOWN_CONDITIONS: Metric = gauge(
    "tidegauge_unknown_conditions",
    &["model", "alert", "severity", "reason"],
    "Conditions of which it is not known whether they hold: no_data, of those with an alert when the last window has no \
     rows of it, or insufficient_data.",
);
pub const ALERT_TRANSITIONS: Metric = counter(
    "tidegauge_alert_transitions_total",
    &["model", "alert", "severity", "state"],
    "Alerts that became pending, firing or resolved.",
);
pub const RETRAIN_REQUESTS: Metric = counter("tidegauge_retrain_requests_total", &["model"], "Retrains asked for.");
pub const FALSE_ALARM_BUDGET: Metric = gauge(
    "tidegauge_false_alarm_budget",
    &["model", "part"],
    "Pages of the budget that are spent within its time up to the last window, true alarms among them, or left.",
);
pub const FALSE_ALARMS_MEASURED: Metric = gauge(
    "tidegauge_false_alarms_measured",
    &["model", "bound"],
    "Pages within the budget's time if nothing shifted, measured on past windows in another order: estimate, or the low \
     or high end of its 95 % interval.",
);
pub const RETRAIN_TRANSITIONS: Metric = counter(
    "tidegauge_retrain_transitions_total",
    &["model", "state"],
    "Runs of retrains that came to be held, triggered, succeeded and so on.",
);
pub const REPORTS: Metric = counter(
    "tidegauge_retrain_reports_total",
    &[],
    "Records read from the topic of reports on retrains, whether or not they said anything.",
);
pub const UNHEARD_REPORTS: Metric = counter(
    "tidegauge_unheard_retrain_reports_total",
    &["reason"],
    "Those of them that said nothing: no such event, of no run that is known here, or of one in another state.",
);
pub const CHALLENGER_VERDICT: Metric = gauge(
    "tidegauge_challenger_verdict",
    &["model", "version", "champion", "verdict"],
    "1 for what is known of a challenger, undecided, better, worse or equivalent, and 0 for the others.",
);
pub const CHALLENGER_DIFFERENCE: Metric = gauge(
    "tidegauge_challenger_difference",
    &["model", "version", "champion", "bound"],
    "The challenger's metric less the champion's over all windows compared: estimate, or the low or high end of an \
     interval that holds at any time.",
);
pub const NOTIFICATIONS: Metric =
    counter("tidegauge_notifications_total", &["receiver"], "Attempts to notify a receiver, failed ones included.");
pub const NOTIFICATION_FAILURES: Metric =
    counter("tidegauge_notification_failures_total", &["receiver"], "Attempts to notify a receiver that failed.");
pub const OUTBOX: Metric = gauge("tidegauge_outbox_messages", &[], "Messages stored that have still to be delivered.");
pub const PRODUCED_RECORDS: Metric =
    counter("tidegauge_produced_records_total", &["topic"], "Records that Kafka has taken from tidegauge.");
pub const PRODUCE_FAILURES: Metric =
    counter("tidegauge_produce_failures_total", &["topic"], "Records that Kafka has not taken from tidegauge.");

// What goes to and fro between it and MLflow.
pub const MLFLOW_POLLS: Metric = counter(
    "tidegauge_mlflow_polls_total",
    &["model"],
    "Times MLflow was asked of which version a reference is to be, failed ones included.",
);
pub const MLFLOW_POLL_FAILURES: Metric = counter(
    "tidegauge_mlflow_poll_failures_total",
    &["model"],
    "Times that could not be told, or the reference not be had; the one before it stays.",
);
pub const MLFLOW_PROMOTIONS: Metric = counter(
    "tidegauge_mlflow_promotions_total",
    &["model"],
    "References of another version that were taken up while the daemon ran.",
);
pub const MLFLOW_SIGNATURE_DIFFERENCES: Metric = gauge(
    "tidegauge_mlflow_signature_differences",
    &["model"],
    "In how many points the schema is another than the signature of the version.",
);
pub const MLFLOW_WINDOWS: Metric =
    counter("tidegauge_mlflow_windows_total", &["model"], "Windows whose figures were written to a run.");
pub const MLFLOW_DROPPED_WINDOWS: Metric = counter(
    "tidegauge_mlflow_dropped_windows_total",
    &["model"],
    "Windows whose figures were given up: of a version that is not registered, refused, or too many waited.",
);
pub const MLFLOW_WRITE_FAILURES: Metric =
    counter("tidegauge_mlflow_write_failures_total", &["model"], "Attempts to write to MLflow that failed.");

/// The counters of a model that is registered in MLflow.
pub const MLFLOW: [Metric; 6] = [
    MLFLOW_POLLS,
    MLFLOW_POLL_FAILURES,
    MLFLOW_PROMOTIONS,
    MLFLOW_WINDOWS,
    MLFLOW_DROPPED_WINDOWS,
    MLFLOW_WRITE_FAILURES,
];

// The daemon itself.
pub const STORE_COMMITS: Metric =
    counter("tidegauge_store_commits_total", &[], "Attempts to write state to disk, failed ones included.");
pub const STORE_COMMIT_FAILURES: Metric =
    counter("tidegauge_store_commit_failures_total", &[], "Attempts to write state to disk that failed.");
pub const RELOAD_SUCCESSFUL: Metric = gauge(
    "tidegauge_config_last_reload_successful",
    &[],
    "Whether the last attempt to load the configuration succeeded; 0 or 1.",
);
pub const RELOAD_TIME: Metric = gauge(
    "tidegauge_config_last_reload_success_timestamp_seconds",
    &[],
    "When the configuration was last loaded successfully.",
);
pub const SERIES: Metric = gauge("tidegauge_series", &[], "Series exported for measurements.");
pub const SERIES_LIMIT: Metric =
    gauge("tidegauge_series_limit", &[], "Most series that are exported for measurements.");
pub const SERIES_DROPPED: Metric = counter(
    "tidegauge_series_dropped_total",
    &[],
    "Series of new windows that were left out because there were too many.",
);
pub const BUILD_INFO: Metric =
    gauge("tidegauge_build_info", &["version"], "Always 1; the version of tidegauge that runs.");

/// Every metric but those of the statistics.
pub const METRICS: &[Metric] = &[
    ROWS,
    REJECTED_ROWS,
    COUNTED_ROWS,
    LATE_ROWS,
    DEAD_LETTERS,
    DEAD_LETTER_FAILURES,
    CONSUMER_LAG,
    PAUSED_PARTITIONS,
    WATERMARK,
    WINDOWS,
    LAST_EVALUATION,
    WINDOW_ROWS,
    WINDOW_END,
    LABELLED_WINDOW_END,
    LABELS,
    MATCHED_LABELS,
    DUPLICATE_LABELS,
    CORRECTED_LABELS,
    LABELS_TOO_LATE,
    JOINED_PREDICTIONS,
    REPEATED_PREDICTIONS,
    BREACHED,
    ALERTS,
    INCIDENTS,
    UNKNOWN_CONDITIONS,
    ALERT_TRANSITIONS,
    RETRAIN_REQUESTS,
    FALSE_ALARM_BUDGET,
    FALSE_ALARMS_MEASURED,
    RETRAIN_TRANSITIONS,
    REPORTS,
    UNHEARD_REPORTS,
    CHALLENGER_VERDICT,
    CHALLENGER_DIFFERENCE,
    NOTIFICATIONS,
    NOTIFICATION_FAILURES,
    OUTBOX,
    PRODUCED_RECORDS,
    PRODUCE_FAILURES,
    MLFLOW_POLLS,
    MLFLOW_POLL_FAILURES,
    MLFLOW_PROMOTIONS,
    MLFLOW_SIGNATURE_DIFFERENCES,
    MLFLOW_WINDOWS,
    MLFLOW_DROPPED_WINDOWS,
    MLFLOW_WRITE_FAILURES,
    STORE_COMMITS,
    STORE_COMMIT_FAILURES,
    RELOAD_SUCCESSFUL,
    RELOAD_TIME,
    SERIES,
    SERIES_LIMIT,
    SERIES_DROPPED,
    BUILD_INFO,
];

/// The metrics of every statistic, in the order of the statistics table.
pub static MEASURED: LazyLock<Vec<Measured>> = LazyLock::new(|| stat::ALL.iter().map(|row| measured(row)).collect());

/// Every metric there can be, in the order of the table.
pub fn metrics() -> Vec<Metric> {
    let of_statistics = MEASURED.iter().flat_map(|measured| [Some(measured.value), measured.p_value]);
    METRICS.iter().copied().chain(of_statistics.flatten()).collect()
}

/// The name of every metric there can be, which is what dashboards and rules may ask for.
pub fn names() -> Vec<String> {
    metrics().iter().map(|metric| metric.name.to_owned()).collect()
}

/// What tells one window's rows from another's.
const GROUP: &[&str] = &["model", "version", "slice"];

const SUBJECT: &[&str] = &["model", "version", "slice", "subject"];

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help }
}

/// Names are leaked so that all rows of the table are alike; it happens once, since [`MEASURED`] is never dropped.
fn measured(statistic: &'static Statistic) -> Measured {
    let stem = format!("tidegauge_{}_{}", statistic.family.name(), statistic.name);
    let name = if statistic.unit.is_empty() { stem.clone() } else { format!("{stem}_{}", statistic.unit) };
    let is_compared = statistic.family == Family::Drift && statistic.null != Null::Unknown;
    let p_value = is_compared.then(|| {
        let help = format!("Probability of a {} at least this large if nothing has changed; 0 to 1.", statistic.name);
        gauge(format!("{stem}_p_value").leak(), SUBJECT, help.leak())
    });
    Measured { statistic, value: gauge(name.leak(), SUBJECT, statistic.about), p_value }
}

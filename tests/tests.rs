//! All integration tests, in one binary, told in order.

/// The modules keep to their layers, and files to one desk.
mod layers;

/// What is shipped beside the code says what the code does.
mod documents;

/// The face of the program: arguments, output, exit codes, and what it says to somebody who made a mistake.
mod cli;

/// A data set of any size becomes a reference file, which a monitor reads in its place.
mod profile;

/// Two files compared by the program: its answer, its forms and its exit codes.
mod compare;

/// The daemon without its edges, for the tests of the core.
mod watch;

/// What joins keep, for the daemon without its edges.
mod shelf;

/// Counting is a function of the log.
mod counting;

/// The join of predictions and labels is a function of the records.
mod joining;

/// A slice is measured as its rows alone would be.
mod slicing;

/// Values that are protected go no further than the decoder.
mod disguise;

/// A real production log, replayed, gives the numbers that other programs give.
mod elec2;

/// A replay with other thresholds, with changes injected, to a file, or cut short.
mod backtest;

/// Every gate raises as many false alarms as it says.
mod calibration;

/// What has probably happened is told from counts, and how often that is right.
mod causes;

/// Tests of rules say what came of them and what should have.
mod ruletests;
/// Alerts that move together are one incident.
mod incidents;

/// Learnt references begin where learning ends.
mod learning;

/// What windows are compared with when that moves with the stream.
mod history;

/// What conditions say of measurements.
mod conditions;

/// Behaviour told as scripts.
mod scenarios;

/// Against real brokers, where they are asked for: the same numbers as in a replay, also after crashes.
mod real_kafka;

/// The daemon beside a broker: it counts exactly, tells what it finds, and survives what befalls it.
mod daemon;

/// Receivers tell real peers: an SMTP server, an Alertmanager, and servers that hold them to what services document.
mod receivers;

/// Actions begin one run for each request, against servers that hold them to what services document.
mod triggers;
/// The daemon follows a model in the registry of a real MLflow, and writes there what it finds.
mod mlflow;

/// What tests of the running program share.
mod support;

//! Every gate raises as many false alarms as it says: where nothing has changed, a p-value of at most 5 % comes about
//! in 5 % of windows, whatever the size and whatever the distribution.

#[path = "../benches/undrifted/mod.rs"]
#[allow(dead_code, reason = "what changed windows show is for the benchmark")]
mod undrifted;

use undrifted::{FEATURES, LEVELS, Row, Trials, Verdict, WINDOWS, table, tried};

/// `cargo bench --bench calibration` tries thousands, with as many replicates as the engine draws. The probability of a
/// false alarm does not depend on the number of replicates, so few will do here.
const TRIALS: Trials = Trials { references: 500, simulated: 60, replicates: 99, power: false };

/// The levels that these trials can tell apart from others.
const ASKED: usize = 2;

#[test]
fn false_alarms_are_as_frequent_as_they_are_said_to_be() {
    let rows: Vec<Row> = FEATURES
        .iter()
        .flat_map(|feature| WINDOWS.iter().flat_map(move |&window| tried(feature, window, TRIALS)))
        .collect();
    println!("{}", table(&rows));
    let rates = rows.len() * ASKED;
    let verdicts = |outside: f64| {
        let of_row = move |row| (0..ASKED).map(move |level| (row, level));
        rows.iter().flat_map(of_row).map(move |(row, level): (&Row, usize)| (row, level, row.verdict(level, outside)))
    };
    let told = |row: &Row, level: usize| {
        let rate = row.alarms[level] as f64 / row.windows as f64;
        format!(
            "{} of {} in {} windows of {}: {rate} at {}",
            row.statistic.name, row.feature, row.windows, row.window, LEVELS[level]
        )
    };
    // All rates together are within the band that holds all of them with 99 %: no single one can be excused by chance.
    let surely: Vec<String> = verdicts(0.01 / rates as f64)
        .filter(|(_, _, verdict)| *verdict == Verdict::More)
        .map(|(row, level, _)| told(row, level))
        .collect();
    assert!(surely.is_empty(), "too many false alarms:\n{}", surely.join("\n"));
    // Each by itself is within its 99 % band, but for the one in a hundred that chance puts outside.
    let more: Vec<String> = verdicts(0.01)
        .filter(|(_, _, verdict)| *verdict == Verdict::More)
        .map(|(row, level, _)| told(row, level))
        .collect();
    assert!(more.len() <= 2 + rates / 100, "too many of {rates} rates are too high:\n{}", more.join("\n"));
    // A test of counts cannot help being conservative where counts are small. Simulation has to be right.
    let fewer: Vec<String> = verdicts(0.01 / rates as f64)
        .filter(|(row, _, verdict)| *verdict == Verdict::Fewer && row.is_simulated() && row.is_numeric)
        .map(|(row, level, _)| told(row, level))
        .collect();
    assert!(fewer.is_empty(), "too few false alarms, so too little power:\n{}", fewer.join("\n"));
}

//! How often nothing but sampling is called a change, in vocabularies of up to a hundred thousand values.

use fastrand::Rng;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Answer, Bins, Sample, case, find};
use crate::measurement::Family;

const VALUES: [usize; 3] = [1000, 10_000, 100_000];
const REFERENCE: usize = 20_000;
const WINDOWS: [usize; 3] = [300, 1000, 5000];
const REPLICATES: u64 = 400;
/// The share of the commonest value, beside what it has by Zipf's law.
const HEAVY: f64 = 0.2;

/// A column of values by Zipf's law, the commonest made heavier.
struct Column {
    cumulative: Vec<f64>,
}

impl Column {
    fn new(values: usize, heavy: f64) -> Column {
        let weights = (1..=values).map(|rank| 1.0 / rank as f64);
        let whole: f64 = weights.clone().sum();
        let mut sum = heavy;
        let cumulative = weights.map(|weight| {
            sum += (1.0 - heavy) * weight / whole;
            sum
        });
        Column { cumulative: cumulative.collect() }
    }

    fn count(&self, rows: usize, random: &mut Rng) -> Vec<u64> {
        let mut counts = vec![0; self.cumulative.len()];
        for _ in 0..rows {
            let at = random.f64();
            let value = self.cumulative.partition_point(|&sum| sum <= at);
            counts[value.min(self.cumulative.len() - 1)] += 1;
        }
        counts
    }
}

/// The vocabulary is what the reference has; what else the window has is unseen.
fn sample(reference: &[u64], current: &[u64]) -> Sample {
    let seen = |counts: &[u64]| -> Vec<u64> {
        counts.iter().zip(reference).filter(|&(_, &of_reference)| of_reference > 0).map(|(&count, _)| count).collect()
    };
    let (mut known, mut now) = (seen(reference), seen(current));
    known.push(0);
    now.push(current.iter().sum::<u64>() - now.iter().sum::<u64>());
    Sample::counted(&known, &now)
}

fn drift(name: &str, sample: &Sample) -> Answer {
    (find(Family::Drift, name).unwrap().compute)(&case(sample))
}

/// Of how many windows the plain distance was beyond its threshold, and a p-value at most 0.05 and 0.01.
#[derive(Default)]
struct Alarms {
    distance: u64,
    chi_squared: [u64; 2],
    g_test: [u64; 2],
    unseen: u64,
    pooled: usize,
}

const LEVELS: [f64; 2] = [0.05, 0.01];

impl Alarms {
    fn add(&mut self, sample: &Sample) {
        let js_distance = find(Family::Drift, "js_distance").unwrap();
        self.distance += u64::from(drift("js_distance", sample).unwrap().value > js_distance.threshold.unwrap());
        for (counts, name) in [(&mut self.chi_squared, "chi_squared"), (&mut self.g_test, "g_test")] {
            let p_value = drift(name, sample).unwrap().p_value.unwrap();
            counts.iter_mut().zip(LEVELS).for_each(|(count, level)| *count += u64::from(p_value <= level));
        }
        let bins = Bins::of(&case(sample)).unwrap();
        self.unseen += bins.counts.last().filter(|last| last.0 == 0).map_or(0, |last| last.1);
        self.pooled += bins.pooled.len();
    }
}

/// The upper end of the band that holds all the counts of the table with a probability of 99 %, if each of them comes
/// about with this one.
fn most(probability: f64) -> u64 {
    let cells = (VALUES.len() * WINDOWS.len() * 2 * LEVELS.len()) as f64;
    Binomial::new(probability, REPLICATES).unwrap().inverse_cdf(1.0 - 0.01 / cells)
}

#[test]
fn nothing_but_sampling_is_rarely_significant_however_many_values_there_are() {
    let mut random = Rng::with_seed(20_261_123);
    let rate = |count: u64| 100.0 * count as f64 / REPLICATES as f64;
    println!("Alarms in per cent of {REPLICATES} undrifted windows, each with a reference of {REFERENCE} rows.");
    println!(" values  rows  unseen  bins | js_distance | chi_squared     | g_test");
    println!("              per cent      | > 0.1       | p<=.05  p<=.01  | p<=.05  p<=.01");
    for values in VALUES {
        let column = Column::new(values, HEAVY);
        let mut table = WINDOWS.map(|rows| (rows, Alarms::default()));
        for _ in 0..REPLICATES {
            let reference = column.count(REFERENCE, &mut random);
            for (rows, alarms) in &mut table {
                alarms.add(&sample(&reference, &column.count(*rows, &mut random)));
            }
        }
        for (rows, alarms) in table {
            let (unseen, bins) = (rate(alarms.unseen) / rows as f64, alarms.pooled / REPLICATES as usize);
            let ([x05, x01], [g05, g01]) = (alarms.chi_squared.map(rate), alarms.g_test.map(rate));
            let distance = rate(alarms.distance);
            println!(
                "{values:>7} {rows:>5}  {unseen:>6.1} {bins:>5} | {distance:>11.1} | {x05:>6.1}  {x01:>6.1}  | \
                 {g05:>6.1}  {g01:>6.1}"
            );
            // Two samples of so many values are never alike, whatever they were drawn from.
            assert_eq!(alarms.distance, REPLICATES, "the plain distance at {values} values and {rows} rows");
            for (count, level) in alarms.chi_squared.into_iter().chain(alarms.g_test).zip(LEVELS.into_iter().cycle()) {
                assert!(count <= most(level), "{count} of {REPLICATES} at {level}: {values} values, {rows} rows");
            }
        }
    }
}

/// The commonest value becomes commoner by as much as is said to be found in four of five windows.
#[test]
fn what_is_detectable_is_found_as_often_as_is_said() {
    let mut random = Rng::with_seed(20_261_124);
    let (values, rows, significance) = (100_000, 5000, 0.01);
    let before = Column::new(values, HEAVY);
    let share = before.cumulative[0];
    let unchanged = sample(&before.count(REFERENCE, &mut random), &before.count(rows, &mut random));
    let detectable = Bins::of(&case(&unchanged)).unwrap().detectable(significance);
    // The others lose in proportion, so this much in addition has just the detectable sum of squares.
    let change = (detectable * share * (1.0 - share)).sqrt();
    let heavier = HEAVY + change * (1.0 - HEAVY) / (1.0 - share);
    let after = Column::new(values, heavier);
    assert!((after.cumulative[0] - share - change).abs() < 1e-12);
    let mut found = 0;
    for _ in 0..REPLICATES {
        let sample = sample(&before.count(REFERENCE, &mut random), &after.count(rows, &mut random));
        found += u64::from(drift("chi_squared", &sample).unwrap().p_value.unwrap() <= significance);
    }
    let power = found as f64 / REPLICATES as f64;
    println!("A change of the commonest value from {share:.3} by {change:.4} was found in {:.0} %.", 100.0 * power);
    assert!((0.7..=0.9).contains(&power), "{power}");
}

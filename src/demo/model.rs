//! A simulated credit model: its applicants, what it says of them, and what befalls it.

use std::fmt::Write;

use fastrand::Rng;

/// What is happening to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct World {
    /// Applicants earn less, borrow more and ask online.
    pub drifted: bool,
    /// An upstream job loses one column and turns another into text.
    pub broken: bool,
    /// The version of the model that answers.
    pub version: u32,
}

/// Writes the log line of one scored application, as JSON of about 700 bytes. Returns whether the loan will go bad.
pub fn log_line(rng: &mut Rng, world: World, at_millis: i64, id: u64, line: &mut String) -> bool {
    let (poorer, costlier) = if world.drifted { (0.72, 1.35) } else { (1.0, 1.0) };
    let income = 41_000.0 * (0.45 * normal(rng)).exp() * poorer;
    let loan = 12_500.0 * (0.6 * normal(rng)).exp() * costlier;
    let age = (39.0 + 12.0 * normal(rng)).clamp(18.0, 90.0).floor();
    let employed = (rng.f64().powi(2) * (age - 17.0)).floor();
    let debt_ratio = (0.31 + 0.12 * normal(rng) + 0.08 * (loan / income)).clamp(0.0, 3.0);
    let late = poisson(rng, if debt_ratio > 0.5 { 1.4 } else { 0.4 });
    let savings = (income * 0.2 * rng.f64() * (employed + 1.0).ln_1p()).round();
    let utilisation = (debt_ratio * 0.9 + 0.1 * rng.f64()).clamp(0.0, 1.0);
    let purpose =
        pick(rng, &[("car", 30), ("home", 24), ("education", 14), ("business", 12), ("holiday", 11), ("other", 9)]);
    let online = if world.drifted { 62 } else { 38 };
    let channel = pick(rng, &[("online", online), ("branch", 80 - online), ("broker", 20)]);
    let housing = pick(rng, &[("rent", 45), ("mortgage", 35), ("own", 20)]);
    let region = pick(rng, &[("north", 26), ("south", 31), ("east", 19), ("west", 24)]);
    let risk = -2.2 + 1.9 * debt_ratio + 0.45 * f64::from(late) - 0.03 * employed - income / 90_000.0 + loan / 60_000.0;
    // A retrained model has learnt where today's applicants lie.
    let recentred = if world.version > 1 { risk - 0.35 } else { risk };
    let score = 1.0 / (1.0 + (-recentred - 0.25 * normal(rng)).exp());
    let class = if score > 0.5 { "bad" } else { "good" };
    let goes_bad = rng.f64() < 1.0 / (1.0 + (-risk).exp());
    let sex = pick(rng, &[("F", 47), ("M", 53)]);
    let latency = 18.0 * (0.5 * normal(rng)).exp();
    let error = rng.f64() < 0.002;
    line.clear();
    let _ = write!(
        line,
        r#"{{"ts":{at_millis},"id":"a-{id:010}","model":"credit","version":"{}","features":{{"income":{income:.2},"loan_amount":{loan:.2},"debt_ratio":{debt_ratio:.4},"age":{age},"years_employed":{employed},"open_accounts":{},"late_payments":{late},"utilisation":{utilisation:.4},"inquiries":{},"#,
        world.version,
        poisson(rng, 4.0),
        poisson(rng, 1.1),
    );
    if world.broken && rng.f64() < 0.8 {
        let _ = write!(line, r#""savings":"{savings} EUR","purpose":null,"#);
    } else {
        let _ = write!(line, r#""savings":{savings},"purpose":"{purpose}","#);
    }
    let _ = write!(
        line,
        r#""housing":"{housing}","region":"{region}","channel":"{channel}"}},"person":{{"sex":"{sex}"}},"prediction":{{"score":{score:.6},"class":"{class}"}},"latency_ms":{latency:.2},"error":{error},"host":"scorer-{}","trace":"{:032x}"}}"#,
        rng.u8(0..4),
        rng.u128(..),
    );
    goes_bad
}

/// Writes what turned out of an application.
pub fn label_line(at_millis: i64, id: u64, goes_bad: bool, line: &mut String) {
    line.clear();
    let outcome = if goes_bad { "bad" } else { "good" };
    let _ = write!(line, r#"{{"ts":{at_millis},"id":"a-{id:010}","outcome":"{outcome}"}}"#);
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (std::f64::consts::TAU * rng.f64()).cos()
}

/// A Poisson number of a small mean (Knuth).
fn poisson(rng: &mut Rng, mean: f64) -> u32 {
    let (limit, mut product, mut count) = ((-mean).exp(), rng.f64(), 0);
    while product > limit {
        product *= rng.f64();
        count += 1;
    }
    count
}

fn pick<'a>(rng: &mut Rng, choices: &[(&'a str, u32)]) -> &'a str {
    let mut ticket = rng.u32(0..choices.iter().map(|(_, weight)| weight).sum());
    for (choice, weight) in choices {
        if ticket < *weight {
            return choice;
        }
        ticket -= weight;
    }
    choices[0].0
}

//! The log of a credit model, of about 700 bytes a record with twenty features, which the benches have in common.

use std::fmt::Write;

use tidegauge::rows::Wanted;
use tidegauge::schema::{Kind, Path};

const NUMERIC: [&str; 14] = [
    "amount",
    "income",
    "age",
    "duration_months",
    "installment_rate",
    "debt_to_income",
    "credit_utilization",
    "open_accounts",
    "inquiries_6m",
    "months_employed",
    "existing_credits",
    "dependents",
    "late_payments_12m",
    "balance",
];

const CATEGORICAL: [(&str, &[&str]); 6] = [
    ("purpose", &["car", "furniture", "education", "repairs", "business"]),
    ("housing", &["own", "rent", "free"]),
    ("employment", &["salaried", "self_employed", "unemployed"]),
    ("savings", &["none", "below_100", "below_1000", "above_1000"]),
    ("channel", &["web", "branch", "partner", "app"]),
    ("country", &["DE", "FR", "NL", "ES", "PL", "IT"]),
];

/// All that a monitor of this model measures: time, version, twenty features, score, class, latency and error.
#[allow(dead_code, reason = "not every bench decodes by itself")]
pub fn wanted() -> Vec<Wanted> {
    let column = |path: &str, kind| Wanted::new(Path(path.to_owned()), kind);
    let mut columns = vec![column("ts", Kind::Time), column("version", Kind::Categorical)];
    columns.extend(NUMERIC.iter().map(|name| column(&format!("features.{name}"), Kind::Numeric)));
    columns.extend(CATEGORICAL.iter().map(|(name, _)| column(&format!("features.{name}"), Kind::Categorical)));
    columns.push(column("prediction.score", Kind::Numeric));
    columns.push(column("prediction.class", Kind::Categorical));
    columns.push(column("latency_ms", Kind::Numeric));
    columns.push(column("error", Kind::Flag));
    columns
}

/// A record as a scoring service writes it, at this time in milliseconds since 1970.
pub fn record(row: u64, milliseconds: u64) -> String {
    let mut noise = Noise(row);
    let mut text = String::new();
    let _ = write!(
        text,
        r#"{{"ts":{milliseconds},"id":"{:016x}","model":"credit-risk","version":"2026.02.1","host":"scorer-{}","#,
        noise.next(),
        noise.next() % 12,
    );
    text.push_str(r#""features":{"#);
    for (index, name) in NUMERIC.iter().enumerate() {
        let number = noise.next();
        let _ = match index % 3 {
            0 => write!(text, r#""{name}":{}.{:02},"#, number % 100_000, number / 100_000 % 100),
            1 => write!(text, r#""{name}":{},"#, number % 500),
            _ => write!(text, r#""{name}":{},"#, (number % 1_000_003) as f64 / 1_000_003.0),
        };
    }
    for (name, values) in CATEGORICAL {
        let _ = write!(text, r#""{name}":"{}","#, values[noise.next() as usize % values.len()]);
    }
    text.pop();
    let score = (noise.next() % 1_000_003) as f64 / 1_000_003.0;
    let _ = write!(
        text,
        r#"}},"prediction":{{"score":{score},"class":"{}"}},"latency_ms":{}.{},"error":null,"trace":{{"span":"{:x}","sampled":false}}}}"#,
        if score > 0.5 { "bad" } else { "good" },
        noise.next() % 40,
        noise.next() % 1000,
        noise.next(),
    );
    text
}

/// A fixed sequence of numbers that look random (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

/// The monitor of that log, learning its reference from the first `learnt` rows, as a file under `rules/` has it.
#[allow(dead_code, reason = "not every bench runs a monitor")]
pub fn monitor(learnt: u64) -> String {
    let mut text = String::from(
        "model: credit-risk\ninputs: [{topic: credit.predictions}]\nschema:\n  time: ts\n  version: version\n  features:\n",
    );
    for name in NUMERIC {
        let _ = writeln!(text, "    {name}: {{path: features.{name}, type: numeric}}");
    }
    for (name, _) in CATEGORICAL {
        let _ = writeln!(text, "    {name}: {{path: features.{name}, type: categorical}}");
    }
    let _ = write!(
        text,
        "  prediction: {{score: prediction.score, class: prediction.class}}\n  latency: latency_ms\n  error: error\n\
         reference: {{learnt: {{rows: {learnt}}}}}\nwindow: {{size: 10s, lateness: 1s, idle: 5s}}\n"
    );
    text
}

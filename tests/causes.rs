//! What has happened is told by its cause, and what has not is not.

mod accidents;
mod world;

use std::fmt::Write;

use tidegauge::cause::{Cause, Likely};

use accidents::{STRENGTHS, TRUTHS, Truth, befalls, window};
use world::{BASES, COUNTRIES, REFERENCE, USUAL_MIX, axes, count, draw, name, seeded, told};

const SIZES: [usize; 3] = [500, 2000, 10_000];
/// Not those that the causes were made with.
const SEEDS: std::ops::Range<usize> = 9000..9002;

/// How often each truth was told as what, at one size.
#[derive(Default)]
struct Confusion {
    /// By the place of the truth: for each place of what was told, how often; and how often nothing was alarmed.
    told: [[usize; TRUTHS.len()]; TRUTHS.len()],
    silent: [usize; TRUTHS.len()],
}

impl Confusion {
    fn share(&self, truth: usize) -> f64 {
        let all: usize = self.told[truth].iter().sum();
        self.told[truth][truth] as f64 / all.max(1) as f64
    }

    /// As a table of Markdown.
    fn table(&self) -> String {
        let mut text = String::from("| truth |");
        TRUTHS.iter().for_each(|truth| text.push_str(&format!(" {} |", short(*truth))));
        text.push_str(" right | of | not alarmed |\n|---|");
        text.push_str(&"--:|".repeat(TRUTHS.len() + 3));
        for (place, truth) in TRUTHS.iter().enumerate() {
            let _ = write!(text, "\n| {} |", long(*truth));
            for count in self.told[place] {
                let _ = if count == 0 { write!(text, " |") } else { write!(text, " {count} |") };
            }
            let of: usize = self.told[place].iter().sum();
            let _ = write!(text, " {:.1} % | {of} | {} |", 100.0 * self.share(place), self.silent[place]);
        }
        text
    }
}

fn long(truth: Truth) -> String {
    truth.map_or("nothing".to_owned(), |cause| format!("{cause:?}"))
}

fn short(truth: Truth) -> String {
    long(truth).chars().take(5).collect()
}

/// What is told first, if it is told of the subject that it has befallen.
fn first(told: &[Likely], subject: &str) -> Option<Cause> {
    // Several things may be told at once; what is asked is what is told of this subject.
    told.iter().find(|one| one.subjects.iter().any(|other| other == subject)).map(|one| one.cause)
}

fn measured(seeds: std::ops::Range<usize>) -> [Confusion; SIZES.len()] {
    let mut confusions: [Confusion; SIZES.len()] = Default::default();
    let trace = std::env::var("TIDEGAUGE_TRACE_CAUSES").is_ok();
    for (base_place, base) in BASES.iter().enumerate() {
        for seed in seeds.clone() {
            let table = draw(*base, REFERENCE, USUAL_MIX, 0, &mut seeded(&[seed, base_place]));
            let axes = axes(&table);
            let reference = count(&table, &axes);
            for (place, truth) in TRUTHS.iter().enumerate().filter(|(_, truth)| befalls(**truth, *base)) {
                for (size, rows) in SIZES.iter().enumerate() {
                    for strength in 0..STRENGTHS {
                        let mut random = seeded(&[seed, base_place, place, *rows, strength]);
                        let window = window(*truth, *base, strength, *rows, &mut random);
                        let Some(told) = told(&axes, &reference, &window) else {
                            confusions[size].silent[place] += 1;
                            continue;
                        };
                        says_no_value(&told);
                        let answer = first(&told, window.subject);
                        if trace && answer != *truth {
                            println!("MISS {truth:?} {base:?} {strength} {rows} -> {answer:?}: {} {}", window.subject, told.iter().map(|t| format!("[{:?} {:.2} {:?} {}]", t.cause, t.confidence, t.subjects, t.evidence)).collect::<String>());
                        }
                        let answer = TRUTHS.iter().position(|other| *other == answer).expect("every cause is known");
                        confusions[size].told[place][answer] += 1;
                    }
                }
            }
        }
    }
    confusions
}

#[track_caller]
fn says_no_value(told: &[Likely]) {
    for one in told {
        assert!((0.0..=1.0).contains(&one.confidence), "{one:?}");
        let names = (0..200).flat_map(|place| [name("target", place), name("other", place)]);
        let values = names.chain(COUNTRIES.map(str::to_owned)).chain(["newcomer".to_owned()]);
        for value in values {
            assert!(!one.evidence.to_lowercase().contains(&value.to_lowercase()), "{value} is in {one:?}");
        }
    }
}

fn dev() -> std::ops::Range<usize> { std::env::var("DEV").map_or(SEEDS, |n| 0..n.parse().unwrap()) }
#[test]
fn each_cause_is_told_by_its_counts() {
    for (confusion, rows) in measured(dev()).iter().zip(SIZES) {
        println!("\n{rows} rows\n\n{}", confusion.table());
    }
}

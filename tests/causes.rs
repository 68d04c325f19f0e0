//! What has happened is told by its cause, and what has not is not.

mod accidents;
mod world;

use std::fmt::Write;
use std::ops::Range;

use proptest::prelude::*;
use tidegauge::cause::{Cause, Clock, Compared, Delay, Likely, Scene, Sliced, likely};
use tidegauge::rows::Absent;

use accidents::{STRENGTHS, TRUTHS, Truth, befalls, window};
use world::{BASES, Base, COUNTRIES, Cells, REFERENCE, USUAL_MIX, axes, compared, count, draw, name, seeded, told};

const SIZES: [usize; 4] = [100, 500, 2000, 10_000];
/// Not those that the causes were made with, which are the first few.
const SEEDS: Range<usize> = 20_000..20_003;

/// How often each truth was told as what, at one size.
#[derive(Default)]
struct Confusion {
    /// By the place of the truth: for each place of what was told, how often; and how often nothing was alarmed.
    told: [[usize; TRUTHS.len()]; TRUTHS.len()],
    silent: [usize; TRUTHS.len()],
    /// How sure it was each time that it was wrong.
    wrong: Vec<f64>,
}

impl Confusion {
    fn take_in(&mut self, truth: usize, told: &[Likely]) {
        says_no_value(told);
        let answer = told.first().map(|one| one.cause);
        if answer != TRUTHS[truth] {
            self.wrong.push(told.first().map_or(0.0, |one| one.confidence));
        }
        let answer = TRUTHS.iter().position(|other| *other == answer).expect("every cause is known");
        self.told[truth][answer] += 1;
    }

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

fn measured(seeds: Range<usize>) -> [Confusion; SIZES.len()] {
    let mut confusions: [Confusion; SIZES.len()] = Default::default();
    for (base_place, base) in BASES.iter().enumerate() {
        for seed in seeds.clone() {
            let table = draw(*base, REFERENCE, USUAL_MIX, 0, &mut seeded(&[seed, base_place]));
            let axes = axes(&table);
            let reference = count(&table, &axes);
            for (place, truth) in TRUTHS.iter().enumerate().filter(|(_, truth)| befalls(**truth, *base)) {
                for (rows, confusion) in SIZES.iter().zip(&mut confusions) {
                    for strength in 0..STRENGTHS {
                        let mut random = seeded(&[seed, base_place, place, *rows, strength]);
                        let window = window(*truth, *base, strength, *rows, &mut random);
                        match told(&axes, &reference, &window) {
                            Some(told) => confusion.take_in(place, &told),
                            None => confusion.silent[place] += 1,
                        }
                    }
                }
            }
        }
    }
    confusions
}

#[track_caller]
fn says_no_value(told: &[Likely]) {
    let names = (0..200).flat_map(|place| [name("target", place), name("other", place)]);
    let values: Vec<String> = names.chain(COUNTRIES.map(str::to_lowercase)).chain(["newcomer".to_owned()]).collect();
    for one in told {
        let evidence = one.evidence.to_lowercase();
        assert!((0.0..=1.0).contains(&one.confidence), "{one:?}");
        assert!(!values.iter().any(|value| evidence.contains(value)), "it tells a value: {one:?}");
    }
}

/// The least share of windows that each truth is to be told of, by the sizes of windows. Where 100 rows raise an alarm
/// at all, they are not enough for most.
const LEAST: [(Truth, [f64; SIZES.len()]); TRUTHS.len()] = [
    (Some(Cause::UnitChange), [0.7, 0.85, 0.9, 0.9]),
    (Some(Cause::NullSpike), [0.9, 0.95, 0.95, 0.95]),
    (Some(Cause::ReEncodedCategories), [0.9, 0.95, 0.95, 0.95]),
    (Some(Cause::SwappedColumns), [0.6, 0.9, 0.95, 0.95]),
    // One of three categories that gains is no more than that.
    (Some(Cause::StuckValue), [0.85, 0.85, 0.88, 0.88]),
    (Some(Cause::Truncation), [0.75, 0.85, 0.9, 0.9]),
    (Some(Cause::ClockSkew), [0.6, 0.75, 0.9, 0.95]),
    (Some(Cause::TrafficMix), [0.0, 0.9, 0.95, 0.95]),
    // Some drifts are by a factor that is also one between units.
    (Some(Cause::CovariateDrift), [0.6, 0.85, 0.9, 0.9]),
    (Some(Cause::LabelDrift), [0.6, 0.9, 0.95, 0.95]),
    (Some(Cause::ConceptDrift), [0.4, 0.8, 0.95, 0.95]),
    (None, [0.95, 0.95, 0.98, 0.98]),
];

#[test]
fn each_cause_is_told_by_its_counts() {
    for (size, (confusion, rows)) in measured(SEEDS).iter().zip(SIZES).enumerate() {
        println!("\nWindows of {rows} rows:\n\n{}", confusion.table());
        for (place, (truth, least)) in LEAST.iter().enumerate() {
            assert_eq!(TRUTHS[place], *truth);
            let share = confusion.share(place);
            assert!(share >= least[size], "{} is told of {share} of windows of {rows} rows", long(*truth));
        }
        let mean = confusion.wrong.iter().sum::<f64>() / confusion.wrong.len().max(1) as f64;
        let surest = confusion.wrong.iter().copied().fold(0.0, f64::max);
        println!("\nwrong: {} times, sure by {mean:.2} on average and {surest:.2} at most", confusion.wrong.len());
        assert!(mean < 0.5, "wrong, and sure by {mean} on average, at {rows} rows");
    }
}

/// What is told if this is done to all values of a normal distribution.
fn told_of(change: impl Fn(f64) -> Result<f64, Absent>) -> Vec<Likely> {
    let columns = |seed: usize| draw(Base::Normal, REFERENCE, USUAL_MIX, 0, &mut seeded(&[seed]));
    let (before, mut now) = (columns(1), columns(2));
    let Some(Cells::Numbers(cells)) = now.get_mut("target") else { panic!("it has numbers") };
    cells.iter_mut().for_each(|cell| *cell = cell.as_ref().map_or(Ok(0.0), |x| change(*x)));
    let axes = axes(&before);
    let reference = count(&before, &axes);
    let window = world::Window { table: now, clock: None, outcomes: None, subject: "target", alarmed: vec!["score"] };
    told(&axes, &reference, &window).expect("it is alarmed")
}

#[test]
fn evidence_is_told_in_ratios_and_shares() {
    let told = told_of(|x| Ok(1.8 * x + 32.0));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].cause, Cause::UnitChange);
    assert!(told[0].confidence > 0.8, "{told:?}");
    // What the model says moved at the same time, and has the same cause.
    assert_eq!(told[0].subjects, ["target", "score"]);
    let evidence = &told[0].evidence;
    assert!(evidence.contains("is 1.8 times the reference's"), "{evidence}");
    assert!(evidence.contains("in 5000 rows, as of degrees Celsius told in Fahrenheit"), "{evidence}");

    // The values that are lost are not any: that a bound cuts them off says more than that they are null.
    let told = told_of(|x| if x > 62.0 { Err(Absent::Null) } else { Ok(x) });
    assert_eq!(told[0].cause, Cause::Truncation);
    assert!(told[0].evidence.contains("about as many rows have no value now"), "{told:?}");
}

#[test]
fn an_unknown_factor_is_told_as_such() {
    let told = told_of(|x| Ok(-37.0 * x));
    assert_eq!(told[0].cause, Cause::UnitChange);
    assert!(told[0].evidence.contains("are about -37"), "{told:?}");
}

fn any_number() -> impl Strategy<Value = Result<f64, Absent>> {
    let absent = prop_oneof![Just(Absent::Null), Just(Absent::Missing), Just(Absent::Mistyped)];
    let number = prop_oneof![3 => prop::num::f64::ANY, 3 => -3.0..3.0, 2 => Just(0.0), 1 => Just(f64::MAX)];
    prop_oneof![8 => number.prop_map(Ok), 1 => absent.prop_map(Err)]
}

fn any_text() -> impl Strategy<Value = Result<String, Absent>> {
    prop_oneof![8 => "[aAé€ ]{0,3}".prop_map(Ok), 1 => Just(Err(Absent::Null))]
}

fn any_table() -> impl Strategy<Value = world::Table> {
    let row = (any_number(), any_number(), any_text(), any_text(), 0..COUNTRIES.len());
    prop::collection::vec(row, 0..60).prop_map(|rows| {
        let (mut text, mut other, mut country) = (Vec::new(), Vec::new(), Vec::new());
        for row in &rows {
            text.push(row.2.clone());
            other.push(row.3.clone());
            country.push(Ok(COUNTRIES[row.4].to_owned()));
        }
        world::Table::from([
            ("number", Cells::Numbers(rows.iter().map(|row| row.0).collect())),
            ("score", Cells::Numbers(rows.iter().map(|row| row.1).collect())),
            ("text", Cells::Texts(text)),
            ("other", Cells::Texts(other)),
            ("country", Cells::Texts(country)),
        ])
    })
}

proptest! {
    #[test]
    fn nothing_that_is_counted_is_too_much_for_it(
        before in any_table(),
        now in any_table(),
        late in any::<[u64; 4]>(),
        delay in any::<[f64; 2]>(),
    ) {
        let axes = axes(&before);
        let (reference, current) = (count(&before, &axes), count(&now, &axes));
        let all = reference.fields.iter().map(|(subject, before)| {
            compared(subject, &axes[subject], before, &current.fields[subject])
        });
        let fields: Vec<Compared> = all.collect();
        let slices = reference.slices.iter().zip(&current.slices).zip(COUNTRIES).map(|((before, now), name)| {
            let of_slice = before.1.iter().map(|(subject, before)| {
                compared(subject, &axes[subject], before, &now.1[subject])
            });
            Sliced { dimension: "country", name, reference_rows: before.0, rows: now.0, fields: of_slice.collect() }
        });
        let slices = slices.collect();
        let clock = Clock { rows: late[0], late: late[1], usual_rows: late[2], usual_late: late[3],
            delay: Some(Delay { now: delay[0], usual: delay[1] }) };
        let alarmed = fields.iter().map(|field| field.subject).chain(["accuracy"]).collect();
        let scene = Scene { fields, alarmed, slices, clock: Some(clock), outcomes: None };
        let told = likely(&scene);
        let mut explained: Vec<&String> = told.iter().flat_map(|one| &one.subjects).collect();
        let all = explained.len();
        explained.sort();
        explained.dedup();
        prop_assert_eq!(explained.len(), all, "a subject is explained twice");
        for one in &told {
            prop_assert!((0.0..=1.0).contains(&one.confidence), "{:?}", one);
            prop_assert!(!one.evidence.contains("NaN"), "{:?}", one);
        }
        prop_assert_eq!(likely(&scene), told);
    }
}

//! What holds of distances between shares by their definitions, for arbitrary counts.

use proptest::prelude::*;

use super::{Answer, Sample, case, find};
use crate::measurement::Family;

const SYMMETRIC: [&str; 5] = ["js_distance", "js_divergence", "hellinger", "total_variation", "linf"];
const TESTS: [&str; 3] = ["chi_squared", "g_test", "cramers_v"];

fn drift(name: &str, reference: &[u64], current: &[u64]) -> Answer {
    (find(Family::Drift, name).unwrap().compute)(&case(&Sample::counted(reference, current)))
}

fn value(name: &str, reference: &[u64], current: &[u64]) -> f64 {
    drift(name, reference, current).unwrap().value
}

/// Counts of both sides in as many bins, of which some are empty, some heavy, and neither side wholly empty.
fn counts() -> impl Strategy<Value = (Vec<u64>, Vec<u64>)> {
    let count = || prop_oneof![3 => Just(0u64), 5 => 0..30u64, 2 => 0..100_000u64, 1 => 0..1u64 << 40];
    prop::collection::vec((count(), count()), 2..40)
        .prop_map(|bins| bins.into_iter().unzip())
        .prop_filter("rows on both sides", |(r, c): &(Vec<u64>, Vec<u64>)| {
            r.iter().any(|&r| r > 0) && c.iter().any(|&c| c > 0)
        })
}

fn same_shares(r: &[u64], c: &[u64]) -> bool {
    let sum = |counts: &[u64]| u128::from(counts.iter().sum::<u64>());
    let (n, m) = (sum(r), sum(c));
    r.iter().zip(c).all(|(&r, &c)| u128::from(r) * m == u128::from(c) * n)
}

proptest! {
    #[test]
    fn symmetric_distances_are_symmetric((r, c) in counts()) {
        for name in SYMMETRIC {
            let (there, back) = (value(name, &r, &c), value(name, &c, &r));
            prop_assert!((there - back).abs() <= 1e-15 + 1e-12 * there, "{}: {} and {}", name, there, back);
        }
    }

    #[test]
    fn a_distance_is_zero_where_the_shares_are_equal_and_nowhere_else((r, c) in counts(), times in 1..1000u64) {
        let more: Vec<u64> = r.iter().map(|r| r * times).collect();
        for name in SYMMETRIC {
            prop_assert_eq!(value(name, &r, &more), 0.0, "{}", name);
            prop_assert_eq!(value(name, &r, &c) == 0.0, same_shares(&r, &c), "{}", name);
        }
        for name in TESTS {
            if let Ok(reading) = drift(name, &r, &more) {
                prop_assert_eq!((reading.value, reading.p_value), (0.0, Some(1.0)), "{}", name);
            }
        }
    }

    /// What cannot be told from the whole cannot be told from a part of what is known.
    #[test]
    fn to_tell_two_values_apart_no_more_brings_nothing_closer((r, c) in counts(), at in any::<prop::sample::Index>()) {
        let at = at.index(r.len() - 1);
        let merged = |counts: &[u64]| {
            let mut counts = counts.to_vec();
            let moved = counts.remove(at);
            counts[at] += moved;
            counts.push(0);
            counts
        };
        for name in ["js_distance", "js_divergence", "hellinger", "total_variation"] {
            let (whole, part) = (value(name, &r, &c), value(name, &merged(&r), &merged(&c)));
            prop_assert!(part <= whole + 1e-12, "{}: {} and {}", name, whole, part);
        }
    }

    #[test]
    fn the_distances_bound_one_another((r, c) in counts()) {
        let [js, hellinger, variation, linf] =
            ["js_divergence", "hellinger", "total_variation", "linf"].map(|name| value(name, &r, &c));
        let slack = 1e-12;
        prop_assert!(linf <= variation + slack);
        // Le Cam (1986), and Lin (1991).
        prop_assert!(hellinger * hellinger <= variation + slack);
        prop_assert!(variation <= hellinger * (2.0 - hellinger * hellinger).sqrt() + slack);
        prop_assert!(js <= variation + slack);
    }

    #[test]
    fn pooling_keeps_every_row_and_leaves_enough_in_each((r, c) in counts()) {
        let sample = Sample::counted(&r, &c);
        let bins = super::Bins::of(&case(&sample)).unwrap();
        let sum = |counts: &[(u64, u64)]| counts.iter().fold((0, 0), |(r, c), bin| (r + bin.0, c + bin.1));
        prop_assert_eq!(sum(&bins.pooled), (bins.n_reference, bins.n_current));
        prop_assert_eq!(sum(&bins.counts), (bins.n_reference, bins.n_current));
        let smaller = bins.n_reference.min(bins.n_current) as f64;
        for &(r, c) in &bins.pooled {
            let expected = (r + c) as f64 / (bins.n_reference + bins.n_current) as f64 * smaller;
            let least = (2.0 * (bins.pooled.len() as f64).sqrt()).max(5.0);
            prop_assert!(bins.pooled.len() == 1 || expected >= least * (1.0 - 1e-12), "{} of {}", expected, least);
        }
    }

    #[test]
    fn two_values_may_change_their_places((r, c) in (any::<(u8, u8)>(), any::<(u8, u8)>())) {
        let [r, c] = [r, c].map(|(a, b)| (u64::from(a) + 1, u64::from(b) + 1));
        let (there, back) = (drift("fisher_exact", &[r.0, r.1, 0], &[c.0, c.1, 0]).unwrap(),
            drift("fisher_exact", &[r.1, r.0, 0], &[c.1, c.0, 0]).unwrap());
        prop_assert!((there.value * back.value - 1.0).abs() < 1e-12);
        prop_assert!((there.p_value.unwrap() - back.p_value.unwrap()).abs() < 1e-12);
        if let Ok(z) = drift("two_proportion_z", &[r.0, r.1, 0], &[c.0, c.1, 0]) {
            let squared = drift("chi_squared", &[r.0, r.1, 0], &[c.0, c.1, 0]).unwrap();
            prop_assert!((z.value * z.value - squared.value).abs() <= 1e-12 * squared.value);
            prop_assert_eq!(z.p_value, squared.p_value);
        }
    }
}

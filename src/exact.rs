//! Sums of floating-point numbers that do not depend on the order of adding.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bits of a double's magnitude that one limb stands for.
const LIMB_BITS: u32 = 32;
/// Enough limbs for every bit position of a finite double, and for the carries above it.
const LIMBS: usize = 68;
/// Additions that a limb can take in before carries have to move on: each adds less than 2^32, a limb holds 2^63.
const ROOM: u32 = 1 << 30;

/// The exact sum of any number of finite doubles, held as one wide fixed-point integer (Neal, *Fast exact summation
/// using small and large superaccumulators*, 2015).
///
/// Addition of doubles is not associative, so a plain sum would differ with partitions, panes and restarts. This one is
/// rounded once, when it is read: merging parts in any order gives the same bits as adding all at once. It holds only
/// the limbs that its terms reach, which for numbers of a few magnitudes are a handful of the 68 that doubles span.
#[derive(Clone, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct ExactSum {
    /// The place of the lowest limb that is held.
    first: u32,
    room: u32,
    limbs: Vec<i64>,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { first: 0, room: ROOM, limbs: Vec::new() }
    }
}

impl ExactSum {
    /// Adds a finite number; others are ignored.
    #[inline]
    pub fn add(&mut self, x: f64) {
        let bits = x.to_bits();
        let exponent = ((bits >> 52) & 0x7ff) as u32;
        let fraction = bits & ((1 << 52) - 1);
        if exponent == 0x7ff {
            return;
        }
        // A subnormal has no implied leading one, and the same scale as the smallest normal.
        let (mantissa, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | (1 << 52), exponent - 1) };
        let (place, offset) = (shift / LIMB_BITS, shift % LIMB_BITS);
        // The mantissa, shifted within its limb, is at most 85 bits wide: three limbs' worth.
        let wide = u128::from(mantissa) << offset;
        let sign = if bits >> 63 == 1 { -1i64 } else { 1 };
        let parts = [wide as u32, (wide >> 32) as u32, (wide >> 64) as u32].map(|part| sign * i64::from(part));
        self.put(place, parts);
        self.room -= 1;
        if self.room == 0 {
            self.carry();
        }
    }

    /// Adds to the limb at a place and the two above it.
    #[inline]
    fn put(&mut self, place: u32, parts: [i64; 3]) {
        let at = place.wrapping_sub(self.first) as usize;
        if let Some(limbs) = self.limbs.get_mut(at..).and_then(<[i64]>::first_chunk_mut::<3>) {
            limbs[0] += parts[0];
            limbs[1] += parts[1];
            limbs[2] += parts[2];
        } else {
            self.put_beyond(place, parts);
        }
    }

    /// Adds where not all the limbs are held yet, which is rare: after the first few terms they are.
    #[cold]
    #[inline(never)]
    fn put_beyond(&mut self, place: u32, parts: [i64; 3]) {
        // A zero changes nothing, and would have the lowest limb of all held for it.
        if parts == [0; 3] {
            return;
        }
        self.hold(place, place + 3);
        let at = (place - self.first) as usize;
        self.limbs[at..].iter_mut().zip(parts).for_each(|(limb, part)| *limb += part);
    }

    /// Makes room for the limbs of these places.
    fn hold(&mut self, from: u32, to: u32) {
        if self.limbs.is_empty() {
            self.first = from;
        }
        let end = self.first + self.limbs.len() as u32;
        let (first, end) = (self.first.min(from), end.max(to));
        let mut limbs = vec![0; (end - first) as usize];
        limbs[(self.first - first) as usize..][..self.limbs.len()].copy_from_slice(&self.limbs);
        (self.first, self.limbs) = (first, limbs);
    }

    /// Moves what exceeds a limb to the next. All limbs but the last are then in [0, 2^32), and the last has the sign.
    fn carry(&mut self) {
        for i in 1..self.limbs.len() {
            let over = self.limbs[i - 1] >> LIMB_BITS;
            self.limbs[i - 1] -= over << LIMB_BITS;
            self.limbs[i] += over;
        }
        while let Some(last) = self.limbs.last_mut().filter(|last| last.unsigned_abs() >> LIMB_BITS != 0) {
            let over = *last >> LIMB_BITS;
            *last -= over << LIMB_BITS;
            self.limbs.push(over);
        }
        self.room = ROOM;
    }

    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        if other.limbs.is_empty() {
            return;
        }
        let end = other.first + other.limbs.len() as u32;
        if self.limbs.is_empty() || other.first < self.first || end > self.first + self.limbs.len() as u32 {
            self.hold(other.first, end);
        }
        let at = (other.first - self.first) as usize;
        for (mine, theirs) in self.limbs[at..].iter_mut().zip(&other.limbs) {
            *mine += theirs;
        }
        self.carry();
    }

    /// The sum, rounded once to the nearest double, which is infinite when the sum is beyond all doubles.
    pub fn value(&self) -> f64 {
        let Stored { negative, lowest, limbs } = self.stored();
        // The four highest limbs hold at least 97 significant bits. For all bits below, which can only decide between
        // two doubles that are otherwise equally near, the lowest bit stands.
        let bottom = limbs.len().saturating_sub(4);
        let high = limbs[bottom..].iter().rev().fold(0u128, |high, &limb| (high << LIMB_BITS) | u128::from(limb));
        let sticky = u128::from(bottom > 0);
        let magnitude = scale((high | sticky) as f64, lowest as usize + bottom);
        if negative { -magnitude } else { magnitude }
    }

    /// The one form that a sum has, however it came about: its sign, and its limbs without those that are zero at
    /// either end.
    fn stored(&self) -> Stored {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs.iter().rev().find(|limb| **limb != 0).is_some_and(|limb| *limb < 0);
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        let lowest = sum.limbs.iter().position(|&limb| limb != 0).unwrap_or(sum.limbs.len());
        let end = sum.limbs.iter().rposition(|&limb| limb != 0).map_or(lowest, |top| top + 1);
        let limbs: Vec<u32> = sum.limbs[lowest..end].iter().map(|&limb| limb as u32).collect();
        let lowest = if limbs.is_empty() { 0 } else { sum.first + lowest as u32 };
        Stored { negative, lowest, limbs }
    }

    pub fn is_zero(&self) -> bool {
        self.stored().limbs.is_empty()
    }
}

/// `number` times the weight of a limb, in two steps because the smallest weights are below the normal range.
fn scale(number: f64, limb: usize) -> f64 {
    let exponent = limb as i32 * LIMB_BITS as i32 - 1074;
    number * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

impl fmt::Debug for ExactSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ExactSum").field(&self.value()).finish()
    }
}

impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        self.stored() == other.stored()
    }
}

/// What is stored: equal sums have equal bytes, and limbs that are zero take no place.
#[derive(PartialEq, Serialize, Deserialize)]
struct Stored {
    negative: bool,
    /// The place of the lowest limb that is not zero.
    lowest: u32,
    limbs: Vec<u32>,
}

impl From<ExactSum> for Stored {
    fn from(sum: ExactSum) -> Stored {
        sum.stored()
    }
}

impl TryFrom<Stored> for ExactSum {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<ExactSum, Self::Error> {
        let end = (stored.lowest as usize).saturating_add(stored.limbs.len());
        if end > LIMBS {
            return Err("more limbs than a sum has");
        }
        let sign = if stored.negative { -1 } else { 1 };
        let limbs = stored.limbs.into_iter().map(|limb| sign * i64::from(limb)).collect();
        let mut sum = ExactSum { first: stored.lowest, limbs, ..ExactSum::default() };
        sum.carry();
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(values: &[f64]) -> ExactSum {
        let mut sum = ExactSum::default();
        values.iter().for_each(|&x| sum.add(x));
        sum
    }

    fn finite() -> impl Strategy<Value = f64> {
        use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
        prop_oneof![NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE, -1e3..1e3, Just(f64::MAX), Just(f64::MIN)]
    }

    proptest! {
        #[test]
        fn no_order_and_no_parts_change_a_bit(
            (values, shuffled) in prop::collection::vec(finite(), 0..60)
                .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle())),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = sum(&values);
            prop_assert_eq!(&whole, &sum(&shuffled));
            let (left, right) = values.split_at(cut.index(values.len() + 1));
            let (mut merged, right) = (sum(left), sum(right));
            merged.merge(&right);
            prop_assert_eq!(&whole, &merged);
            prop_assert_eq!(whole.value().to_bits(), merged.value().to_bits());
            let bytes = postcard::to_stdvec(&whole).unwrap();
            prop_assert_eq!(&bytes, &postcard::to_stdvec(&merged).unwrap());
            prop_assert_eq!(&whole, &postcard::from_bytes::<ExactSum>(&bytes).unwrap());
        }

        #[test]
        fn what_is_added_and_taken_away_leaves_nothing(values in prop::collection::vec(finite(), 0..60)) {
            let mut nothing = sum(&values);
            values.iter().rev().for_each(|x| nothing.add(-x));
            prop_assert!(nothing.is_zero());
            prop_assert_eq!(nothing.value().to_bits(), 0);
        }

        #[test]
        fn only_the_limbs_that_terms_reach_are_held(
            values in prop::collection::vec(prop_oneof![1e-3..1e6, Just(0.0), Just(-0.0)], 0..60),
        ) {
            let sum = sum(&values);
            prop_assert!(sum.limbs.len() <= 6, "{:?}", sum.limbs);
        }

        /// Multiples of one power of two are integers, whose sum is known exactly.
        #[test]
        fn it_is_the_nearest_double_to_the_true_sum(
            integers in prop::collection::vec((any::<i64>(), 0u32..40), 0..200),
            place in -1074i32..800,
        ) {
            let weight = |power: i32| 2f64.powi(power / 2) * 2f64.powi(power - power / 2);
            // A double holds 53 bits, so the integers that are summed are those that doubles hold.
            let terms: Vec<(f64, u32)> = integers.iter().map(|&(i, shift)| ((i >> 11) as f64, shift)).collect();
            let values: Vec<f64> = terms.iter().map(|&(i, shift)| i * weight(place + shift as i32)).collect();
            let exactly: i128 = terms.iter().map(|&(i, shift)| (i as i128) << shift).sum();
            prop_assert_eq!(sum(&values).value(), exactly as f64 * weight(place));
        }

        #[test]
        fn one_number_is_its_own_sum(x in finite()) {
            prop_assert_eq!(sum(&[x]).value(), x);
        }
    }

    #[test]
    fn the_least_of_terms_decides_between_two_doubles() {
        let half_a_step = 2f64.powi(-53);
        assert_eq!(sum(&[1.0, half_a_step]).value(), 1.0);
        assert_eq!(sum(&[1.0, half_a_step, 5e-324]).value(), 1.0 + f64::EPSILON);
        assert_eq!(sum(&[-1.0, -half_a_step, 5e-324]).value(), -1.0);
    }

    #[test]
    fn carries_move_on_in_time() {
        let mut sum = ExactSum { room: 3, ..ExactSum::default() };
        (0..1000).for_each(|_| sum.add(f64::MAX));
        assert_eq!(sum.value(), f64::INFINITY);
        (0..999).for_each(|_| sum.add(f64::MIN));
        assert_eq!(sum.value(), f64::MAX);
    }

    #[test]
    fn a_damaged_record_is_refused() {
        let damaged = Stored { negative: false, lowest: 60, limbs: vec![1; 10] };
        assert!(postcard::from_bytes::<ExactSum>(&postcard::to_stdvec(&damaged).unwrap()).is_err());
        let damaged = Stored { negative: false, lowest: u32::MAX, limbs: vec![1] };
        assert!(postcard::from_bytes::<ExactSum>(&postcard::to_stdvec(&damaged).unwrap()).is_err());
    }
}

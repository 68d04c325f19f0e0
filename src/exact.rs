//! Sums of floating-point numbers that do not depend on the order of adding.

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
/// Addition of doubles is not associative, so a plain sum would differ with partitions, panes and restarts. This one
/// is rounded once, when it is read: merging parts in any order gives the same bits as adding all at once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExactSum {
    limbs: Vec<i64>,
    room: u32,
}

impl Default for ExactSum {
    fn default() -> Self {
        ExactSum { limbs: vec![0; LIMBS], room: ROOM }
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
        let (limb, offset) = ((shift / LIMB_BITS) as usize, shift % LIMB_BITS);
        // The mantissa, shifted within its limb, is at most 85 bits wide: three limbs' worth.
        let wide = u128::from(mantissa) << offset;
        let sign = if bits >> 63 == 1 { -1 } else { 1 };
        self.limbs[limb] += sign * (wide as u32) as i64;
        self.limbs[limb + 1] += sign * ((wide >> 32) as u32) as i64;
        self.limbs[limb + 2] += sign * ((wide >> 64) as u32) as i64;
        self.room -= 1;
        if self.room == 0 {
            self.carry();
        }
    }

    /// Moves what exceeds a limb to the next, which makes the representation of a sum unique.
    fn carry(&mut self) {
        let last = self.limbs.len() - 1;
        for i in 0..last {
            let over = self.limbs[i] >> LIMB_BITS;
            self.limbs[i] -= over << LIMB_BITS;
            self.limbs[i + 1] += over;
        }
        self.room = ROOM;
    }

    pub fn merge(&mut self, other: &ExactSum) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (mine, theirs) in self.limbs.iter_mut().zip(&other.limbs) {
            *mine += theirs;
        }
        self.carry();
    }

    /// The sum, rounded to a double within one unit in the last place.
    pub fn value(&self) -> f64 {
        let mut sum = self.clone();
        sum.carry();
        let negative = sum.limbs[LIMBS - 1] < 0;
        if negative {
            sum.limbs.iter_mut().for_each(|limb| *limb = -*limb);
            sum.carry();
        }
        // The four highest limbs in use hold at least 97 significant bits.
        let magnitude = match sum.limbs.iter().rposition(|&limb| limb != 0) {
            None => 0.0,
            Some(top) => (0..=top).rev().take(4).map(|i| scale(sum.limbs[i] as f64, i)).sum(),
        };
        if negative { -magnitude } else { magnitude }
    }

    pub fn is_zero(&self) -> bool {
        let mut sum = self.clone();
        sum.carry();
        sum.limbs.iter().all(|&limb| limb == 0)
    }
}

/// `limb` times the weight of its place, in two steps because the smallest weights are below the normal range.
fn scale(limb: f64, place: usize) -> f64 {
    let exponent = place as i32 * LIMB_BITS as i32 - 1074;
    limb * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
}

impl PartialEq for ExactSum {
    fn eq(&self, other: &Self) -> bool {
        let (mut a, mut b) = (self.clone(), other.clone());
        a.carry();
        b.carry();
        a.limbs == b.limbs
    }
}

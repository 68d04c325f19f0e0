//! The Jensen-Shannon divergence, of which its own statistic and a distance are made.

use std::f64::consts::LN_2;

use super::Bins;

/// The Jensen-Shannon divergence, in bits, of the shares of two samples: from 0 (equal) to 1 (disjoint).
pub fn divergence(bins: &Bins) -> f64 {
    let parts = bins.differences().map(|(r, c, difference)| {
        let middle = (r + c) / 2.0;
        // With d = (r - c) / (r + c), r ln(r / middle) + c ln(c / middle) is this function of d times the middle.
        middle * twice_information(difference / (r + c))
    });
    (parts.sum::<f64>() / (2.0 * LN_2)).clamp(0.0, 1.0)
}

/// `(1 + d) ln(1 + d) + (1 - d) ln(1 - d)` for `d` from -1 to 1.
fn twice_information(d: f64) -> f64 {
    let d = d.abs();
    if d >= 1.0 {
        2.0 * LN_2
    } else if d < 0.5 {
        // Near zero the two logarithms nearly cancel; written so, the parts do not.
        (-d * d).ln_1p() + 2.0 * d * d.atanh()
    } else {
        (1.0 + d) * d.ln_1p() + (1.0 - d) * (-d).ln_1p()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_difference_keeps_its_digits() {
        // The series is d^2 + d^4 / 6 + ...
        for d in [1e-12, 1e-9, 1e-5] {
            assert!((twice_information(d) / (d * d) - 1.0).abs() < 1e-10);
        }
        // And so does one side that is nearly empty: with e = 1 - d it is 2 ln 2 - e (1 + ln 2 - ln e) + ...
        let e = 1e-10f64;
        assert!((twice_information(1.0 - e) - (2.0 * LN_2 - e * (1.0 + LN_2 - e.ln()))).abs() < 1e-14);
        assert!((twice_information(0.5 - 1e-15) - twice_information(0.5)).abs() < 1e-14);
    }
}

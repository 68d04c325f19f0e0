//! Student's t distribution, for any number of degrees of freedom.

use std::f64::consts::{PI, SQRT_2};

use statrs::function::erf::erfc;

/// The probability that a Student variable is at least so far from zero, on either side.
///
/// It is a regularised incomplete beta function, by its continued fraction (*Numerical Recipes*, section 6.4), which
/// `statrs` cuts off too early for thousands of degrees. With more than some millions the normal distribution is as
/// exact, after the correction of Abramowitz and Stegun, 26.7.8.
pub fn student_two_sided(t: f64, degrees: f64) -> f64 {
    const NEARLY_NORMAL: f64 = 2e7;
    let square = t * t;
    if square == 0.0 {
        return 1.0;
    }
    if degrees > NEARLY_NORMAL {
        let z = t.abs() * (1.0 - 0.25 / degrees) / (1.0 + square / (2.0 * degrees)).sqrt();
        return if z.is_nan() { 0.0 } else { erfc(z / SQRT_2) };
    }
    let a = degrees / 2.0;
    let (x, rest) = (1.0 / (1.0 + square / degrees), 1.0 / (1.0 + degrees / square));
    // x^a (1-x)^(1/2) over the beta function of a and 1/2.
    let front = (-a * (square / degrees).ln_1p()).exp() * rest.sqrt() * gamma_ratio(a) / PI.sqrt();
    let p = if x < (a + 1.0) / (a + 2.5) {
        front * continued_fraction(a, 0.5, x) / a
    } else {
        1.0 - front * continued_fraction(0.5, a, rest) / 0.5
    };
    p.clamp(0.0, 1.0)
}

/// Gamma of `a + 1/2` over gamma of `a`, by its series in `1 / a` (Tricomi and Erdélyi, 1951) from 30 on.
fn gamma_ratio(a: f64) -> f64 {
    const LEAST: f64 = 30.0;
    let (mut a, mut factor) = (a, 1.0);
    while a < LEAST {
        factor *= a / (a + 0.5);
        a += 1.0;
    }
    let b = 1.0 / (8.0 * a);
    factor * a.sqrt() * (1.0 - b * (1.0 - b * (0.5 + b * (2.5 - b * (2.625 + b * 49.875)))))
}

/// Lentz's method, in the modified form of Thompson and Barnett.
fn continued_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    // It takes in the order of the root of the larger parameter.
    const MOST: usize = 10_000;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for i in 1..MOST {
        let i = i as f64;
        for coefficient in [
            i * (b - i) * x / ((a - 1.0 + 2.0 * i) * (a + 2.0 * i)),
            -(a + i) * (a + b + i) * x / ((a + 2.0 * i) * (a + 1.0 + 2.0 * i)),
        ] {
            d = 1.0 / away(1.0 + coefficient * d);
            c = away(1.0 + coefficient / c);
            fraction *= d * c;
        }
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

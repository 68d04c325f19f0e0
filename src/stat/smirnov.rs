//! The exact distribution of the two-sample Kolmogorov-Smirnov statistic.

/// The probability that samples of `n` and `m` different values from one distribution reach a difference of cumulative
/// shares, times `n m`, of `reached` or more.
///
/// All orders of the pooled values are equally likely, and each is a path from (0, 0) to (n, m). Of the paths that pass
/// (i, j), the share `i / (i + j)` comes from (i - 1, j) and the rest from (i, j - 1); the share that has by then
/// strayed so far follows from those of the two (Hodges, *The significance probability of the Smirnov two-sample test*,
/// 1957). Only additions of positive numbers: small probabilities lose no digits. It takes `n m` steps.
pub fn smirnov_sf(n: u64, m: u64, reached: i128) -> f64 {
    if reached <= 0 {
        return 1.0;
    }
    // The test is symmetric, and few long rows are faster than many short ones.
    let (n, m) = (n.min(m), n.max(m));
    let (wide_n, wide_m) = (i128::from(n), i128::from(m));
    let parts: Vec<f64> = (0..=n + m).map(|k| 1.0 / k.max(1) as f64).collect();
    // For the current i, the share of paths to (i, j) that have strayed; a point that is itself too far has all.
    let mut strayed = vec![1.0; m as usize + 1];
    for i in 0..=n {
        let across = i128::from(i) * wide_m;
        // Points with |i m - j n| < reached.
        let low = ((across - reached).div_euclid(wide_n) + 1).max(0) as usize;
        let high = (across + reached - 1).div_euclid(wide_n).min(wide_m) as usize;
        if low > 0 {
            strayed[low - 1] = 1.0;
        }
        let mut before = if low > 0 { 1.0 } else { 0.0 };
        for j in low..=high {
            let from_i = if i > 0 { strayed[j] } else { 0.0 };
            before = (i as f64 * from_i + j as f64 * before) * parts[i as usize + j];
            strayed[j] = before;
        }
    }
    strayed[m as usize].clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the orders one by one.
    fn by_counting(n: u64, m: u64, reached: i128) -> f64 {
        fn count(i: i128, j: i128, n: i128, m: i128, reached: i128) -> (f64, f64) {
            if (i, j) == (0, 0) {
                return (0.0, 1.0);
            }
            let (mut far, mut all) = (0.0, 0.0);
            for (i, j) in [(i - 1, j), (i, j - 1)] {
                if i >= 0 && j >= 0 {
                    let (f, a) = count(i, j, n, m, reached);
                    far += f;
                    all += a;
                }
            }
            if (i * m - j * n).abs() >= reached { (all, all) } else { (far, all) }
        }
        let (far, all) = count(i128::from(n), i128::from(m), i128::from(n), i128::from(m), reached);
        far / all
    }

    #[test]
    fn it_is_the_share_of_orders_that_stray_so_far() {
        for (n, m) in [(1, 1), (1, 5), (2, 3), (4, 4), (6, 4), (3, 7)] {
            for reached in 0..=i128::from(n * m) + 1 {
                let (actual, expected) = (smirnov_sf(n, m, reached), by_counting(n, m, reached));
                let expected = if reached == 0 { 1.0 } else { expected };
                let known = if reached > i128::from(n * m) { 0.0 } else { expected };
                assert!((actual - known).abs() < 1e-14, "{n}, {m}, {reached}: {actual}, expected {known}");
            }
        }
    }
}

//! Features whose windows are drawn as counts, and what several rules measure on them.
//!
//! A feature is normal with a standard deviation of one around a mean that wanders and has seasons. What the rules ask
//! of a window of a thousand rows are functions of how many rows fall between fixed edges, and of their mean. These
//! counts are multinomial and are drawn as such, cell by cell, which is exact and many times quicker than drawing the
//! rows. The rows of a cell are taken to be at their expected place, given the feature's mean in that window, which
//! leaves out 0.4 % of the variance of the window's mean.

use std::f64::consts::{SQRT_2, TAU};

use rand_distr::{Binomial, Distribution, StandardNormal};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::SeedableRng;
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::erf::erfc;

/// Rows of a window, and of the reference.
pub const ROWS: u64 = 1000;
pub const REFERENCE: u64 = 20_000;

/// How a feature's mean moves though nothing has drifted, in its standard deviations.
#[derive(Clone, Copy)]
pub struct Stream {
    pub name: &'static str,
    /// The standard deviation of a first-order autoregression, and how much of it is left after a window.
    pub wander: f64,
    pub memory: f64,
    /// The amplitudes of a daily and of a weekly wave. Each feature has its own phases.
    pub day: f64,
    pub week: f64,
}

pub const STREAMS: [Stream; 4] = [
    Stream { name: "independent", wander: 0.0, memory: 0.0, day: 0.0, week: 0.0 },
    Stream { name: "autocorrelated", wander: 0.05, memory: 0.9, day: 0.0, week: 0.0 },
    Stream { name: "seasonal", wander: 0.0, memory: 0.0, day: 0.15, week: 0.1 },
    Stream { name: "seasonal, autocorrelated", wander: 0.05, memory: 0.9, day: 0.15, week: 0.1 },
];

/// The edges between cells: the deciles, which are PSI's bins, and a fine grid for the distances.
pub struct Cells {
    edges: Vec<f64>,
    /// For each decile the number of cells up to it.
    deciles: Vec<usize>,
    /// The distribution function and the density of the standard normal at steps of a 64th, from -8 to 8.
    normal: Vec<(f64, f64)>,
}

const STEP: f64 = 1.0 / 64.0;
const END: f64 = 8.0;

impl Cells {
    pub fn new() -> Cells {
        let deciles: Vec<f64> = (1..10).map(|k| Normal::standard().inverse_cdf(f64::from(k) / 10.0)).collect();
        let grid = (0..33).map(|k| -3.2 + 0.2 * f64::from(k));
        let mut edges: Vec<f64> = grid.chain(deciles.iter().copied()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| (*a - *b).abs() < 1e-9);
        let at = |decile: &f64| edges.iter().filter(|edge| **edge < decile + 1e-9).count();
        let deciles = deciles.iter().map(at).collect();
        let normal = (0..=(2.0 * END / STEP) as usize).map(|k| {
            let x = k as f64 * STEP - END;
            (0.5 * erfc(-x / SQRT_2), (-x * x / 2.0).exp() / TAU.sqrt())
        });
        Cells { deciles, normal: normal.collect(), edges }
    }

    /// The standard normal's distribution function and density, by their Taylor series from the next lower step.
    fn normal(&self, x: f64) -> (f64, f64) {
        if x.abs() >= END {
            return (if x > 0.0 { 1.0 } else { 0.0 }, 0.0);
        }
        let place = ((x + END) / STEP) as usize;
        let from = place as f64 * STEP - END;
        let (h, (p, d)) = (x - from, self.normal[place]);
        let (first, second) = (-from * d, (from * from - 1.0) * d);
        (p + h * (d + h / 2.0 * (first + h / 3.0 * second)), d + h * (first + h / 2.0 * second))
    }

    /// Draws how many of so many rows are in each cell, and gives their mean.
    fn draw(&self, mean: f64, rows: u64, random: &mut Pcg64Mcg, counts: &mut Vec<u64>) -> f64 {
        counts.clear();
        let (mut left, mut below, mut density, mut sum) = (rows, 0.0, 0.0, 0.0);
        for edge in &self.edges {
            let (p, d) = self.normal(edge - mean);
            let share = p - below;
            let of_rest = (share / (1.0 - below)).clamp(0.0, 1.0);
            let count = Binomial::new(left, of_rest).map_or(0, |binomial| binomial.sample(random));
            if count > 0 {
                sum += count as f64 * (mean + (density - d) / share);
            }
            counts.push(count);
            left -= count;
            (below, density) = (p, d);
        }
        counts.push(left);
        if left > 0 {
            sum += left as f64 * (mean + density / (1.0 - below));
        }
        sum / rows as f64
    }

    /// Counts in the ten bins between deciles.
    fn tenths(&self, counts: &[u64]) -> [f64; 10] {
        let mut tenths = [0.0; 10];
        for (cell, count) in counts.iter().enumerate() {
            tenths[self.deciles.iter().filter(|end| cell >= **end).count()] += *count as f64;
        }
        tenths
    }
}

/// What is measured of a window.
#[derive(Clone, Copy)]
pub struct Drawn {
    /// The window's mean less the reference's.
    pub shift: f64,
    pub psi: f64,
    pub ks: f64,
    /// Wasserstein's distance in standard deviations.
    pub wasserstein: f64,
}

/// One feature, its reference, and where its mean has wandered.
#[derive(Clone)]
pub struct Feature {
    random: Pcg64Mcg,
    cumulative: Vec<f64>,
    tenths: [f64; 10],
    mean: f64,
    state: f64,
    phases: (f64, f64),
}

impl Feature {
    pub fn new(cells: &Cells, seed: u64) -> Feature {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut counts = Vec::new();
        let mean = cells.draw(0.0, REFERENCE, &mut random, &mut counts);
        let mut sum = 0.0;
        let cumulative = counts.iter().map(|count| {
            sum += *count as f64 / REFERENCE as f64;
            sum
        });
        let cumulative = cumulative.collect();
        let mut phase = || {
            let x: f64 = StandardNormal.sample(&mut random);
            0.5 * erfc(-x / SQRT_2) * TAU
        };
        let phases = (phase(), phase());
        Feature { cumulative, tenths: cells.tenths(&counts), mean, state: 0.0, phases, random }
    }

    /// Draws the next window, and measures it.
    pub fn next(&mut self, cells: &Cells, stream: &Stream, hour: usize, drift: f64, counts: &mut Vec<u64>) -> Drawn {
        if stream.wander > 0.0 {
            let shock: f64 = StandardNormal.sample(&mut self.random);
            let left = (1.0 - stream.memory * stream.memory).sqrt();
            self.state = stream.memory * self.state + stream.wander * left * shock;
        }
        let wave = |hours: f64, phase: f64| (TAU * hour as f64 / hours + phase).sin();
        let season = stream.day * wave(24.0, self.phases.0) + stream.week * wave(168.0, self.phases.1);
        let mean = cells.draw(self.state + season + drift, ROWS, &mut self.random, counts);
        self.measure(cells, counts, mean)
    }

    fn measure(&self, cells: &Cells, counts: &[u64], mean: f64) -> Drawn {
        // Smoothed by half a row, as the daemon's PSI is.
        let share = |count: f64, rows: u64| (count + 0.5) / (rows as f64 + 5.0);
        let term = |(r, c): (&f64, &f64)| {
            let (r, c) = (share(*r, REFERENCE), share(*c, ROWS));
            (c - r) * (c / r).ln()
        };
        let psi = self.tenths.iter().zip(&cells.tenths(counts)).map(term).sum();
        let (mut ks, mut wasserstein, mut sum, mut before) = (0.0f64, 0.0, 0u64, 0.0);
        for (place, edge) in cells.edges.iter().enumerate() {
            sum += counts[place];
            let difference = (sum as f64 / ROWS as f64 - self.cumulative[place]).abs();
            ks = ks.max(difference);
            if place > 0 {
                wasserstein += (difference + before) / 2.0 * (edge - cells.edges[place - 1]);
            }
            before = difference;
        }
        Drawn { shift: mean - self.mean, psi, ks, wasserstein }
    }
}

/// How many windows mean + 3 sigma looks back on: a week.
const TRAILING: usize = 168;

/// The trailing windows' means.
#[derive(Clone, Default)]
pub struct Trailing {
    means: std::collections::VecDeque<f64>,
    sum: f64,
    squares: f64,
}

impl Trailing {
    /// How many standard deviations of the trailing means a mean is from their mean; zero until there are enough.
    pub fn sigmas(&mut self, mean: f64) -> f64 {
        let n = TRAILING as f64;
        let mut sigmas = 0.0;
        if self.means.len() == TRAILING {
            let centre = self.sum / n;
            sigmas = (mean - centre).abs() / (self.squares / n - centre * centre).max(1e-12).sqrt();
            let oldest = self.means.pop_front().unwrap_or_default();
            self.sum -= oldest;
            self.squares -= oldest * oldest;
        }
        self.means.push_back(mean);
        self.sum += mean;
        self.squares += mean * mean;
        sigmas
    }
}

//! The budget, and the pages that were charged to it.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Time};

/// How many pages a monitor may send, on average, for each so long a time in which nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Above zero; `0.5` is one page in twice the time.
    pub pages: f64,
    /// Above zero.
    pub per: Span,
}

/// What is wrong with a budget as it is written, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {hint}")]
pub struct Fault {
    pub message: String,
    pub hint: &'static str,
}

const HINT: &str = "write for example `2 pages per 30d`";

impl Budget {
    /// Reads `2 pages per 30d`, `1 page per 7d`, `0.5 pages per 1w`.
    ///
    /// # Errors
    /// When it is not of that form, or a number is not above zero.
    pub fn parse(text: &str) -> Result<Budget, Fault> {
        let fault = |message: String| Fault { message, hint: HINT };
        let words: Vec<&str> = text.split_whitespace().collect();
        let [pages, "page" | "pages", "per", per] = words[..] else {
            return Err(fault(format!("`{text}` is not a budget")));
        };
        let number: Option<f64> = pages.parse().ok().filter(|pages: &f64| pages.is_finite() && *pages > 0.0);
        let pages = number.ok_or_else(|| fault(format!("`{pages}` is not a number of pages above zero")))?;
        let per: Span = per.parse().map_err(|why| fault(format!("`{per}` is {why}")))?;
        if per.0 <= 0 {
            return Err(fault("a budget is for a time above zero".to_owned()));
        }
        Ok(Budget { pages, per })
    }

    /// For windows of this length, how many should pass from one page to the next on average; one at least.
    pub fn windows_for_each_page(&self, length: Span) -> f64 {
        (self.per.0 as f64 / length.0.max(1) as f64 / self.pages).max(1.0)
    }
}

impl FromStr for Budget {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Budget, Fault> {
        Budget::parse(text)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = if self.pages == 1.0 { "page" } else { "pages" };
        write!(f, "{} {pages} per {}", self.pages, self.per)
    }
}

/// By how much evidence has to be greater for each page beyond the budget: ten times.
const DEARER: f64 = std::f64::consts::LN_10;
/// The most pages that are remembered, which is far more than make a difference.
const MOST: usize = 256;

/// The pages of the trailing time that a budget is for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// The ends of the windows that were paged for, in order.
    pages: VecDeque<Time>,
}

impl Ledger {
    /// Charges a page to the window that ends there. However many series it is for, a window is charged once.
    pub fn charge(&mut self, at: Time) {
        if self.pages.back().is_none_or(|last| *last < at) {
            self.pages.push_back(at);
            if self.pages.len() > MOST {
                self.pages.pop_front();
            }
        }
    }

    /// Forgets what is longer ago than the budget looks back.
    pub fn forget(&mut self, budget: &Budget, now: Time) {
        while self.pages.front().is_some_and(|first| *first + budget.per <= now) {
            self.pages.pop_front();
        }
    }

    /// The pages within the budget's time up to an instant, true alarms among them.
    pub fn spent(&self, budget: &Budget, now: Time) -> usize {
        self.pages.iter().filter(|page| **page <= now && **page + budget.per > now).count()
    }

    /// The pages that are left; never below zero.
    pub fn left(&self, budget: &Budget, now: Time) -> f64 {
        (budget.pages - self.spent(budget, now) as f64).max(0.0)
    }

    /// By how much the logarithm of evidence has to be larger than usual.
    ///
    /// Nothing as long as the budget holds another page. From then on each page makes the next one ten times as dear,
    /// so no evidence is ever ignored: a gross change, whose evidence grows by powers of ten within a window, is
    /// still paged for, and what is on the brink is not.
    pub fn surcharge(&self, budget: &Budget, now: Time) -> f64 {
        let next = self.spent(budget, now) as f64 + 1.0;
        DEARER * (next - budget.pages.max(1.0)).max(0.0).ceil()
    }
}

//! The routes: a tree through which each alert finds its receivers.

use super::matcher::{Labels, Matcher, all_match};
use crate::time::Span;

/// A route, and those below it. What a route does not say it has from the one above, which has been filled in already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    /// An alert goes this way when all of them match.
    pub matchers: Vec<Matcher>,
    /// `None` where the alerts that no route below takes are told only to those whom their rules name.
    pub receiver: Option<String>,
    pub grouping: Grouping,
    pub timing: Timing,
    /// Whether an alert that went this way also tries the routes after it.
    pub goes_on: bool,
    pub routes: Vec<Route>,
}

/// Which alerts are told together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those with the same values of these labels, of which [`INCIDENT`] is one.
    By(Vec<String>),
    /// Each is told by itself.
    None,
}

/// Not a label of alerts, but what they may be grouped by as if it were: the incident that they are part of. An alert
/// that is part of none is grouped with those of the same model and version.
pub const INCIDENT: &str = "incident";

impl Default for Grouping {
    fn default() -> Grouping {
        Grouping::By(vec![INCIDENT.to_owned()])
    }
}

/// When a group is told, by the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long to wait for further alerts before a new group is told.
    pub wait: Span,
    /// How long to wait after a group was told before what has changed in it is told.
    pub interval: Span,
    /// After how long a group in which nothing has changed is told again.
    pub repeat: Span,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { wait: Span(0), interval: Span(5 * 60 * 1000), repeat: Span(4 * 60 * 60 * 1000) }
    }
}

impl Route {
    /// The routes at which an alert arrives: the deepest that match, and this one if none below does.
    pub fn lead(&self, labels: &Labels) -> Vec<&Route> {
        let mut led = Vec::new();
        for route in self.routes.iter().filter(|route| all_match(&route.matchers, labels)) {
            led.extend(route.lead(labels));
            if !route.goes_on {
                break;
            }
        }
        if led.is_empty() { vec![self] } else { led }
    }

    /// This route and all below it.
    pub fn all(&self) -> Vec<&Route> {
        std::iter::once(self).chain(self.routes.iter().flat_map(Route::all)).collect()
    }
}

//! Reads what several kinds of actions have.

use std::collections::BTreeMap;

use super::super::receivers::parts::{any_secret, web};
use crate::config::{Giver, Item, Map, all, shown};
use crate::notify::secret::Secret;
use crate::trigger::http::Auth;
use crate::trigger::presets::Service;
use crate::trigger::template::VARIABLES;

/// What a run gives to the templates of its action.
pub const RUN: Giver =
    Giver { name: "a run", variables: &VARIABLES, longest: 16_384, like: "\"{{ model }} {{ version }}\"" };

/// A service, of what is read of it.
pub fn service(
    map: &Map<'_>,
    url: Option<Secret>,
    auth: Option<Auth>,
    parameters: Option<BTreeMap<String, String>>,
) -> Option<Service> {
    let web = web(map);
    Some(Service { url: url?, web: web?, auth: auth?, parameters: parameters? })
}

/// A token, or none.
pub fn token(map: &Map<'_>) -> Option<Auth> {
    Some(map.maybe("token", any_secret)?.map_or(Auth::None, Auth::Bearer))
}

/// What the run is given.
pub fn given(map: &Map<'_>) -> Option<BTreeMap<String, String>> {
    map.or("parameters", BTreeMap::new(), parameters)
}

/// Templates by the name of a parameter.
fn parameters(item: Item<'_>) -> Option<BTreeMap<String, String>> {
    let map = item.map()?;
    let parameters = all(map.entries().map(|(name, item, at)| {
        if name.len() > 256 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c)) {
            let hint = "write letters, digits, underscores, hyphens and dots".to_owned();
            item.reader().report(at, format!("`{}` cannot be the name of a parameter", shown(name)), Some(hint));
        }
        Some((name.to_owned(), item.template(&RUN)?))
    }));
    Some(parameters?.into_iter().collect())
}

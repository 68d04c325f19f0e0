//! Reads where models are registered.

use super::receivers::parts::{any_secret, duration, url, web};
use crate::config::{Item, Map, all};
use crate::mlflow::{Auth, Config};
use crate::time::Span;

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let url = map.need("url", "http://mlflow.example.com:5000", url);
    let auth = auth(&map);
    let web = web(&map);
    let poll = map.or("poll", Span(30_000), Item::positive_span);
    let experiment = map.or("experiment", "tidegauge".to_owned(), |item| {
        Some(item.text_like("the name of an experiment, such as tidegauge")?.to_owned())
    });
    let webhook = map.or("webhook_secret", Vec::new(), secrets);
    Some(Config {
        url: url?,
        auth: auth?,
        web: web?,
        poll: duration(poll?),
        experiment: experiment?,
        webhook: webhook?,
    })
}

/// A user with a password, or a token, or nothing.
fn auth(map: &Map<'_>) -> Option<Auth> {
    let username = map.maybe("username", any_secret);
    let password = map.maybe("password", any_secret);
    let token = map.maybe("token", any_secret);
    match (username?, password?, token?) {
        (None, None, None) => Some(Auth::None),
        (Some(username), Some(password), None) => Some(Auth::Basic { username, password }),
        (None, None, Some(token)) => Some(Auth::Bearer(token)),
        _ => {
            let hint = "write `username` and `password`, or `token`, or none of them".to_owned();
            map.item().report("it is not clear as whom MLflow is to be asked", Some(hint));
            None
        }
    }
}

/// One secret, or a list of them while one takes the place of another.
fn secrets(item: Item<'_>) -> Option<Vec<crate::notify::secret::Secret>> {
    if item.is_scalar() || item.is_map() {
        Some(vec![any_secret(item)?])
    } else {
        all(item.list()?.into_iter().map(any_secret))
    }
}

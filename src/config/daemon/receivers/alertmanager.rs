//! Reads a receiver that is an Alertmanager.

use super::parts::{any_secret, duration, url, web};
use crate::config::{Item, all};
use crate::notify::alertmanager::{self, BasicAuth};
use crate::notify::receiver::Config;
use crate::time::Span;

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let urls = map.need("urls", "[http://localhost:9093]", |item| {
        let items = item.list()?;
        if items.is_empty() {
            item.report("`urls` is empty", Some("write the address of each instance".to_owned()));
        }
        all(items.into_iter().map(url))
    });
    let basic_auth = map.maybe("basic_auth", basic_auth);
    let resend = map.or("resend", Span(60_000), Item::positive_span);
    let web = web(&map);
    let (urls, basic_auth, web) = (urls?, basic_auth?, web?);
    let has_other = web.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"));
    if basic_auth.is_some() && has_other {
        item.report(
            "`basic_auth` and an `Authorization` among the `headers` are the same",
            Some("leave one out".into()),
        );
    }
    Some(Config::Alertmanager(alertmanager::Config { urls, basic_auth, web, resend: duration(resend?) }))
}

fn basic_auth(item: Item<'_>) -> Option<BasicAuth> {
    let map = item.map()?;
    let username = map.need("username", "tidegauge", Item::text);
    let password = map.need("password", "{file: PATH}", any_secret);
    Some(BasicAuth { username: username?.to_owned(), password: password? })
}

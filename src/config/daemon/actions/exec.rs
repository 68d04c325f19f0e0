//! Reads an action that is a command.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::receivers::parts::{any_secret, duration};
use super::parts::RUN;
use crate::config::{Item, all, shown};
use crate::notify::secret::Secret;
use crate::time::Span;
use crate::trigger::{Config, exec};

pub fn read(item: Item<'_>, store: Option<&Path>) -> Option<Config> {
    const HOUR: Span = Span(3_600_000);
    let map = item.map()?;
    let command = map.need("command", "[mlflow, run, .]", |item| {
        let words = all(item.list()?.into_iter().map(|item| item.template(&RUN)))?;
        if words.is_empty() {
            item.report("`command` is empty", Some("write a program and its arguments".to_owned()));
            return None;
        }
        Some(words)
    });
    let environment = map.or("environment", BTreeMap::new(), environment);
    let directory = map.maybe("directory", |item| {
        let path = item.reader().resolve(item.text_like("the path of a folder")?);
        if !path.is_dir() {
            item.report(format!("there is no folder `{}`", path.display()), None);
        }
        Some(path)
    });
    let timeout = map.or("timeout", HOUR, Item::positive_span);
    Some(Config::Exec(exec::Config {
        command: command?,
        environment: environment?,
        directory: directory?,
        timeout: duration(timeout?),
        output: store?.join("exec"),
    }))
}

fn environment(item: Item<'_>) -> Option<BTreeMap<String, Secret>> {
    let map = item.map()?;
    let variables = all(map.entries().map(|(name, item, at)| {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !is_plain || name.starts_with(|c: char| c.is_ascii_digit()) {
            let hint = "write letters, digits and underscores, such as MLFLOW_TRACKING_URI".to_owned();
            item.reader().report(at, format!("`{}` cannot be the name of a variable", shown(name)), Some(hint));
        }
        Some((name.to_owned(), any_secret(item)?))
    }));
    Some(variables?.into_iter().collect())
}

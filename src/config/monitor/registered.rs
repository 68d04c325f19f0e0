//! Reads a reference that stands beside a model in MLflow.

use std::path::Path;

use crate::config::{Item, Map};
use crate::monitor::{Registered, Source, Which};
use crate::source::{reference_file, table};

/// Where the reference is looked for beside a model, unless the monitor says otherwise.
const ARTIFACT: &str = "tidegauge/reference.parquet";

/// Reads the keys of `reference` that say which model of MLflow has it, if one has.
pub fn read(map: &Map<'_>) -> Option<Option<Source>> {
    let model = map.find("mlflow");
    if let (None, Some(artifact)) = (model, map.find("artifact")) {
        let hint = "write `mlflow: models:/NAME@ALIAS` beside it".to_owned();
        artifact.report("`artifact` says where beside a model of MLflow the reference is", Some(hint));
    }
    let model = model?;
    let found = model_of(model);
    let artifact = map.or("artifact", ARTIFACT.to_owned(), artifact);
    Some(
        found
            .zip(artifact)
            .map(|((name, which), artifact)| Source::Registered(Registered { name: name.to_owned(), which, artifact })),
    )
}

fn model_of(item: Item<'_>) -> Option<(&str, Which)> {
    const LIKE: &str = "models:/NAME@ALIAS, such as models:/credit@champion, or models:/NAME/VERSION";
    let text = item.text_like(LIKE)?;
    let found = text.strip_prefix("models:/").and_then(|rest| match rest.split_once('@') {
        Some((name, alias)) => is_word(alias).then(|| (name, Which::Alias(alias.to_owned()))),
        None => {
            let (name, version) = rest.split_once('/')?;
            let is_number = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| (name, Which::Version(version.to_owned())))
        }
    });
    let found = found.filter(|(name, _)| !name.trim().is_empty() && !name.contains(['/', ':', '@']));
    if found.is_none() {
        item.report(format!("{item} is no version of a model in MLflow"), Some(format!("write {LIKE}")));
    }
    found
}

/// Whether MLflow would take it for an alias.
fn is_word(alias: &str) -> bool {
    !alias.is_empty() && alias.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

fn artifact(item: Item<'_>) -> Option<String> {
    let text = item.text_like("the path of an artifact, such as tidegauge/reference.parquet")?;
    let path = Path::new(text);
    if path.is_absolute() || text.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        let hint = format!("write a path below the model, such as {ARTIFACT}");
        item.report(format!("{item} is not the path of an artifact"), Some(hint));
        return None;
    }
    if table::is_lines(path).is_err() && !reference_file::is_named(path) {
        let hint = "its name ends in .parquet, .csv, .ndjson, .jsonl or .json, with or without .gz after it, or in \
                    .tidegauge";
        item.report(format!("{item} is not a data set"), Some(hint.to_owned()));
        return None;
    }
    Some(text.to_owned())
}

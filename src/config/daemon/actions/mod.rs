//! Reads what is done when a retrain is due.

mod exec;
mod guards;
mod http;
mod parts;
mod services;

use std::collections::BTreeMap;
use std::path::Path;

use crate::config::{Item, all, alternatives, hint, shown};
use crate::monitor::Monitor;
use crate::retrain::Guards;
use crate::trigger::Config;

/// An action, and what has to hold before it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    pub guards: Guards,
    pub trigger: Config,
}

type Read = fn(Item<'_>) -> Option<Config>;

/// The kinds of actions that are requests, and who reads them.
const SERVICES: [(&str, Read); 9] = [
    ("http", http::read),
    ("airflow", services::airflow),
    ("databricks", services::databricks),
    ("argo_workflows", services::argo_workflows),
    ("argo_events", services::argo_events),
    ("kubeflow", services::kubeflow),
    ("kubernetes_job", services::kubernetes_job),
    ("github", services::github),
    ("sagemaker", services::sagemaker),
];

/// `store` is where the daemon may write.
pub fn read(item: Item<'_>, store: Option<&Path>) -> Option<BTreeMap<String, Action>> {
    let map = item.map()?;
    let actions = all(map.entries().map(|(name, item, _)| Some((name.to_owned(), action(item, store)?))));
    Some(actions?.into_iter().collect())
}

fn action(item: Item<'_>, store: Option<&Path>) -> Option<Action> {
    let map = item.map()?;
    let mut found: Vec<(Item<'_>, Option<Read>)> =
        SERVICES.iter().filter_map(|(kind, read)| Some((map.find(kind)?, Some(*read)))).collect();
    found.extend(map.find("exec").map(|item| (item, None)));
    let guards = guards::read(&map);
    let trigger = match found.as_slice() {
        [(item, Some(read))] => read(*item),
        [(item, None)] => exec::read(*item, store),
        [] => {
            let kinds: Vec<&str> = SERVICES.iter().map(|(kind, _)| *kind).chain(["exec"]).collect();
            let kinds = alternatives(&kinds, "or").unwrap_or_default();
            item.report(format!("{item} is no kind of action"), Some(format!("write {kinds}")));
            None
        }
        [_, (second, _), ..] => {
            second.report(format!("{item} is of more than one kind"), Some("write an action for each".to_owned()));
            None
        }
    };
    Some(Action { guards: guards?, trigger: trigger? })
}

/// Where there are actions, a rule that asks for a retrain has to name one of them: it would wait for it in vain.
pub fn refuse_unknown<'a>(
    item: Item<'_>,
    actions: &BTreeMap<String, Action>,
    monitors: impl Iterator<Item = &'a Monitor>,
) {
    for monitor in monitors {
        let names = monitor.rules.iter().filter_map(|rule| rule.retrain.as_ref()).map(|retrain| &retrain.name);
        for name in names.filter(|name| !actions.contains_key(*name)) {
            let (name, model) = (shown(name), shown(&monitor.model));
            let message = format!("there is no action `{name}`, for which the monitor of `{model}` asks");
            let meant = hint(&name, actions.keys().map(String::as_str));
            item.report(message, meant.or_else(|| Some(format!("add `{name}`, or ask for another retrain"))));
        }
    }
}

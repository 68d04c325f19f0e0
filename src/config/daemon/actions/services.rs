//! Reads the actions of services whose requests are known.

use std::collections::BTreeMap;

use super::super::receivers::parts::{any_secret, url};
use super::parts::{RUN, given, service, token};
use crate::config::{Item, Map};
use crate::notify::secret::Secret;
use crate::trigger::Config;
use crate::trigger::http::{self, Auth};
use crate::trigger::presets::{self, Pipeline};

fn request(config: http::Config) -> Option<Config> {
    Some(Config::Http(Box::new(config)))
}

fn text(item: Item<'_>) -> Option<String> {
    item.text().map(str::to_owned)
}

pub fn airflow(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let dag = map.need("dag", "retrain", text);
    let login = login(&map);
    let service = service(&map, map.need("url", "https://airflow.example.com", url), token(&map), given(&map));
    let (login, mut service) = (login?, service?);
    match (login, &service.auth) {
        (Some(_), Auth::Bearer(_)) => {
            let hint = "leave out `username` and `password`, or else `token`".to_owned();
            item.report("`airflow` has both a token and a password", Some(hint));
        }
        (Some(login), _) => service.auth = login,
        (None, _) => {}
    }
    request(presets::airflow(service, &dag?))
}

/// How a token is had where none is given.
fn login(map: &Map<'_>) -> Option<Option<Auth>> {
    let (username, password) = (map.maybe("username", any_secret)?, map.maybe("password", any_secret)?);
    match (username, password) {
        (Some(username), Some(password)) => {
            Some(Some(Auth::Login { path: presets::AIRFLOW_TOKENS.to_owned(), username, password }))
        }
        (None, None) => Some(None),
        _ => {
            let hint = "write both, or neither".to_owned();
            map.item().report("`username` and `password` belong together", Some(hint));
            None
        }
    }
}

pub fn databricks(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let job = map.need("job", "1234", |item| item.count(1..=u64::MAX));
    let service = service(&map, map.need("url", "https://example.cloud.databricks.com", url), token(&map), given(&map));
    request(presets::databricks(service?, job?))
}

pub fn argo_workflows(item: Item<'_>) -> Option<Config> {
    const KINDS: [(&str, &str); 3] = [
        ("WorkflowTemplate", "WorkflowTemplate"),
        ("ClusterWorkflowTemplate", "ClusterWorkflowTemplate"),
        ("CronWorkflow", "CronWorkflow"),
    ];
    let map = item.map()?;
    let namespace = map.need("namespace", "ml", text);
    let kind = map.or("kind", "WorkflowTemplate", |item| item.choice(&KINDS));
    let template = map.need("template", "retrain", text);
    let service = service(&map, map.need("url", "https://argo.example.com", url), token(&map), given(&map));
    request(presets::argo_workflows(service?, &namespace?, kind?, &template?))
}

pub fn argo_events(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let service =
        service(&map, map.need("url", "http://retrain-eventsource-svc:12000/retrain", url), token(&map), given(&map));
    request(presets::argo_events(service?))
}

pub fn kubeflow(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let id = map.need("pipeline", "the pipeline's id", text);
    let version = map.maybe("version", text);
    let experiment = map.maybe("experiment", text);
    let namespace = map.maybe("namespace", text);
    let service_account = map.maybe("service_account", text);
    let root = map.maybe("root", text);
    let service =
        service(&map, map.need("url", "https://kubeflow.example.com/pipeline", url), token(&map), given(&map));
    let pipeline = Pipeline {
        id: id?,
        version: version?,
        experiment: experiment?,
        namespace: namespace?,
        service_account: service_account?,
        root: root?,
    };
    request(presets::kubeflow(service?, &pipeline))
}

pub fn kubernetes_job(item: Item<'_>) -> Option<Config> {
    const URL: &str = "https://kubernetes.default.svc";
    let map = item.map()?;
    let namespace = map.need("namespace", "ml", text);
    let job = map.need("job", "{spec: {template: {spec: {containers: [...]}}}}", |item| {
        let job = item.json_template(&RUN)?;
        let containers = job.pointer("/spec/template/spec/containers").and_then(|it| it.as_array());
        let is_good = containers.is_some_and(|all| !all.is_empty() && all.iter().all(|one| one.is_object()))
            && job.get("metadata").is_none_or(|metadata| metadata.is_object());
        if !is_good {
            let hint = "write `spec: {template: {spec: {containers: [{name: train, image: …}]}}}`".to_owned();
            item.report(format!("{item} is not a Job with containers"), Some(hint));
            return None;
        }
        Some(job)
    });
    let service = service(&map, map.or("url", Secret::Given(URL.to_owned()), url), token(&map), Some(BTreeMap::new()));
    request(presets::kubernetes_job(service?, &namespace?, job?))
}

pub fn github(item: Item<'_>) -> Option<Config> {
    /// More than this is not taken.
    const LONGEST_EVENT: usize = 100;
    const MOST_KEYS: usize = 10;
    let map = item.map()?;
    let repository = map.need("repository", "example/models", |item| {
        let text = item.text_like("an owner and a repository, such as example/models")?;
        let parts = text.split_once('/').filter(|(owner, name)| !owner.is_empty() && !name.is_empty());
        if parts.is_none_or(|(_, name)| name.contains('/')) {
            let hint = "write an owner and a repository, such as example/models".to_owned();
            item.report(format!("{item} is not a repository"), Some(hint));
            return None;
        }
        Some(text.to_owned())
    });
    let event = map.or("event", "retrain".to_owned(), |item| {
        let event = text(item)?;
        if event.len() > LONGEST_EVENT {
            item.report(format!("{item} is longer than {LONGEST_EVENT} characters"), None);
        }
        Some(event)
    });
    let is_named = map.or("named_by_id", false, Item::yes_or_no);
    let service =
        service(&map, map.or("url", Secret::Given(presets::GITHUB.to_owned()), url), token(&map), given(&map));
    let service = service?;
    if service.parameters.len() > MOST_KEYS {
        item.report(format!("`github` takes {MOST_KEYS} parameters at the most"), None);
    }
    let repository = repository?;
    let (owner, name) = repository.split_once('/')?;
    request(presets::github(service, (owner, name), &event?, is_named?))
}

pub fn sagemaker(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let pipeline = map.need("pipeline", "retrain", text);
    let region = map.need("region", "eu-west-1", |item| {
        let region = item.text_like("a region such as eu-west-1")?;
        if !region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-') {
            item.report(format!("{item} is not a region"), Some("write for example eu-west-1".to_owned()));
            return None;
        }
        Some(region.to_owned())
    });
    let access_key = map.need("access_key_id", "{env: AWS_ACCESS_KEY_ID}", any_secret);
    let secret_key = map.need("secret_access_key", "{env: AWS_SECRET_ACCESS_KEY}", any_secret);
    let session_token = map.maybe("session_token", any_secret);
    let usual = region.as_deref().map(|region| Secret::Given(presets::sagemaker_url(region)));
    let url = map.find("url").map_or(usual, url);
    let auth = || {
        Some(Auth::Aws {
            access_key: access_key?,
            secret_key: secret_key?,
            session_token: session_token?,
            region: region?,
            service: "sagemaker".to_owned(),
        })
    };
    let service = service(&map, url, auth(), given(&map));
    request(presets::sagemaker(service?, &pipeline?))
}

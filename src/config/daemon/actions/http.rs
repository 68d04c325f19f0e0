//! Reads an action that is a request of any form.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::super::receivers::parts::{url, web};
use super::parts::RUN;
use crate::config::{Item, all};
use crate::trigger::Config;
use crate::trigger::http::{self, Answers, Auth, Body, is_status};

const METHODS: [(&str, bool); 3] = [("POST", true), ("PUT", true), ("PATCH", true)];

pub fn read(item: Item<'_>) -> Option<Config> {
    let map = item.map()?;
    let url = map.need("url", "https://trainer.example.com/runs", url);
    let web = web(&map);
    let method = map.or("method", Method::POST, |item| {
        item.choice(&METHODS)?;
        item.text()?.parse().ok()
    });
    let body = map.or("body", Body::Json(json!("{{ request }}")), |item| {
        if item.is_scalar() { item.template(&RUN).map(Body::Text) } else { item.json_template(&RUN).map(Body::Json) }
    });
    let success = map.or("success", Vec::new(), statuses);
    let conflict = map.or("conflict", vec![409], statuses);
    let run = map.maybe("run", |item| {
        let pointer = item.text_like("where it is in the answer, such as /run_id")?;
        if !pointer.starts_with('/') {
            let hint = "write where it is in the answer, such as /run_id".to_owned();
            item.report(format!("{item} does not begin with a slash"), Some(hint));
        }
        Some(pointer.to_owned())
    });
    let answers = Answers { success: success?, conflict: conflict?, ..Answers::default() };
    let headers = BTreeMap::from([("idempotency-key".to_owned(), "{{ id }}".to_owned())]);
    Some(Config::Http(Box::new(http::Config {
        method: method?,
        url: url?,
        path: String::new(),
        web: web?,
        headers,
        auth: Auth::None,
        body: body?,
        answers,
        run: run?,
        look_up: None,
    })))
}

fn statuses(item: Item<'_>) -> Option<Vec<u16>> {
    let statuses = all(item.list()?.into_iter().map(|item| item.count(100..=599)))?;
    Some(statuses.into_iter().filter_map(|status| u16::try_from(status).ok()).filter(|it| is_status(*it)).collect())
}

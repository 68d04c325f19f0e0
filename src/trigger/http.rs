//! One request over HTTP that begins a run, made of templates: what all services with an API come to.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, Utc};
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use super::Accepted;
use super::aws::{Signer, hash};
use super::template::Filler;
use crate::notify::attempt::{Failure, Unusable, read};
use crate::notify::client::{self, Answer, Client, place};
use crate::notify::limit::line;
use crate::notify::secret::Secret;

/// How a run is begun over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub method: Method,
    /// A template. Many services are told apart by a secret in it.
    pub url: Secret,
    /// A template of what comes after it.
    pub path: String,
    pub web: client::Config,
    /// Further headers, as templates; names are in lower case.
    pub headers: BTreeMap<String, String>,
    pub auth: Auth,
    pub body: Body,
    /// Besides these, with which the run is begun: the service knows it already by its id.
    pub answers: Answers,
    /// Where the answer has what the service calls the run.
    pub run: Option<String>,
    /// Where the service does not tell apart two requests for the same run: how to ask whether it has had one.
    pub look_up: Option<LookUp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// All its texts are templates.
    Json(Value),
    Text(String),
}

/// Who we are to the service.
#[derive(Clone, Debug, PartialEq)]
pub enum Auth {
    None,
    Bearer(Secret),
    /// A token is asked for before each attempt, at this path after the URL.
    Login {
        path: String,
        username: Secret,
        password: Secret,
    },
    Aws {
        access_key: Secret,
        secret_key: Secret,
        session_token: Option<Secret>,
        region: String,
        service: String,
    },
}

/// What the service's answers mean.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// None of them is all from 200 to 299.
    pub success: Vec<u16>,
    /// That it has the run already, which is as well.
    pub conflict: Vec<u16>,
    /// What such an answer has to have in it; otherwise it says something else and passes.
    pub conflict_says: Option<String>,
    /// That it may go well another time, besides the usual ones.
    pub again: Vec<u16>,
    /// Texts that mean this, whatever the status is.
    pub again_says: Vec<String>,
}

/// A question that is asked before a run is begun.
#[derive(Clone, Debug, PartialEq)]
pub struct LookUp {
    /// A template of what comes after the URL.
    pub path: String,
    /// The list in the answer.
    pub list: String,
    /// A field of each entry, which has the id in it where it is of this run.
    pub field: String,
    /// What the service calls the run: a field of the entry.
    pub run: String,
}

#[derive(Debug)]
pub struct Http {
    config: Config,
    client: Client,
}

/// The longest answer that is taken in. A service that lists runs may say much of each.
const LONGEST_ANSWER: usize = 4 << 20;

/// A shorter part of a URL is hardly a secret by itself, and may be a part of any word.
const SHORTEST_WORD: usize = 8;

/// A header of a request.
type Header = (String, String);

impl Http {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config) -> Result<Http, Unusable> {
        for secret in config.auth.secrets() {
            read("secret", secret)?;
        }
        let client = Client::new(config.web.clone(), std::slice::from_ref(&config.url))?;
        Ok(Http { config, client })
    }

    /// Makes one attempt to begin the run, under the name that it has for all of them.
    pub async fn begin(&self, id: &str, filler: &Filler) -> Result<Accepted, Failure> {
        let base = read("URL", &self.config.url)?;
        let token = self.token(&base).await?;
        if let Some(found) = self.look_up(&base, id, filler, token.as_deref()).await? {
            return Ok(found);
        }
        let url = self.url(&base, &self.config.path, filler)?;
        let body = match &self.config.body {
            Body::Json(tree) => filler.tree(tree).map_err(lasting)?.to_string(),
            Body::Text(template) => filler.text(template).map_err(lasting)?,
        };
        let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        for (name, template) in &self.config.headers {
            headers.retain(|(known, _)| known != name);
            headers.push((name.clone(), filler.text(template).map_err(lasting)?));
        }
        self.authorize(&mut headers, &url, &body, token.as_deref())?;
        let (at, secrets) = (place(&url), self.secrets(&base, &url, token));
        let answer = self.call(self.config.method.clone(), url, &headers, body).await?;
        self.judge(&at, &answer, &secrets)
    }

    /// What an answer means. Its status says whether the run is begun, whatever becomes of the rest.
    fn judge(&self, at: &str, answer: &Answer, secrets: &[String]) -> Result<Accepted, Failure> {
        let Answers { success, conflict, conflict_says, again, again_says } = &self.config.answers;
        let body = answer.body.as_deref().unwrap_or_default();
        let (status, text) = (answer.status.as_u16(), String::from_utf8_lossy(body));
        let is_success = if success.is_empty() { answer.status.is_success() } else { success.contains(&status) };
        if is_success {
            let json: Value = serde_json::from_slice(body).unwrap_or_default();
            let run = self.config.run.as_ref().and_then(|pointer| plain(json.pointer(pointer)?));
            return Ok(Accepted { run, is_known: false });
        }
        let says = |wanted: &str| text.to_ascii_lowercase().contains(&wanted.to_ascii_lowercase());
        let why = told(&format!("{at} answered {}", answer.status), &text, secrets);
        let passing = || Failure::Passing { why: why.clone(), after: answer.after };
        if conflict.contains(&status) {
            let is_known = conflict_says.as_deref().is_none_or(says);
            return if is_known { Ok(Accepted { run: None, is_known }) } else { Err(passing()) };
        }
        if again.contains(&status) || again_says.iter().any(|text| says(text)) {
            return Err(passing());
        }
        match answer.failure(at) {
            Some(Failure::Passing { .. }) => Err(passing()),
            // Also a status that would be success elsewhere.
            Some(Failure::Lasting { .. }) | None => Err(Failure::Lasting { why }),
        }
    }

    /// What the service knows of us that nobody else may: beside what we show to it, any part of the address.
    fn secrets(&self, base: &str, url: &Url, token: Option<String>) -> Vec<String> {
        let shown = self.config.auth.secrets().into_iter().chain(self.config.web.headers.values());
        let mut secrets: Vec<String> = shown.filter_map(|secret| secret.read().ok()).chain(token).collect();
        let configured = Url::parse(base).ok();
        for url in configured.iter().chain([url]) {
            secrets.extend(
                [url.path(), url.query().unwrap_or_default(), url.password().unwrap_or_default()].map(str::to_owned),
            );
        }
        if let Some(url) = &configured {
            let words = url.path_segments().into_iter().flatten().map(str::to_owned);
            let words = words.chain(url.query_pairs().map(|(_, value)| value.into_owned()));
            secrets.extend(words.filter(|word| word.len() >= SHORTEST_WORD));
        }
        secrets.retain(|secret| !["", "/"].contains(&secret.as_str()));
        // Where one is a part of another, that is not to be left without it.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets
    }

    /// What the service knows of the run, if it is asked.
    async fn look_up(
        &self,
        base: &str,
        id: &str,
        filler: &Filler,
        token: Option<&str>,
    ) -> Result<Option<Accepted>, Failure> {
        let Some(look_up) = &self.config.look_up else { return Ok(None) };
        let url = self.url(base, &look_up.path, filler)?;
        let at = place(&url);
        let mut headers: Vec<Header> = Vec::new();
        for (name, template) in &self.config.headers {
            headers.push((name.clone(), filler.text(template).map_err(lasting)?));
        }
        self.authorize(&mut headers, &url, "", token)?;
        let answer = self.call(Method::GET, url, &headers, String::new()).await?;
        if let Some(failure) = answer.failure(&at) {
            return Err(failure);
        }
        let json: Value = serde_json::from_slice(&answer.body?)
            .map_err(|_| Failure::passing(format!("{at} answered with something else than JSON")))?;
        // Where there are no runs at all, some leave the list out.
        let entries = json.pointer(&look_up.list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let is_it = |entry: &&Value| entry[&look_up.field].as_str().is_some_and(|text| text.contains(id));
        let found = entries.iter().find(is_it);
        Ok(found.map(|entry| Accepted { run: plain(&entry[&look_up.run]), is_known: true }))
    }

    fn url(&self, base: &str, path: &str, filler: &Filler) -> Result<Url, Failure> {
        let base = if path.is_empty() { base } else { base.trim_end_matches('/') };
        let text = filler.url(&format!("{base}{path}")).map_err(lasting)?;
        let url = Url::parse(&text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        Ok(url.ok_or_else(|| Unusable::malformed("URL", "a URL that begins with http:// or https://"))?)
    }

    /// The token that is to be shown, where there is one.
    async fn token(&self, base: &str) -> Result<Option<String>, Failure> {
        let (path, username, password) = match &self.config.auth {
            Auth::None | Auth::Aws { .. } => return Ok(None),
            Auth::Bearer(token) => return Ok(Some(read("token", token)?)),
            Auth::Login { path, username, password } => {
                (path, read("username", username)?, read("password", password)?)
            }
        };
        let malformed = || Unusable::malformed("URL", "a URL that begins with http:// or https://");
        let url = Url::parse(&format!("{}{path}", base.trim_end_matches('/'))).map_err(|_| malformed())?;
        let at = place(&url);
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        let body = json!({"username": username, "password": password}).to_string();
        let answer = self.call(Method::POST, url, &headers, body).await?;
        if let Some(failure) = answer.failure(&at) {
            let when = |why: String| format!("ask for a token: {why}");
            return Err(match failure {
                Failure::Passing { why, after } => Failure::Passing { why: when(why), after },
                Failure::Lasting { why } => Failure::Lasting { why: when(why) },
            });
        }
        let json: Value = serde_json::from_slice(&answer.body?).unwrap_or_default();
        let token = json["access_token"].as_str().map(str::to_owned);
        Ok(Some(token.ok_or_else(|| Failure::passing(format!("{at} answered without a token")))?))
    }

    fn authorize(&self, headers: &mut Vec<Header>, url: &Url, body: &str, token: Option<&str>) -> Result<(), Failure> {
        if let Some(token) = token {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let Auth::Aws { access_key, secret_key, session_token, region, service } = &self.config.auth else {
            return Ok(());
        };
        // As in 20150830T123600Z.
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true).replace(['-', ':'], "");
        headers.push(("x-amz-date".to_owned(), at.clone()));
        headers.push(("x-amz-content-sha256".to_owned(), hash(body)));
        if let Some(session_token) = session_token {
            headers.push(("x-amz-security-token".to_owned(), read("session token", session_token)?));
        }
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain([("host", host.as_str())])
            .collect();
        let signer = Signer {
            access_key: &read("access key", access_key)?,
            secret_key: &read("secret key", secret_key)?,
            region,
            service,
            at: &at,
        };
        let authorization = signer.authorization(self.config.method.as_str(), url.path(), &signed, body);
        headers.push(("authorization".to_owned(), authorization));
        Ok(())
    }

    async fn call(&self, method: Method, url: Url, headers: &[Header], body: String) -> Result<Answer, Failure> {
        let headers: Vec<(&str, String)> = headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.client.call(method, url, &headers, body, LONGEST_ANSWER).await
    }
}

impl Auth {
    fn secrets(&self) -> Vec<&Secret> {
        match self {
            Auth::None => Vec::new(),
            Auth::Bearer(token) => vec![token],
            Auth::Login { username, password, .. } => vec![username, password],
            Auth::Aws { access_key, secret_key, session_token, .. } => {
                [Some(access_key), Some(secret_key), session_token.as_ref()].into_iter().flatten().collect()
            }
        }
    }
}

/// Why it failed, with the beginning of what the service says about it, but none of our secrets.
fn told(why: &str, answer: &str, secrets: &[String]) -> String {
    const LONGEST: usize = 300;
    let answer = secrets.iter().fold(answer.to_owned(), |answer, secret| answer.replace(secret, "<secret>"));
    let answer = line(&answer, LONGEST);
    if answer.is_empty() { why.to_owned() } else { format!("{why}: {answer}") }
}

fn lasting(why: String) -> Failure {
    Failure::Lasting { why }
}

/// A text or number of an answer, for people.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(line(text, 300)),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether a status can be one of an answer.
pub fn is_status(status: u16) -> bool {
    StatusCode::from_u16(status).is_ok_and(|status| status.as_u16() <= 599)
}

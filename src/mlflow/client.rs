//! The HTTP client of MLflow's REST API: one request, one answer.

use std::io::Write;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::{Auth, Config};
use crate::notify::attempt::{Unusable, causes, read};
use crate::notify::client::{self, place, retry_after, whole};

/// The longest answer that is taken in, but for artifacts.
const LONGEST_ANSWER: usize = 4 << 20;
/// How much of what MLflow says of an error is shown.
const LONGEST_MESSAGE: usize = 300;
/// How long a download may take.
const DOWNLOAD: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct Client {
    config: Config,
    http: client::Client,
}

/// How MLflow tells of errors.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    error_code: String,
    message: String,
}

impl Client {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config) -> Result<Client, Unusable> {
        let http = client::Client::new(config.web.clone(), std::slice::from_ref(&config.url))?;
        let client = Client { config, http };
        client.authorization()?;
        Ok(client)
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Asks the API.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, Error> {
        let response = self.send(Method::GET, &format!("api/2.0/mlflow/{path}"), query, None, None).await?;
        answer(response).await
    }

    /// Has the API do something.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Error> {
        let body = serde_json::to_string(body).map_err(|error| Error::lasting(error.to_string()))?;
        let response = self.send(Method::POST, &format!("api/2.0/mlflow/{path}"), &[], Some(body), None).await?;
        answer(response).await
    }

    /// Brings what the server has at this path, which is not of the API. Returns how many bytes it has.
    pub(super) async fn download(
        &self,
        path: &str,
        query: &[(&str, &str)],
        largest: u64,
        into: &mut (dyn Write + Send),
    ) -> Result<u64, Error> {
        let timeout = self.config.web.timeout.max(DOWNLOAD);
        let mut response = self.send(Method::GET, path, query, None, Some(timeout)).await?;
        let place = place(response.url());
        let mut size = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| broken(&place, error))? {
            size += chunk.len() as u64;
            if size > largest {
                return Err(Error::lasting(format!("{place} sent more than {largest} bytes")));
            }
            into.write_all(&chunk).map_err(|error| Error::passing(format!("keep what MLflow sends: {error}")))?;
        }
        into.flush().map_err(|error| Error::passing(format!("keep what MLflow sends: {error}")))?;
        Ok(size)
    }

    /// Makes one attempt. What is returned is a good answer, whose body is still to be read.
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<String>,
        timeout: Option<Duration>,
    ) -> Result<Response, Error> {
        let mut url = below(client::url(&self.config.url)?, path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let place = place(&url);
        let mut request = self.http.request(method, url, &self.authorization()?)?;
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(|error| broken(&place, error))?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(&place, response).await) }
    }

    fn authorization(&self) -> Result<Vec<(&'static str, String)>, Unusable> {
        let value = match &self.config.auth {
            Auth::None => return Ok(Vec::new()),
            Auth::Bearer(token) => format!("Bearer {}", read("token", token)?),
            Auth::Basic { username, password } => {
                let both = format!("{}:{}", read("username", username)?, read("password", password)?);
                format!("Basic {}", STANDARD.encode(both))
            }
        };
        Ok(vec![("authorization", value)])
    }
}

/// An address of the server, which may itself be served below a path.
fn below(mut url: Url, path: &str) -> Url {
    let path = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

fn broken(place: &str, error: reqwest::Error) -> Error {
    Error::passing(format!("{place}: {}", causes(&error.without_url())))
}

async fn answer<T: DeserializeOwned>(response: Response) -> Result<T, Error> {
    let place = place(response.url());
    let body = whole(response, LONGEST_ANSWER).await.map_err(|error| broken(&place, error))?;
    let body = body.ok_or_else(|| Error::lasting(format!("{place} sent a longer answer than MLflow would")))?;
    serde_json::from_slice(&body).map_err(|error| Error::lasting(format!("{place} does not answer as MLflow: {error}")))
}

/// What is to be made of an answer that is not a good one.
async fn refusal(place: &str, response: Response) -> Error {
    let (status, after) = (response.status(), retry_after(&response));
    let body = whole(response, LONGEST_ANSWER).await.ok().flatten().unwrap_or_default();
    let told: Told = serde_json::from_slice(&body).unwrap_or_default();
    let message: String = told.message.lines().next().unwrap_or_default().chars().take(LONGEST_MESSAGE).collect();
    let why = if message.is_empty() {
        format!("{place} answered {status}")
    } else {
        format!("{place} answered {status}: {message}")
    };
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    match told.error_code.as_str() {
        "RESOURCE_DOES_NOT_EXIST" => Error::Missing { why },
        "RESOURCE_ALREADY_EXISTS" => Error::Taken { why },
        _ if is_busy || status.is_server_error() => Error::Passing { why, after },
        _ if status == StatusCode::NOT_FOUND => Error::Missing { why },
        // A redirect is not followed: it could lead credentials to a place that nobody configured.
        _ => Error::Lasting { why },
    }
}

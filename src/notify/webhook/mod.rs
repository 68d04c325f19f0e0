//! The webhook receiver: posts an event, and says whether to try again.

mod signature;

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Proxy, Response, StatusCode, Url, redirect};

/// A text that no log, error or page may show.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    Given(String),
    /// Read anew each time it is used, so that it can be changed while the daemon runs.
    File(PathBuf),
}

impl Secret {
    pub fn read(&self) -> io::Result<String> {
        match self {
            Secret::Given(text) => Ok(text.clone()),
            Secret::File(path) => fs::read_to_string(path).map(|text| text.trim().to_owned()),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::Given(_) => f.write_str("<secret>"),
            Secret::File(path) => write!(f, "<secret in {}>", path.display()),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where to post: `http` or `https`. Many receivers are told apart by a secret in its path.
    pub url: Secret,
    /// Sent along with each request, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// How long one attempt may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// `whsec_` and base64: signs requests as Standard Webhooks has it.
    pub signing: Option<Secret>,
    /// A proxy's URL. Proxies named in the environment are not used.
    pub proxy: Option<Secret>,
}

/// Why a webhook cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("read the {what}: {cause}")]
    Unread { what: String, cause: io::Error },
    #[error("the {what} is not {expected}")]
    Malformed { what: String, expected: &'static str },
    #[error("prepare TLS: {0}")]
    Tls(String),
}

/// Why an attempt failed. No text shows more of the URL than scheme and host.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// It may pass: try again, and not before `after` where the receiver has said so.
    #[error("{why}")]
    Passing { why: String, after: Option<Duration> },
    /// It would fail again.
    #[error("{why}")]
    Lasting { why: String },
}

pub struct Webhook {
    config: Config,
    client: Client,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would show its proxy, which may have a password.
        f.debug_tuple("Webhook").field(&self.config).finish()
    }
}

impl Webhook {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config) -> Result<Webhook, Unusable> {
        let parts = Parts::read(&config, "", "")?;
        // Another part of the process may have installed it first, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &config.proxy {
            let malformed = || malformed("proxy", "a URL");
            builder = builder.proxy(Proxy::all(read("proxy", proxy)?).map_err(|_| malformed())?);
        }
        if parts.url.scheme() == "http" {
            // The system may have no certificates at all, which is no reason not to speak plain HTTP.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| Unusable::Tls(causes(error)))?;
        Ok(Webhook { config, client })
    }

    /// Makes one attempt to post the event with this id.
    pub async fn post(&self, id: &str, content_type: &'static str, body: &str) -> Result<(), Failure> {
        // A secret's file may be on its way to being replaced.
        let passing = |error: Unusable| Failure::Passing { why: error.to_string(), after: None };
        let Parts { url, mut headers } = Parts::read(&self.config, id, body).map_err(passing)?;
        let place = place(&url);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        match self.client.post(url).headers(headers).body(body.to_owned()).send().await {
            Ok(response) => answer(&place, response).await,
            Err(error) => Err(Failure::Passing { why: format!("{place}: {}", causes(error)), after: None }),
        }
    }
}

/// What a request is made of.
struct Parts {
    url: Url,
    headers: HeaderMap,
}

impl Parts {
    fn read(config: &Config, id: &str, body: &str) -> Result<Parts, Unusable> {
        let url = Url::parse(&read("URL", &config.url)?).ok();
        let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        let url = url.ok_or_else(|| malformed("URL", "a URL that begins with http:// or https://"))?;
        let mut headers = HeaderMap::new();
        let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs() as i64);
        let mut set = |name: &str, text: &str| {
            let what = || format!("header {name}");
            let name: HeaderName = name.parse().map_err(|_| malformed(what(), "a header's name"))?;
            let mut value: HeaderValue = text.parse().map_err(|_| malformed(what(), "a header's value"))?;
            value.set_sensitive(true);
            headers.insert(name, value);
            Ok(())
        };
        for (name, secret) in &config.headers {
            set(name, &read(format!("header {name}"), secret)?)?;
        }
        set("webhook-id", id)?;
        set("webhook-timestamp", &timestamp.to_string())?;
        if let Some(secret) = &config.signing {
            let signed = signature::sign(&read("signing secret", secret)?, id, timestamp, body);
            set("webhook-signature", &signed.ok_or_else(|| malformed("signing secret", "whsec_ and base64"))?)?;
        }
        Ok(Parts { url, headers })
    }
}

fn read(what: impl Into<String>, secret: &Secret) -> Result<String, Unusable> {
    secret.read().map_err(|cause| Unusable::Unread { what: what.into(), cause })
}

fn malformed(what: impl Into<String>, expected: &'static str) -> Unusable {
    Unusable::Malformed { what: what.into(), expected }
}

/// As much of a URL as may be shown.
fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// The whole chain of causes, whose first links say little.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

async fn answer(place: &str, response: Response) -> Result<(), Failure> {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| until(value.to_str().ok()?));
    drain(response).await;
    let why = format!("{place} answered {status}");
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::Passing { why, after })
        }
        _ if status.is_server_error() => Err(Failure::Passing { why, after }),
        // A redirect is not followed: it could lead credentials to a place that nobody configured.
        _ => Err(Failure::Lasting { why }),
    }
}

/// How long a receiver wants us to wait: seconds, or a date.
fn until(text: &str) -> Option<Duration> {
    let seconds = || text.trim().parse().ok().map(Duration::from_secs);
    let date = || {
        let at = DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp();
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(at).ok()?);
        Some(at.duration_since(SystemTime::now()).unwrap_or_default())
    };
    seconds().or_else(date)
}

/// Reads the rest of an answer, so that its connection can be used again, unless it is longer than an answer should be.
async fn drain(mut response: Response) {
    let mut left = LONGEST_ANSWER;
    while let Ok(Some(chunk)) = response.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

const LONGEST_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> Config {
        Config {
            url: Secret::Given(url.to_owned()),
            headers: BTreeMap::new(),
            timeout: Duration::from_secs(5),
            signing: None,
            proxy: None,
        }
    }

    #[test]
    fn what_is_wrong_is_known_at_the_start_and_told_without_the_secret() {
        let told = |config: Config| Webhook::new(config).expect_err("it is wrong").to_string();
        let wrong = "the URL is not a URL that begins with http:// or https://";
        for url in ["ftp://host/s3cret", "s3cret", "", "http://"] {
            assert_eq!(told(config(url)), wrong);
        }
        let header = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Secret::Given(value.to_owned()))]);
        let good = config("http://host/s3cret");
        let names = Config { headers: header("no name", "s3cret"), ..good.clone() };
        assert_eq!(told(names), "the header no name is not a header's name");
        let values = Config { headers: header("x", "s3cret\n"), ..good.clone() };
        assert_eq!(told(values), "the header x is not a header's value");
        let signing = Config { signing: Some(Secret::Given("s3cret".into())), ..good.clone() };
        assert_eq!(told(signing), "the signing secret is not whsec_ and base64");
        let missing = Config { url: Secret::File("/nowhere/url".into()), ..good };
        assert_eq!(told(missing), "read the URL: No such file or directory (os error 2)");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut config = config("http://user:s3cret@host/s3cret");
        config.headers = BTreeMap::from([("authorization".into(), Secret::Given("Bearer s3cret".into()))]);
        config.signing = Some(Secret::Given("whsec_s3cretAA".into()));
        config.proxy = Some(Secret::Given("http://user:s3cret@proxy".into()));
        let shown = format!("{:?}", Webhook::new(config));
        assert!(shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
        assert_eq!(format!("{:?}", Secret::File("/run/url".into())), "<secret in /run/url>");
    }

    #[test]
    fn a_receiver_may_ask_for_seconds_or_until_a_date() {
        assert_eq!(until(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(until("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        let date = DateTime::<chrono::Utc>::from(SystemTime::now() + Duration::from_secs(3600));
        let asked = until(&date.format("%a, %d %b %Y %H:%M:%S GMT").to_string()).expect("a date");
        assert!(asked.abs_diff(Duration::from_secs(3600)) < Duration::from_secs(5), "{asked:?}");
        assert_eq!(until("soon"), None);
        assert_eq!(until("-1"), None);
    }
}

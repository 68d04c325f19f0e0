//! The HTTP client that receivers and actions share: posts, and says whether to try again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs};

use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Method, Proxy, RequestBuilder, Response, StatusCode, Url, redirect};

use super::attempt::{Failure, Unusable, causes, read};
use super::secret::Secret;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Sent along with each request, such as `authorization`.
    pub headers: BTreeMap<String, Secret>,
    /// How long one attempt may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// A proxy's URL. Proxies named in the environment are not used.
    pub proxy: Option<Secret>,
    /// Certificates in PEM that are trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Config {
        Config { headers: BTreeMap::new(), timeout: Duration::from_secs(10), proxy: None, ca_file: None }
    }
}

pub struct Client {
    config: Config,
    client: reqwest::Client,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client would show its proxy, which may have a password.
        f.debug_tuple("Client").field(&self.config).finish()
    }
}

impl Client {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, urls: &[Secret]) -> Result<Client, Unusable> {
        let urls = urls.iter().map(url).collect::<Result<Vec<Url>, _>>()?;
        headers(&config, &[])?;
        // Another part of the process may have installed it first, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .timeout(config.timeout)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &config.proxy {
            let malformed = || Unusable::malformed("proxy", "a URL");
            builder = builder.proxy(Proxy::all(read("proxy", proxy)?).map_err(|_| malformed())?);
        }
        if let Some(path) = &config.ca_file {
            let what = "CA file";
            let pem = fs::read(path).map_err(|cause| Unusable::Unread { what: what.to_owned(), cause })?;
            let certificates = Certificate::from_pem_bundle(&pem).ok().filter(|found| !found.is_empty());
            let certificates = certificates.ok_or_else(|| Unusable::malformed(what, "certificates in PEM"))?;
            builder = builder.tls_certs_only(certificates);
        } else if urls.iter().all(|url| url.scheme() == "http") {
            // The system may have no certificates at all, which is no reason not to speak plain HTTP.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| Unusable::Tls(causes(&error.without_url())))?;
        Ok(Client { config, client })
    }

    /// A request with the headers that are always sent, and with `more`.
    pub fn request(&self, method: Method, url: Url, more: &[(&str, String)]) -> Result<RequestBuilder, Unusable> {
        Ok(self.client.request(method, url).headers(headers(&self.config, more)?))
    }

    /// Makes one attempt to post; `more` are further headers.
    pub async fn post(
        &self,
        url: Url,
        content_type: &'static str,
        more: &[(&str, String)],
        body: String,
    ) -> Result<(), Failure> {
        let place = place(&url);
        let more: Vec<(&str, String)> =
            more.iter().cloned().chain([(CONTENT_TYPE.as_str(), content_type.to_owned())]).collect();
        // What it says is not looked at, but read, so that its connection can be used again.
        let answer = self.call(Method::POST, url, &more, body, LONGEST_ANSWER).await?;
        answer.failure(&place).map_or(Ok(()), Err)
    }

    /// Makes one attempt to be answered, whatever the answer is; `more` are further headers. No more than `longest` bytes
    /// of it are taken in.
    pub async fn call(
        &self,
        method: Method,
        url: Url,
        more: &[(&str, String)],
        body: String,
        longest: usize,
    ) -> Result<Answer, Failure> {
        let headers = headers(&self.config, more)?;
        let place = place(&url);
        match self.client.request(method, url).headers(headers).body(body).send().await {
            Ok(response) => Ok(Answer::read(response, longest).await),
            Err(error) => Err(broken(&place, error)),
        }
    }
}

/// The address that a secret says now.
pub fn url(secret: &Secret) -> Result<Url, Unusable> {
    let url = Url::parse(&read("URL", secret)?).ok();
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    url.ok_or_else(|| Unusable::malformed("URL", "a URL that begins with http:// or https://"))
}

fn headers(config: &Config, more: &[(&str, String)]) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, text: &str| {
        let what = || format!("header {name}");
        let name: HeaderName = name.parse().map_err(|_| Unusable::malformed(what(), "a header's name"))?;
        let mut value: HeaderValue = text.parse().map_err(|_| Unusable::malformed(what(), "a header's value"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    };
    for (name, secret) in &config.headers {
        set(name, &read(format!("header {name}"), secret)?)?;
    }
    for (name, text) in more {
        set(name, text)?;
    }
    Ok(headers)
}

/// As much of a URL as may be shown.
pub fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}

/// What a server answers.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    /// How long it wants us to wait, if it says so.
    pub after: Option<Duration>,
    /// All of it, or why it is not to be had, which need not matter.
    pub body: Result<Vec<u8>, Failure>,
}

impl Answer {
    async fn read(response: Response, longest: usize) -> Answer {
        let (status, after, place) = (response.status(), retry_after(&response), place(response.url()));
        let too_long = || Failure::Lasting { why: format!("{place} sent more than {longest} bytes") };
        let body = match whole(response, longest).await {
            Ok(body) => body.ok_or_else(too_long),
            Err(error) => Err(broken(&place, error)),
        };
        Answer { status, after, body }
    }

    /// Why this is not success, if it is not, and whether to try again.
    pub fn failure(&self, place: &str) -> Option<Failure> {
        let Answer { status, after, .. } = *self;
        let why = format!("{place} answered {status}");
        match status {
            _ if status.is_success() => None,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Some(Failure::Passing { why, after })
            }
            _ if status.is_server_error() => Some(Failure::Passing { why, after }),
            // A redirect is not followed: it could lead credentials to a place that nobody configured.
            _ => Some(Failure::Lasting { why }),
        }
    }
}

/// How long whoever has answered wants us to wait.
pub fn retry_after(response: &Response) -> Option<Duration> {
    response.headers().get(RETRY_AFTER).and_then(|value| until(value.to_str().ok()?))
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

fn broken(place: &str, error: reqwest::Error) -> Failure {
    Failure::passing(format!("{place}: {}", causes(&error.without_url())))
}

/// The body of an answer; `None` if it is longer than this.
pub async fn whole(mut response: Response, longest: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > longest {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The longest answer that is of interest where only its status is.
const LONGEST_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: Config, url: &str) -> String {
        Client::new(config, &[Secret::Given(url.to_owned())]).expect_err("it is wrong").to_string()
    }

    #[test]
    fn what_is_wrong_is_known_at_the_start_and_told_without_the_secret() {
        let wrong = "the URL is not a URL that begins with http:// or https://";
        for url in ["ftp://host/s3cret", "s3cret", "", "http://"] {
            assert_eq!(told(Config::default(), url), wrong);
        }
        let header = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), Secret::Given(value.to_owned()))]);
        let with_headers = |headers| told(Config { headers, ..Config::default() }, "http://host/s3cret");
        assert_eq!(with_headers(header("no name", "s3cret")), "the header no name is not a header's name");
        assert_eq!(with_headers(header("x", "s3cret\n")), "the header x is not a header's value");
        let proxy = Config { proxy: Some(Secret::Given("http://s3cret host".into())), ..Config::default() };
        assert_eq!(told(proxy, "http://host"), "the proxy is not a URL");
        let missing = Client::new(Config::default(), &[Secret::File("/nowhere/url".into())]).expect_err("it is wrong");
        assert_eq!(missing.to_string(), "read the URL: No such file or directory (os error 2)");
        let ca_file = Config { ca_file: Some("/nowhere/ca.pem".into()), ..Config::default() };
        assert_eq!(told(ca_file, "https://host"), "read the CA file: No such file or directory (os error 2)");
        let ca_file =
            Config { ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()), ..Config::default() };
        assert_eq!(told(ca_file, "https://host"), "the CA file is not certificates in PEM");
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = Config {
            headers: BTreeMap::from([("authorization".into(), Secret::Given("Bearer s3cret".into()))]),
            proxy: Some(Secret::Given("http://user:s3cret@proxy".into())),
            ..Config::default()
        };
        let url = Secret::Given("http://user:s3cret@host/s3cret".into());
        let shown = format!("{:?}", Client::new(config, &[url]));
        assert!(shown.contains("authorization") && !shown.contains("s3cret"), "{shown}");
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

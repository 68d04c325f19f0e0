//! The mail receiver: text and HTML, by SMTP.

mod page;

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};
use std::{fmt, fs};

use lettre::address::Envelope;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls as TlsMode, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::attempt::{Failure, Unusable, causes, read};
use super::limit::line;
use super::origin::Origin;
use super::secret::Secret;
use super::story::{story, title};
use super::template::{Dialect, or_usual};
use crate::notice::Notice;
use crate::rule::Severity;
use crate::rule::alert::stable_id;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub host: String,
    pub port: u16,
    pub tls: Tls,
    /// Certificates in PEM that are trusted in place of the system's.
    pub ca_file: Option<PathBuf>,
    pub login: Option<Login>,
    /// How this side calls itself to the server.
    pub helo: Option<String>,
    pub from: Mailbox,
    pub to: Vec<Mailbox>,
    /// How long one attempt may take, from connecting to the end.
    pub timeout: Duration,
    /// Templates in place of the usual texts.
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The connection begins in the clear and is encrypted before anything is said; a server that cannot is not told.
    StartTls,
    /// From the first byte, as on port 465.
    Implicit,
    None,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    pub username: String,
    pub password: Secret,
}

pub struct Email {
    config: Config,
    origin: Origin,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Email").field(&self.config).finish()
    }
}

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail in which more alerts are told is cut short by mail programs.
const MOST: usize = 30;
/// No server's answer is shown at greater length.
const LONGEST_ANSWER: usize = 300;

impl Email {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config, origin: &Origin) -> Result<Email, Unusable> {
        // Another part of the process may have installed it first, which is as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let made = Email { config, origin: origin.clone() };
        made.transport()?;
        Ok(made)
    }

    pub async fn deliver(&self, notice: &Notice) -> Result<(), Failure> {
        let message = message(notice, &self.origin, &self.config)
            .map_err(|error| Failure::Lasting { why: format!("write the mail: {}", causes(&error)) })?;
        let transport = self.transport()?;
        let mail = message.formatted();
        let sent = self.hand_over(&transport, message.envelope(), &mail);
        match tokio::time::timeout(self.config.timeout, sent).await {
            Ok(sent) => sent,
            Err(_) => Err(Failure::passing(format!("{}: no answer in time", self.place()))),
        }
    }

    async fn hand_over(&self, transport: &Transport, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let whole = transport.send_raw(envelope, mail).await.map_err(|error| self.failure(&error));
        let Err(Failure::Lasting { .. }) = whole else { return whole.map(drop) };
        if envelope.to().len() < 2 {
            return whole.map(drop);
        }
        // A server that refuses one address takes the mail for none of them, and the others want to know.
        let mut arrived = false;
        for address in envelope.to() {
            let Ok(alone) = Envelope::new(envelope.from().cloned(), vec![address.clone()]) else { continue };
            match transport.send_raw(&alone, mail).await.map_err(|error| self.failure(&error)) {
                Ok(_) => arrived = true,
                Err(Failure::Passing { why, after }) => return Err(Failure::Passing { why, after }),
                Err(Failure::Lasting { why }) => tracing::error!(%address, why, "a mail was refused for one address"),
            }
        }
        if arrived { Ok(()) } else { whole.map(drop) }
    }

    /// A connection is made for each mail: there are few of them, and one that was kept would often be found dead.
    fn transport(&self) -> Result<Transport, Unusable> {
        let config = &self.config;
        let tls = match config.tls {
            Tls::None => TlsMode::None,
            Tls::StartTls => TlsMode::Required(self.tls()?),
            Tls::Implicit => TlsMode::Wrapper(self.tls()?),
        };
        let mut builder =
            Transport::builder_dangerous(&config.host).port(config.port).tls(tls).timeout(Some(config.timeout));
        if let Some(name) = &config.helo {
            builder = builder.hello_name(ClientId::Domain(name.clone()));
        }
        if let Some(Login { username, password }) = &config.login {
            builder = builder.credentials(Credentials::new(username.clone(), read("password", password)?));
        }
        Ok(builder.build())
    }

    fn tls(&self) -> Result<TlsParameters, Unusable> {
        let mut builder = TlsParameters::builder(self.config.host.clone());
        if let Some(path) = &self.config.ca_file {
            let what = "CA file";
            let pem = fs::read(path).map_err(|cause| Unusable::Unread { what: what.to_owned(), cause })?;
            let has_one = pem.windows(BEGINS.len()).any(|part| part == BEGINS);
            let certificate = Certificate::from_pem(&pem).ok().filter(|_| has_one);
            let certificate = certificate.ok_or_else(|| Unusable::malformed(what, "certificates in PEM"))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(certificate);
        }
        builder.build().map_err(|error| Unusable::Tls(causes(&error)))
    }

    fn place(&self) -> String {
        format!("{}:{}", self.config.host, self.config.port)
    }

    /// By the first digit of the server's answer; what is not an answer is trouble on the way to it.
    fn failure(&self, error: &lettre::transport::smtp::Error) -> Failure {
        let why = format!("{}: {}", self.place(), line(&causes(error), LONGEST_ANSWER));
        if error.is_permanent() { Failure::Lasting { why } } else { Failure::passing(why) }
    }
}

const BEGINS: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The mail for a notice. The mails of one group are one thread.
fn message(notice: &Notice, origin: &Origin, config: &Config) -> Result<Message, lettre::error::Error> {
    let usual_title = title(notice);
    let told = story(notice, origin);
    let about = (notice, origin, usual_title.as_str());
    let shown = told.entries.len().min(MOST);
    let subject = or_usual(config.subject.as_ref(), Dialect::Plain, about, || usual_title.clone());
    let text = or_usual(config.text.as_ref(), Dialect::Plain, about, || told.text(shown));
    let html = or_usual(config.html.as_ref(), Dialect::Html, about, || page::page(&told, shown));
    let domain = config.from.email.domain();
    let id = |parts: &[&str]| format!("<{}@{domain}>", stable_id(parts));
    let thread = id(&["thread", &notice.receiver, &notice.group_key]);
    let made = UNIX_EPOCH + Duration::from_millis(u64::try_from(notice.made.0).unwrap_or(0));
    let mut builder = Message::builder()
        .from(config.from.clone())
        .subject(line(&subject, LONGEST_SUBJECT))
        .date(made)
        .message_id(Some(id(&[&notice.id, &notice.receiver])))
        .in_reply_to(thread.clone())
        .references(thread)
        .user_agent(concat!("tidegauge/", env!("CARGO_PKG_VERSION")).to_owned())
        // So that no program answers it that is away on holiday.
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    if told.severity == Some(Severity::Critical) {
        builder = builder.raw_header(raw("Importance", "high")).raw_header(raw("X-Priority", "1"));
    }
    for to in &config.to {
        builder = builder.to(to.clone());
    }
    builder.multipart(MultiPart::alternative_plain_html(text, html))
}

const LONGEST_SUBJECT: usize = 200;

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A configuration that a test changes.
    pub fn config(host: &str, port: u16) -> Config {
        Config {
            host: host.to_owned(),
            port,
            tls: Tls::None,
            ca_file: None,
            login: None,
            helo: None,
            from: "tidegauge <tidegauge@example.com>".parse().unwrap(),
            to: vec!["oncall@example.com".parse().unwrap()],
            timeout: Duration::from_secs(5),
            subject: None,
            text: None,
            html: None,
        }
    }

    #[test]
    fn what_is_wrong_is_known_at_the_start_and_told_without_the_secret() {
        let told = |config| Email::new(config, &Origin::default()).expect_err("it is wrong").to_string();
        let login = Login { username: "user".into(), password: Secret::File("/nowhere/password".into()) };
        let missing = "read the password: No such file or directory (os error 2)";
        assert_eq!(told(Config { login: Some(login), ..config("localhost", 25) }), missing);
        let tls = Config {
            tls: Tls::StartTls,
            ca_file: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml").into()),
            ..config("localhost", 25)
        };
        assert_eq!(told(tls), "the CA file is not certificates in PEM");
        let login = Login { username: "user".into(), password: Secret::Given("s3cret".into()) };
        let shown = format!("{:?}", Email::new(Config { login: Some(login), ..config("h", 25) }, &Origin::default()));
        assert!(shown.contains("user") && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_mail_has_both_forms_and_knows_its_thread() {
        let notice = super::super::tests::notice(2);
        let mail = |notice: &Notice| {
            let message = message(notice, &Origin::default(), &config("localhost", 25)).unwrap();
            String::from_utf8(message.formatted()).unwrap().replace("\r\n", "\n")
        };
        let first = mail(&notice);
        let header = |mail: &str, name: &str| {
            let unfolded = mail.replace("\n ", " ");
            unfolded
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned))
                .unwrap_or_default()
        };
        assert_eq!(header(&first, "Subject"), "[critical] credit/7: FeatureDrift, f0 and 1 more");
        assert_eq!(header(&first, "From"), "tidegauge <tidegauge@example.com>");
        assert_eq!(header(&first, "To"), "oncall@example.com");
        assert_eq!(header(&first, "Date"), "Thu, 01 Jan 1970 02:00:05 +0000");
        assert_eq!(header(&first, "Auto-Submitted"), "auto-generated");
        assert_eq!(header(&first, "Importance"), "high");
        assert!(header(&first, "Content-Type").starts_with("multipart/alternative;"));
        assert!(first.contains("Content-Type: text/plain") && first.contains("Content-Type: text/html"));
        let later = mail(&Notice { id: "later".into(), ..notice });
        assert_ne!(header(&first, "Message-ID"), header(&later, "Message-ID"));
        assert_eq!(header(&first, "References"), header(&later, "References"));
    }
}

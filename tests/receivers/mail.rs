//! Mail, to a real SMTP server over TLS.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tidegauge::notify::attempt::Failure;
use tidegauge::notify::email::{self, Login, Tls};
use tidegauge::notify::receiver::Config;
use tidegauge::notify::secret::Secret;
use tidegauge::rule::State;

use super::{alert, can_run, certified, deliver, given, notice, script};
use crate::support::PATIENCE;

/// A server that is ended when dropped.
struct Server {
    child: Child,
    told: Receiver<Value>,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// `None` if it cannot be run here.
    fn start(test: &str, mode: &str) -> Option<Server> {
        if !can_run(test, &["python3", "openssl", "flock"]) {
            return None;
        }
        let installed = script(&[Path::new("--fetch")]).status().expect("the script can be run").success();
        if !installed {
            assert!(std::env::var_os("TIDEGAUGE_PEERS").is_none(), "aiosmtpd could not be installed");
            eprintln!("{test} did not run: aiosmtpd could not be installed");
            return None;
        }
        let folder = certified();
        let mut child =
            script(&[Path::new(mode), folder.path()]).stdout(Stdio::piped()).spawn().expect("the server starts");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (tell, told) = channel::<Value>();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                // The test may be over.
                let _ = tell.send(serde_json::from_str(&line).expect("it tells in JSON"));
            }
        });
        let port = told.recv_timeout(PATIENCE).expect("the server says where it is")["port"].as_u64();
        Some(Server { child, told, port: port.expect("a port") as u16, folder })
    }

    fn mail(&self) -> Value {
        self.told.recv_timeout(PATIENCE).expect("a mail")
    }

    fn heard_nothing(&self) {
        assert_eq!(self.told.recv_timeout(Duration::from_millis(300)).ok(), None);
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn config(&self, tls: Tls) -> email::Config {
        let login = Login { username: "tidegauge".into(), password: given("s3cret") };
        email::Config {
            host: if tls == Tls::None { "127.0.0.1".into() } else { "localhost".into() },
            port: self.port,
            tls,
            ca_file: (tls != Tls::None).then(|| self.ca()),
            login: (tls != Tls::None).then_some(login),
            helo: Some("watcher.example.com".into()),
            from: "The Tide Gauge <tidegauge@example.com>".parse().expect("a mailbox"),
            to: vec!["On Call <oncall@example.com>".parse().expect("a mailbox")],
            timeout: Duration::from_secs(10),
            subject: None,
            text: None,
            html: None,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_mail_arrives_by_starttls_and_by_tls_with_a_login() {
    for (mode, tls) in [("starttls", Tls::StartTls), ("tls", Tls::Implicit)] {
        let Some(server) = Server::start("a mail by TLS", mode) else { return };
        let password = server.folder.path().join("password");
        fs::write(&password, "s3cret\n").expect("it can be written");
        let mut config = server.config(tls);
        config.login = Some(Login { username: "tidegauge".into(), password: Secret::File(password) });
        let told = notice("one", vec![alert("income", State::Firing), alert("age", State::Resolved)]);
        assert_eq!(deliver(Config::Email(config), &told), Ok(()), "{mode}");
        let mail = server.mail();
        assert_eq!((mail["encrypted"].as_bool(), mail["login"].as_str()), (Some(true), Some("tidegauge")), "{mode}");
        assert_eq!(mail["sender"], "tidegauge@example.com");
        assert_eq!(mail["to"], serde_json::json!(["oncall@example.com"]));
        assert_eq!(mail["helo"], "watcher.example.com");
        assert_eq!(mail["defects"], serde_json::json!([]));
        assert!(mail["longest"].as_u64() <= Some(998), "no line is longer than mail allows");
        assert_eq!(mail["headers"]["from"], "The Tide Gauge <tidegauge@example.com>");
        assert_eq!(mail["headers"]["to"], "On Call <oncall@example.com>");
        let subject = "[critical] credit/7: FeatureDrift, income in purpose=<b>\"é\" & co</b>\\n";
        assert_eq!(mail["headers"]["subject"], subject);
        assert_eq!(mail["headers"]["auto-submitted"], "auto-generated");
        let text = mail["text"].as_str().expect("a text");
        assert!(text.starts_with(&format!("{subject}\n\nProbably a change of unit (income): every")), "{text}");
        assert!(text.contains("  values: psi 0.3141 (threshold 0.2, p = 2e-5)\n"), "{text}");
        assert!(text.contains("\nResolved: 1\n\n* FeatureDrift: age"), "{text}");
        let html = mail["html"].as_str().expect("HTML");
        assert!(html.contains("purpose=&lt;b&gt;&quot;é&quot; &amp; co&lt;/b&gt;\\n"), "{html}");
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("<b>\""), "{html}");
        assert!(html.contains("href=\"https://runbooks.example/drift?a=1&amp;b=2\""), "{html}");
        assert_eq!(html.matches("bgcolor=\"#d9480f\"").count(), 4, "a bar of the window for each bin");
    }
}

#[test]
fn a_server_that_is_not_who_it_should_be_is_told_nothing() {
    let Some(server) = Server::start("a server of another CA", "starttls") else { return };
    let told = notice("one", vec![alert("income", State::Firing)]);
    let without = email::Config { ca_file: None, ..server.config(Tls::StartTls) };
    let by_address = email::Config { host: "127.0.0.1".into(), ..server.config(Tls::StartTls) };
    for config in [without, by_address] {
        let failure = deliver(Config::Email(config), &told).expect_err("it is not to be trusted");
        assert!(matches!(&failure, Failure::Passing { why, .. } if why.contains("certificate")), "{failure:?}");
        assert!(!failure.to_string().contains("s3cret"));
    }
    server.heard_nothing();
}

#[test]
fn what_the_server_answers_decides_whether_it_is_tried_again() {
    let Some(server) = Server::start("a server's answers", "starttls") else { return };
    let told = notice("one", vec![alert("income", State::Firing)]);
    let to = |addresses: &[&str]| email::Config {
        to: addresses.iter().map(|address| address.parse().expect("a mailbox")).collect(),
        ..server.config(Tls::StartTls)
    };
    let later = deliver(Config::Email(to(&["later@example.com"])), &told).expect_err("later");
    assert!(matches!(&later, Failure::Passing { why, .. } if why.contains("come back later")), "{later:?}");
    assert_eq!(deliver(Config::Email(to(&["later@example.com"])), &told), Ok(()));
    assert_eq!(server.mail()["to"], serde_json::json!(["later@example.com"]));
    let refused = deliver(Config::Email(to(&["refused@example.com"])), &told).expect_err("refused");
    assert!(matches!(&refused, Failure::Lasting { why } if why.contains("550")), "{refused:?}");
    // One address that is gone does not keep the mail from the others.
    assert_eq!(deliver(Config::Email(to(&["refused@example.com", "oncall@example.com"])), &told), Ok(()));
    assert_eq!(server.mail()["to"], serde_json::json!(["oncall@example.com"]));
    let mut config = server.config(Tls::StartTls);
    config.login = Some(Login { username: "tidegauge".into(), password: given("wr0ng") });
    let refused = deliver(Config::Email(config), &told).expect_err("a wrong password");
    assert!(matches!(&refused, Failure::Lasting { why } if why.contains("535")), "{refused:?}");
    assert!(!refused.to_string().contains("wr0ng"), "{refused}");
    server.heard_nothing();
}

#[test]
fn a_server_without_tls_has_to_be_wanted() {
    let Some(server) = Server::start("a server without TLS", "none") else { return };
    let told = notice("one", vec![alert("income", State::Resolved)]);
    let starttls = email::Config { login: None, ..server.config(Tls::StartTls) };
    let failure = deliver(Config::Email(starttls), &told).expect_err("the server cannot do it");
    assert!(failure.to_string().to_lowercase().contains("starttls"), "{failure}");
    server.heard_nothing();
    let mut config = server.config(Tls::None);
    config.subject = Some("{{ status | upper }} {{ commonLabels.alertname }}\nBcc: x@y".into());
    config.text = Some("{% for a in alerts %}{{ a.labels.slice }}{% endfor %}".into());
    config.html = Some("<p>{% for a in alerts %}{{ a.labels.slice }}{% endfor %}</p>".into());
    assert_eq!(deliver(Config::Email(config), &told), Ok(()));
    let mail = server.mail();
    assert_eq!(mail["headers"]["subject"], "RESOLVED FeatureDrift Bcc: x@y");
    assert_eq!(mail["headers"].get("bcc"), None);
    assert_eq!(mail["text"].as_str().map(str::trim_end), Some("purpose=<b>\"é\" & co</b>\\n"));
    assert!(mail["html"].as_str().expect("HTML").starts_with("<p>purpose=&lt;b&gt;"));
}

#[test]
fn a_server_that_says_nothing_is_tried_again() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let config = email::Config {
        host: "127.0.0.1".into(),
        port,
        tls: Tls::None,
        ca_file: None,
        login: None,
        helo: None,
        from: "tidegauge@example.com".parse().expect("a mailbox"),
        to: vec!["oncall@example.com".parse().expect("a mailbox")],
        timeout: Duration::from_millis(200),
        subject: None,
        text: None,
        html: None,
    };
    let failure = deliver(Config::Email(config), &notice("one", vec![alert("income", State::Firing)]));
    assert!(matches!(failure, Err(Failure::Passing { .. })), "{failure:?}");
}

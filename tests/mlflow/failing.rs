//! A server that is away, fails, or has less than it should.

use std::time::{Duration, Instant};

use super::fake::{Failure, Fake};
use super::{ask, compared_with, configure, hash, hash_in_use, post_signed, reference, send};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

/// Fails until it is told not to any more.
fn always(part: &'static str, status: u16) -> (&'static str, Failure, u32) {
    (part, Failure { status, retry_after: None }, u32::MAX)
}

#[test]
fn a_start_without_mlflow_goes_on_from_what_there_was() {
    let (broker, folder, fake) = (Broker::start(&[("loans", 1)]), Folder::new(), Fake::start());
    fake.change(|it| {
        it.version = "1".to_owned();
        it.references = [("1".to_owned(), reference(0)), ("3".to_owned(), reference(60))].into();
    });
    configure(&folder, &broker, &fake.url, "  poll: 100ms\n  token: {file: token}\n");
    folder.write("token", "s3cret\n");

    // Where there was nothing, there is nothing to go on from.
    fake.change(|it| it.failing = vec![always("", 503)]);
    let refused = folder.run(&["run"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{told}");
    let why = "start the monitor of loan: resolve models:/credit@champion: http://127.0.0.1 answered 503";
    assert!(told.contains(why) && !told.contains("s3cret"), "{told}");

    fake.change(|it| it.failing.clear());
    let mut daemon = Daemon::start_ready(&folder);
    let (first, third) = (hash(&folder, 0), hash(&folder, 60));
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&first));
    assert_eq!(daemon.terminate().0.code(), Some(0));
    assert!(fake.change(|it| it.asked.iter().all(|(_, authorization, _)| authorization == "Bearer s3cret")));

    fake.change(|it| {
        it.version = "2".to_owned();
        it.failing = vec![always("", 500)];
    });
    let mut daemon = Daemon::start_ready(&folder);
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&first));
    let said = daemon.said("models:/credit@champion: going on with the reference that there was");
    assert!(said.first().is_some_and(|said| said["version"] == "1"), "{said:?}");
    let failures = || daemon.metric("tidegauge_mlflow_poll_failures_total", &[("model", "loan")]).unwrap_or(0.0);
    assert!(failures() >= 1.0);

    // The second version has no reference: the first one's stays, and that is counted.
    fake.change(|it| it.failing.clear());
    let before = failures();
    wait_until("the second version to fail", || failures() >= before + 2.0);
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&first));
    fake.change(|it| it.version = "3".to_owned());
    wait_until("the third version", || hash_in_use(&daemon).as_ref() == Some(&third));
    wait_until("the log to say so", || daemon.said("models:/credit@champion is found again").len() == 1);
    // Rules that are loaded again keep it.
    assert_eq!(daemon.post("/-/reload").0, 200);
    assert_eq!(hash_in_use(&daemon).as_ref(), Some(&third));
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

#[test]
fn what_cannot_be_written_now_is_written_later_and_holds_up_nothing() {
    let (broker, folder, fake) = (Broker::start(&[("loans", 1)]), Folder::new(), Fake::start());
    let busy = Failure { status: 429, retry_after: Some(2) };
    fake.change(|it| {
        it.version = "1".to_owned();
        it.references = [("1".to_owned(), reference(0))].into();
        it.failing = vec![("runs/search", Failure { status: 500, retry_after: None }, 1), ("log-batch", busy, 1)];
    });
    configure(&folder, &broker, &fake.url, "  poll: 1h\n  username: me\n  password: s3cret\n");
    let mut daemon = Daemon::start_ready(&folder);
    for window in 0..3 {
        send(&broker, window, "1", 0);
    }
    // Nobody has registered this one.
    send(&broker, 3, "unheard-of", 0);
    send(&broker, 4, "1", 0);
    wait_until("the first attempt", || !fake.posted("runs/log-batch").is_empty());
    let begun = Instant::now();
    wait_until("the last window", || compared_with(&daemon, 3).is_some());
    wait_until("the second attempt", || fake.posted("runs/log-batch").len() >= 2);
    // It waits for as long as it was asked to.
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    let logged = fake.posted("runs/log-batch");
    assert_eq!((logged[0]["run_id"].as_str(), &logged[0]), (Some("a-run"), &logged[1]));
    let count = |name: &str| daemon.metric(name, &[("model", "loan")]).unwrap_or(0.0);
    assert_eq!(count("tidegauge_mlflow_write_failures_total"), 2.0);
    wait_until("all to be written", || count("tidegauge_mlflow_windows_total") >= 3.0);
    wait_until("one to be given up", || count("tidegauge_mlflow_dropped_windows_total") == 1.0);
    let tags = fake.posted("model-versions/set-tag");
    assert!(tags.iter().any(|tag| tag["key"] == "tidegauge.drift.status" && tag["value"] == "ok"), "{tags:?}");
    let basic = "Basic bWU6czNjcmV0";
    assert!(fake.change(|it| it.asked.iter().all(|(_, authorization, _)| authorization == basic)));
    assert!(!daemon.log_text().contains("s3cret"));
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

#[test]
fn only_a_webhook_that_is_signed_has_the_registry_asked() {
    let (broker, folder, fake) = (Broker::start(&[("loans", 1)]), Folder::new(), Fake::start());
    fake.change(|it| {
        it.version = "1".to_owned();
        it.references = [("1".to_owned(), reference(0)), ("2".to_owned(), reference(60))].into();
    });
    configure(&folder, &broker, &fake.url, "  poll: 1h\n");
    let mut daemon = Daemon::start_ready(&folder);
    assert_eq!(post_signed(&daemon, "s3cret"), 404);
    configure(&folder, &broker, &fake.url, "  poll: 1h\n  webhook_secret: [old, s3cret]\n");
    assert_eq!(daemon.post("/-/reload").0, 200);
    let unsigned = |method| ask(&daemon.address.to_string(), method, "/api/v1/mlflow/webhook", &[], b"{}").0;
    assert_eq!((unsigned("POST"), unsigned("GET")), (401, 405));
    assert_eq!(post_signed(&daemon, "another"), 403);
    let asked = || fake.change(|it| it.asked.iter().filter(|(path, ..)| path.ends_with("alias")).count());
    let before = asked();
    fake.change(|it| it.version = "2".to_owned());
    assert_eq!(post_signed(&daemon, "s3cret"), 204);
    let second = hash(&folder, 60);
    wait_until("the second version", || hash_in_use(&daemon).as_ref() == Some(&second));
    assert_eq!(asked(), before + 1);
    assert_eq!(daemon.terminate().0.code(), Some(0));
}

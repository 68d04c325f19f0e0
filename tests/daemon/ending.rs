//! The daemon ends quickly and cleanly when it is asked to, whatever has become of those it talks to.

use std::net::TcpListener;
use std::time::Duration;

use super::{Rows, monitor, write_reference};
use crate::support::broker::Broker;
use crate::support::program::{Daemon, Folder};
use crate::support::wait_until;

/// What orchestrators usually grant is 30 s; the daemon takes no more than a third of that.
const LONGEST: Duration = Duration::from_secs(10);

fn ends_well(daemon: &mut Daemon) {
    let (status, took) = daemon.terminate();
    assert_eq!(status.code(), Some(0));
    assert!(took < LONGEST, "it took {took:?}");
    assert_eq!(daemon.said("stopped").len(), 1);
}

#[test]
fn it_ends_when_no_broker_was_ever_there() {
    let folder = Folder::new();
    // The port was free a moment ago, and nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    folder.configure(&address.to_string(), "retrain_reports: {topic: ml.retrains}\n");
    folder.write("rules/loan.yaml", monitor("loan", "loans", ""));
    write_reference(&folder);
    let mut daemon = Daemon::start(&folder);
    wait_until("the library to have noticed", || !daemon.said("kafka: ").is_empty());
    assert_eq!(daemon.get("/-/healthy").0, 200);
    wait_until("what it waits for", || {
        daemon.get("/-/ready") == (503, "waiting for a partition of loans\n".to_owned())
    });
    ends_well(&mut daemon);
}

#[test]
fn it_ends_while_receivers_are_dead_and_tells_them_the_next_time() {
    let (broker, folder) = (Broker::start(&[("loans", 1)]), Folder::new());
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port");
    // This one takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let hung = silent.local_addr().expect("it is bound");
    let receivers = format!(
        "receivers:\n  closed: {{webhook: {{url: \"http://{closed}/\"}}}}\n  hung: {{webhook: {{url: \"http://{hung}/\"}}}}\n"
    );
    folder.configure(&broker.address, &receivers);
    let alerts = "alerts:\n  - {alert: Any, when: telemetry.rows > 0, notify: [closed, hung]}\n";
    folder.write("rules/loan.yaml", monitor("loan", "loans", alerts));
    write_reference(&folder);
    let mut daemon = Daemon::start_ready(&folder);
    (0..2).for_each(|window| {
        broker.produce("loans", 0, Rows { window, partition: 0, count: 100, drifted: false }.lines());
    });
    wait_until("the first attempt to fail", || !daemon.said("will try again").is_empty());
    assert_eq!(daemon.metric("tidegauge_outbox_messages", &[]), Some(2.0));
    ends_well(&mut daemon);
    // What could not be delivered is delivered by the next start.
    let again = Daemon::start(&folder);
    assert_eq!(again.metric("tidegauge_outbox_messages", &[]), Some(2.0));
    wait_until("another attempt", || !again.said("will try again").is_empty());
}

#[test]
fn it_lives_and_ends_while_the_broker_is_gone() {
    let (mut broker, folder) = (Broker::start(&[("loans", 1), ("ml.retrains", 1)]), Folder::new());
    folder.configure(&broker.address, "retrain_reports: {topic: ml.retrains}\n");
    folder.write("rules/loan.yaml", monitor("loan", "loans", ""));
    write_reference(&folder);
    let mut daemon = Daemon::start_ready(&folder);
    // So many windows at once take a while to publish, and before that is done the broker is gone.
    let rows = (0..1000).flat_map(|window| Rows { window, partition: 0, count: 2, drifted: false }.lines());
    broker.produce("loans", 0, rows);
    wait_until("windows to be measured", || daemon.metric("tidegauge_windows_total", &[]).is_some_and(|n| n > 0.0));
    broker.stop();
    wait_until("the outage to be seen", || daemon.log_text().contains("AllBrokersDown"));
    assert_eq!(daemon.get("/-/healthy").0, 200);
    // A wrong address of the broker can be put right without ending the daemon.
    assert_eq!(daemon.post("/-/reload"), (200, "reloaded\n".to_owned()));
    ends_well(&mut daemon);
}

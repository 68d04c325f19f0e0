//! What tests of the running program share: a broker that they hold, the program beside it, and ways to ask and to
//! wait.

pub mod broker;
pub mod hook;
pub mod program;

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::TcpListener;

/// The machine may be busy with other things, so what should take a second is given a minute.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a daemon is killed in a test that would do it so often, unless it is told otherwise.
pub fn kills(usual: usize) -> usize {
    std::env::var("TIDEGAUGE_KILLS").map_or(usual, |kills| kills.parse().expect("a number of kills"))
}

/// Serves this until the test's process ends. Returns where.
pub fn serve(router: Router) -> SocketAddr {
    let (tell, address) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            tell.send(listener.local_addr().expect("it is bound")).expect("the test waits for it");
            axum::serve(listener, router).await.expect("it serves");
        });
    });
    address.recv().expect("it starts")
}

/// Asks until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

/// Asks until it is so.
pub fn wait_until(what: &str, mut ask: impl FnMut() -> bool) {
    wait_for(what, || ask().then_some(()));
}

//! A daemon that is killed again and again begins one run for each request that it has stored.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::services::{Script, Services, Trouble};
use super::{all_services, given, of, request, run};
use tidegauge::daemon::{Reports, Retraining, Tools};
use tidegauge::http::RetrainDesk;
use tidegauge::notify::Schedule;
use tidegauge::retrain::{Guards, Run, State};
use tidegauge::rule::alert::stable_id;
use tidegauge::store::{self, Commit, Store};
use tidegauge::telemetry::Telemetry;
use tidegauge::time::{Span, Time};
use tidegauge::trigger::{Action, Config, exec};

const KILLS: u32 = 50;
const FOLDER: &str = "TIDEGAUGE_TEST_FOLDER";

/// The names of the actions: all that can begin a run once.
fn actions(url: &str, folder: &Path) -> BTreeMap<String, Action> {
    let services = all_services(url, Duration::from_millis(150)).into_iter();
    let once = services.filter(|(kind, _)| *kind != "argo_events");
    let mut actions: BTreeMap<String, Action> =
        once.map(|(kind, config)| (kind.to_owned(), Action::new(of(config)).expect("it can be used"))).collect();
    let command = exec::Config {
        command: ["sh", "-c", "echo $TIDEGAUGE_REQUEST_ID >> \"$RUNS\""].map(str::to_owned).into(),
        environment: BTreeMap::from([("RUNS".to_owned(), given(&folder.join("runs").display().to_string()))]),
        directory: None,
        timeout: Duration::from_secs(30),
        output: folder.join("exec"),
    };
    actions.insert("exec".to_owned(), Action::new(Config::Exec(command)).expect("it can be used"));
    actions
}

fn open(folder: &Path) -> Arc<Store> {
    Arc::new(Store::open(&store::Config { path: folder.join("data"), cache: 1 << 20 }).expect("the store opens"))
}

/// Not a test by itself: what the test below starts and kills.
#[test]
fn as_the_daemon() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round = fs::read_to_string(folder.join("round")).expect("a round");
    let url = fs::read_to_string(folder.join("url")).expect("an address");
    let (store, actions) = (open(&folder), actions(&url, &folder));
    let names: Vec<String> = actions.keys().cloned().collect();
    let guards = Guards { cooldown: Span(0), most_per_day: 10_000, ..Guards::default() };
    let guards = names.iter().map(|name| (name.clone(), guards.clone())).collect();
    run(async {
        let (desk, asked) = RetrainDesk::new();
        let schedule = Schedule { waits: vec![Duration::from_millis(20)], give_up: Duration::from_secs(3600) };
        let tools =
            Tools { store: store.clone(), telemetry: Telemetry::new(100), desk, schedule, config_hash: String::new() };
        let retraining = Retraining::open(guards, actions, tools, asked, Reports::none()).expect("it opens");
        // Every round asks for one run of each kind, and the last one only waits.
        let asked = |name: &String| {
            let request = request(&stable_id(&[&round, name]), name, &format!("model-{round}"));
            Run::requested(request, Time(0))
        };
        let runs: Vec<Run> = names.iter().filter(|_| round != "last").map(asked).collect();
        store.commit(&Commit { runs: runs.clone(), ..Commit::default() }).expect("it is stored");
        runs.into_iter().for_each(|run| retraining.requests.send(run).expect("it is taken"));
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let waiting = |run: &Run| matches!(run.state, State::Requested | State::Triggering);
            if !store.runs().expect("runs").iter().any(waiting) {
                fs::write(folder.join("done"), "").expect("it is written");
            }
        }
    });
}

#[test]
fn one_run_is_begun_for_each_request_over_fifty_kills() {
    let script: Script = |n| match n % 9 {
        0 => Some(Trouble::Hang),
        2 => Some(Trouble::Refused(429)),
        4 => Some(Trouble::Refused(500)),
        6 => Some(Trouble::Wrong),
        _ => None,
    };
    let (services, folder) = (Services::start(script), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    fs::write(folder.join("url"), services.url()).expect("it is written");
    let start = |round: &str| {
        fs::write(folder.join("round"), round).expect("it is written");
        Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "triggers::killed::as_the_daemon", "--nocapture"])
            .env(FOLDER, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts")
    };
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..KILLS {
        let mut child = start(&round.to_string());
        std::thread::sleep(Duration::from_millis(random.u64(40..400)));
        child.kill().expect("it is killed");
        child.wait().expect("it is gone");
    }
    let _ = fs::remove_file(folder.join("done"));
    let mut child = start("last");
    let end = Instant::now() + Duration::from_secs(120);
    while !folder.join("done").exists() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("it is killed");
    assert!(folder.join("done").exists(), "it is never done");
    child.wait().expect("it is gone");
    let runs = open(folder).runs().expect("runs");
    let lines = fs::read_to_string(folder.join("runs")).unwrap_or_default();
    let (mut of_services, mut commands, mut lost) = (0, 0, 0);
    for run in &runs {
        if run.action == "exec" {
            let times = lines.lines().filter(|line| *line == run.id).count();
            // Killed between the note that it is about to be begun and its beginning, it is not begun, and that is said.
            assert!(times == 1 || times == 0 && run.state == State::Failed, "{times}: {run:?}");
            lost += usize::from(times == 0);
            commands += 1;
        } else {
            assert_eq!((services.begun(&run.id), run.state), (1, State::Triggered), "{run:?}");
            of_services += 1;
        }
    }
    assert_eq!(services.all_begun(), of_services, "nothing else was begun");
    assert!(commands > 0 && lost * 4 <= commands, "of {commands} commands {lost} were not begun");
    assert!(runs.len() >= KILLS as usize, "most rounds got so far as to ask: {}", runs.len());
    println!(
        "{KILLS} kills, {} requests, {of_services} of services; {lost} of {commands} commands were not begun",
        runs.len()
    );
}

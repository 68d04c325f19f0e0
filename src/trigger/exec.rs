//! Runs a command, for what has no API: it may train by itself, or tell somebody to.
//!
//! What a command does cannot be told apart from the same done twice, so it is begun once for each time that a run is
//! triggered. Its output goes to a file, which is locked for as long as the command or anything that it has begun goes on,
//! even if this process does not. So the next one knows whether it still runs, and does not begin another.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Accepted;
use super::template::Filler;
use crate::notify::attempt::{Failure, Unusable, read};
use crate::notify::limit::line;
use crate::notify::secret::Secret;
use crate::retrain::Run;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The program and its arguments, as templates. No shell is between.
    pub command: Vec<String>,
    /// Variables that it has beside those that tell of the request.
    pub environment: BTreeMap<String, Secret>,
    /// Where it is run.
    pub directory: Option<PathBuf>,
    /// It is ended when it takes longer.
    pub timeout: Duration,
    /// Where what it says is kept.
    pub output: PathBuf,
}

#[derive(Debug)]
pub struct Exec {
    config: Config,
}

/// What a command has of the environment of this process, whose secrets are none of its business.
const INHERITED: [&str; 9] =
    ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// How often one that another process has begun is looked after.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How many outputs are kept.
const KEPT: usize = 100;

impl Exec {
    /// Reads everything once, so that what is wrong is known at the start.
    pub fn new(config: Config) -> Result<Exec, Unusable> {
        for (name, secret) in &config.environment {
            read(format!("variable {name}"), secret)?;
        }
        Ok(Exec { config })
    }

    /// Runs the command to its end, unless that was done for this run before.
    pub async fn begin(&self, run: &Run, filler: &Filler) -> Result<Accepted, Failure> {
        let files = Files::of(&self.config.output, run);
        match files.state().map_err(|error| unready(&error))? {
            Before::Nothing => {}
            Before::Goes => {
                let why = "the command that was begun before still goes on".to_owned();
                return Err(Failure::Passing { why, after: Some(LOOK_AGAIN) });
            }
            Before::Ended(outcome) => return outcome,
        }
        let mut command = self.command(run, filler)?;
        let output = files.make().map_err(|error| unready(&error))?;
        let out = output.try_clone().and_then(|out| Ok((out, output.try_clone()?)));
        let (out, err) = out.map_err(|error| unready(&error))?;
        let spawned = command.stdout(Stdio::from(out)).stderr(Stdio::from(err)).spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => {
                files.forget();
                let program = command.as_std().get_program().to_string_lossy().into_owned();
                return Err(Failure::Lasting { why: format!("cannot run {}: {error}", line(&program, 100)) });
            }
        };
        files.begun(child.id());
        let request = serde_json::to_vec(&run.request).unwrap_or_default();
        let (id, limit) = (run.id.clone(), self.config.timeout);
        let secrets: Vec<String> = self.config.environment.values().filter_map(|secret| secret.read().ok()).collect();
        // It goes on when whoever waits for it here is made anew, as by a reload.
        let waiting = tokio::spawn(async move {
            let ended = finish(child, &request, limit).await;
            drop(output);
            files.ended(&id, &ended, &secrets)
        });
        waiting.await.unwrap_or_else(|_| Err(Failure::passing("the command could not be waited for")))
    }

    fn command(&self, run: &Run, filler: &Filler) -> Result<Command, Failure> {
        let words: Result<Vec<String>, String> = self.config.command.iter().map(|word| filler.text(word)).collect();
        let words = words.map_err(|why| Failure::Lasting { why })?;
        let lacks = || Failure::Lasting { why: "the command has no program".to_owned() };
        let (program, arguments) = words.split_first().ok_or_else(lacks)?;
        let mut command = Command::new(program);
        // What it begins can be ended with it, since it is a group of its own.
        command.args(arguments).stdin(Stdio::piped()).process_group(0).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        for (name, expression) in super::VARIABLES {
            let value = filler.text(&format!("{{{{ {expression} }}}}")).map_err(|why| Failure::Lasting { why })?;
            // The request is on the input as well.
            if value.len() <= super::LONGEST_VARIABLE {
                command.env(name, value);
            }
        }
        command.env("TIDEGAUGE_ACTION", &run.action);
        for (name, secret) in &self.config.environment {
            command.env(name, read(format!("variable {name}"), secret)?);
        }
        if let Some(directory) = &self.config.directory {
            command.current_dir(directory);
        }
        Ok(command)
    }
}

fn unready(error: &io::Error) -> Failure {
    Failure::passing(format!("keep the command's output: {error}"))
}

/// How a command ended.
enum Ended {
    With(ExitStatus),
    /// It took too long.
    Cut(Duration),
    Unknown(io::Error),
}

/// Gives the command the request, and waits for its end.
async fn finish(mut child: Child, request: &[u8], limit: Duration) -> Ended {
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it has no need of it. None may hold us up here.
        let _ = timeout(Duration::from_secs(5), stdin.write_all(request)).await;
    }
    match timeout(limit, child.wait()).await {
        Ok(Ok(status)) => Ended::With(status),
        Ok(Err(error)) => Ended::Unknown(error),
        Err(_) => {
            end(child).await;
            Ended::Cut(limit)
        }
    }
}

/// Ends the command and all that it has begun: `mlflow run` does not train itself.
async fn end(mut child: Child) {
    if let Some(id) = child.id() {
        // Only a shell can be had everywhere that signals a group.
        let _ = Command::new("sh").args(["-c", &format!("kill -s KILL -- -{id}")]).status().await;
    }
    let _ = child.kill().await;
}

/// What is kept of one command.
struct Files {
    folder: PathBuf,
    /// What it says, and the lock.
    output: PathBuf,
    /// There once it was begun.
    pid: PathBuf,
    /// There once it has ended: `ok`, or why not.
    outcome: PathBuf,
}

enum Before {
    Nothing,
    Goes,
    Ended(Result<Accepted, Failure>),
}

impl Files {
    fn of(folder: &Path, run: &Run) -> Files {
        // A run that somebody approves once more is another time.
        let name = format!("{}-{}", super::template::name(run), run.triggered.map_or(0, |at| at.0));
        let file = |ending: &str| folder.join(format!("{name}.{ending}"));
        Files { folder: folder.to_owned(), output: file("log"), pid: file("pid"), outcome: file("end") }
    }

    fn state(&self) -> io::Result<Before> {
        let output = match File::open(&self.output) {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Before::Nothing),
            Err(error) => return Err(error),
        };
        match output.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Before::Goes),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let accepted = || Accepted { run: None, is_known: true };
        Ok(Before::Ended(match fs::read_to_string(&self.outcome) {
            Ok(outcome) if outcome == "ok" => Ok(accepted()),
            Ok(why) => Err(Failure::Lasting { why }),
            // It went on while nobody was there to see its end.
            Err(_) if self.pid.exists() => Ok(accepted()),
            Err(_) => Err(Failure::Lasting {
                why: "it is not known whether the command was begun, so it is not begun again".to_owned(),
            }),
        }))
    }

    fn make(&self) -> io::Result<File> {
        fs::create_dir_all(&self.folder)?;
        self.tidy();
        let output = File::options().read(true).append(true).create_new(true).open(&self.output)?;
        output.try_lock().map_err(io::Error::from)?;
        Ok(output)
    }

    /// Notes that the command was begun. All that takes time comes after its beginning: were this process killed between the
    /// making of the files and that, the command would not be begun at all.
    fn begun(&self, pid: Option<u32>) {
        let noted =
            fs::write(&self.pid, pid.unwrap_or(0).to_string()).and_then(|()| File::open(&self.folder)?.sync_all());
        if let Err(error) = noted {
            tracing::warn!(%error, "note that a command was begun");
        }
    }

    /// It was not begun, and may be.
    fn forget(&self) {
        let _ = fs::remove_file(&self.output);
    }

    fn ended(&self, id: &str, ended: &Ended, secrets: &[String]) -> Result<Accepted, Failure> {
        let (outcome, written) = match ended {
            Ended::With(status) if status.success() => (Ok(Accepted { run: None, is_known: false }), "ok".to_owned()),
            Ended::With(status) => lasting(format!("the command ended with {status}")),
            Ended::Cut(limit) => lasting(format!("the command took more than {} seconds", limit.as_secs())),
            Ended::Unknown(error) => lasting(format!("the command's end is not known: {error}")),
        };
        if let Err(error) = fs::write(&self.outcome, &written) {
            tracing::warn!(%error, "note how a command ended");
        }
        let said = self.last_lines(secrets);
        if outcome.is_ok() {
            tracing::info!(id, said, "the command has ended");
        } else {
            tracing::error!(id, said, why = written, "the command has failed");
        }
        outcome
    }

    /// The end of what it said, without secrets.
    fn last_lines(&self, secrets: &[String]) -> String {
        const BYTES: u64 = 4096;
        const LINES: usize = 10;
        let tail = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.output)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
            let mut bytes = Vec::new();
            file.take(BYTES).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let mut text = String::from_utf8_lossy(&tail().unwrap_or_default()).into_owned();
        for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "<secret>");
        }
        let lines: Vec<String> = text.lines().map(|text| line(text, 300)).filter(|text| !text.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }

    /// Keeps the folder from growing without end.
    fn tidy(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut logs: Vec<(std::time::SystemTime, PathBuf)> = entries
            .filter_map(|entry| Some((entry.as_ref().ok()?.metadata().ok()?.modified().ok()?, entry.ok()?.path())))
            .filter(|(_, path)| path.extension().is_some_and(|ending| ending == "log"))
            .collect();
        logs.sort();
        for (_, path) in &logs[..logs.len().saturating_sub(KEPT)] {
            for ending in ["log", "pid", "end"] {
                let _ = fs::remove_file(path.with_extension(ending));
            }
        }
    }
}

fn lasting(why: String) -> (Result<Accepted, Failure>, String) {
    (Err(Failure::Lasting { why: why.clone() }), why)
}

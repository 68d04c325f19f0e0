//! tidegauge watches machine-learning models in production.
//!
//! It reads prediction and feature logs from Kafka, cuts them into event-time windows, measures quality and drift
//! against a reference, exposes Prometheus metrics, raises alerts and asks for retrains.
//!
//! The modules below are in layers, lowest first, and in reading order. A module names only modules that stand above it
//! here, and the files of a folder do not import one another: the test `layers` holds every file to that. Layers 1 to 4
//! are pure: no async, clock, file, network or log; time arrives inside what they are given.

// 1. Words: what everything else is said in.
pub mod time;
pub mod schema;
pub mod rows;
pub mod exact;
pub mod grid;
pub mod calibration;
pub mod slice;
pub mod outcome;
pub mod tally;
pub mod pane;
pub mod block;
pub mod measurement;

// 2. Measures: from bytes to counts, from counts to numbers.
pub mod decode;
pub mod shard;
pub mod stat;
pub mod null;
pub mod cause;

// 3. Judgement: what to compare with, and what is worth telling.
pub mod reference;
pub mod rule;
pub mod retrain;
pub mod budget;
pub mod notice;
pub mod route;
pub mod monitor;
pub mod privacy;
pub mod finding;
pub mod plan;
pub mod lane;
pub mod audit;
pub mod join;

// 4. Engine: one event in, a list of effects out.
pub mod engine;

// 5. Instruments.
pub mod telemetry;

// 6. Edges: the world outside.
pub mod source;
pub mod notify;
pub mod trigger;
pub mod mlflow;
pub mod store;
pub mod http;

// 7. Configuration.
pub mod config;

// 8. Shell: the commands.
pub mod replay;
pub mod ruletest;
pub mod check;
pub mod profile;
pub mod compare;
pub mod daemon;
pub mod demo;
pub mod auditor;
pub mod explain;

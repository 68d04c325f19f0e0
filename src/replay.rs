//! `tidegauge replay`: the same core over files instead of Kafka.

//! All integration tests, in one binary, told in order.

/// The modules keep to their layers, and files to one desk.
mod layers;

/// What is shipped beside the code says what the code does.
mod documents;

/// The face of the program: arguments, output, exit codes, and what it says to somebody who made a mistake.
mod cli;

/// The daemon beside a broker: it counts exactly, tells what it finds, and survives what befalls it.
mod daemon;

/// What tests of the running program share.
mod support;

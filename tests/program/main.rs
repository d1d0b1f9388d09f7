//! Files, commands and what they print and write.

#[path = "../common/mod.rs"]
mod common;

mod cli;
mod commands;
mod converge;
mod converge_underdamped;
mod coordinates_commands;
mod input;
mod language;
mod reactions_converge;
mod report;
mod sweep;

//! `directoryd`: the command line around the library.

use std::process::ExitCode;

use clap::Parser;

mod cli;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("directoryd: {error:#}");
            // sysexits.h: EX_CONFIG.
            ExitCode::from(if error.is::<directoryd::BadConfig>() { 78 } else { 1 })
        }
    }
}

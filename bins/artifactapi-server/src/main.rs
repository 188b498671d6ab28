//! The server: wiring, configuration and signals. Everything else is in the crates, so that
//! another program can be made of them.

mod banner;
mod command_line;
mod configuration;
mod logging;
mod probe;
mod providers;
mod serve;
mod services;
mod signals;
mod wiring;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use command_line::{Command, CommandLine, ConfigCommand};
use configuration::{Configuration, Problems};

/// It did not work; 2 is for the wrong usage and comes from the command line parser.
const FAILED: ExitCode = ExitCode::FAILURE;

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let loaded = Configuration::load(&line.settings, |name| std::env::var(name).ok());
    let outcome = match line.command.unwrap_or_default() {
        Command::Serve => run(loaded, serve::serve),
        Command::Config(ConfigCommand::Check) => check(loaded),
        Command::Config(ConfigCommand::Show) => run(loaded, |configuration| show(&configuration)),
        Command::Wait(wait) => {
            run(loaded, |configuration| probe::wait(&wait.target(&configuration)?, wait.timeout))
        }
        Command::Healthcheck(target) => {
            run(loaded, |configuration| probe::healthcheck(&target.target(&configuration)?))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            FAILED
        }
    }
}

fn run(
    loaded: Result<Configuration, Problems>,
    command: impl FnOnce(Configuration) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    command(loaded?)
}

fn check(loaded: Result<Configuration, Problems>) -> anyhow::Result<()> {
    loaded?;
    say("the configuration is valid");
    Ok(())
}

fn show(configuration: &Configuration) -> anyhow::Result<()> {
    io::stdout().write_all(configuration.to_string().as_bytes())?;
    Ok(())
}

/// Talks to the operator: standard error, because standard output is for data.
fn say(text: &str) {
    // A closed standard error is no reason not to do the work.
    let _ = writeln!(io::stderr(), "{text}");
}

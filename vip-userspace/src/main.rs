//! The program `vip`.

use std::process::ExitCode;

use clap::Parser;
use vip::cli::{Cli, Command};
use vip::command::{
    check, config, demo, drain, explain, init, release, reload, run, status, take, top, trace, who,
    why,
};
use vip::watch::{launch, warden};

fn main() -> ExitCode {
    if let Some(code) = launch::take_over().or_else(warden::take_over) {
        return code;
    }
    let done = match Cli::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Config(arguments) => config::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Status(arguments) => status::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Who(arguments) => who::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Reload(arguments) => reload::run(&arguments),
        Command::Drain(arguments) => drain::drain(&arguments),
        Command::Undrain(arguments) => drain::undrain(&arguments),
        Command::Take(arguments) => take::take(&arguments),
        Command::Untake(arguments) => take::untake(&arguments),
        Command::Release(arguments) => release::run(&arguments.runtime_dir),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
    };
    match done {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("vip: {failure}");
            failure.exit.into()
        }
    }
}

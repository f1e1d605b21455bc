//! `vip check`: what is wrong with a configuration, all at once, without
//! touching the host.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use crate::config::{self, Loaded, ReadError, Severity};
use crate::error::Exit;

/// Checks each of `files`, or the file that `vip run` would take if there are
/// none. Problems go to standard error, one line for each file to standard output.
/// [`Exit::Configuration`] if one file has an error or cannot be read.
#[must_use]
pub fn run(files: &[PathBuf]) -> Exit {
    let chosen;
    let files = if files.is_empty() {
        match config::choose(None) {
            Ok(path) => {
                chosen = [path];
                &chosen[..]
            }
            Err(error) => {
                complain(&error);
                return Exit::Configuration;
            }
        }
    } else {
        files
    };
    let colours = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut exit = Exit::Done;
    for path in files {
        if !check(path, colours) {
            exit = Exit::Configuration;
        }
    }
    exit
}

/// Checks one file; whether it has no error.
fn check(path: &Path, colours: bool) -> bool {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error);
            return false;
        }
    };
    let mut out = String::new();
    for problem in &loaded.problems {
        out.push_str(&problem.render(colours));
        out.push_str("\n\n");
    }
    // Whoever closed the pipe has seen enough; the exit code still tells.
    let _ = io::stderr().write_all(out.as_bytes());
    let _ = writeln!(io::stdout(), "{}: {}", path.display(), Summary(&loaded));
    loaded.count(Severity::Error) == 0
}

fn complain(error: &ReadError) {
    let _ = writeln!(io::stderr(), "error: {error}");
}

/// A file in one line: what is in it, and how bad it is.
struct Summary<'a>(&'a Loaded);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(loaded) = self;
        let instances = &loaded.configuration.instances;
        let unusable = instances.iter().filter(|i| i.unusable.is_some()).count();
        write!(f, "{}", Count(instances.len(), "instance"))?;
        if unusable > 0 {
            write!(f, " ({unusable} cannot run)")?;
        }
        let errors = loaded.count(Severity::Error);
        let warnings = loaded.count(Severity::Warning);
        match (errors, warnings) {
            (0, 0) => f.write_str(", no problem"),
            (0, warnings) => write!(f, ", {}", Count(warnings, "warning")),
            (errors, 0) => write!(f, ", {}", Count(errors, "error")),
            (errors, warnings) => write!(
                f,
                ", {}, {}",
                Count(errors, "error"),
                Count(warnings, "warning")
            ),
        }
    }
}

/// A number of things.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        write!(f, "{count} {thing}{}", if *count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str) -> String {
        Summary(&config::parse(text, "t")).to_string()
    }

    const FINE: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.1/24\n }\n}\n";

    #[test]
    fn a_file_in_one_line() {
        assert_eq!(summary(FINE), "1 instance, no problem");
        assert_eq!(
            summary(&format!("{FINE}vrrp_script x {{\n}}\n")),
            "1 instance, 1 warning"
        );
        assert_eq!(
            summary(&format!("{FINE}zebra\nvrrp_instance B {{\n}}\n")),
            "2 instances (1 cannot run), 3 errors"
        );
        assert_eq!(summary(""), "0 instances, 1 warning");
    }

    #[test]
    fn the_exit_code_tells_errors() {
        let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seed");
        let pair = [seed.join("nodeA.conf"), seed.join("nodeB.conf")];
        assert_eq!(run(&pair), Exit::Done);
        let [a, b] = pair;
        assert_eq!(run(&[a, seed.join("nodeC.conf"), b]), Exit::Configuration);
        assert_eq!(run(&[seed]), Exit::Configuration);
    }
}

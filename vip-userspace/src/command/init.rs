//! `vip init`: writes the pair of files that two nodes need, from a few
//! options or a few answers, and checks them before anybody has them.

mod dialogue;
mod files;
mod host;
mod text;
pub mod wish;

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use vip_common::ids::Version;

use self::dialogue::Dialogue;
use self::files::WriteError;
use self::host::Host;
use self::wish::{Group, Wish, settle};
use super::check;
use crate::cli::InitArgs;
use crate::config;
use crate::error::{Exit, Failure};

/// Writes the files and says what to do with them.
///
/// # Errors
/// Exit code 2 where options are missing and there is nobody to ask, where they
/// make no sense, or where a file exists; 1 where the system refuses.
pub fn run(arguments: &InitArgs) -> Result<Exit, Failure> {
    let host = Host::here();
    if !arguments.stdout && !arguments.force {
        // Nobody should answer questions in vain.
        let names = wish::LETTERS.map(wish::file_name);
        files::none_exists(&arguments.output, &names).map_err(refused)?;
    }
    // Questions go to standard error, so that `--stdout` may go into a file.
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let wish = if terminal {
        let mut dialogue = Dialogue::new(io::stdin().lock(), io::stderr());
        complete(arguments, &host, Some(&mut dialogue))?
    } else {
        complete::<io::Empty, io::Sink>(arguments, &host, None)?
    };
    let password = match wish.version {
        Version::V2 => Some(password().map_err(|error| {
            let message = format!("no random numbers for a password: {error}");
            Failure::new(Exit::Failed, message)
        })?),
        Version::V3 => None,
    };
    let (group, remarks) = settle(&wish, &host, password).map_err(usage)?;
    let pair = pair(&group)?;
    for remark in &remarks {
        let _ = writeln!(io::stderr(), "warning: {remark}");
    }
    if arguments.stdout {
        let mut out = String::new();
        for (name, text) in &pair {
            out.push_str(&format!("# ---- {name} ----\n{text}\n"));
        }
        // A reader that has seen enough (head, less) is no failure.
        let _ = io::stdout().write_all(out.as_bytes());
        let _ = io::stderr().write_all(steps(&group, None).as_bytes());
    } else {
        let directory = arguments.output.as_path();
        files::write(directory, &pair, arguments.force).map_err(refused)?;
        let _ = io::stdout().write_all(steps(&group, Some(directory)).as_bytes());
    }
    Ok(Exit::Done)
}

fn refused(error: WriteError) -> Failure {
    let exit = match error {
        WriteError::NoDirectory(_) | WriteError::Exists(_) => Exit::Usage,
        WriteError::Io { .. } => Exit::Failed,
    };
    Failure::new(exit, error.to_string())
}

fn usage(message: String) -> Failure {
    Failure::new(Exit::Usage, message)
}

/// The options, and answers for those that are missing. Nothing is asked where
/// nothing is missing.
fn complete<R: io::BufRead, W: io::Write>(
    arguments: &InitArgs,
    host: &Host,
    mut dialogue: Option<&mut Dialogue<R, W>>,
) -> Result<Wish, Failure> {
    let mut missing = Vec::new();
    if arguments.interface.is_none() {
        missing.push("--interface");
    }
    if arguments.addresses.is_empty() {
        missing.push("--address");
    }
    if dialogue.is_none() && !missing.is_empty() {
        return Err(usage(format!(
            "there is no terminal to ask on, and {} not given; for example: vip init --interface eth0 --address 192.168.8.100/24",
            match missing.as_slice() {
                [one] => format!("{one} is"),
                all => format!("{} are", all.join(" and ")),
            }
        )));
    }
    let ended = |error: io::Error| {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            usage(format!(
                "no answer; nothing was written. {} would say it without questions",
                missing.join(" and ")
            ))
        } else {
            let message = format!("the terminal cannot be read: {error}");
            Failure::new(Exit::Failed, message)
        }
    };
    let mut interface = arguments.interface.clone();
    let mut addresses = arguments.addresses.clone();
    let mut peer = arguments.peer;
    if let (Some(dialogue), false) = (dialogue.as_mut(), missing.is_empty()) {
        let chosen = match interface {
            Some(interface) => interface,
            None => dialogue.interface(host).map_err(ended)?,
        };
        if addresses.is_empty() {
            addresses = dialogue.addresses(&chosen.0, host).map_err(ended)?;
        }
        if peer.is_none() {
            peer = dialogue.peer().map_err(ended)?;
        }
        interface = Some(chosen);
    }
    Ok(Wish {
        interface: interface.map(|name| name.0).unwrap_or_default(),
        peer_interface: arguments.peer_interface.clone().map(|name| name.0),
        addresses,
        peer,
        vrid: arguments.vrid,
        name: arguments.name.clone(),
        version: match arguments.version {
            2 => Version::V2,
            _ => Version::V3,
        },
        interval: arguments.interval,
        preempt: !arguments.nopreempt,
    })
}

/// Both files with their names, read back as `vip run` would read them.
fn pair(group: &Group) -> Result<[(String, String); 2], Failure> {
    let pair = group
        .nodes
        .each_ref()
        .map(|node| (node.file(), text::file(group, node)));
    fit_to_run(group, &pair).map_err(|why| {
        Failure::new(
            Exit::Usage,
            format!("what was asked for is not fit to run, nothing was written:\n{why}"),
        )
    })?;
    Ok(pair)
}

/// Whether `vip check` finds nothing to say about the two, and they say what was
/// asked for.
fn fit_to_run(group: &Group, pair: &[(String, String); 2]) -> Result<(), String> {
    if let Some(problem) = check::texts(pair).first() {
        return Err(problem.to_string());
    }
    for (node, (name, text)) in group.nodes.iter().zip(pair) {
        let instances = config::parse(text, name).configuration.instances;
        let as_asked = matches!(instances.as_slice(), [one]
            if one.unusable.is_none()
                && one.interface == node.interface
                && one.priority == node.priority
                && one.vrid == group.vrid
                && one.version == group.version
                && one.interval == group.interval
                && one.preempt == group.preempt
                && one.addresses.len() == group.addresses.len());
        if !as_asked {
            return Err(format!("{name} does not say what was asked for"));
        }
    }
    Ok(())
}

/// What to do next, in plain sentences. Without `directory` the files have been
/// printed.
fn steps(group: &Group, directory: Option<&Path>) -> String {
    let [a, b] = &group.nodes;
    let about = format!(
        "VRID {}, VRRP version {}, checked",
        group.vrid,
        group.version.get()
    );
    let target = "/etc/vip/vip.conf";
    let mut out = match directory {
        Some(directory) => {
            let file_a = files::path(directory, &a.file()).display().to_string();
            let file_b = files::path(directory, &b.file()).display().to_string();
            let bring = match b.address {
                Some(address) => format!("{address}: scp {file_b} {address}:"),
                None => "the other node.".into(),
            };
            format!(
                "Wrote {file_a} and {file_b}: {about}.\n\
                 \n\
                 1. Bring {file_b} to {bring}\n\
                 2. Put them in place, here: sudo install -D -m 600 {file_a} {target}\n   \
                    and there: sudo install -D -m 600 {} {target}\n",
                b.file()
            )
        }
        None => format!(
            "Two files: {about}.\n\
             \n\
             1. Save the first one on this node as {target}, mode 600.\n\
             2. Save the second one on the other node as {target}, mode 600.\n"
        ),
    };
    out.push_str(&format!(
        "3. On each node, check it there, then start it: sudo vip check --host; sudo vip run\n\
         4. See who has the address, and why: sudo vip status\n\
         \n\
         No keepalived on these nodes may serve VRID {} on {} at the same time.\n",
        group.vrid, a.interface
    ));
    out
}

/// Signs of a password: none that look alike, none that the language knows.
const SIGNS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Eight random signs, all that the protocol carries.
fn password() -> io::Result<String> {
    let mut random = [0; 8];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random
        .map(|byte| char::from(SIGNS[usize::from(byte) % SIGNS.len()]))
        .iter()
        .collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::host::tests::host;
    use super::*;
    use crate::cli::{Cli, Command};

    fn arguments(words: &str) -> InitArgs {
        let words = ["vip", "init"].into_iter().chain(words.split_whitespace());
        match Cli::try_parse_from(words).map(|cli| cli.command) {
            Ok(Command::Init(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    /// Without anybody to ask.
    fn alone(words: &str) -> Result<Wish, Failure> {
        complete::<io::Empty, io::Sink>(&arguments(words), &host(), None)
    }

    /// With somebody who types `lines`; also what they see.
    fn asked(words: &str, lines: &str) -> (Result<Wish, Failure>, String) {
        let mut seen = Vec::new();
        let mut dialogue = Dialogue::new(lines.as_bytes(), &mut seen);
        let wish = complete(&arguments(words), &host(), Some(&mut dialogue));
        (wish, String::from_utf8(seen).unwrap())
    }

    fn group(words: &str) -> Group {
        let wish = alone(words).unwrap();
        settle(&wish, &host(), password().ok()).unwrap().0
    }

    #[test]
    fn without_terminal_what_is_missing_is_named() {
        let said = |words| {
            let failure = alone(words).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            failure.to_string()
        };
        assert!(said("").contains("--interface and --address are not given"));
        assert!(said("-i eth0").contains("and --address is not given"));
        assert!(said("-a 192.168.8.100/24").contains("and --interface is not given"));
        assert!(alone("-i eth0 -a 192.168.8.100/24").is_ok());
    }

    #[test]
    fn only_what_is_missing_is_asked() {
        let (wish, seen) = asked("", "\n192.168.8.100\n192.168.8.12\n");
        let all = wish.unwrap();
        assert_eq!(
            all,
            alone("-i eth0 -a 192.168.8.100 --peer 192.168.8.12").unwrap()
        );
        assert_eq!(seen.matches('?').count(), 3, "{seen}");

        let (wish, seen) = asked("-i eth0 --peer 192.168.8.12", "192.168.8.100\n");
        assert_eq!(wish.unwrap(), all);
        assert_eq!(seen.matches('?').count(), 1, "{seen}");

        let (wish, seen) = asked("-i eth0 -a 192.168.8.100", "");
        assert_eq!(wish.unwrap().peer, None);
        assert_eq!(seen, "");
    }

    #[test]
    fn who_hangs_up_is_told_the_options() {
        let (wish, _) = asked("", "eth0\n");
        let failure = wish.unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.to_string().contains("--interface and --address"));
    }

    #[test]
    fn what_is_written_is_what_run_would_read() {
        let group = group(
            "-i eth0 --peer-interface ens3 -a 192.168.8.100/24 -a 10.1.1.1/32 --vrid 7 --name web \
             --interval 20ms --nopreempt",
        );
        let pair = pair(&group).unwrap();
        let read = pair.each_ref().map(|(name, text)| {
            let loaded = config::parse(text, name);
            assert!(loaded.problems.is_empty());
            loaded.configuration.instances[0].clone()
        });
        for (instance, (interface, priority)) in read.iter().zip([("eth0", 150), ("ens3", 100)]) {
            assert_eq!(instance.name, "web");
            assert_eq!(instance.interface, interface);
            assert_eq!(instance.priority.get(), priority);
            assert_eq!(instance.vrid.get(), 7);
            assert_eq!(instance.version, Version::V3);
            assert_eq!(instance.interval.get(), 2);
            assert!(!instance.preempt);
            let addresses: Vec<String> = instance
                .addresses
                .iter()
                .map(|one| format!("{}/{}", one.address, one.prefix))
                .collect();
            assert_eq!(addresses, ["192.168.8.100/24", "10.1.1.1/32"]);
        }
    }

    #[test]
    fn version_2_has_one_password_for_both() {
        let group = group("-i eth0 -a 192.168.8.100/24 --version 2");
        let pair = pair(&group).unwrap();
        let read = pair
            .each_ref()
            .map(|(name, text)| config::parse(text, name).configuration.instances[0].auth);
        assert_eq!(read[0], read[1]);
        let expected = group.password.unwrap();
        assert!(matches!(
            read[0],
            vip_common::wire::vrrp::Auth::Password(bytes) if bytes == expected.as_bytes()
        ));
    }

    #[test]
    fn passwords_are_random_and_plain() {
        let all: std::collections::HashSet<String> = (0..64).map(|_| password().unwrap()).collect();
        assert_eq!(all.len(), 64);
        assert!(all.iter().all(|one| one.len() == 8));
        assert!(
            all.iter()
                .all(|one| one.bytes().all(|sign| SIGNS.contains(&sign)))
        );
    }

    #[test]
    fn what_does_not_belong_together_is_not_written() {
        let group = group("-i eth0 -a 192.168.8.100/24");
        let pair = pair(&group).unwrap();
        let broken = |from: &str, to: &str| {
            let mut pair = pair.clone();
            assert!(pair[1].1.contains(from));
            pair[1].1 = pair[1].1.replace(from, to);
            fit_to_run(&group, &pair).unwrap_err()
        };
        for (from, to) in [
            ("virtual_router_id 100", "virtual_router_id 101"),
            ("8.100", "8.101"),
            ("priority 100", "priority 150"),
            ("priority 100", "priority 90"),
            ("advert_int 0.1", "advert_int 0.2"),
        ] {
            assert!(!broken(from, to).is_empty(), "{to}");
        }
        assert!(broken("priority 100", "prioirty 100").contains("did you mean"));
        assert!(broken("192.168.8.100/24", "").contains("no virtual address"));
    }

    #[test]
    fn the_last_words_name_files_and_nodes() {
        let group = group("-i eth0 -a 192.168.8.100/24 --peer 192.168.8.12");
        assert_eq!(
            steps(&group, Some(Path::new("."))),
            "\
Wrote node-a.conf and node-b.conf: VRID 100, VRRP version 3, checked.

1. Bring node-b.conf to 192.168.8.12: scp node-b.conf 192.168.8.12:
2. Put them in place, here: sudo install -D -m 600 node-a.conf /etc/vip/vip.conf
   and there: sudo install -D -m 600 node-b.conf /etc/vip/vip.conf
3. On each node, check it there, then start it: sudo vip check --host; sudo vip run
4. See who has the address, and why: sudo vip status

No keepalived on these nodes may serve VRID 100 on eth0 at the same time.
"
        );
        let elsewhere = steps(&group, Some(Path::new("/srv/pair")));
        assert!(
            elsewhere.contains("600 /srv/pair/node-a.conf /etc")
                && elsewhere.contains("600 node-b.conf /etc"),
            "{elsewhere}"
        );
        assert!(steps(&group, None).contains("the second one on the other node"));
    }

    #[test]
    fn options_that_contradict_are_refused() {
        for bad in [
            "--stdout --force",
            "--stdout -o x",
            "--vrid 0",
            "--vrid 256",
            "--version 4",
            "--interval 1h",
            "--peer x",
            "-i eth0:1",
            "-a 224.0.0.1",
        ] {
            let words = ["vip", "init"].into_iter().chain(bad.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{bad}");
        }
    }
}

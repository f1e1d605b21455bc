//! The questions, for whoever sits at a terminal.

use std::fmt;
use std::io::{self, BufRead, Read as _, Write};
use std::net::Ipv4Addr;

use super::host::Host;
use super::wish::{Interface, Moving};

/// Longest line that is taken for an answer.
const LONGEST_ANSWER: u64 = 4096;

/// A talk with a person.
pub(super) struct Dialogue<R, W> {
    answers: R,
    questions: W,
}

impl<R: BufRead, W: Write> Dialogue<R, W> {
    /// Reads `answers`, writes `questions`.
    pub(super) fn new(answers: R, questions: W) -> Self {
        Self { answers, questions }
    }

    /// Which interface? A number of the list or a name; the suggestion for an
    /// empty line.
    pub(super) fn interface(&mut self, host: &Host) -> io::Result<Interface> {
        let candidates: Vec<_> = host.candidates().collect();
        let suggestion = host.suggestion();
        writeln!(
            self.questions,
            "Which interface do both nodes share a network on?"
        )?;
        let widest = candidates.iter().map(|link| link.name.len()).max();
        for (index, link) in candidates.iter().enumerate() {
            let addresses: Vec<String> = link
                .ipv4()
                .map(|(address, prefix)| format!("{address}/{prefix}"))
                .collect();
            let mut about = match addresses.as_slice() {
                [] => "no IPv4 address".into(),
                addresses => addresses.join(", "),
            };
            if !link.running {
                about.push_str(", down");
            }
            if host.default.as_deref() == Some(&link.name) {
                about.push_str(", default route");
            }
            let width = widest.unwrap_or(0);
            writeln!(
                self.questions,
                "  {:>2}  {:width$}  {about}",
                index + 1,
                link.name
            )?;
        }
        let what = if candidates.is_empty() {
            "Name"
        } else {
            "Number or name"
        };
        self.ask(what, suggestion, |answer| {
            let number = answer.parse::<usize>().ok();
            let by_name = candidates.iter().find(|link| link.name == answer);
            let chosen = by_name.or_else(|| candidates.get(number?.checked_sub(1)?));
            match chosen {
                Some(link) => Ok(Interface(link.name.clone())),
                None if candidates.is_empty() => answer.parse(),
                None if number.is_some() => Err(format!("there is no number {answer} in the list")),
                None => Err(format!("`{}` is not in the list", answer.escape_debug())),
            }
        })
    }

    /// Which addresses move? At least one, with blanks between them.
    pub(super) fn addresses(&mut self, interface: &str, host: &Host) -> io::Result<Vec<Moving>> {
        writeln!(
            self.questions,
            "Which address moves between the nodes? A free one, not a node's own; several with blanks between."
        )?;
        self.ask("Address, as 192.168.8.100/24", None, |answer| {
            answer
                .split([' ', ',', '\t'])
                .filter(|word| !word.is_empty())
                .map(|word| {
                    let wanted: Moving = word.parse()?;
                    let subnet = host.subnet_of(interface, wanted.address);
                    match wanted.prefix.or(subnet) {
                        Some(_) => Ok(wanted),
                        None => Err(format!("say its prefix, as in {word}/24")),
                    }
                })
                .collect()
        })
    }

    /// The other node's own address, if it is known.
    pub(super) fn peer(&mut self) -> io::Result<Option<Ipv4Addr>> {
        writeln!(
            self.questions,
            "What is the other node's own address? It is only for the instructions; `-` if you do not know yet."
        )?;
        self.ask("Address of the other node", Some("-"), |answer| {
            if answer == "-" {
                return Ok(None);
            }
            answer
                .parse()
                .map(Some)
                .map_err(|_| "that is no IPv4 address like 192.168.8.12".into())
        })
    }

    /// Asks until the answer can be read. The end of the input is an error.
    fn ask<T>(
        &mut self,
        what: &str,
        default: Option<&str>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> io::Result<T> {
        loop {
            write!(self.questions, "{what}{}: ", Suggested(default))?;
            self.questions.flush()?;
            let mut line = String::new();
            let taken = self
                .answers
                .by_ref()
                .take(LONGEST_ANSWER)
                .read_line(&mut line)?;
            if taken == 0 {
                writeln!(self.questions)?;
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => continue,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(value) => {
                    writeln!(self.questions)?;
                    return Ok(value);
                }
                Err(why) => writeln!(self.questions, "  {why}")?,
            }
        }
    }
}

/// ` [default]`, or nothing.
struct Suggested<'a>(Option<&'a str>);

impl fmt::Display for Suggested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(default) => write!(f, " [{default}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host;
    use super::*;

    /// What one question makes of these lines, and what the person saw.
    fn talk<T>(
        lines: &str,
        question: impl FnOnce(&mut Dialogue<&[u8], &mut Vec<u8>>) -> io::Result<T>,
    ) -> (io::Result<T>, String) {
        let mut seen = Vec::new();
        let answer = question(&mut Dialogue::new(lines.as_bytes(), &mut seen));
        (answer, String::from_utf8(seen).unwrap())
    }

    fn interface(lines: &str) -> (io::Result<Interface>, String) {
        talk(lines, |dialogue| dialogue.interface(&host()))
    }

    #[test]
    fn the_interfaces_are_shown_with_what_tells_them_apart() {
        let (answer, seen) = interface("\n");
        assert_eq!(answer.unwrap().0, "eth0");
        assert_eq!(
            seen,
            "\
Which interface do both nodes share a network on?
   1  eth1  10.0.0.5/16, down
   2  eth0  192.168.8.11/24
   3  eth2  no IPv4 address
Number or name [eth0]: \n"
        );
        let mut host = host();
        host.default = Some("eth1".into());
        let (answer, seen) = talk("\n", |dialogue| dialogue.interface(&host));
        assert_eq!(answer.unwrap().0, "eth1");
        assert!(
            seen.contains("10.0.0.5/16, down, default route\n"),
            "{seen}"
        );
    }

    #[test]
    fn an_interface_by_number_or_name() {
        assert_eq!(interface("1\n").0.unwrap().0, "eth1");
        assert_eq!(interface("  eth2 \r\n").0.unwrap().0, "eth2");
        let (answer, seen) = interface("0\n9\neth7\n2");
        assert_eq!(answer.unwrap().0, "eth0");
        assert!(
            seen.contains("  there is no number 0 in the list\n"),
            "{seen}"
        );
        assert!(
            seen.contains("  there is no number 9 in the list\n"),
            "{seen}"
        );
        assert!(seen.contains("  `eth7` is not in the list\n"), "{seen}");
    }

    #[test]
    fn a_host_that_shows_nothing_is_asked_for_a_name() {
        let (answer, seen) = talk("\neth 0\neth0\n", |dialogue| {
            dialogue.interface(&Host::default())
        });
        assert_eq!(answer.unwrap().0, "eth0");
        assert_eq!(seen.matches("Name: ").count(), 3, "{seen}");
    }

    #[test]
    fn addresses_until_they_can_be_read() {
        let ask = |lines| talk(lines, |dialogue| dialogue.addresses("eth0", &host()));
        let shown = |lines| -> Vec<String> {
            let wanted = ask(lines).0.unwrap();
            wanted
                .iter()
                .map(|w| format!("{} {:?}", w.address, w.prefix))
                .collect()
        };
        assert_eq!(shown("192.168.8.100/24\n"), ["192.168.8.100 Some(24)"]);
        assert_eq!(
            shown("192.168.8.100, 10.1.1.1/16\n"),
            ["192.168.8.100 None", "10.1.1.1 Some(16)"]
        );
        let (answer, seen) = ask("\nhundred\n10.1.1.1\n10.1.1.1/16\n");
        assert_eq!(answer.unwrap().len(), 1);
        assert!(
            seen.contains("  `hundred` is not an IPv4 address"),
            "{seen}"
        );
        assert!(
            seen.contains("  say its prefix, as in 10.1.1.1/24\n"),
            "{seen}"
        );
    }

    #[test]
    fn the_peer_may_be_unknown() {
        let ask = |lines| talk(lines, |dialogue| dialogue.peer()).0;
        assert_eq!(ask("\n").unwrap(), None);
        assert_eq!(ask("-\n").unwrap(), None);
        assert_eq!(
            ask("nodeB\n192.168.8.12\n").unwrap(),
            Some(Ipv4Addr::new(192, 168, 8, 12))
        );
    }

    #[test]
    fn the_end_of_the_input_ends_the_talk() {
        let (answer, _) = talk("x\n", |dialogue| dialogue.addresses("eth0", &host()));
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let endless = "9".repeat(100_000);
        let (answer, _) = talk(&endless, |dialogue| dialogue.addresses("eth0", &host()));
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

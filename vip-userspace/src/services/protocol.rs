//! What is asked over the control socket and what is answered: one line of JSON
//! each way, then the daemon closes. `status` may be asked by that word alone,
//! and is answered with the status document, `glance` with that of its name, `follow`
//! with a line for each event until somebody goes; every other question with an
//! [`Answer`].

use serde::{Deserialize, Serialize};

use crate::error::Exit;

/// A question longer than this is nonsense.
pub const LONGEST_QUESTION: usize = 64 * 1024;

/// What a client wants.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Question {
    /// How are you?
    Status,
    /// How are all of you, in short?
    Glance {
        /// These in full, and what there is beside instances.
        #[serde(default)]
        detail: Option<Vec<String>>,
    },
    /// What happens from now on? Answered until one of the two ends.
    Follow {
        /// So many of the last events first.
        #[serde(default)]
        past: usize,
        /// How everything stands first.
        #[serde(default = "yes")]
        standing: bool,
    },
    /// Read the configuration again and apply it.
    Reload {
        /// Only say what that would do.
        #[serde(default)]
        dry_run: bool,
    },
    /// Hand these instances over and stay out.
    Drain {
        /// Their names; none means all.
        #[serde(default)]
        instances: Vec<String>,
        /// For how long, in seconds; until undone where it is left out.
        #[serde(default)]
        for_s: Option<u64>,
        /// Even where nobody is known who could take over.
        #[serde(default)]
        force: bool,
    },
    /// Take part in these again.
    Undrain {
        /// Their names; none means all that are drained.
        #[serde(default)]
        instances: Vec<String>,
    },
    /// Be MASTER of this one.
    Take {
        /// Its name.
        instance: String,
        /// For how long, in seconds; until undone where it is left out.
        #[serde(default)]
        for_s: Option<u64>,
    },
    /// Let the configured priority decide again.
    Untake {
        /// Its name.
        instance: String,
    },
}

const fn yes() -> bool {
    true
}

impl Question {
    /// What a line asks; none where it is nonsense.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        if line.trim_ascii() == b"status" {
            return Some(Self::Status);
        }
        // A list would do for serde, and is nothing that anybody means.
        line.trim_ascii_start()
            .starts_with(b"{")
            .then(|| serde_json::from_slice(line).ok())
            .flatten()
    }

    /// The line that asks it, its end included.
    ///
    /// # Errors
    /// When it cannot be put into JSON.
    pub fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = if *self == Self::Status {
            // As every version has understood it.
            b"status".to_vec()
        } else {
            serde_json::to_vec(self)?
        };
        line.push(b'\n');
        Ok(line)
    }
}

/// What the daemon says to an order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    /// How the command ends, an exit code; 0 where it is done or under way.
    pub exit: u8,
    /// Why, what to do, what follows: lines for people.
    pub said: Vec<String>,
    /// The instances that move; their status tells when they have.
    #[serde(default)]
    pub moving: Vec<String>,
    /// How long that may take at most, in ns.
    #[serde(default)]
    pub bound_ns: u64,
}

impl Answer {
    /// It is done.
    #[must_use]
    pub fn done(said: Vec<String>) -> Self {
        Self {
            said,
            ..Self::default()
        }
    }

    /// It is not, and nothing was changed.
    #[must_use]
    pub fn refused(exit: Exit, said: Vec<String>) -> Self {
        Self {
            exit: exit as u8,
            said,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_understood() {
        let questions = [
            Question::Status,
            Question::Glance {
                detail: Some(vec!["VI_1".into()]),
            },
            Question::Follow {
                past: 3,
                standing: false,
            },
            Question::Reload { dry_run: true },
            Question::Drain {
                instances: vec!["VI_1".into(), "a \"b\"\n".into()],
                for_s: Some(1_800),
                force: true,
            },
            Question::Undrain {
                instances: Vec::new(),
            },
            Question::Take {
                instance: "VI_1".into(),
                for_s: None,
            },
            Question::Untake {
                instance: "VI_1".into(),
            },
        ];
        for question in questions {
            let line = question.line().unwrap();
            assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            assert_eq!(Question::read(&line), Some(question));
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_left_out() {
        assert_eq!(Question::read(b"status"), Some(Question::Status));
        assert_eq!(
            Question::read(b"{\"ask\":\"status\"}\r\n"),
            Some(Question::Status)
        );
        assert_eq!(
            Question::read(b"{\"ask\":\"follow\"}"),
            Some(Question::Follow {
                past: 0,
                standing: true
            })
        );
        assert_eq!(
            Question::read(b"{\"ask\":\"drain\"}"),
            Some(Question::Drain {
                instances: Vec::new(),
                for_s: None,
                force: false
            })
        );
    }

    #[test]
    fn nonsense_is_no_question() {
        for nonsense in [
            &b""[..],
            b"stat",
            b"status please",
            b"{\"ask\":\"take\"}",
            b"{\"ask\":\"drain\",\"forse\":true}",
            b"{\"ask\":\"drain\",\"for_s\":-1}",
            b"{\"ask\":\"shutdown\"}",
            b"[\"status\"]",
            b"\xff\xfe",
        ] {
            assert_eq!(Question::read(nonsense), None, "{nonsense:?}");
        }
    }
}

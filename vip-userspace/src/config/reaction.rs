//! What is run and written when something changes, as plain data: scripts, and
//! pipes that programs read.

use std::fmt;

/// A command and who runs it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Command {
    /// The program and its arguments; at least the program.
    pub argv: Vec<String>,
    /// Who runs it; `script_user` where nobody is named.
    pub user: Option<Account>,
}

impl Notify {
    /// All that it has run, each with the word that names it.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &Command)> {
        let deleted = self.deleted.as_ref().and_then(Option::as_ref);
        let all = [
            ("notify_master", self.master.as_ref()),
            ("notify_backup", self.backup.as_ref()),
            ("notify_fault", self.fault.as_ref()),
            ("notify_stop", self.stop.as_ref()),
            ("notify_deleted", deleted),
            ("notify", self.any.as_ref()),
            (
                "notify_master_rx_lower_pri",
                self.master_rx_lower_pri.as_ref(),
            ),
        ];
        all.into_iter()
            .filter_map(|(keyword, command)| Some((keyword, command?)))
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.argv.join(" "))
    }
}

/// A user and a group, by name.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Account {
    /// The user.
    pub user: String,
    /// The group; the user's own where none is given.
    pub group: Option<String>,
}

/// How scripts of any kind are run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ScriptRules {
    /// `script_user`: who runs those that name nobody; `keepalived_script` where
    /// there is such an account, else root.
    pub user: Option<Account>,
    /// `enable_script_security`: root runs none that others could change.
    pub security: bool,
    /// `set_supplementary_groups`: they get all groups of their user.
    pub supplementary_groups: bool,
    /// `use_symlink_paths`: they are run by the path as it is written.
    pub symlink_paths: bool,
}

/// What an instance, or a sync group, runs when it changes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify_deleted`; the inner one is missing where the word stands alone.
    /// Instances only.
    pub deleted: Option<Option<Command>>,
    /// `notify`.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`. Instances only.
    pub master_rx_lower_pri: Option<Command>,
    /// `notify_priority_changes`: whether they are written to the pipes.
    pub priority_changes: bool,
}

/// A named pipe that takes every change of state, one line each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fifo {
    /// Its path.
    pub path: String,
    /// Whom it belongs to; `script_user` where nobody is named.
    pub owner: Option<Account>,
    /// The program that reads it, whose last argument is the path.
    pub script: Option<Command>,
}

/// What is told to programs, for the whole daemon.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Telling {
    /// `notify_fifo` and `vrrp_notify_fifo`, in this order.
    pub fifos: Vec<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`: all states are written after a reload.
    pub states_on_reload: bool,
}

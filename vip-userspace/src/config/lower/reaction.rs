//! What is run and written when something changes.

use super::super::diag::{Finding, Sink, quoted};
use super::super::keywords::Block;
use super::super::lists::{self, User};
use super::super::reaction::{Account, Command, Fifo, Notify, ScriptRules, Telling};
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::value::Value;
use super::company::{given, given_at, switch};
use super::sections;

pub(super) fn command(line: &lists::Command) -> Command {
    Command {
        argv: line.argv.clone(),
        user: line.user.as_ref().map(account),
    }
}

pub(super) fn account(user: &User) -> Account {
    Account {
        user: user.name.clone(),
        group: user.group.clone(),
    }
}

/// What an instance or a sync group runs. `priority_changes` is what holds where
/// it does not say.
pub(super) fn notify(section: &Section, priority_changes: bool) -> Notify {
    let named = |name| given(section, name)?.command().map(command);
    let changes = ["notify_priority_changes", "vrrp_notify_priority_changes"];
    Notify {
        master: named("notify_master"),
        backup: named("notify_backup"),
        fault: named("notify_fault"),
        stop: named("notify_stop"),
        deleted: given(section, "notify_deleted").map(|value| value.command().map(command)),
        any: named("notify"),
        master_rx_lower_pri: named("notify_master_rx_lower_pri"),
        priority_changes: changes
            .into_iter()
            .find_map(|name| switch(section, name))
            .unwrap_or(priority_changes),
    }
}

/// What `global_defs` says of scripts and pipes.
#[derive(Default)]
pub(super) struct Reactions {
    pub(super) scripts: ScriptRules,
    fifo: Pipe,
    vrrp_fifo: Pipe,
    states_on_reload: bool,
    pub(super) priority_changes: bool,
}

/// A pipe and who reads it, while the lines come in.
#[derive(Default)]
struct Pipe {
    fifo: Option<Fifo>,
    script: Option<Command>,
}

impl Reactions {
    /// Takes the lines of one block in.
    pub(super) fn read(&mut self, section: &Section) {
        if let Some(Value::User(user)) = given(section, "script_user") {
            self.scripts.user = Some(account(user));
        }
        let set = |name, flag: &mut bool| *flag = switch(section, name).unwrap_or(*flag);
        set("enable_script_security", &mut self.scripts.security);
        set(
            "set_supplementary_groups",
            &mut self.scripts.supplementary_groups,
        );
        set("use_symlink_paths", &mut self.scripts.symlink_paths);
        set(
            "fifo_write_vrrp_states_on_reload",
            &mut self.states_on_reload,
        );
        set("vrrp_notify_priority_changes", &mut self.priority_changes);
        self.fifo.read(section, "notify_fifo", "notify_fifo_script");
        self.vrrp_fifo
            .read(section, "vrrp_notify_fifo", "vrrp_notify_fifo_script");
    }

    pub(super) fn telling(self) -> Telling {
        let pipes = [self.fifo, self.vrrp_fifo];
        Telling {
            fifos: pipes.into_iter().filter_map(Pipe::complete).collect(),
            states_on_reload: self.states_on_reload,
        }
    }
}

/// Says where both pipes are one: whoever reads it gets each line twice.
pub(super) fn check(settings: &[Setting], sink: &mut Sink) {
    let (fifo, vrrp_fifo) = (
        last_pipe(settings, "notify_fifo"),
        last_pipe(settings, "vrrp_notify_fifo"),
    );
    if let (Some((path, first)), Some((same, span))) = (fifo, vrrp_fifo)
        && path == same
    {
        let path = quoted(path);
        let message =
            format!("{path} is `notify_fifo` and `vrrp_notify_fifo`: each line is written twice");
        let finding = Finding::warning(span, message).see(first, "the first one is here");
        sink.add(finding.help("one of the two is enough; two programs that read one pipe take the lines from each other"));
    }
}

/// The path that counts, and its line.
fn last_pipe<'s>(settings: &'s [Setting], name: &str) -> Option<(&'s str, Span)> {
    let given = sections(settings, Block::Global).filter_map(|one| given_at(one, name));
    match given.last()? {
        (Value::Fifo(line), at) => Some((&line.path, at)),
        _ => None,
    }
}

impl Pipe {
    fn read(&mut self, section: &Section, name: &str, script: &str) {
        if let Some(Value::Fifo(line)) = given(section, name) {
            self.fifo = Some(Fifo {
                path: line.path.clone(),
                owner: line.user.as_ref().map(account),
                script: None,
            });
        }
        if let Some(line) = given(section, script).and_then(Value::command) {
            self.script = Some(command(line));
        }
    }

    /// A script without a pipe has nothing to read.
    fn complete(self) -> Option<Fifo> {
        let script = self.script;
        self.fifo.map(|fifo| Fifo { script, ..fifo })
    }
}

//! Statements to sections: every keyword looked up in the table, every value
//! typed. Nothing here knows what a keyword means.
//!
//! A statement that nobody knows is skipped, with its whole block: nothing in it
//! can fall into the block around it.

use super::diag::{Finding, Sink, akin, nearest, quoted};
use super::keywords::{
    Block, GlobalKey, InstanceKey, Key, Keyword, Lines, Missing, Shape, Status, blocks_of, find,
    is_unread, names_in,
};
use super::lex::Token;
use super::lists::address::List;
use super::lists::track::Tracked;
use super::lists::{Names, address, interface, peer, route, rule, track};
use super::source::Span;
use super::tree::{Body, Statement};
use super::value::{self, Value};

/// A keyword and what it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setting {
    /// Its line in the table.
    pub keyword: &'static Keyword,
    /// What it was given.
    pub value: Value,
    /// Its words, as far as they stand on one line.
    pub span: Span,
}

/// A block of keywords.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Which block.
    pub block: Block,
    /// The name before its brace, where it has one.
    pub name: Option<Token>,
    /// Its lines, in the order of the file. Those that could not be understood
    /// are [`Value::Refused`] or missing; both have been reported.
    pub settings: Vec<Setting>,
    /// Why what it describes must not run: the first of its lines that cannot be
    /// read, or that would decide who holds the address and is not done.
    pub never: Option<String>,
}

impl Section {
    /// The last setting of this name.
    #[must_use]
    pub fn last(&self, name: &str) -> Option<&Setting> {
        self.all(name).next_back()
    }

    /// The settings of this name, in the order of the file.
    pub fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &Setting> {
        self.settings
            .iter()
            .filter(move |setting| setting.keyword.name == name)
    }

    /// What its name says; empty where it has none.
    #[must_use]
    pub fn title(&self) -> &str {
        self.name.as_ref().map_or("", |name| &name.text)
    }
}

/// What became of a statement.
pub(super) enum Entry {
    /// It says this, and whether what it stands in must not run for it.
    Setting(Setting, Option<String>),
    /// Nobody can tell what it says; it has been reported.
    Unreadable,
    /// Nothing; what there was to say has been said.
    Skipped,
}

/// Why what a line stands in must not run, where nobody knows what it says.
pub(super) const UNREADABLE: &str = "a line of it cannot be read";

/// Reads statements one by one.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The load balancer has been mentioned; once is enough.
    load_balancer: bool,
    /// Keywords that change nothing or are not done: where each stands first, and
    /// how often it comes again.
    said: Vec<(&'static Keyword, Span, usize)>,
}

impl Reader {
    /// Reads a statement that stands in `block`.
    pub(super) fn read(&mut self, block: Block, statement: Statement, sink: &mut Sink) -> Entry {
        let (Some(head), Some(span)) = (statement.head(), statement.span()) else {
            return Entry::Skipped;
        };
        if statement.words.iter().any(|word| word.broken) {
            // It has been reported. A name may be anything, and what does nothing here
            // yet cannot be missed.
            match find(block, &head.text).filter(|_| !head.broken) {
                Some(keyword) if matches!(keyword.shape, Shape::Named(_)) => {}
                Some(keyword) if !weighs(keyword.status) => return Entry::Skipped,
                _ => return Entry::Unreadable,
            }
        }
        let Some(keyword) = find(block, &head.text) else {
            sink.add(unknown(block, head, &statement, sink.is_full()));
            return Entry::Skipped;
        };
        if keyword.status == Status::LoadBalancer {
            self.say(keyword, span, sink);
            return Entry::Skipped;
        }
        let Statement { words, block: body } = statement;
        let mut never = None;
        let value = match (keyword.shape, body) {
            (Shape::Block(inner), Some(body)) => {
                has_name(keyword, false, &words, span, sink);
                let section = self.section(inner, None, body, sink);
                Value::Section(Box::new(section))
            }
            (Shape::Named(inner), Some(body)) => {
                if !has_name(keyword, true, &words, span, sink) {
                    return Entry::Skipped;
                }
                let section = self.section(inner, words.get(1).cloned(), body, sink);
                Value::Section(Box::new(section))
            }
            (Shape::Lines(lines), Some(body)) => {
                has_name(keyword, false, &words, span, sink);
                let (value, reason) = self.lines(lines, body, sink);
                never = reason.filter(|_| weighs(keyword.status));
                value
            }
            (Shape::Block(_) | Shape::Named(_) | Shape::Lines(_), None) => {
                sink.add(
                    Finding::error(span, format!("`{}` needs a block in braces", keyword.name))
                        .help("it is skipped"),
                );
                return Entry::Skipped;
            }
            (_, Some(body)) => {
                sink.add(
                    Finding::error(body.open, format!("`{}` takes no block", keyword.name))
                        .help("it is skipped, with what is in the block; is a `}` missing above?"),
                );
                return Entry::Skipped;
            }
            (_, None) => value::read(keyword, words.into_vec(), span, sink),
        };
        // What stands in a block that is not done has been said with it.
        if matches!(&value, Value::Peers(peers) if peers.is_empty()) {
            sink.add(
                Finding::warning(span, "`unicast_peer` is empty: adverts go to the group")
                    .help("list the other nodes in it, or remove it"),
            );
        } else if !is_unread(block) {
            never = never.or(self.say(keyword, span, sink));
        }
        let setting = Setting {
            keyword,
            value,
            span,
        };
        Entry::Setting(setting, never)
    }

    /// Reads the lines of a block.
    fn section(
        &mut self,
        block: Block,
        name: Option<Token>,
        body: Body,
        sink: &mut Sink,
    ) -> Section {
        let mut section = Section {
            block,
            name,
            settings: Vec::with_capacity(body.statements.len()),
            never: None,
        };
        for statement in body.statements {
            let never = match self.read(block, statement, sink) {
                Entry::Setting(setting, never) => {
                    if !counts(&section, &setting, sink) {
                        continue;
                    }
                    let inner = setting
                        .value
                        .section()
                        .and_then(|inner| inner.never.clone());
                    section.settings.push(setting);
                    never.or(inner)
                }
                Entry::Unreadable => Some(UNREADABLE.to_owned()),
                Entry::Skipped => None,
            };
            section.never = section.never.or(never);
        }
        section
    }

    /// Reads a list, line by line; and why what it belongs to must not run, if
    /// one of its lines is a reason.
    fn lines(&mut self, lines: Lines, body: Body, sink: &mut Sink) -> (Value, Option<String>) {
        let mut never = None;
        let mut readable = Vec::with_capacity(body.statements.len());
        for statement in body.statements {
            if statement.words.iter().any(|word| word.broken) {
                never = Some(UNREADABLE.to_owned());
            } else if let Some(inner) = statement.block {
                sink.add(
                    Finding::error(
                        inner.open,
                        "a list holds no blocks; this one is skipped, with its line",
                    )
                    .help("is a `}` missing above?"),
                );
            } else {
                readable.push(statement.words);
            }
        }
        let names = Names::well_known();
        let value = match lines {
            Lines::Names => Value::Names(readable.into_iter().flatten().collect()),
            Lines::Addresses => self.addresses(List::Advertised, &readable, &mut never, sink),
            Lines::Excluded => self.addresses(List::Excluded, &readable, &mut never, sink),
            Lines::StaticAddresses => self.addresses(List::Static, &readable, &mut never, sink),
            Lines::TrackInterfaces => tracked(Tracked::Interface, &readable, sink),
            Lines::TrackScripts => tracked(Tracked::Script, &readable, sink),
            Lines::TrackFiles => tracked(Tracked::File, &readable, sink),
            Lines::TrackProcesses => tracked(Tracked::Process, &readable, sink),
            Lines::TrackChecks => tracked(Tracked::Check, &readable, sink),
            Lines::TrackBfds => tracked(Tracked::Bfd, &readable, sink),
            Lines::Routes | Lines::StaticRoutes => {
                let fixed = lines == Lines::StaticRoutes;
                let routes = each(&readable, |words| route::parse(words, fixed, names, sink));
                let groups = routes.iter().filter_map(|line| line.track_group.as_ref());
                self.say_track_groups(Block::Route, groups, sink);
                Value::Routes(routes)
            }
            Lines::Rules | Lines::StaticRules => {
                let fixed = lines == Lines::StaticRules;
                let rules = each(&readable, |words| rule::parse(words, fixed, names, sink));
                let groups = rules.iter().filter_map(|line| line.track_group.as_ref());
                self.say_track_groups(Block::Rule, groups, sink);
                Value::Rules(rules)
            }
            Lines::Peers => Value::Peers(each(&readable, |words| peer::parse(words, sink))),
            Lines::Linkbeat => {
                Value::Linkbeat(each(&readable, |words| interface::linkbeat(words, sink)))
            }
            Lines::LinkDelays => {
                Value::LinkDelays(each(&readable, |words| interface::delays(words, sink)))
            }
        };
        (value, never)
    }

    /// Reads the lines of a list of addresses.
    fn addresses(
        &mut self,
        list: List,
        lines: &[Box<[Token]>],
        never: &mut Option<String>,
        sink: &mut Sink,
    ) -> Value {
        let names = Names::well_known();
        let lines = each(lines, |words| address::parse(words, list, names, sink));
        for word in lines.iter().flat_map(|line| &line.keywords) {
            if let Some(keyword) = find(Block::Address, &word.text) {
                let reason = self.say(keyword, word.span, sink);
                *never = never.take().or(reason);
            }
        }
        Value::Addresses(lines)
    }

    /// Notes the groups that lines of a list follow.
    fn say_track_groups<'t>(
        &mut self,
        block: Block,
        groups: impl Iterator<Item = &'t Token>,
        sink: &mut Sink,
    ) {
        let Some(keyword) = find(block, "track_group") else {
            return;
        };
        for group in groups {
            self.say(keyword, group.span, sink);
        }
    }

    /// Notes a keyword that does not do what it says. The reason why what it
    /// stands in must not run, if it is one of those.
    fn say(&mut self, keyword: &'static Keyword, span: Span, sink: &mut Sink) -> Option<String> {
        let name = keyword.name;
        match keyword.status {
            Status::Does(_) => None,
            Status::NoEffect(_)
            | Status::Planned(Missing::Harmless, _)
            | Status::NotSupported(Missing::Harmless, _) => {
                match self.said.iter_mut().find(|(said, ..)| *said == keyword) {
                    Some((_, _, again)) => *again += 1,
                    None => self.said.push((keyword, span, 0)),
                }
                None
            }
            Status::Planned(Missing::Decides, why)
            | Status::NotSupported(Missing::Decides, why) => {
                sink.add(
                    Finding::warning(
                        span,
                        format!("`{name}` would decide who holds the address: {why}"),
                    )
                    .help("what it stands in is FAULT until then"),
                );
                Some(why.to_owned())
            }
            Status::LoadBalancer => {
                if !self.load_balancer {
                    self.load_balancer = true;
                    sink.add(
                        Finding::warning(
                            span,
                            format!("`{name}` belongs to the load balancer, which is not part of vip"),
                        )
                        .help("all of the load balancer's blocks and words are skipped, the rest works"),
                    );
                }
                None
            }
        }
    }

    /// Says each keyword that changes nothing or is not done, once, where it
    /// stands first.
    pub(super) fn finish(self, sink: &mut Sink) {
        for (keyword, span, again) in self.said {
            let name = keyword.name;
            let finding = match keyword.status {
                Status::Planned(_, why) => {
                    Finding::warning(span, format!("`{name}` is not supported yet: {why}"))
                }
                Status::NotSupported(_, why) => {
                    Finding::warning(span, format!("`{name}` is not supported: {why}"))
                }
                Status::NoEffect(why) => {
                    Finding::note(span, format!("`{name}` changes nothing here: {why}"))
                }
                Status::Does(_) | Status::LoadBalancer => continue,
            };
            sink.add(match again {
                0 => finding,
                1 => finding.help("it stands in one more place"),
                _ => finding.help(format!("it stands in {again} more places")),
            });
        }
    }
}

fn tracked(what: Tracked, lines: &[Box<[Token]>], sink: &mut Sink) -> Value {
    Value::Tracked(each(lines, |words| track::parse(words, what, sink)))
}

/// What can be understood of some lines.
fn each<T>(lines: &[Box<[Token]>], read: impl FnMut(&[Token]) -> Option<T>) -> Box<[T]> {
    let mut read = read;
    lines.iter().filter_map(|words| read(words)).collect()
}

/// Whether an instance is another one without this keyword.
fn weighs(status: Status) -> bool {
    match status {
        Status::Does(Key::Global(GlobalKey::RouterId) | Key::Static | Key::Reacts) => false,
        Status::Does(_)
        | Status::Planned(Missing::Decides, _)
        | Status::NotSupported(Missing::Decides, _) => true,
        Status::NoEffect(_)
        | Status::Planned(Missing::Harmless, _)
        | Status::NotSupported(Missing::Harmless, _)
        | Status::LoadBalancer => false,
    }
}

/// Whether a setting counts beside those above it, and says so where one of them
/// does not: the last one does, of commands the first, as in keepalived.
fn counts(section: &Section, setting: &Setting, sink: &mut Sink) -> bool {
    let keyword = setting.keyword;
    // What was refused leaves the one above it, or stands for its default.
    if adds_up(keyword) || setting.value == Value::Refused {
        return true;
    }
    let same = |earlier: &&Setting| {
        earlier.keyword.name == keyword.name
            || (earlier.keyword.status == keyword.status && has_one_value(keyword.status))
    };
    let Some(first) = section.settings.iter().rfind(same) else {
        return true;
    };
    let is_command = keyword.shape == Shape::Command;
    let which = if is_command { "first" } else { "last" };
    sink.add(
        Finding::warning(
            setting.span,
            format!("`{}` is given again; the {which} one counts", keyword.name),
        )
        .see(first.span, "first given here"),
    );
    !is_command
}

/// Whether each line of a keyword counts, and not the last one alone.
pub(super) fn adds_up(keyword: &Keyword) -> bool {
    matches!(
        keyword.shape,
        Shape::Block(_) | Shape::Named(_) | Shape::Lines(_) | Shape::HmacKey | Shape::Probe(_)
    ) || keyword.status == Status::Does(Key::Instance(InstanceKey::State))
        || (keyword.status == Status::Does(Key::Part) && keyword.shape == Shape::Interface)
}

/// Whether other words that say the same take its place.
fn has_one_value(status: Status) -> bool {
    match status {
        Status::Does(key) => !matches!(
            key,
            Key::Part | Key::Static | Key::Opens | Key::Reading | Key::Reacts
        ),
        Status::NoEffect(_)
        | Status::Planned(..)
        | Status::NotSupported(..)
        | Status::LoadBalancer => false,
    }
}

/// Whether a block has its name, and nothing else before its brace.
fn has_name(keyword: &Keyword, named: bool, words: &[Token], span: Span, sink: &mut Sink) -> bool {
    if named && words.len() < 2 {
        sink.add(
            Finding::error(span, format!("`{}` needs a name", keyword.name))
                .help("the whole block is skipped"),
        );
        return false;
    }
    if let Some(extra) = words.get(1 + usize::from(named)) {
        let message = format!("{} before the brace is ignored", quoted(&extra.text));
        sink.add(if named {
            // keepalived leaves such a block out.
            Finding::error(extra.span, message)
                .help("a name is one word, or stands in quotes; keepalived skips the whole block")
        } else {
            Finding::warning(extra.span, message)
        });
    }
    true
}

/// An unknown word, with what may have been meant, unless nobody sees it.
fn unknown(block: Block, head: &Token, statement: &Statement, unseen: bool) -> Finding {
    let finding = Finding::error(
        head.span,
        format!("unknown keyword {} {}", quoted(&head.text), block.place()),
    );
    if unseen {
        return finding;
    }
    let what = if statement.block.is_some() {
        "the whole block"
    } else {
        "the line"
    };
    if let Some(notation) = of_another_notation(&head.text, block) {
        return finding.help(notation);
    }
    if head.text.starts_with('$')
        && statement
            .words
            .get(1)
            .is_some_and(|word| &*word.text == "=")
    {
        return finding.help(format!(
            "a definition has no blanks around its `=`: write `{}=…`",
            head.text
        ));
    }
    let near = nearest(&head.text, names_in(block)).or_else(|| akin(&head.text, names_in(block)));
    if let Some(near) = near {
        return finding.help(format!("did you mean `{near}`? ({what} is skipped)"));
    }
    match blocks_of(&head.text).next() {
        Some(Block::Top) if block != Block::Top => finding.help(format!(
            "it stands outside all blocks: is a `}}` missing above? ({what} is skipped)"
        )),
        Some(other) => finding.help(format!("it belongs {}; {what} is skipped", other.place())),
        None => finding.help(format!("{what} is skipped")),
    }
}

/// What to do about a word that other notations write, and this one does not.
fn of_another_notation(word: &str, block: Block) -> Option<String> {
    const CONFLICT: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];
    if CONFLICT.contains(&word) {
        return Some("a merge was left unfinished here: keep one of the two sides".into());
    }
    match word {
        "```" => return Some("this marks a listing in a document; take the line out".into()),
        "---" | "..." => return Some("this is YAML's; take the line out".into()),
        _ => {}
    }
    let (name, _) = word.split_once(['=', ':'])?;
    find(block, name)?;
    Some(format!(
        "write `{name}` and its value with a blank between them; the line is skipped"
    ))
}

//! The configuration as it holds: what is left after includes and expansions,
//! with defaults and corrections, each value with where it came from.
//!
//! What comes out is a configuration itself ([`write::text`]): where the files had
//! no error, reading it again gives the same. So it is made of words, as they
//! came out of the expansions, and only what was corrected is written anew.

mod instance;
mod more;
mod write;

use std::collections::HashMap;

use vip_common::wire::vrrp::Auth;

use super::keywords::{AuthKey, Block, Key, Keyword, Shape, Status, find};
use super::lex::Token;
use super::section::{Setting, adds_up};
use super::source::Span;
use super::tree::Statement;
use super::value::Value;
use super::{Instance, Loaded, Place};

pub use self::write::text;

/// One line of the configuration, and the block behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The keyword and what it is given; in a list, the words of one line.
    pub words: Vec<Word>,
    /// Where it came from.
    pub origin: Origin,
    /// How it was written, where that is not what holds.
    pub given: Option<String>,
    /// What else there is to know: what becomes of a keyword that does not do
    /// what it says, why an instance cannot run.
    pub remark: Option<String>,
    /// How much of it counts.
    pub standing: Standing,
    /// What is in its block, where it has one.
    pub block: Option<Vec<Entry>>,
}

/// A word of an [`Entry`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// What it says.
    pub text: String,
    /// Whether it stands in quotes.
    pub quoted: bool,
    /// Whether it touches the word before it. A command is cut into pieces by
    /// other rules than the rest, and there both count.
    pub joined: bool,
}

impl From<&Token> for Word {
    fn from(token: &Token) -> Self {
        Self {
            text: token.text.to_string(),
            quoted: token.quoted,
            joined: false,
        }
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            quoted: false,
            joined: false,
        }
    }
}

/// How much of an [`Entry`] counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It holds.
    Holds,
    /// It holds, and its last word is for nobody else's eyes.
    Secret,
    /// It was given, and does not hold.
    Idle,
    /// Nobody can tell what it says. It stands here without what it was given, and
    /// cannot be read again either: what it stands in must not run.
    Unreadable,
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// It was written there, and if that is in a definition, it was used there.
    Written(Place, Option<Place>),
    /// Another keyword, written there, sets it for all.
    Inherited(Place, &'static str),
    /// It follows from something else in the same block.
    Follows(&'static str),
    /// Nobody said anything.
    Default,
}

impl Entry {
    fn new(words: Vec<Word>, origin: Origin) -> Self {
        Self {
            words,
            origin,
            given: None,
            remark: None,
            standing: Standing::Holds,
            block: None,
        }
    }
}

/// Puts the configuration together from the statements it was read from and what
/// they came to. Nothing comes out where [`Loaded::statements`] was not asked for.
#[must_use]
pub fn effective(loaded: &Loaded) -> Vec<Entry> {
    let statements = &loaded.statements;
    let mut maker = Maker {
        loaded,
        refused: Places::default(),
        addresses: Places::default(),
        globals: HashMap::new(),
    };
    maker.judge(&loaded.settings);
    maker.refused.sort();
    maker.addresses.sort();
    let mut number = 0..;
    for statement in statements {
        if let Some((keyword, body)) = known(Block::Top, statement).zip(statement.block.as_ref())
            && keyword.shape == Shape::Block(Block::Global)
        {
            for statement in &body.statements {
                if let Some(keyword) = known(Block::Global, statement)
                    && !maker.is_refused(statement)
                {
                    let number = number.next().unwrap_or(usize::MAX);
                    maker.globals.insert(keyword.name, (number, statement));
                }
            }
        }
    }
    let instances = &loaded.configuration.instances;
    let mut instances: HashMap<&str, &Instance> = instances
        .iter()
        .map(|one| (one.name.as_str(), one))
        .collect();
    statements
        .iter()
        .filter_map(|statement| {
            let keyword = known(Block::Top, statement)?;
            if keyword.shape != Shape::Named(Block::Instance) {
                return Some(maker.verbatim(keyword, statement));
            }
            // The first of a name is the one that counts.
            let name = arguments(statement).first()?;
            let instance = instances.remove(&*name.text)?;
            Some(maker.instance(statement, instance))
        })
        .collect()
}

/// Places to be found again.
#[derive(Default)]
struct Places(Vec<Span>);

impl Places {
    fn key(span: &Span) -> (u32, u32) {
        (span.line, span.start)
    }

    fn sort(&mut self) {
        self.0.sort_unstable_by_key(Self::key);
    }

    /// After [`Places::sort`].
    fn contains(&self, span: Span) -> bool {
        let key = Self::key(&span);
        let first = self.0.partition_point(|one| Self::key(one) < key);
        let same = self.0.iter().skip(first);
        same.take_while(|one| Self::key(one) == key)
            .any(|one| *one == span)
    }
}

/// The keyword of a statement, where it is one that could count here.
fn known(block: Block, statement: &Statement) -> Option<&'static Keyword> {
    let keyword = find(block, &statement.head()?.text)?;
    let has_block = statement.block.is_some();
    let wants_block = matches!(
        keyword.shape,
        Shape::Block(_) | Shape::Named(_) | Shape::Lines(_)
    );
    let counts = keyword.status != Status::LoadBalancer
        && has_block == wants_block
        && !is_unreadable(statement);
    counts.then_some(keyword)
}

fn is_unreadable(statement: &Statement) -> bool {
    statement.words.iter().any(|word| word.broken)
}

fn arguments(statement: &Statement) -> &[Token] {
    statement.words.get(1..).unwrap_or_default()
}

fn words(tokens: &[Token]) -> Vec<Word> {
    let mut words: Vec<Word> = tokens.iter().map(Word::from).collect();
    let pairs = tokens.iter().zip(tokens.iter().skip(1));
    for (word, (before, token)) in words.iter_mut().skip(1).zip(pairs) {
        let (end, start) = (before.span, token.span);
        word.joined = (before.quoted || token.quoted)
            && (end.file, end.line, end.end) == (start.file, start.line, start.start);
    }
    words
}

/// What a line gives its keyword, as it was written.
fn as_written(statement: &Statement) -> String {
    let words: Vec<&str> = arguments(statement)
        .iter()
        .map(|word| &*word.text)
        .collect();
    words.join(" ")
}

/// Makes entries.
struct Maker<'a> {
    loaded: &'a Loaded,
    /// Values that are not what their keywords take.
    refused: Places,
    /// Addresses that are.
    addresses: Places,
    /// The last line of each keyword of `global_defs`, numbered in their order.
    globals: HashMap<&'static str, (usize, &'a Statement)>,
}

impl Maker<'_> {
    fn origin(&self, statement: &Statement) -> Origin {
        match statement.span() {
            Some(span) => {
                let used = self.loaded.sources.uses_of(span).last();
                Origin::Written(self.place(span), used.map(|(at, _)| self.place(at)))
            }
            None => Origin::Default,
        }
    }

    fn place(&self, span: Span) -> Place {
        let file = self.loaded.sources.of(span).map(|source| source.name());
        Place {
            file: file.cloned().unwrap_or_else(|| "?".into()),
            line: span.line,
            column: span.column,
        }
    }

    /// Takes note of what was refused and what was not.
    fn judge(&mut self, settings: &[Setting]) {
        for setting in settings {
            if setting.value == Value::Refused {
                self.refused.0.push(setting.span);
            } else if let Some(section) = setting.value.section() {
                self.judge(&section.settings);
            }
            let lines = setting.value.addresses().iter();
            self.addresses.0.extend(lines.map(|line| line.span));
        }
    }

    fn is_refused(&self, statement: &Statement) -> bool {
        let span = statement.span();
        span.is_some_and(|span| self.refused.contains(span))
    }

    /// A line as it was written, with its block.
    fn verbatim(&self, keyword: &Keyword, statement: &Statement) -> Entry {
        let mut entry = Entry::new(words(&statement.words), self.origin(statement));
        entry.remark = match keyword.status {
            _ if self.is_refused(statement) => Some("cannot be read".into()),
            Status::NoEffect(_) => Some("changes nothing here".into()),
            Status::Planned(..) => Some("not built yet".into()),
            Status::NotSupported(..) => Some("not supported".into()),
            Status::Does(_) | Status::LoadBalancer => None,
        };
        if is_secret(keyword) {
            entry.standing = Standing::Secret;
        }
        let Some(body) = &statement.block else {
            return entry;
        };
        let (Shape::Block(inner) | Shape::Named(inner)) = keyword.shape else {
            let lines = body.statements.iter();
            entry.block = Some(lines.map(|line| self.line(line)).collect());
            return entry;
        };
        // Of what does what it says, the last line counts.
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (index, statement) in body.statements.iter().enumerate() {
            if let Some(keyword) = known(inner, statement) {
                last.insert(keyword.name, index);
            }
        }
        let counts = |(index, statement)| {
            if is_unreadable(statement) {
                return Some(self.unreadable(statement));
            }
            let keyword = known(inner, statement)?;
            let overridden = matches!(keyword.status, Status::Does(_))
                && !adds_up(keyword)
                && last.get(keyword.name) != Some(&index)
                && !self.is_refused(body.statements.get(*last.get(keyword.name)?)?);
            (!overridden).then(|| self.verbatim(keyword, statement))
        };
        let statements = body.statements.iter().enumerate();
        entry.block = Some(statements.filter_map(counts).collect());
        entry
    }

    /// A line of a list.
    fn line(&self, line: &Statement) -> Entry {
        if is_unreadable(line) {
            return self.unreadable(line);
        }
        Entry::new(words(&line.words), self.origin(line))
    }

    /// A line that cannot be read, without what might be secret in it.
    fn unreadable(&self, statement: &Statement) -> Entry {
        let head = statement.head().filter(|head| !head.broken);
        let words = head.map(Word::from).into_iter().collect();
        let mut entry = Entry::new(words, self.origin(statement));
        entry.remark = Some("cannot be read".into());
        entry.standing = Standing::Unreadable;
        entry
    }
}

/// Whether its last word is for nobody else's eyes.
fn is_secret(keyword: &Keyword) -> bool {
    keyword.shape == Shape::HmacKey || keyword.status == Status::Does(Key::Auth(AuthKey::Password))
}

/// The password, where it is text.
fn password(auth: Auth) -> Option<String> {
    let Auth::Password(bytes) = auth else {
        return None;
    };
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |at| at + 1);
    String::from_utf8(bytes.get(..end)?.to_vec()).ok()
}

#[cfg(test)]
mod tests;

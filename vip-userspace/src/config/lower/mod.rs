//! Statements to a typed [`Configuration`], with keepalived's defaults and
//! corrections.
//!
//! Values of `global_defs` hold for instances above them too, so instances are
//! completed when the whole file has been read.

mod address;
mod instance;
mod value;

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::Version;

use self::instance::Draft;
use self::value::Value;
use super::Configuration;
use super::diag::{Finding, Severity, Sink, nearest, quoted};
use super::keywords::{Block, GlobalKey, Keyword, Shape, Status, blocks_of, find, names_in};
use super::lex::Token;
use super::source::Span;
use super::tree::{Body, Statement, Statements};

/// What `global_defs` says for all instances.
struct Globals {
    version: Option<Version>,
    group: Ipv4Addr,
    down_timer_adverts: u8,
    strict: bool,
    checksum_as_v2: bool,
    garp: Garp,
}

/// Where adverts go (RFC 9568 section 5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

impl Default for Globals {
    fn default() -> Self {
        Self {
            version: None,
            group: GROUP,
            down_timer_adverts: 3,
            strict: false,
            checksum_as_v2: false,
            garp: Garp::default(),
        }
    }
}

/// The state of the walk.
struct Lowering<'a> {
    sink: &'a mut Sink,
    /// The load balancer has been mentioned; once is enough.
    load_balancer: bool,
}

/// What became of a statement.
enum Read {
    /// The caller's to act on.
    Mine(&'static Keyword, Span),
    /// To ignore it would change who holds the address.
    Decides(&'static str),
    /// Nobody can tell what it says.
    Unreadable,
    /// Nothing more to do; what there was to say has been said.
    Done,
}

/// Lowers a whole configuration.
pub(super) fn lower(statements: &mut Statements<'_>, sink: &mut Sink) -> Configuration {
    let mut lowering = Lowering {
        sink,
        load_balancer: false,
    };
    let mut router_id = None;
    let mut globals = Globals::default();
    let mut drafts: Vec<Draft> = Vec::new();
    let mut names: HashMap<Box<str>, Span> = HashMap::new();
    let mut never: Option<&'static str> = None;

    while let Some(statement) = statements.next(lowering.sink) {
        let keyword = match lowering.read(Block::Top, &statement) {
            Read::Mine(keyword, _) => keyword,
            Read::Decides(reason) => {
                never.get_or_insert(reason);
                continue;
            }
            Read::Unreadable | Read::Done => continue,
        };
        let Some(body) = &statement.block else {
            continue;
        };
        match (keyword.shape, statement.arguments().first()) {
            (Shape::Named(Block::Instance), Some(name)) => {
                if let Some(first) = names.get(&name.text) {
                    lowering.sink.add(
                        Finding::error(
                            name.span,
                            format!("a second instance {} is ignored", quoted(&name.text)),
                        )
                        .see(*first, "the first one is here"),
                    );
                    continue;
                }
                names.insert(name.text.clone(), name.span);
                drafts.push(Draft::read(&mut lowering, name, body));
            }
            _ => {
                for statement in &body.statements {
                    lowering.global(statement, &mut globals, &mut router_id);
                }
            }
        }
    }
    if let Some(reason) = never {
        for draft in &mut drafts {
            draft.never(reason);
        }
    }
    same_vrid(&mut lowering, &mut drafts);
    same_address(&mut lowering, &drafts);
    let instances: Vec<_> = drafts
        .into_iter()
        .map(|draft| draft.finish(&mut lowering, &globals))
        .collect();
    if instances.is_empty() {
        lowering.sink.add(
            // keepalived starts with such a file.
            Finding::of_file(
                Severity::Warning,
                "there is no `vrrp_instance`: nothing to run",
            )
            .help("a minimal one names interface, virtual_router_id and virtual_ipaddress"),
        );
    }
    Configuration {
        router_id,
        instances,
    }
}

impl Lowering<'_> {
    /// Looks a statement up and says what there is to say about it.
    fn read(&mut self, block: Block, statement: &Statement) -> Read {
        let (Some(head), Some(span)) = (statement.head(), statement.span()) else {
            return Read::Done;
        };
        if self.is_unreadable(statement) {
            return Read::Unreadable;
        }
        let Some(keyword) = find(block, &head.text) else {
            self.sink.add(unknown(block, head, statement));
            return Read::Done;
        };
        if keyword.status == Status::LoadBalancer {
            self.say(keyword.name, keyword.status, span);
            return Read::Done;
        }
        match (keyword.shape, &statement.block) {
            (Shape::Block(inner) | Shape::Named(inner), Some(body)) => {
                let named = matches!(keyword.shape, Shape::Named(_));
                if !self.has_name(keyword, named, statement) {
                    return Read::Done;
                }
                if !matches!(keyword.status, Status::Opens | Status::Instance(_)) {
                    self.check_inside(inner, body);
                }
            }
            (Shape::Block(_) | Shape::Named(_), None) => {
                self.sink.add(
                    Finding::error(span, format!("`{}` needs a block in braces", keyword.name))
                        .help("it is skipped"),
                );
                return Read::Done;
            }
            (_, Some(body)) => {
                self.sink.add(
                    Finding::error(body.open, format!("`{}` takes no block", keyword.name))
                        .help("it is skipped, with what is in the block; is a `}` missing above?"),
                );
                return Read::Done;
            }
            (_, None) => {}
        }
        if keyword.status.is_read() {
            return Read::Mine(keyword, span);
        }
        match self.say(keyword.name, keyword.status, span) {
            Some(reason) => Read::Decides(reason),
            None => Read::Done,
        }
    }

    /// Says what becomes of a keyword that does not do what it says. The reason
    /// why what it stands in must not run, if it is one of those.
    fn say(&mut self, name: &str, status: Status, span: Span) -> Option<&'static str> {
        let finding = match status {
            Status::NoEffect(why) => {
                Finding::note(span, format!("`{name}` changes nothing here: {why}"))
            }
            Status::NotDone(why) => {
                Finding::warning(span, format!("`{name}` is not supported yet: {why}"))
            }
            Status::Decides(why) => Finding::error(
                span,
                format!("`{name}` would decide who holds the address: {why}"),
            )
            .help("what it stands in is FAULT until then"),
            Status::LoadBalancer if !self.load_balancer => {
                self.load_balancer = true;
                Finding::warning(
                    span,
                    format!("`{name}` belongs to the load balancer, which is not part of vip"),
                )
                .help("all of the load balancer's blocks and words are skipped, the rest works")
            }
            Status::LoadBalancer
            | Status::Global(_)
            | Status::Instance(_)
            | Status::Auth(_)
            | Status::Address(_)
            | Status::Opens => return None,
        };
        self.sink.add(finding);
        if let Status::Decides(why) = status {
            Some(why)
        } else {
            None
        }
    }

    /// Whether a block has its name, and nothing else before its brace.
    fn has_name(&mut self, keyword: &Keyword, named: bool, statement: &Statement) -> bool {
        let arguments = statement.arguments();
        let Some(span) = statement.span() else {
            return false;
        };
        if named && arguments.is_empty() {
            self.sink.add(
                Finding::error(span, format!("`{}` needs a name", keyword.name))
                    .help("the whole block is skipped"),
            );
            return false;
        }
        if let Some(extra) = arguments.get(usize::from(named)) {
            self.sink.add(Finding::warning(
                extra.span,
                format!("{} before the brace is ignored", quoted(&extra.text)),
            ));
        }
        true
    }

    /// Looks for unknown words in a block of which nothing else is read.
    fn check_inside(&mut self, block: Block, body: &Body) {
        if block == Block::List {
            return;
        }
        for statement in &body.statements {
            self.read(block, statement);
        }
    }

    /// Whether a statement holds a word that could not be read; reported.
    fn is_unreadable(&self, statement: &Statement) -> bool {
        statement.words.is_empty() || statement.words.iter().any(|word| word.broken)
    }

    fn global(
        &mut self,
        statement: &Statement,
        globals: &mut Globals,
        router_id: &mut Option<String>,
    ) {
        let Read::Mine(keyword, span) = self.read(Block::Global, statement) else {
            return;
        };
        let Status::Global(key) = keyword.status else {
            return;
        };
        let Some(value) = value::read(keyword, statement, self.sink) else {
            return;
        };
        match key {
            GlobalKey::RouterId => *router_id = value.word().map(|token| token.text.to_string()),
            GlobalKey::Version => globals.version = instance::version(value),
            GlobalKey::McastGroup4 => {
                globals.group = self.group(value, span).unwrap_or(globals.group);
            }
            GlobalKey::DownTimerAdverts => {
                if let Some(adverts) = value.whole().and_then(|n| u8::try_from(n).ok()) {
                    globals.down_timer_adverts = adverts;
                }
            }
            GlobalKey::Strict => {
                globals.strict = value.is_on();
                if globals.strict {
                    self.sink.add(
                        Finding::warning(span, "`vrrp_strict` is followed in part")
                            .help("authentication is ignored and addresses are required, as in keepalived; packets to the address are accepted, unlike there"),
                    );
                }
            }
            // keepalived takes any argument for "on".
            GlobalKey::ChecksumAsV2 => globals.checksum_as_v2 = true,
            GlobalKey::GarpDelay => {
                globals.garp.delay = instance::duration(value).unwrap_or(globals.garp.delay);
            }
            GlobalKey::GarpRepeat => {
                globals.garp.repeat = repeat(self.sink, value, span).unwrap_or(globals.garp.repeat);
            }
            GlobalKey::GarpRefresh => {
                globals.garp.refresh = instance::duration(value).filter(|d| !d.is_zero());
            }
            GlobalKey::GarpRefreshRepeat => {
                globals.garp.refresh_repeat =
                    repeat(self.sink, value, span).unwrap_or(globals.garp.refresh_repeat);
            }
            GlobalKey::MinGarp => {
                if value.is_on() {
                    globals.garp = Garp {
                        repeat: 1,
                        delay: Duration::ZERO,
                        refresh: None,
                        refresh_repeat: 1,
                    };
                }
            }
        }
    }

    /// A group to speak to.
    fn group(&mut self, value: Value<'_>, span: Span) -> Option<Ipv4Addr> {
        let address = value.ipv4()?;
        if !address.is_multicast() {
            self.sink.add(
                Finding::error(span, format!("{address} is not a multicast address"))
                    .help(format!("the line is skipped; the usual group is {GROUP}")),
            );
            return None;
        }
        Some(address)
    }
}

/// A number of gratuitous ARP rounds.
fn repeat(sink: &mut Sink, value: Value<'_>, span: Span) -> Option<u8> {
    let asked = value.whole()?;
    let taken = u8::try_from(asked.max(1)).unwrap_or(u8::MAX);
    if u32::from(taken) != asked {
        sink.add(Finding::warning(
            span,
            format!("{asked} rounds become {taken}"),
        ));
    }
    Some(taken)
}

/// Two instances that would claim one VRID on one interface: the first runs.
fn same_vrid(lowering: &mut Lowering<'_>, drafts: &mut [Draft]) {
    let mut seen: HashMap<(Box<str>, u8), (Box<str>, Span)> = HashMap::new();
    for draft in drafts {
        let (Some(interface), Some((vrid, span))) = (&draft.interface, draft.vrid) else {
            continue;
        };
        let key = (interface.text.clone(), vrid.get());
        match seen.get(&key) {
            Some((name, first)) => {
                let message = format!(
                    "virtual_router_id {vrid} on {} is already that of {}",
                    quoted(&key.0),
                    quoted(name)
                );
                lowering.sink.add(
                    Finding::error(span, message.as_str()).see(*first, "the first one is here"),
                );
                draft.never(message);
            }
            None => {
                seen.insert(key, (draft.name.text.clone(), span));
            }
        }
    }
}

/// Two instances that would hold one address.
fn same_address(lowering: &mut Lowering<'_>, drafts: &[Draft]) {
    let mut seen: HashMap<Ipv4Addr, (usize, Span)> = HashMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        for (address, span) in draft.addresses.iter().chain(&draft.excluded) {
            let (owner, first) = *seen.entry(address.address).or_insert((index, *span));
            if owner != index {
                let address = address.address;
                lowering.sink.add(
                    Finding::warning(*span, format!("another instance holds {address} too"))
                        .see(first, "there it is")
                        .help("both may hold it at once, on different nodes"),
                );
            }
        }
    }
}

/// An unknown word, with what may have been meant.
fn unknown(block: Block, head: &Token, statement: &Statement) -> Finding {
    let finding = Finding::error(
        head.span,
        format!("unknown keyword {} {}", quoted(&head.text), block.place()),
    );
    let what = if statement.block.is_some() {
        "the whole block"
    } else {
        "the line"
    };
    if let Some(near) = nearest(&head.text, names_in(block)) {
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

/// Whether the kernel could know an interface by this name.
fn device_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("it is empty")
    } else if name.len() > 15 {
        Err("it is longer than 15 bytes")
    } else if name == "." || name == ".." {
        Err("the kernel refuses it")
    } else if name.contains(|c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
        Err("it contains a character that the kernel refuses")
    } else {
        Ok(())
    }
}

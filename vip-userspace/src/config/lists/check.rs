//! What a `vrrp_check` asks: `tcp HOST PORT`, `tls HOST PORT [sni NAME] [ca FILE]`,
//! `http URL [status LIST] [body TEXT] [ca FILE]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::diag::{Finding, Sink, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::super::trackers::{Endpoint, Probe};
use super::super::value::device_name;
use super::words::Words;

/// The longest name that DNS has.
const LONGEST_NAME: usize = 253;

/// A question, and where it names whom it is put to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeLine {
    /// The question.
    pub probe: Probe,
    /// Where the host stands, or the URL.
    pub host: Span,
}

/// Which question a line puts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    /// `tcp`.
    Tcp,
    /// `tls`.
    Tls,
    /// `http`.
    Http,
}

impl Question {
    /// How it is written.
    const fn usage(self) -> &'static str {
        match self {
            Self::Tcp => "`tcp HOST PORT`",
            Self::Tls => "`tls HOST PORT [sni NAME] [ca FILE]`",
            Self::Http => "`http URL [status 200-299,301] [body TEXT] [ca FILE]`",
        }
    }

    /// What stands behind the word.
    #[must_use]
    pub const fn takes(self) -> &'static str {
        match self {
            Self::Tcp => "`HOST PORT`",
            Self::Tls => "`HOST PORT [sni NAME] [ca FILE]`",
            Self::Http => "`URL [status 200-299,301] [body TEXT] [ca FILE]`",
        }
    }

    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Tcp => &[],
            Self::Tls => &["sni", "ca"],
            Self::Http => &["status", "body", "ca"],
        }
    }
}

/// Reads the words behind `tcp`, `tls` or `http`. A line with any slip in it is
/// none: what is left of it could ask something else than was meant.
pub(in super::super) fn parse(
    words: &[Token],
    question: Question,
    at: Span,
    sink: &mut Sink,
) -> Option<ProbeLine> {
    let mut words = Words::new(words, sink)?;
    let usage = question.usage();
    let Some(first) = words.next() else {
        let finding = Finding::error(at, "it is not said whom to ask");
        words.sink.add(finding.help(format!("it is {usage}")));
        return None;
    };
    let target = match question {
        Question::Tcp | Question::Tls => {
            endpoint(first, usage, &mut words).map(|endpoint| Target {
                endpoint,
                tls: question == Question::Tls,
                authority: String::new(),
                path: String::new(),
            })
        }
        Question::Http => understood(first, url(&first.text), usage, &mut words),
    };
    let target = target?;
    let options = read_options(question.options(), usage, &mut words)?;
    if let (Question::Http, false, Some(ca)) = (question, target.tls, options.ca) {
        let finding = Finding::error(ca.span, "`ca` is for `https://` only");
        words
            .sink
            .add(finding.help("nobody shows a certificate over plain HTTP"));
        return None;
    }
    let ca = options.ca.map(|ca| ca.text.to_string().into());
    let Target {
        endpoint,
        tls,
        authority,
        path,
    } = target;
    let probe = match question {
        Question::Tcp => Probe::Tcp(endpoint),
        Question::Tls => Probe::Tls {
            endpoint,
            name: options.sni.map(|name| name.text.to_string()),
            ca,
        },
        Question::Http => Probe::Http {
            endpoint,
            tls,
            ca,
            authority,
            path,
            status: options.status,
            body: options.body.map(|body| body.text.to_string()),
        },
    };
    Some(ProbeLine {
        probe,
        host: first.span,
    })
}

/// Whom to ask, and what for.
struct Target {
    endpoint: Endpoint,
    tls: bool,
    authority: String,
    path: String,
}

/// `HOST PORT`.
fn endpoint(host: &Token, usage: &str, words: &mut Words<'_, '_>) -> Option<Endpoint> {
    let name = understood(host, host_of(&host.text), usage, words)?;
    let Some(port) = words.next() else {
        let finding = Finding::error(host.span, "a port is missing behind the host");
        let help = match host.text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => {
                format!("it is a word of its own: `{host} {port}`")
            }
            _ => format!("it is {usage}"),
        };
        words.sink.add(finding.help(help));
        return None;
    };
    let number = understood(port, port_of(&port.text), usage, words)?;
    Some(Endpoint {
        host: name,
        port: number,
    })
}

/// What may follow.
#[derive(Default)]
struct Options<'t> {
    sni: Option<&'t Token>,
    ca: Option<&'t Token>,
    body: Option<&'t Token>,
    status: Vec<(u16, u16)>,
}

fn read_options<'t>(
    known: &[&'static str],
    usage: &str,
    words: &mut Words<'t, '_>,
) -> Option<Options<'t>> {
    let mut options = Options::default();
    let mut is_well = true;
    while let Some(word) = words.next() {
        if !known.contains(&&*word.text) {
            if known.is_empty() {
                let message = format!("{} behind the port", quoted(&word.text));
                let finding = Finding::error(word.span, message);
                words.sink.add(finding.help(format!("it is {usage}")));
            } else {
                words.unknown(word, "behind whom to ask", known);
            }
            return None;
        }
        words.once(word);
        let value = words.value(word)?;
        let text = &*value.text;
        let wrong = match &*word.text {
            "sni" => {
                options.sni = Some(value);
                match host_of(text) {
                    Ok(host) if host.parse::<IpAddr>().is_err() => None,
                    _ => Some(Slip::new("`sni` takes the name of a host")),
                }
            }
            "ca" => {
                options.ca = Some(value);
                (!text.starts_with('/')).then(|| {
                    Slip::new("`ca` takes the path of a file, from `/` on")
                        .help("it holds certificates in PEM form")
                })
            }
            "body" => {
                options.body = Some(value);
                text.is_empty()
                    .then(|| Slip::new("`body` takes the text to be found"))
            }
            _ => match statuses(text) {
                Ok(ranges) => {
                    options.status = ranges;
                    None
                }
                Err(slip) => Some(slip),
            },
        };
        let wrong = wrong.map_or(Ok(()), Err);
        is_well &= understood(value, wrong, usage, words).is_some();
    }
    is_well.then_some(options)
}

/// What is wrong with a word, and what to do.
#[derive(PartialEq, Eq, Debug)]
struct Slip {
    what: &'static str,
    help: Option<String>,
}

impl Slip {
    const fn new(what: &'static str) -> Self {
        Self { what, help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Reports what is wrong with a word.
fn understood<T>(
    word: &Token,
    read: Result<T, Slip>,
    usage: &str,
    words: &mut Words<'_, '_>,
) -> Option<T> {
    let slip = match read {
        Ok(read) => return Some(read),
        Err(slip) => slip,
    };
    let message = format!("{}, not {}", slip.what, quoted(&word.text));
    let help = slip.help.unwrap_or_else(|| format!("it is {usage}"));
    words
        .sink
        .add(Finding::error(word.span, message).help(help));
    None
}

/// An address or the name of a host, without the brackets of an IPv6 address.
fn host_of(text: &str) -> Result<String, Slip> {
    const WHAT: &str = "whom to ask is an address or the name of a host";
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .filter(|inner| inner.contains(':'));
    let host = bare.unwrap_or(text);
    if host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    // The interface of an address that holds on one link only.
    if let Some((address, interface)) = host.split_once('%')
        && let Ok(address) = address.parse::<Ipv6Addr>()
    {
        return if !address.is_unicast_link_local() {
            Err(Slip::new(WHAT).help("only a link-local address has an interface"))
        } else if let Err(why) = device_name(interface) {
            Err(Slip::new(WHAT).help(format!("the interface cannot be: {why}")))
        } else {
            Ok(host.to_owned())
        };
    }
    if let Some((_, rest)) = text.split_once("://") {
        let bare = rest.split(['/', '?']).next().unwrap_or(rest);
        return Err(Slip::new(WHAT).help(format!("a URL is for `http`; the host is `{bare}`")));
    }
    if let Some((host, port)) = text.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        let help = format!("the port is a word of its own: `{host} {port}`");
        return Err(Slip::new(WHAT).help(help));
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_label = |label: &str| {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(of_name) && !label.starts_with('-')
    };
    let is_name = name.len() <= LONGEST_NAME && name.split('.').all(is_label);
    // Digits and dots alone are an address with a slip in it.
    let last = name.rsplit('.').next().unwrap_or_default();
    if !is_name || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Slip::new(WHAT));
    }
    Ok(host.to_owned())
}

fn port_of(text: &str) -> Result<u16, Slip> {
    let slip = || Slip::new("a port is a whole number from 1 to 65535");
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(slip());
    }
    text.parse().ok().filter(|port| *port > 0).ok_or_else(slip)
}

/// `http[s]://HOST[:PORT][/PATH][?QUERY]`.
fn url(text: &str) -> Result<Target, Slip> {
    const WHAT: &str = "`http` takes a URL such as `http://127.0.0.1:8080/health`";
    let lower = text.to_ascii_lowercase();
    let (tls, rest) = if lower.starts_with("http://") {
        (false, text.get(7..))
    } else if lower.starts_with("https://") {
        (true, text.get(8..))
    } else if text.contains("://") {
        return Err(Slip::new(WHAT).help("it begins with `http://` or `https://`"));
    } else {
        return Err(Slip::new(WHAT).help(format!("write `http://{text}`")));
    };
    let rest = rest.unwrap_or_default();
    if let Some(bad) = rest.chars().find(|c| !c.is_ascii_graphic()) {
        let code: String = bad
            .encode_utf8(&mut [0; 4])
            .bytes()
            .map(|byte| format!("%{byte:02X}"))
            .collect();
        return Err(
            Slip::new(WHAT).help(format!("write `{code}` for {}", quoted(&bad.to_string())))
        );
    }
    if rest.contains('#') {
        return Err(Slip::new(WHAT).help("what follows a `#` is not sent; leave it out"));
    }
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if authority.is_empty() {
        return Err(Slip::new(WHAT).help("the host is missing behind `//`"));
    }
    if authority.contains('@') {
        return Err(Slip::new(WHAT).help("a user in it is not sent; leave it out"));
    }
    if authority.parse::<Ipv6Addr>().is_ok() {
        let help = format!("an IPv6 address stands in brackets: `[{authority}]`");
        return Err(Slip::new(WHAT).help(help));
    }
    let in_brackets = authority.ends_with(']');
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !in_brackets => (host, port_of(port)?),
        _ => (authority, if tls { 443 } else { 80 }),
    };
    let host = host_of(host)?;
    let path = match path.strip_prefix('?') {
        Some(query) => format!("/?{query}"),
        None => path.to_owned(),
    };
    // An interface means something on this host only.
    let authority = match authority.split_once('%') {
        Some((address, rest)) => {
            let port = rest.split_once(']').map_or("", |(_, port)| port);
            format!("{address}]{port}")
        }
        None => authority.to_owned(),
    };
    Ok(Target {
        endpoint: Endpoint { host, port },
        tls,
        authority,
        path,
    })
}

/// `200-299,301`.
fn statuses(text: &str) -> Result<Vec<(u16, u16)>, Slip> {
    const WHAT: &str = "`status` takes numbers from 100 to 599 and ranges of them";
    let slip = || Slip::new(WHAT).help("write them without blanks, as in `200-299,301`");
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits);
        number
            .filter(|status| (100..=599).contains(status))
            .ok_or_else(slip)
    };
    text.split(',')
        .map(|range| {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                return Err(Slip::new(WHAT).help(format!("write `{to}-{from}`")));
            }
            Ok((from, to))
        })
        .collect()
}

/// The address that an endpoint names, where it is one and not a name.
#[must_use]
pub fn address_of(endpoint: &Endpoint) -> Option<IpAddr> {
    let (address, _) = endpoint
        .host
        .split_once('%')
        .unwrap_or((&endpoint.host, ""));
    match address.parse().ok()? {
        IpAddr::V6(v6) => Some(match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => IpAddr::V6(v6),
        }),
        v4 @ IpAddr::V4(Ipv4Addr { .. }) => Some(v4),
    }
}

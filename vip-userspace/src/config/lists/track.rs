//! Lines of trackers: `NAME [weight N [reverse|noreverse]]`, and weights alone.

use super::super::diag::{Finding, Sink, nearest, quoted};
use super::super::lex::Token;
use super::super::source::Span;
use super::words::Words;

/// What a line names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tracked {
    /// An interface.
    Interface,
    /// A `vrrp_script`.
    Script,
    /// A `track_file`.
    File,
    /// A `vrrp_track_process`.
    Process,
    /// A `vrrp_check`.
    Check,
    /// A `bfd_instance`.
    Bfd,
}

impl Tracked {
    /// How far a weight goes from 0: 254 only where what is counted can be
    /// negative.
    #[must_use]
    pub fn most(self) -> u8 {
        match self {
            Self::Interface | Self::Script | Self::Check | Self::Bfd => 253,
            Self::File | Self::Process => 254,
        }
    }
}

/// What is tracked, and what it counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackLine {
    /// Its name.
    pub name: Token,
    /// What it counts here; where it is not given, what the tracker itself says.
    pub weight: Option<Weight>,
}

/// What a tracker adds to the priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// -254 to 254; 0 means that the instance is FAULT when the tracker fails.
    pub value: i16,
    /// Success counts as failure, and failure as success.
    pub reverse: bool,
    /// Where the number stands.
    pub span: Span,
}

/// Reads one line of a list of trackers.
pub(in super::super) fn parse(
    words: &[Token],
    tracked: Tracked,
    sink: &mut Sink,
) -> Option<TrackLine> {
    let mut words = Words::new(words, sink)?;
    let name = words.next()?;
    if tracked == Tracked::Interface && !words.is_device(name) {
        return None;
    }
    let Some(keyword) = words.next() else {
        return Some(TrackLine {
            name: name.clone(),
            weight: None,
        });
    };
    if &*keyword.text != "weight" {
        let finding = Finding::error(
            keyword.span,
            format!("{} behind a name is not `weight`", quoted(&keyword.text)),
        );
        let help = if matches!(&*keyword.text, "reverse" | "noreverse") {
            "it belongs behind the number: `weight N reverse`".to_owned()
        } else if keyword.text.parse::<i64>().is_ok() {
            format!("write `weight {}`", keyword.text)
        } else if nearest(&keyword.text, ["weight"].into_iter()).is_some() {
            "did you mean `weight`?".to_owned()
        } else {
            "each name stands on a line of its own".to_owned()
        };
        words.sink.add(finding.help(format!(
            "{help} (the line is skipped, as in keepalived: nothing is tracked by it)"
        )));
        return None;
    }
    // Without a number the line is skipped; with a bad one it counts nothing.
    let value = words.value(keyword)?;
    let weight = number(value, tracked.most(), words.sink).map(|number| Weight {
        value: number,
        reverse: is_reversed(&mut words),
        span: value.span,
    });
    Some(TrackLine {
        name: name.clone(),
        weight,
    })
}

/// Reads the words behind `weight` in the block of a tracker: `N [reverse]`.
/// `most` is how far the number goes from 0.
pub(in super::super) fn weight(
    words: &[Token],
    most: u8,
    at: Span,
    sink: &mut Sink,
) -> Option<Weight> {
    let mut words = Words::new(words, sink)?;
    let Some(value) = words.next() else {
        words.sink.add(
            Finding::error(at, "`weight` needs a value")
                .help(format!("it takes a whole number from -{most} to {most}")),
        );
        return None;
    };
    let number = number(value, most, words.sink)?;
    Some(Weight {
        value: number,
        reverse: is_reversed(&mut words),
        span: value.span,
    })
}

/// What a `track_file` is to hold at the start: `init_file [VALUE] [overwrite]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InitFile {
    /// The number that is written; 0 where none is given.
    pub value: i32,
    /// Whether it is written although the file is there.
    pub overwrite: bool,
}

/// Reads the words behind `init_file`. What is not right is passed over, as in
/// keepalived.
pub(in super::super) fn init_file(words: &[Token], sink: &mut Sink) -> Option<InitFile> {
    let mut words = Words::new(words, sink)?;
    let mut init = InitFile::default();
    while let Some(word) = words.next() {
        if &*word.text == "overwrite" {
            init.overwrite = true;
        } else if let Ok(value) = word.text.parse() {
            init.value = value;
        } else if nearest(&word.text, ["overwrite"].into_iter()).is_some() {
            words.unknown(word, "behind `init_file`", &["overwrite"]);
        } else {
            words.sink.add(
                Finding::error(
                    word.span,
                    format!(
                        "`init_file` takes a whole number from {} to {}, not {}",
                        i32::MIN,
                        i32::MAX,
                        quoted(&word.text)
                    ),
                )
                .help("it is ignored, as in keepalived"),
            );
        }
    }
    Some(init)
}

/// Reads a weight. ±254 where ±253 is the end is what many files have.
fn number(value: &Token, most: u8, sink: &mut Sink) -> Option<i16> {
    let most = i16::from(most);
    let text = &*value.text;
    let number = text.parse::<i16>().ok();
    match number {
        Some(number) if number.abs_diff(0) <= most.unsigned_abs() => Some(number),
        Some(number) if number.abs_diff(0) == 254 => {
            let nearest = most * number.signum();
            sink.add(
                Finding::error(
                    value.span,
                    format!("a weight of {number} is beyond {nearest}"),
                )
                .help(format!("it is {nearest} instead, as in keepalived")),
            );
            Some(nearest)
        }
        _ => {
            sink.add(
                Finding::error(
                    value.span,
                    format!(
                        "a weight is a whole number from -{most} to {most}, not {}",
                        quoted(text)
                    ),
                )
                .help("without a weight that counts, a failure may mean FAULT instead"),
            );
            None
        }
    }
}

fn is_reversed(words: &mut Words<'_, '_>) -> bool {
    let mut reverse = false;
    let Some(word) = words.next() else {
        return reverse;
    };
    match &*word.text {
        "reverse" => reverse = true,
        "noreverse" => {}
        _ => {
            words.unknown(word, "behind a weight", &["reverse", "noreverse"]);
            return reverse;
        }
    }
    if let Some(extra) = words.next() {
        words.sink.add(
            Finding::warning(extra.span, format!("{} is ignored", quoted(&extra.text)))
                .help("`weight N reverse` ends the line"),
        );
    }
    reverse
}

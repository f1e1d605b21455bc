//! The recipes as tables.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use vip_tests::peer::Make;
use vip_tests::recipes::cluster::{Cluster, Fault};
use vip_tests::recipes::nginx::{Trouble, Web};
use vip_tests::recipes::postgresql;

/// nginx reads its configuration again so often.
const RELOADS: usize = 20;

#[derive(Args)]
pub(crate) struct RecipesArgs {
    /// Only what goes wrong in whose name one of these stands, such as "host" or "link"
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// How often each
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// With keepalived in place of vip
    #[arg(long)]
    with_keepalived: bool,
}

/// Runs them; whether all went well.
pub(crate) fn recipes(program: &Path, arguments: &RecipesArgs) -> Result<bool> {
    let postgresql = postgresql(program, arguments)?;
    Ok(nginx(program, arguments)? && postgresql)
}

impl RecipesArgs {
    fn chosen<T>(&self, all: &[T], name: fn(T) -> &'static str) -> Vec<T>
    where
        T: Copy,
    {
        let wanted = |what: &&T| {
            let name = name(**what);
            self.words.is_empty() || self.words.iter().any(|word| name.contains(word))
        };
        all.iter().filter(wanted).copied().collect()
    }
}

fn postgresql(program: &Path, arguments: &RecipesArgs) -> Result<bool> {
    let make = if arguments.with_keepalived {
        Make::Keepalived
    } else {
        Make::Vip
    };
    let faults = arguments.chosen(&Fault::ALL, Fault::name);
    if faults.is_empty() {
        return Ok(true);
    }
    let mut cluster = Cluster::start(program.to_owned(), make)?;
    let mut rounds = Vec::new();
    for _ in 0..arguments.rounds {
        for fault in &faults {
            let round = postgresql::round(&mut cluster, rounds.len(), *fault)?;
            println!("{round}");
            if !round.is_good() {
                println!("{}", cluster.last_words());
            }
            rounds.push(round);
        }
    }
    println!("\nPostgreSQL, with {}\n{}", make.name(), postgresql::HEAD);
    for fault in faults {
        let those: Vec<_> = rounds.iter().filter(|round| round.fault == fault).collect();
        println!("{}", postgresql::line(&those));
    }
    Ok(rounds.iter().all(postgresql::Round::is_good))
}

/// With vip alone: keepalived has no native checks.
fn nginx(program: &Path, arguments: &RecipesArgs) -> Result<bool> {
    let troubles = arguments.chosen(&Trouble::ALL, Trouble::name);
    if troubles.is_empty() || arguments.with_keepalived {
        return Ok(true);
    }
    let mut web = Web::start(program)?;
    println!("\nnginx: time from the trouble to a client served by the other node, in ms");
    println!("what               rounds  median     max");
    for trouble in troubles {
        let spans: Result<Vec<_>, _> = (0..arguments.rounds)
            .map(|_| web.go_through(trouble))
            .collect();
        let mut spans = spans?;
        spans.sort();
        let ms = |span: Option<&Duration>| span.map_or(0, Duration::as_millis);
        println!(
            "{:<18} {:6} {:7} {:7}",
            trouble.name(),
            spans.len(),
            ms(spans.get(spans.len() / 2)),
            ms(spans.last())
        );
    }
    let (missed, asked) = web.reload(RELOADS)?;
    println!("{RELOADS} reloads of nginx: {missed} of {asked} questions not answered by its node");
    Ok(missed == 0)
}

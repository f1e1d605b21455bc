//! The page that explains the language and every word of it: the table as a person
//! reads it.

use std::fmt::{self, Write as _};

use super::{Block, Keyword, Lines, Missing, Shape, Status, TABLE};

/// What stands before the tables.
const LANGUAGE: &str = include_str!("language.md");

/// The whole page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = LANGUAGE.to_owned();
    for (block, keywords) in TABLE {
        // To a string, which takes everything.
        let _ = chapter(&mut page, *block, keywords);
    }
    page
}

/// One block with its table.
fn chapter(page: &mut String, block: Block, keywords: &[Keyword]) -> fmt::Result {
    writeln!(page, "\n## {}\n", title(block))?;
    writeln!(page, "{}\n", opening(block))?;
    let own: Vec<&Keyword> = keywords
        .iter()
        .filter(|keyword| keyword.status != Status::LoadBalancer)
        .collect();
    // What holds for all of a block is said once.
    let common = own
        .first()
        .map(|first| first.status)
        .filter(|status| own.iter().all(|keyword| keyword.status == *status))
        .filter(|status| !matches!(status, Status::Does(_)));
    match common {
        Some(status) => {
            writeln!(page, "Status of all of them: {}.\n", Told(status))?;
            page.push_str("| word | takes | default | meaning |\n|---|---|---|---|\n");
        }
        None => {
            page.push_str("| word | takes | default | meaning | status |\n|---|---|---|---|---|\n")
        }
    }
    for keyword in &own {
        write!(
            page,
            "| `{}` | {} | {} | {}{} |",
            keyword.name,
            Cell(&takes(keyword.shape)),
            keyword.default.unwrap_or(""),
            Cell(keyword.meaning),
            Aside(keyword)
        )?;
        if common.is_none() {
            write!(page, " {} |", Told(keyword.status))?;
        }
        page.push('\n');
    }
    let others: Vec<String> = keywords
        .iter()
        .filter(|keyword| keyword.status == Status::LoadBalancer)
        .map(|keyword| format!("`{}`", keyword.name))
        .collect();
    if !others.is_empty() {
        writeln!(
            page,
            "\nSkipped, as the load balancer's: {}.",
            others.join(", ")
        )?;
    }
    Ok(())
}

/// A block's heading.
fn title(block: Block) -> &'static str {
    match block {
        Block::Top => "Outside all blocks",
        Block::Global => "global_defs",
        Block::Instance => "vrrp_instance",
        Block::Authentication => "authentication",
        Block::Hmac => "auth_hmac",
        Block::Address => "Addresses",
        Block::Peer => "Peers",
        Block::Track => "Trackers in a list",
        Block::Route => "Routes",
        Block::Rule => "Rules",
        Block::SyncGroup => "vrrp_sync_group",
        Block::Script => "vrrp_script",
        Block::Process => "vrrp_track_process",
        Block::File => "track_file",
        Block::Check => "vrrp_check",
        Block::Bfd => "bfd_instance",
        Block::GarpGroup => "garp_group",
        Block::TrackGroup => "track_group",
    }
}

/// What stands above its table.
fn opening(block: Block) -> &'static str {
    match block {
        Block::Top => "Each opens a block, but for those that take a word.",
        Block::Global => {
            "What holds for all instances, wherever the block stands; it may stand several times."
        }
        Block::Instance => {
            "`vrrp_instance NAME { … }`. `interface` and `virtual_router_id` must be there."
        }
        Block::Authentication => {
            "In `vrrp_instance`, for version 2. The password goes over the wire in clear text."
        }
        Block::Hmac => "In `vrrp_instance`, for both versions.",
        Block::Address => {
            "One on each line of `virtual_ipaddress`, `virtual_ipaddress_excluded` and \
             `static_ipaddress`: `ADDRESS[/LENGTH]`, then any of these. Without a length it is /32, \
             or /128."
        }
        Block::Peer => "One on each line of `unicast_peer`: `ADDRESS`, then any of these.",
        Block::Track => {
            "One on each line of `track_interface`, `track_script`, `track_file`, `track_process`, \
             `track_check` and `track_bfd`: `NAME`, then this. Without a weight, its failure is FAULT."
        }
        Block::Route => {
            "One on each line of `virtual_routes` and `static_routes`: `[TYPE] [to] DESTINATION`, \
             then any of these, as in `ip route`."
        }
        Block::Rule => "One on each line of `virtual_rules` and `static_rules`, as in `ip rule`.",
        Block::SyncGroup => "`vrrp_sync_group NAME { … }`. `group` must be there.",
        Block::Script => "`vrrp_script NAME { … }`, for `track_script`. `script` must be there.",
        Block::Process => {
            "`vrrp_track_process NAME { … }`, for `track_process`. `process` must be there."
        }
        Block::File => "`track_file NAME { … }`, for `track_file` in an instance or a group.",
        Block::Check => {
            "`vrrp_check NAME { … }`, for `track_check`: what the daemon asks by itself, without a \
             script. All of it is vip's own; [above](#a-file-that-keepalived-reads-too) is how \
             keepalived does not see it. One of `tcp`, `tls` and `http` must be there."
        }
        Block::Bfd => "`bfd_instance NAME { … }`, for `track_bfd`.",
        Block::GarpGroup => "`garp_group { … }`.",
        Block::TrackGroup => "`track_group NAME { … }`.",
    }
}

/// What a keyword takes, with the way to the table of what stands in it.
fn takes(shape: Shape) -> String {
    let Some(block) = shape.inner() else {
        return shape.to_string();
    };
    let anchor = title(block).to_lowercase().replace(' ', "-");
    if let Shape::Named(_) = shape {
        return format!("a name and [a block](#{anchor})");
    }
    let Shape::Lines(lines) = shape else {
        return format!("[a block](#{anchor})");
    };
    let entry = match lines {
        Lines::TrackInterfaces => "an interface",
        Lines::Routes | Lines::StaticRoutes => "a route",
        Lines::Rules | Lines::StaticRules => "a rule",
        Lines::Addresses | Lines::Excluded | Lines::StaticAddresses | Lines::Peers => "an address",
        Lines::TrackScripts
        | Lines::TrackFiles
        | Lines::TrackProcesses
        | Lines::TrackChecks
        | Lines::TrackBfds
        | Lines::Names
        | Lines::Linkbeat
        | Lines::LinkDelays => "a name",
    };
    format!("a block, with [{entry}](#{anchor}) on each line")
}

/// Text in a table, where a `|` would end the cell.
struct Cell<'a>(&'a str);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace('|', "\\|"))
    }
}

/// What is behind the meaning: other spellings, and since when.
struct Aside<'a>(&'a Keyword);

impl fmt::Display for Aside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(instead) = self.0.instead {
            write!(f, " (old spelling of `{instead}`)")?;
        }
        if self.0.own {
            f.write_str(" (vip's own; keepalived does not know it)")?;
        }
        match self.0.since {
            Some(version) if version.starts_with(|c: char| c.is_ascii_digit()) => {
                write!(f, " (keepalived {version} and later)")
            }
            Some(version) => write!(f, " (keepalived {version})"),
            None => Ok(()),
        }
    }
}

/// A status with its reason.
struct Told(Status);

impl Told {
    fn plain(&self) -> String {
        let (word, why) = match self.0 {
            Status::Does(_) => return "works".to_owned(),
            Status::LoadBalancer => return "skipped".to_owned(),
            Status::NoEffect(why) => ("no effect", why),
            Status::Planned(Missing::Harmless, why) => ("planned", why),
            Status::Planned(Missing::Decides, why) => ("planned, FAULT until then", why),
            Status::NotSupported(Missing::Harmless, why) => ("not supported", why),
            Status::NotSupported(Missing::Decides, why) => ("not supported, FAULT", why),
        };
        format!("{word}: {why}")
    }
}

impl fmt::Display for Told {
    /// In a table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cell(&self.plain()).fmt(f)
    }
}

/// One keyword with all that is known of it, for a terminal.
#[derive(Debug)]
pub struct Explained(pub Block, pub &'static Keyword);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(block, keyword) = self;
        writeln!(f, "{}, {}", keyword.name, block.place())?;
        writeln!(f, "  {}{}", keyword.meaning, Aside(keyword))?;
        if keyword.status != Status::LoadBalancer {
            writeln!(f, "  takes    {}", keyword.shape)?;
        }
        if let Some(default) = keyword.default {
            writeln!(f, "  default  {default}")?;
        }
        writeln!(f, "  status   {}", Told(keyword.status).plain())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Set by `cargo xtask docs`.
    const RENEW: &str = "VIP_RENEW_DOCS";

    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        if std::env::var_os(RENEW).is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, page()).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            there == page(),
            "docs/configuration.md is out of date: `cargo xtask docs` renews it"
        );
    }

    #[test]
    fn a_keyword_is_explained_in_a_few_lines() {
        let keyword = super::super::find(Block::Instance, "preempt_delay").unwrap();
        assert_eq!(
            Explained(Block::Instance, keyword).to_string(),
            "preempt_delay, in vrrp_instance\n  \
               wait so long before taking over from a lower priority\n  \
               takes    seconds from 0 to 1000\n  \
               default  0\n  \
               status   works\n"
        );
    }

    #[test]
    fn each_word_has_its_line_and_no_cell_is_broken() {
        let page = page();
        for keyword in TABLE.iter().flat_map(|(_, keywords)| *keywords) {
            assert!(page.contains(&format!("`{}`", keyword.name)));
        }
        for line in page.lines().filter(|line| line.starts_with('|')) {
            let cells = line.replace("\\|", "").matches('|').count();
            assert!(matches!(cells, 3 | 5 | 6), "{line}");
        }
    }

    #[test]
    fn each_link_leads_to_a_heading() {
        let page = page();
        let headings: Vec<String> = page
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(|title| format!("(#{})", title.to_lowercase().replace(' ', "-")))
            .collect();
        let mut links = 0;
        for link in page.match_indices("](#").map(|(at, _)| &page[at + 1..]) {
            let link = &link[..=link.find(')').unwrap()];
            assert!(headings.iter().any(|heading| heading == link), "{link}");
            links += 1;
        }
        assert!(links > 20);
    }
}

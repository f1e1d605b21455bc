use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::lists::{route, rule};
use super::*;

/// Every word of keepalived, by its own name of the block.
const INVENTORY: &str = include_str!("inventory.txt");

/// The inventory's name of a block.
fn inventoried(block: Block) -> &'static str {
    match block {
        Block::Top => "top",
        Block::Global => "global_defs",
        Block::Instance => "vrrp_instance",
        Block::Authentication => "authentication",
        Block::Hmac => "auth_hmac",
        Block::Address => "address",
        Block::Peer => "peer",
        Block::Track => "tracker",
        Block::Route => "route",
        Block::Rule => "rule",
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

fn rows() -> impl Iterator<Item = (Block, &'static Keyword)> {
    TABLE
        .iter()
        .flat_map(|(block, keywords)| keywords.iter().map(|keyword| (*block, keyword)))
}

#[test]
fn each_word_stands_once_in_its_block() {
    assert_eq!(INDEX.len(), rows().count());
    let blocks: HashSet<_> = TABLE.iter().map(|(block, _)| block).collect();
    assert_eq!(blocks.len(), TABLE.len());
}

#[test]
fn words_are_found_in_their_block_only() {
    assert!(find(Block::Instance, "priority").is_some());
    assert!(find(Block::Top, "priority").is_none());
    assert_eq!(
        blocks_of("priority").collect::<Vec<_>>(),
        [Block::Instance, Block::Route, Block::Rule]
    );
}

#[test]
fn no_word_of_keepalived_is_missing_and_none_is_invented() {
    let mut theirs = BTreeSet::new();
    for line in INVENTORY.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (block, words) = line.split_once(": ").unwrap();
        for word in words.split(' ') {
            assert!(theirs.insert((block, word)), "twice: {block} {word}");
        }
    }
    let ours: BTreeSet<_> = rows()
        .filter(|(block, keyword)| !keyword.own && *block != Block::Check)
        .map(|(block, keyword)| (inventoried(block), keyword.name))
        .collect();
    let missing: Vec<_> = theirs.difference(&ours).collect();
    let invented: Vec<_> = ours.difference(&theirs).collect();
    assert_eq!((missing, invented), (vec![], vec![]));
}

#[test]
fn each_block_can_be_reached() {
    let mut reached = HashSet::from([Block::Top]);
    let mut left = vec![Block::Top];
    while let Some(block) = left.pop() {
        for (_, keyword) in rows().filter(|(of, _)| *of == block) {
            if let Some(inner) = keyword.shape.inner()
                && reached.insert(inner)
            {
                left.push(inner);
            }
        }
    }
    for (block, keywords) in TABLE {
        assert!(reached.contains(block) && !keywords.is_empty(), "{block:?}");
    }
}

#[test]
fn the_grammars_of_routes_and_rules_know_the_same_words() {
    let words = |block: Block| names_in(block).collect::<BTreeSet<_>>();
    assert_eq!(words(Block::Rule), rule::KEYWORDS.into_iter().collect());
    // What is not among the grammar's own words are the metrics, and the weight
    // of a next hop.
    let routes = words(Block::Route);
    let unknown: Vec<_> = route::KEYWORDS
        .into_iter()
        .filter(|word| !routes.contains(word))
        .collect();
    assert_eq!(unknown, [""; 0]);
    assert_eq!(routes.len() - route::KEYWORDS.len(), 14 + 1);
}

/// Two words of one key are two spellings of it; all other keys have one word,
/// and that word has their name.
#[test]
fn each_key_has_its_word() {
    let mut words: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (_, keyword) in rows() {
        if let Status::Does(key) = keyword.status
            && !matches!(
                key,
                Key::Opens | Key::Reading | Key::Part | Key::Static | Key::Reacts
            )
        {
            words
                .entry(format!("{key:?}"))
                .or_default()
                .push(keyword.name);
        }
    }
    let spelled_otherwise = [
        ("Address(Broadcast)", vec!["brd", "broadcast"]),
        ("Address(Device)", vec!["dev"]),
        ("Auth(Password)", vec!["auth_pass"]),
        ("Auth(Type)", vec!["auth_type"]),
        (
            "Instance(SourceAddress)",
            vec!["mcast_src_ip", "unicast_src_ip"],
        ),
        (
            "Instance(GarpExtraIf)",
            vec!["garp_extra_if", "vmac_garp_intvl"],
        ),
        (
            "Global(GarpExtraIf)",
            vec!["vrrp_garp_extra_if", "vrrp_vmac_garp_intvl"],
        ),
    ];
    for (key, spellings) in spelled_otherwise {
        assert_eq!(words.remove(key), Some(spellings), "{key}");
    }
    let plain = |name: &str| {
        name.replace(['_', '-'], "")
            .replace("vrrp", "")
            .replace("v3", "")
            .replace("garpmaster", "garp")
            .replace("garplowerprio", "garplower")
    };
    for (key, words) in words {
        let (_, name) = key.trim_end_matches(')').split_once('(').unwrap();
        let [word] = words[..] else {
            panic!("{key}: {words:?}");
        };
        assert_eq!(plain(word), plain(&name.to_lowercase()), "{key}");
    }
}

#[test]
fn each_line_says_what_it_means() {
    for (_, keyword) in rows() {
        let name = keyword.name;
        for text in [Some(keyword.meaning), reason(keyword), keyword.default]
            .into_iter()
            .flatten()
        {
            assert!(!text.is_empty() && text == text.trim(), "{name}: {text}");
            assert!(
                !text.ends_with('.') && !text.contains('\n'),
                "{name}: {text}"
            );
        }
        if let Some(instead) = keyword.instead {
            assert!(blocks_of(instead).next().is_some(), "{name}: {instead}");
        }
        if keyword.status != Status::LoadBalancer {
            assert_ne!(keyword.shape, Shape::Any, "{name}");
        }
    }
}

fn reason(keyword: &Keyword) -> Option<&'static str> {
    match keyword.status {
        Status::NoEffect(why) | Status::Planned(_, why) | Status::NotSupported(_, why) => Some(why),
        Status::Does(_) | Status::LoadBalancer => None,
    }
}

/// A default that is plainly of the keyword's kind is also within its range.
#[test]
fn each_default_is_one_that_could_be_written() {
    for (_, keyword) in rows() {
        let (name, Some(default)) = (keyword.name, keyword.default) else {
            continue;
        };
        let fits = match (keyword.shape, default.parse::<i64>()) {
            (Shape::Whole(min, max) | Shape::WholeOr(min, max, _), Ok(number)) => {
                (min..=max).contains(&number) || number == 0
            }
            (Shape::Switch | Shape::Flag, Err(_)) => {
                matches!(default, "on" | "off")
                    || blocks_of(default).next().is_some()
                    || default == "as in global_defs"
            }
            _ => true,
        };
        assert!(fits, "{name}: {default}");
    }
}

#[test]
fn what_is_in_a_block_that_is_not_done_is_not_done() {
    let unread: Vec<Block> = TABLE
        .iter()
        .map(|(block, _)| *block)
        .filter(|block| is_unread(*block))
        .collect();
    assert_eq!(unread, [Block::Bfd, Block::TrackGroup,]);
    for (block, keyword) in rows().filter(|(block, _)| is_unread(*block)) {
        let status = keyword.status;
        assert!(
            matches!(status, Status::Planned(..) | Status::NotSupported(..)),
            "{block:?}: {}",
            keyword.name
        );
    }
}

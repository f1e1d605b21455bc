//! What a person has ordered of instances until it is undone: stay out
//! (`vip drain`), come to the front (`vip take`). Kept in the runtime directory,
//! so that an order outlives the daemon, and with the number of the boot, so
//! that it does not outlive the host's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// The file in the runtime directory; there is none where nothing is ordered.
pub const FILE: &str = "orders.json";

/// No list of orders is larger.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The number that changes when the file means something else.
const SCHEMA: u32 = 1;

/// A moment of this boot, counted on while the host sleeps: an order for half an
/// hour has ended after half an hour, whatever the clock on the wall was set to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BootTime(u64);

impl BootTime {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Self(0), |at| {
            let seconds = u64::try_from(at.tv_sec()).unwrap_or(0);
            let nanos = u64::try_from(at.tv_nsec()).unwrap_or(0);
            Self(seconds * 1_000_000_000 + nanos)
        })
    }

    /// Nanoseconds since the boot.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// This much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// How long until then, nothing once it is past.
    #[must_use]
    pub fn since(self, now: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.0))
    }
}

/// What is ordered of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// Stay out of it.
    Drained,
    /// Be MASTER, whoever has what priority.
    Taken,
}

/// One order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Order {
    /// The instance, by the name in the configuration.
    pub instance: String,
    /// What.
    pub what: What,
    /// When it ends by itself.
    pub until: Option<BootTime>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: u32,
    boot: String,
    orders: Vec<Order>,
}

/// The orders that hold, and the file that says so.
#[derive(Debug)]
pub struct Orders {
    path: PathBuf,
    /// The number of this boot; without it nothing can be kept.
    boot: Option<String>,
    /// By the name of the instance.
    orders: BTreeMap<String, Order>,
}

impl Orders {
    /// What a former daemon of this directory has left, if the host has not been
    /// booted since. The second value says what is wrong with the file; its
    /// orders are not known then.
    #[must_use]
    pub fn load(runtime_dir: &Path) -> (Self, Option<String>) {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        Self::load_of(runtime_dir, boot.map(|boot| boot.trim().to_owned()))
    }

    fn load_of(runtime_dir: &Path, boot: Option<String>) -> (Self, Option<String>) {
        let mut orders = Self {
            path: runtime_dir.join(FILE),
            boot,
            orders: BTreeMap::new(),
        };
        let wrong = match read(&orders.path) {
            Ok(None) => None,
            Ok(Some(document)) => {
                if Some(&document.boot) == orders.boot.as_ref() {
                    let named = |order: Order| (order.instance.clone(), order);
                    orders.orders = document.orders.into_iter().map(named).collect();
                } else {
                    // Of another boot: no order is that old.
                    let _ = fs::remove_file(&orders.path);
                }
                None
            }
            Err(why) => Some(format!(
                "{} cannot be read: {why}; what was drained or taken before this start is not any more: order it again",
                orders.path.display()
            )),
        };
        (orders, wrong)
    }

    /// What is ordered of an instance.
    #[must_use]
    pub fn of(&self, instance: &str) -> Option<&Order> {
        self.orders.get(instance)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// Orders the same of each of these instances, instead of what was ordered
    /// of them before.
    ///
    /// # Errors
    /// It holds, but cannot be kept: a restart of the daemon ends it.
    pub fn give(
        &mut self,
        instances: &[String],
        what: What,
        until: Option<BootTime>,
    ) -> io::Result<()> {
        for instance in instances {
            let order = Order {
                instance: instance.clone(),
                what,
                until,
            };
            self.orders.insert(instance.clone(), order);
        }
        self.keep()
    }

    /// Ends what was ordered of these instances.
    ///
    /// # Errors
    /// It has ended, but a restart of the daemon brings it back.
    pub fn end(&mut self, instances: &[String]) -> io::Result<()> {
        let before = self.orders.len();
        for instance in instances {
            self.orders.remove(instance);
        }
        if self.orders.len() == before {
            return Ok(());
        }
        self.keep()
    }

    /// Instances have other names from now on, each old one with its new one.
    ///
    /// # Errors
    /// A restart of the daemon brings the old names back.
    pub fn rename(&mut self, names: &[(String, String)]) -> io::Result<()> {
        let others: Vec<_> = names.iter().filter(|(old, new)| old != new).collect();
        let mut moved = Vec::new();
        for (old, new) in &others {
            let order = self.orders.remove(old);
            moved.extend(order.map(|order| (new.clone(), order)));
        }
        if moved.is_empty() {
            return Ok(());
        }
        for (instance, mut order) in moved {
            order.instance.clone_from(&instance);
            self.orders.insert(instance, order);
        }
        self.keep()
    }

    /// Those whose time has come; to be [ended](Self::end).
    #[must_use]
    pub fn expired(&self, now: BootTime) -> Vec<Order> {
        let over = |order: &&Order| order.until.is_some_and(|until| until <= now);
        self.orders.values().filter(over).cloned().collect()
    }

    /// Writes the file anew, whole or not at all.
    fn keep(&self) -> io::Result<()> {
        if self.orders.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let Some(boot) = &self.boot else {
            return Err(io::Error::other("the kernel does not number its boots"));
        };
        let document = Document {
            schema: SCHEMA,
            boot: boot.clone(),
            orders: self.orders.values().cloned().collect(),
        };
        replace(&self.path, &serde_json::to_vec(&document)?)
    }
}

/// Puts a file in the place of another, so that a reader sees the one or the
/// other and never half of one. Readable for its owner and group.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let written = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o640)
        // Whoever may write in the directory cannot have us write elsewhere.
        .custom_flags(libc::O_NOFOLLOW)
        .open(&beside)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn read(path: &Path) -> Result<Option<Document>, String> {
    let length = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(about) if !about.is_file() => return Err("it is not a regular file".into()),
        Ok(about) => about.len(),
    };
    if length > LARGEST {
        return Err("it is larger than any list of orders".into());
    }
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let document: Document = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if document.schema != SCHEMA {
        return Err(format!("it is of another vip (schema {})", document.schema));
    }
    Ok(Some(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: BootTime = BootTime::from_nanos(1_000_000_000_000);

    fn of_boot(directory: &Path, boot: &str) -> Orders {
        let (orders, wrong) = Orders::load_of(directory, Some(boot.into()));
        assert_eq!(wrong, None);
        orders
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_order_outlives_the_daemon_and_not_the_boot() {
        let directory = tempfile::tempdir().unwrap();
        let mut orders = of_boot(directory.path(), "one");
        let until = Some(NOW.after(Duration::from_secs(60)));
        orders
            .give(&names(&["VI_1", "VI_2"]), What::Drained, until)
            .unwrap();
        let again = of_boot(directory.path(), "one");
        assert_eq!(
            again.of("VI_2"),
            Some(&Order {
                instance: "VI_2".into(),
                what: What::Drained,
                until
            })
        );
        assert_eq!(of_boot(directory.path(), "two").iter().count(), 0);
        assert!(!directory.path().join(FILE).exists());
    }

    #[test]
    fn where_nothing_is_ordered_there_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut orders = of_boot(directory.path(), "one");
        orders.give(&names(&["VI_1"]), What::Taken, None).unwrap();
        assert!(directory.path().join(FILE).exists());
        orders.end(&names(&["VI_1"])).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        orders.end(&names(&["VI_1"])).unwrap();
    }

    #[test]
    fn the_last_order_of_an_instance_is_the_one_that_holds() {
        let directory = tempfile::tempdir().unwrap();
        let mut orders = of_boot(directory.path(), "one");
        orders.give(&names(&["VI_1"]), What::Taken, None).unwrap();
        orders.give(&names(&["VI_1"]), What::Drained, None).unwrap();
        assert_eq!(orders.iter().count(), 1);
        assert_eq!(
            orders.of("VI_1").map(|order| order.what),
            Some(What::Drained)
        );
    }

    #[test]
    fn an_order_follows_the_names() {
        let directory = tempfile::tempdir().unwrap();
        let mut orders = of_boot(directory.path(), "one");
        orders
            .give(&names(&["A", "B"]), What::Drained, None)
            .unwrap();
        let pair = |old: &str, new: &str| (old.to_owned(), new.to_owned());
        orders.rename(&[pair("A", "B"), pair("B", "C")]).unwrap();
        let again = of_boot(directory.path(), "one");
        let known: Vec<_> = again.iter().map(|order| &*order.instance).collect();
        assert_eq!(known, ["B", "C"]);
    }

    #[test]
    fn an_order_with_an_end_ends_and_one_without_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut orders = of_boot(directory.path(), "one");
        let until = NOW.after(Duration::from_secs(60));
        orders
            .give(&names(&["VI_1"]), What::Drained, Some(until))
            .unwrap();
        orders.give(&names(&["VI_2"]), What::Drained, None).unwrap();
        assert_eq!(orders.expired(NOW), []);
        assert_eq!(until.since(NOW), Duration::from_secs(60));
        let over = orders.expired(until);
        assert_eq!(over.len(), 1);
        assert_eq!(over[0].instance, "VI_1");
    }

    #[test]
    fn a_file_that_is_no_list_of_orders_is_said_and_orders_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        for text in [
            "",
            "[]",
            "{\"schema\":2,\"boot\":\"one\",\"orders\":[]}",
            "{\"schema\":1,\"boot\":\"one\",\"orders\":[{\"instance\":1}]}",
        ] {
            fs::write(&file, text).unwrap();
            let (orders, wrong) = Orders::load_of(directory.path(), Some("one".into()));
            assert_eq!(orders.iter().count(), 0, "{text}");
            assert!(wrong.is_some_and(|why| why.contains(FILE)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_kept_holds_all_the_same_and_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let (mut orders, _) = Orders::load_of(&directory.path().join("absent"), None);
        let kept = orders.give(&names(&["VI_1"]), What::Drained, None);
        assert!(kept.is_err());
        assert!(orders.of("VI_1").is_some());
    }
}

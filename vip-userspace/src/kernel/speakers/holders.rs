//! Raw protocol-112 sockets of other programs.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::process;

use socket2::SockRef;

use crate::kernel::group::PROTOCOL;
use crate::kernel::sys;

/// A program that holds a raw VRRP socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// The socket's inode, unique on this host.
    pub inode: u64,
    /// The process, where it can be seen from here.
    pub pid: Option<u32>,
    /// Its command name; empty where it cannot be seen.
    pub command: String,
    /// What the socket is bound to.
    pub bound: Bound,
}

/// What a holder's socket is bound to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bound {
    /// The interface that was asked about.
    Here,
    /// It cannot be told: looking into another process needs CAP_SYS_PTRACE.
    Unknown,
}

/// Raw protocol-112 sockets that programs other than this one hold, in the
/// calling thread's network namespace, bound to this interface or, where that
/// cannot be told, perhaps bound to it. Sockets bound to no interface are
/// left out: that is how a vip holds the protocol (and no daemon that speaks
/// on a given interface does).
///
/// Looks through every process that it may look into; for a start, not for a
/// loop.
///
/// # Errors
///
/// When the kernel does not list the raw sockets.
pub fn foreign_holders(ifindex: u32) -> io::Result<Vec<Holder>> {
    // The kernel's list has neither interface nor process, and the socket
    // diagnosis that has both is left out of many kernels.
    let mut inodes: Vec<u64> = listed()?.into_iter().map(|one| one.inode).collect();
    let mut holders = Vec::new();
    for (pid, descriptor, inode) in open_sockets(&inodes) {
        inodes.retain(|known| *known != inode);
        let bound = match bound_to(pid, descriptor) {
            Ok(index) if index == ifindex => Bound::Here,
            Ok(_) => continue,
            Err(_) => Bound::Unknown,
        };
        if pid != process::id() {
            holders.push(Holder {
                inode,
                pid: Some(pid),
                command: command(pid),
                bound,
            });
        }
    }
    holders.extend(inodes.into_iter().map(|inode| Holder {
        inode,
        pid: None,
        command: String::new(),
        bound: Bound::Unknown,
    }));
    Ok(holders)
}

/// The same sockets of programs other than this one and other than a vip, bound to no
/// interface: how a daemon may hold them that speaks to its peers one by one.
///
/// # Errors
///
/// As [`foreign_holders`].
pub fn unbound_holders() -> io::Result<Vec<Holder>> {
    let holders = foreign_holders(0)?.into_iter();
    Ok(holders.filter(|one| one.command != "vip").collect())
}

/// A raw protocol-112 socket in the kernel's list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its inode.
    pub inode: u64,
    /// Whether it is of IPv6.
    pub is_v6: bool,
    /// How many packets it had no room for.
    pub drops: u64,
}

/// The raw protocol-112 sockets of the calling thread's network namespace, our own too.
///
/// # Errors
///
/// When the kernel does not list the raw sockets.
pub fn listed() -> io::Result<Vec<Listed>> {
    let four = fs::read_to_string("/proc/thread-self/net/raw")?;
    // A kernel without IPv6 has no such list, and nobody speaks by it.
    let six = fs::read_to_string("/proc/thread-self/net/raw6").unwrap_or_default();
    let mut all = raw_sockets(&four, false);
    all.extend(raw_sockets(&six, true));
    Ok(all)
}

/// The protocol-112 sockets in `/proc/net/raw` or `raw6`.
fn raw_sockets(table: &str, is_v6: bool) -> Vec<Listed> {
    let wanted = format!(":{PROTOCOL:04X}");
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            // The protocol stands where a port would.
            words.nth(1).filter(|local| local.ends_with(&wanted))?;
            let inode = words.nth(7)?.parse().ok()?;
            let drops = words.nth(2)?.parse().ok()?;
            Some(Listed {
                inode,
                is_v6,
                drops,
            })
        })
        .collect()
}

/// Which process has which of these sockets open, one descriptor for each.
fn open_sockets(inodes: &[u64]) -> Vec<(u32, u32, u64)> {
    let mut found: Vec<(u32, u32, u64)> = Vec::new();
    if inodes.is_empty() {
        return found;
    }
    for pid in numbers("/proc") {
        for descriptor in numbers(&format!("/proc/{pid}/fd")) {
            let Ok(target) = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")) else {
                continue;
            };
            if let Some(inode) = socket_inode(target.as_os_str())
                && inodes.contains(&inode)
                && !found.iter().any(|(_, _, known)| *known == inode)
            {
                found.push((pid, descriptor, inode));
            }
        }
    }
    found
}

/// The entries of a directory that are numbers; none if it cannot be read.
fn numbers(directory: &str) -> impl Iterator<Item = u32> {
    fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn socket_inode(target: &OsStr) -> Option<u64> {
    let inside = target
        .as_bytes()
        .strip_prefix(b"socket:[")?
        .strip_suffix(b"]")?;
    std::str::from_utf8(inside).ok()?.parse().ok()
}

/// The index of the interface that a process's socket is bound to, 0 for none.
fn bound_to(pid: u32, descriptor: u32) -> io::Result<u32> {
    let copy = sys::descriptor_of(pid, descriptor)?;
    match SockRef::from(&copy.as_fd()).device()? {
        Some(name) => Ok(nix::net::if_::if_nametoindex(name.as_slice())?),
        None => Ok(0),
    }
}

fn command(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm"))
        .map(|name| name.trim_end().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_112_is_found_among_other_raw_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n   \
                     1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11 2 0000000000000000 0\n \
                     112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17\n";
        let found = Listed {
            inode: 4711,
            is_v6: false,
            drops: 17,
        };
        assert_eq!(raw_sockets(table, false), [found]);
    }

    #[test]
    fn only_sockets_have_a_sockets_inode() {
        assert_eq!(socket_inode(OsStr::new("socket:[4711]")), Some(4711));
        assert_eq!(socket_inode(OsStr::new("pipe:[4711]")), None);
        assert_eq!(socket_inode(OsStr::new("socket:[]")), None);
    }
}

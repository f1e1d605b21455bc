//! A kernel that is asked for everything and does nothing (`vip run --shadow`).

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;

use nix::net::if_::if_nametoindex;
use vip_common::ids::Family;

use super::{
    Assignment, Failure, InstallError, Installed, Kernel, Placed, RefuseError, RemoveError,
    VmacError,
};
use crate::config::estate::{Route, Rule, Vmac};

/// Says "done" to whatever it is asked, without doing it: what stands on this host is
/// another program's.
#[derive(Clone, Copy, Default, Debug)]
pub struct Untouched;

impl Kernel for Untouched {
    fn install(&mut self, _: &[Assignment]) -> Result<Installed, InstallError> {
        Ok(Installed::default())
    }

    fn settle(&mut self) -> Option<String> {
        None
    }

    fn remove(&mut self, _: &[Assignment]) -> Result<(), RemoveError> {
        Ok(())
    }

    fn install_routes(&mut self, _: &[Route]) -> Placed {
        Placed::default()
    }

    fn remove_routes(&mut self, _: &[Route]) -> Vec<Failure> {
        Vec::new()
    }

    fn install_rules(&mut self, _: &[Rule]) -> Placed {
        Placed::default()
    }

    fn remove_rules(&mut self, _: &[Rule]) -> Vec<Failure> {
        Vec::new()
    }

    /// The one that the other program has made.
    fn ensure_vmac(&mut self, _: u32, vmac: &Vmac, _: &[Family]) -> Result<u32, VmacError> {
        if_nametoindex(&*vmac.name).map_err(|_| VmacError::NotMade {
            name: vmac.name.clone(),
        })
    }

    fn vmacs_stand(&mut self, expected: &[(u32, u32, &Vmac)]) -> io::Result<Vec<bool>> {
        let stands = |(index, _, vmac): &(u32, u32, &Vmac)| {
            if_nametoindex(&*vmac.name).is_ok_and(|there| there == *index)
        };
        Ok(expected.iter().map(stands).collect())
    }

    fn free_mac(&mut self, _: &str) {}

    fn remove_vmac(&mut self, _: &str) {}

    fn hush_vmac(&mut self, _: &str) {}

    fn wake_vmac(&mut self, _: &str, _: &[Family]) {}

    fn promote_secondaries(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn stop_promoting(&mut self, _: &str) {}

    fn refuse_packets(&mut self, _: &BTreeSet<IpAddr>) -> Result<(), RefuseError> {
        Ok(())
    }
}

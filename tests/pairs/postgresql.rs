//! The PostgreSQL pair: nothing acknowledged is lost, and two never acknowledge.

use vip_tests::Tested;
use vip_tests::peer::Make;
use vip_tests::recipes::cluster::{Cluster, Fault};
use vip_tests::recipes::postgresql::round;
use vip_tests::scene::vip_program;

#[test]
fn the_address_and_the_primary_move_together() -> Tested {
    let mut cluster = Cluster::start(vip_program(), Make::Vip)?;
    let faults = [
        Fault::PostgresKilled,
        Fault::HostCutAlone,
        Fault::VipKilled,
        Fault::LinkDead,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let round = round(&mut cluster, number, fault)?;
        println!("{round}");
        assert!(round.is_good(), "{round}\n{}", cluster.last_words());
    }
    Ok(())
}

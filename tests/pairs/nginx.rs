//! The nginx pair: whatever is wrong with the service, clients are served by the other
//! node, and a reload moves nothing.

use vip_tests::Tested;
use vip_tests::recipes::nginx::{Trouble, Web};
use vip_tests::scene::vip_program;

#[test]
fn a_service_that_fails_moves_the_address_and_a_reload_does_not() -> Tested {
    let mut web = Web::start(&vip_program())?;
    for trouble in Trouble::ALL {
        let without = web.go_through(trouble)?;
        println!("{}: {without:?}", trouble.name());
    }
    let (missed, asked) = web.reload(5)?;
    assert_eq!(missed, 0, "of {asked}");
    Ok(())
}

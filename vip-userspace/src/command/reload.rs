//! `vip reload`: a new configuration for a running daemon.

use super::order;
use crate::cli::ReloadArgs;
use crate::error::{Exit, Failure};
use crate::services::protocol::Question;

/// Has the daemon read its configuration again and prints what that does.
///
/// # Errors
/// Exit code 4 where the file is bad and 3 where a running daemon cannot take it:
/// nothing was changed then. 6 where no daemon answers.
pub fn run(arguments: &ReloadArgs) -> Result<Exit, Failure> {
    let question = Question::Reload {
        dry_run: arguments.dry_run,
    };
    order::give(&arguments.daemon.runtime_dir, &question).map(|_| Exit::Done)
}

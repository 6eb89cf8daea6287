//! How many files this process may have open.

use std::{fs, io};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// There is no room for the files that must be open.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "{needed} more file descriptors are needed, {open} are open, and this process may have {limit} \
     (RLIMIT_NOFILE): raise LimitNOFILE= in the unit of nginx, or worker_rlimit_nofile in \
     nginx.conf"
)]
struct TooFewDescriptors {
    needed: u64,
    open: u64,
    limit: u64,
}

/// Makes room for more open files.
///
/// The soft limit grows by as many, as far as the hard limit allows: the rest of the process keeps
/// what it had.
///
/// # Errors
///
/// [`TooFewDescriptors`] when even the hard limit leaves no room, or what the system says.
pub fn make_room_for(needed: u64) -> io::Result<()> {
    // The directory itself is open while it is read.
    let open = fs::read_dir("/proc/self/fd")?.count().saturating_sub(1) as u64;
    let limits = getrlimit(Resource::Nofile);
    let soft = new_soft_limit(needed, open, &limits).map_err(io::Error::other)?;
    if soft != limits.current {
        setrlimit(Resource::Nofile, Rlimit { current: soft, ..limits })?;
    }
    Ok(())
}

/// Returns the soft limit to set; `None` is no limit at all.
fn new_soft_limit(
    needed: u64,
    open: u64,
    limits: &Rlimit,
) -> Result<Option<u64>, TooFewDescriptors> {
    let hard = limits.maximum.unwrap_or(u64::MAX);
    if open + needed > hard {
        return Err(TooFewDescriptors { needed, open, limit: hard });
    }
    Ok(limits.current.map(|soft| soft.saturating_add(needed).min(hard)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_grows_by_what_is_needed_and_not_past_the_hard_one() {
        let limits = |maximum| Rlimit { current: Some(1024), maximum };

        assert_eq!(new_soft_limit(2024, 30, &limits(None)), Ok(Some(3048)));
        assert_eq!(new_soft_limit(2024, 30, &limits(Some(2500))), Ok(Some(2500)));
        assert_eq!(new_soft_limit(26, 30, &limits(Some(1024))), Ok(Some(1024)));
        let unlimited = Rlimit { current: None, maximum: None };
        assert_eq!(new_soft_limit(2024, 30, &unlimited), Ok(None));
    }

    #[test]
    fn where_there_is_no_room_the_message_says_what_is_needed_and_what_to_do() {
        let limits = Rlimit { current: Some(256), maximum: Some(256) };

        let error = new_soft_limit(2024, 30, &limits).unwrap_err().to_string();

        for part in ["2024 more", "30 are open", "256", "LimitNOFILE=", "worker_rlimit_nofile"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_process_has_room_for_one_more_file() {
        assert!(make_room_for(1).is_ok());
    }
}

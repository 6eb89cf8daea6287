//! Places where a test makes the engine fail. A build without the feature `failpoints` has none.

/// Fails here if a test wants it.
///
/// The variable `RESTY_VRRP_FAILPOINTS` names a directory. A file in it with the name of a point
/// says what happens there: `panic`; `return(why)`, an error; `sleep(500)`, milliseconds; or
/// `abort`, the end of the process. It is read every time, so a test can make a running engine
/// fail, and recover.
#[cfg(feature = "failpoints")]
#[expect(clippy::disallowed_methods, reason = "an engine that a test makes fail may sleep")]
pub(super) fn failpoint(point: &str) -> Result<(), String> {
    let Some(directory) = std::env::var_os("RESTY_VRRP_FAILPOINTS") else { return Ok(()) };
    let file = std::path::Path::new(&directory).join(point);
    let Ok(action) = std::fs::read_to_string(file) else { return Ok(()) };
    let (verb, argument) = action.trim_end_matches(')').split_once('(').unwrap_or((&action, ""));
    match (verb, argument.parse()) {
        ("return", _) => Err(argument.to_owned()),
        ("sleep", Ok(millis)) => {
            std::thread::sleep(std::time::Duration::from_millis(millis));
            Ok(())
        }
        ("abort", _) => std::process::abort(),
        _ => panic!("failpoint {point} {action}"),
    }
}

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it fails")]
pub(super) const fn failpoint(_point: &str) -> Result<(), String> {
    Ok(())
}

//! Places where a test makes the engine fail. A build without the feature `failpoints` has none.

/// Fails here if a test wants it.
///
/// The variable `RESTY_VRRP_FAILPOINTS` names a directory. A file in it with the name of a point
/// says what happens there, in the language of [`fail`]: `panic`, `return(why)`, `sleep(500)`; and
/// `return(abort)` ends the process on the spot. It is read every time, so a test can break what
/// runs, and mend it.
#[cfg(feature = "failpoints")]
pub(super) fn failpoint(point: &str) -> Result<(), String> {
    let Some(directory) = std::env::var_os("RESTY_VRRP_FAILPOINTS") else { return Ok(()) };
    let actions = std::fs::read_to_string(std::path::Path::new(&directory).join(point));
    fail::cfg(point, actions.as_deref().unwrap_or("off"))?;
    fail::fail_point!(point, |why| match why.as_deref() {
        Some("abort") => std::process::abort(),
        why => Err(why.unwrap_or_default().to_owned()),
    });
    Ok(())
}

/// Does nothing.
#[cfg(not(feature = "failpoints"))]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it fails")]
pub(super) const fn failpoint(_point: &str) -> Result<(), String> {
    Ok(())
}

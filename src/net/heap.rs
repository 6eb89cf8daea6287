//! Memory that the allocator keeps although nothing uses it.

/// Gives the pages of freed memory back to the kernel, as far as the C library can.
///
/// A configuration of 1,000 routers leaves 1 MB of them, once it has been read.
pub fn return_free_pages() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes the locks of the allocator itself, and changes no memory in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

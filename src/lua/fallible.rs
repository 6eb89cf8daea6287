//! The library that tests make fail, under a name of its own: see `t/harness/src/failpoints.rs`.

#[path = "lib.rs"]
mod library;

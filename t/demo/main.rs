//! Shows a pair of nginx that takes over from each other.

fn main() {}

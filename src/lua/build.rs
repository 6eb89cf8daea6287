//! Links the library so that it is never unmapped.

fn main() {
    // LuaJIT unmaps every library it loaded when nginx closes a Lua VM; a thread of ours that is
    // still leaving then would run into unmapped code and take the process down.
    println!("cargo:rustc-link-arg=-Wl,-z,nodelete");
    println!("cargo:rerun-if-changed=build.rs");
}

-- In a checkout, with Rust: luarocks --lua-version 5.1 make nginx-conf/packages/resty-vrrp-0.1.0-1.rockspec
-- It calls `make build` and `make install`, which put the guard beside the library, too.
rockspec_format = "3.0"
package = "resty-vrrp"
version = "0.1.0-1"
source = {
    -- `luarocks make` builds the checkout where it is called, and fetches nothing.
    url = "git+file:///usr/src/resty-vrrp",
}
description = {
    summary = "VRRP router inside nginx",
    detailed = [[
        Two or more servers with OpenResty, or with nginx and its Lua module, share virtual IP
        addresses. A thread inside nginx elects the active server, takes the addresses over and
        announces them.
    ]],
    license = "MIT OR Apache-2.0",
}
dependencies = { "lua == 5.1" }
supported_platforms = { "linux" }
build = {
    type = "make",
    build_target = "build",
    install_target = "install",
    install_variables = {
        LUA_LIB_DIR = "$(LUADIR)",
        LUA_CLIB_DIR = "$(LIBDIR)",
        SBIN_DIR = "$(BINDIR)",
        PREFIX = "$(PREFIX)",
    },
}

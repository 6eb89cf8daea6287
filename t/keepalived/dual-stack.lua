-- note: dual-stack.conf:17:26: preferred_lft: an IPv6 address is never chosen as a source
-- note: dual-stack.conf:24:5: native_ipv6: the first address says which family the election has
-- dual-stack.conf:26:25: garp_*: announce counts for the whole node; it has what announces most often
-- dual-stack.conf:28:19: authentication: left out: version 3 has none, and keepalived ignores it
-- note: dual-stack.conf:33:29: -nodad: duplicate address detection is never waited for
-- dual-stack.conf:34:9: 192.168.56.190: keepalived ignores an address of the other family here: addresses_excluded can have it
require("resty.vrrp").setup {
    instances = {
        {
            name = "V4",
            interface = "eth0",
            vrid = 4,
            priority = 150,
            version = 3,
            addresses = { "192.168.56.180/24" },
            addresses_excluded = { "2001:db8:56::180/64", "2001:db8:56::181/128" },
        },
        {
            name = "V6",
            interface = "eth0",
            vrid = 6,
            priority = 150,
            version = 3,
            addresses = { "fe80::56:6/128", "2001:db8:56::190/64" },
        },
    },
    announce = { refresh_ms = 30000 },
}

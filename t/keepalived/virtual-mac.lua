-- note: virtual-mac.conf:2:5: vmac_prefix: virtual_mac can be the name itself
-- note: virtual-mac.conf:3:5: vrrp_iptables: the engine has rules of its own while addresses move
-- note: virtual-mac.conf:4:5: vrrp_ipsets: the engine has rules of its own while addresses move
-- note: virtual-mac.conf:8:5 (and once more): state: nothing to set: the election decides
-- note: virtual-mac.conf:16:9: track_interface: the interface of an instance is always watched: a fault when it is down
-- virtual-mac.conf:22:5: notify_master: becomes a Lua function: on_state(fn) is called once for each change of state, in order
require("resty.vrrp").setup {
    instances = {
        {
            name = "MAIN",
            interface = "bond0",
            vrid = 2,
            priority = 100,
            version = 2,
            advert_interval_ms = 1000,
            virtual_mac = "vrrp.2",
            advert_mac = "interface",
            track = { { interface = "lo" } },
            addresses = { "192.168.56.200/24" },
        },
        {
            name = "MAIN_V6",
            interface = "bond0",
            vrid = 2,
            priority = 100,
            version = 3,
            virtual_mac = true,
            addresses = { "fe80::2/64", "2001:db8:56::200/64" },
        },
    },
}

-- note: many-addresses.conf:4:5: promote_secondaries: always so
-- note: many-addresses.conf:5:5: skip_check_adv_addr: always so: a peer that advertises other addresses is counted and reported, but not dropped
-- note: many-addresses.conf:7:29 (and once more): brd: always so
-- many-addresses.conf:9:31: scope: no counterpart: addresses are global; src of a route says from which one this host speaks
-- note: many-addresses.conf:10:22: no_track: an address that something else removes is always put back
-- many-addresses.conf:11:29: brd: /32 has no broadcast address
-- many-addresses.conf:11:31: noprefixroute: no counterpart: of a /32 or /128, the kernel makes no route
-- note: many-addresses.conf:12:29 (and 2 times more): dev: while that interface is down or missing, the instance is in fault
-- many-addresses.conf:19:5: virtual_rules: no counterpart: make it part of the network configuration, or change it in on_state(fn)
require("resty.vrrp").setup {
    instances = {
        {
            name = "LISTS",
            interface = "eth0",
            vrid = 99,
            version = 2,
            addresses = {
                { address = "192.168.60.1/24", label = "eth0:1" },
                "192.168.60.2/24",
                { address = "192.168.60.3/24", broadcast = "-" },
                "192.168.60.4/32",
                "192.168.60.5/32",
                { address = "192.168.61.1/23", interface = "eth1" },
            },
            addresses_excluded = {
                { address = "192.168.62.1/24", interface = "vlan62" },
                { address = "192.168.63.1/24", interface = "vlan63", label = "vlan63:gw" },
                "192.168.64.1/24",
            },
        },
    },
}

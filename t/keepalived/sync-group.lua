-- sync-group.conf:9:5: notify_master: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- sync-group.conf:10:5: notify_backup: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- sync-group.conf:11:5: notify_fault: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- sync-group.conf:12:5: smtp_alert: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- sync-group.conf:15:1: static_routes: belongs into the network configuration of the host
-- sync-group.conf:25:9: eth3: keepalived ignores weights in a sync group
-- note: sync-group.conf:29:31 (and once more): brd: always so
-- sync-group.conf:31:5: virtual_routes: no counterpart: make it part of the network configuration, or change it in on_state(fn)
require("resty.vrrp").setup {
    instances = {
        {
            name = "WAN",
            interface = "eth0",
            vrid = 1,
            priority = 150,
            version = 2,
            advert_interval_ms = 1000,
            track = {
                { interface = "eth4" },
                { interface = "eth2" },
            },
            addresses = { "192.168.56.170/28" },
        },
        {
            name = "LAN",
            interface = "eth1",
            vrid = 2,
            priority = 150,
            version = 2,
            advert_interval_ms = 1000,
            track = { { interface = "eth2" } },
            addresses = { "192.168.57.1/24" },
        },
    },
    sync_groups = {
        {
            name = "GATEWAY",
            members = { "WAN", "LAN" },
        },
    },
}

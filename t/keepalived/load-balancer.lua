-- note: load-balancer.conf:2:5: enable_script_security: no script is run
-- note: load-balancer.conf:3:5: script_user: no script is run
-- load-balancer.conf:6:1: vrrp_script check_script (/var/lib/balancer/check_script.sh): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("check_script", function() … end, { interval_ms = 5000, fall = 2, rise = 2 })
-- note: load-balancer.conf:20:3: garp_master_refresh_repeat: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- note: load-balancer.conf:28:3: min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
-- load-balancer.conf:41:3: virtual_routes: no counterpart: make it part of the network configuration, or change it in on_state(fn)
-- load-balancer.conf:46:3: virtual_rules: no counterpart: make it part of the network configuration, or change it in on_state(fn)
require("resty.vrrp").setup {
    instances = {
        {
            name = "4f2b6a0e1c",
            interface = "eth1",
            vrid = 1,
            priority = 100,
            version = 2,
            advert_interval_ms = 1000,
            preempt = false,
            auth = { type = "simple", secret = "1b2c3d4" },
            accept = true,
            source = "192.168.56.101",
            peers = { "192.168.56.102" },
            min_hop_limit = 1,
            addresses = { "192.168.56.100/32" },
            addresses_excluded = { "2001:db8::100/128", "192.168.57.100/32" },
        },
    },
    announce = { refresh_ms = 5000 },
}

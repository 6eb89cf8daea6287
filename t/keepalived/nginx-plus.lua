-- nginx-plus.conf:5:1: vrrp_script chk_manual_failover (/usr/libexec/keepalived/nginx-ha-manual-failover): POST /ha/drain gives the addresses away; or a check(name, fn) looks at what this looks at
-- note: nginx-plus.conf:11:1: vrrp_script chk_nginx_service (/usr/libexec/keepalived/nginx-ha-check): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: nginx-plus.conf:19:32: priority 101 + 100 = 201: keepalived adds positive weights while all is well; here weights are taken off while something fails
-- note: nginx-plus.conf:24:5: garp_master_refresh_repeat: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- note: nginx-plus.conf:27:5: min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
-- nginx-plus.conf:40:5: notify: becomes a Lua function: on_state(fn) is called once for each change of state, in order
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 51,
            priority = 201,
            version = 3,
            advert_interval_ms = 1000,
            accept = true,
            source = "192.168.56.101",
            peers = { "192.168.56.102" },
            min_hop_limit = 1,
            addresses = { "192.168.56.130/32" },
        },
    },
    announce = { refresh_ms = 5000 },
}

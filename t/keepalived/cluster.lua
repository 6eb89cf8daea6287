-- note: cluster.conf:2:5: max_auto_priority: concerns the processes of keepalived alone
-- cluster.conf:6:1: vrrp_script chk_api (/usr/bin/timeout 1.9 /etc/keepalived/chk_api.sh): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_api", function() … end, { interval_ms = 2000, fall = 2, rise = 3, weight = -20 })
-- cluster.conf:14:1: vrrp_script chk_ingress (/usr/bin/timeout 4.9 /etc/keepalived/chk_ingress.sh): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_ingress", function() … end, { interval_ms = 5000, weight = -50 })
-- note: cluster.conf:21:5 (and once more): state: nothing to set: the election decides
-- note: cluster.conf:24:14: priority 40 + 20 = 60: keepalived adds positive weights while all is well; here weights are taken off while something fails
-- note: cluster.conf:27:5 (and once more): min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
-- cluster.conf:33:19: auth_pass: keepalived sends its first 8 octets, and so does this
-- cluster.conf:36:31: label vip: left out: it has to be br-ex, or br-ex: and something behind it, in 15 bytes
-- note: cluster.conf:47:14: priority 20 + 50 = 70: keepalived adds positive weights while all is well; here weights are taken off while something fails
require("resty.vrrp").setup {
    instances = {
        {
            name = "cluster_API_0",
            interface = "br-ex",
            vrid = 12,
            priority = 60,
            version = 2,
            advert_interval_ms = 1000,
            auth = { type = "simple", secret = "cluster_" },
            source = "192.168.56.101",
            peers = { "192.168.56.102", "192.168.56.103" },
            min_hop_limit = 1,
            addresses = { "192.168.56.5/32" },
        },
        {
            name = "cluster_INGRESS_0",
            interface = "br-ex",
            vrid = 95,
            priority = 70,
            version = 3,
            advert_interval_ms = 1000,
            source = "2001:db8::101",
            peers = { "2001:db8::102" },
            min_hop_limit = 1,
            addresses = { "2001:db8::5/128" },
        },
    },
    announce = { refresh_ms = 60000 },
}

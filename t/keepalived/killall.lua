-- note: killall.conf:1:1: vrrp_script chk_web (/usr/bin/killall -0 nginx): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: killall.conf:5:3: user: no script is run
-- note: killall.conf:11:13: priority 101 + 4 = 105: keepalived adds positive weights while all is well; here weights are taken off while something fails
-- note: killall.conf:12:3: state: nothing to set: the election decides
-- note: killall.conf:14:3: garp_master_delay: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- note: killall.conf:19:27: dev: while that interface is down or missing, the instance is in fault
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_WEB",
            interface = "bond0",
            vrid = 81,
            priority = 105,
            version = 2,
            auth = { type = "simple", secret = "s3cr3t" },
            addresses = {
                { address = "192.168.56.120/32", label = "bond0:1" },
                { address = "192.168.56.121/24", interface = "bond0.20", label = "bond0.20:web" },
            },
        },
    },
    announce = { count = 3 },
}

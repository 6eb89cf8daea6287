-- note: crossed.conf:2:1 (and once more): vrrp_script chk_nginx (pidof nginx): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: crossed.conf:10:9 (and once more): state: nothing to set: the election decides
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_EVEN",
            interface = "eth0",
            vrid = 10,
            priority = 200,
            version = 2,
            advert_interval_ms = 1000,
            addresses = { "192.168.56.160/24" },
        },
        {
            name = "VI_ODD",
            interface = "eth0",
            vrid = 11,
            priority = 100,
            version = 2,
            advert_interval_ms = 1000,
            addresses = { "192.168.56.161/24" },
        },
    },
}

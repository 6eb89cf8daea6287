-- note: owner.conf:4:2 (and once more): state: nothing to set: the election decides
-- owner.conf:8:2: nopreempt: left out: keepalived ignores it with state MASTER; if it is meant, write preempt = false
require("resty.vrrp").setup {
    instances = {
        {
            name = "OWNER",
            interface = "eth0",
            vrid = 77,
            priority = 255,
            version = 2,
            addresses = { "192.168.56.101/24" },
        },
        {
            name = "GUEST",
            interface = "eth0",
            vrid = 78,
            version = 2,
            addresses = { "192.168.56.102/24" },
        },
    },
}

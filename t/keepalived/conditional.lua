-- note: conditional.conf:23:5: check_unicast_src: always so: only the peers are heard, and multicast is never used
require("resty.vrrp").setup {
    router_id = "first",
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 42,
            priority = 150,
            version = 2,
            source = "192.168.56.101",
            peers = { "192.168.56.102", "192.168.56.103" },
            min_hop_limit = 254,
            addresses = { "192.168.56.210/24" },
        },
    },
}

-- include.conf:3:1: include: no file is named include.d/local/*.conf; keepalived goes on, too
require("resty.vrrp").setup {
    router_id = "included",
    instances = {
        {
            name = "FIRST",
            interface = "eth0",
            vrid = 1,
            version = 3,
            addresses = { "192.168.56.220/24" },
        },
        {
            name = "SECOND",
            interface = "eth0",
            vrid = 2,
            version = 3,
            addresses = { "192.168.56.221/24" },
        },
    },
}

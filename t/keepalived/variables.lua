-- variables.conf:12:23 (and once more): auth_pass: keepalived sends its first 8 octets, and so does this
-- variables.conf:30:1: vrrp_script chk_10 (check.sh eth0.10): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_10", function() … end, { interval_ms = 3000 })
-- variables.conf:35:1: vrrp_script chk_20 (check.sh eth0.20): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_20", function() … end, { interval_ms = 3000 })
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_10",
            interface = "eth0.10",
            vrid = 10,
            priority = 120,
            version = 2,
            advert_interval_ms = 1000,
            auth = { type = "simple", secret = "two word" },
            addresses = { "192.168.56.254/24" },
        },
        {
            name = "VI_20",
            interface = "eth0.20",
            vrid = 20,
            priority = 120,
            version = 2,
            advert_interval_ms = 1000,
            auth = { type = "simple", secret = "two word" },
            addresses = { "192.168.57.254/24" },
        },
    },
}

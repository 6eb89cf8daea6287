-- note: other-programs.conf:3:5: script_user: no script is run
-- note: other-programs.conf:4:5: enable_script_security: no script is run
-- other-programs.conf:6:1: vrrp_script check_apiserver (curl -sfk --max-time 2 https://localhost:6443/healthz): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("check_apiserver", function() … end, { interval_ms = 3000, timeout_ms = 9000, fall = 10, rise = 2, weight = -60 })
-- other-programs.conf:14:1: vrrp_script chk_haproxy (killall -0 haproxy): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_haproxy", function() … end, { interval_ms = 2000, weight = -20 })
-- note: other-programs.conf:19:1: vrrp_script chk_gateway (ping -c1 -W1 192.168.56.1): becomes health.reach: the engine itself asks
-- note: other-programs.conf:24:5: init_fail: the instances wait for the first answer of a check
-- other-programs.conf:26:1: track_file force_down (/run/keepalived.down): POST /ha/drain gives the addresses away; or a check(name, fn) looks at what this looks at
-- note: other-programs.conf:29:5: init_file: no file is read or written
-- note: other-programs.conf:32:5: state: nothing to set: the election decides
-- note: other-programs.conf:35:14: priority 101 + 20 = 121: keepalived adds positive weights while all is well; here weights are taken off while something fails
require("resty.vrrp").setup {
    router_id = "LVS_DEVEL",
    instances = {
        {
            name = "haproxy-vip",
            interface = "ens192",
            vrid = 60,
            priority = 121,
            version = 2,
            advert_interval_ms = 3000,
            auth = { type = "simple", secret = "42" },
            addresses = { "192.168.56.249/32" },
        },
    },
    health = {
        reach = {
            {
                name = "chk_gateway",
                address = "192.168.56.1",
                interval_ms = 2000,
                fall = 2,
                rise = 2,
            },
        },
    },
}

-- note: probe.conf:1:1: vrrp_script chk_http (/usr/bin/curl -fsS --max-time 1 -o /dev/null http://127.0.0.…): becomes health.probe: while nginx does not answer, the node resigns, without a weight
-- probe.conf:9:1: vrrp_script chk_again (wget -q -O /dev/null http://localhost/ping): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("chk_again", function() … end, { interval_ms = 5000, weight = -5 })
-- note: probe.conf:15:5: state: nothing to set: the election decides
require("resty.vrrp").setup {
    instances = {
        {
            name = "gateway",
            interface = "eth0",
            vrid = 33,
            version = 3,
            advert_interval_ms = 200,
            addresses = { "192.168.56.150/24" },
        },
    },
    health = {
        probe = {
            url = "http://127.0.0.1:8080/healthz",
            interval_ms = 500,
            timeout_ms = 2000,
            fall = 3,
            rise = 2,
        },
    },
}

-- note: check-script.conf:3:5: script_user: no script is run
-- note: check-script.conf:4:5: enable_script_security: no script is run
-- note: check-script.conf:7:1: vrrp_script chk_nginx (/etc/keepalived/check_nginx.sh): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: check-script.conf:16:5: state: nothing to set: the election decides
-- check-script.conf:18:5: mcast_src_ip: no counterpart: advertisements have the primary address of the interface
-- check-script.conf:25:19: auth_pass: keepalived sends its first 8 octets, and so does this
require("resty.vrrp").setup {
    router_id = "proxy_02",
    instances = {
        {
            name = "VI_PROXY",
            interface = "ens33",
            vrid = 71,
            priority = 90,
            version = 2,
            advert_interval_ms = 1000,
            preempt = false,
            auth = { type = "simple", secret = "changeme" },
            addresses = { "192.168.56.110/24" },
        },
    },
}

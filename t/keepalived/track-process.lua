-- note: track-process.conf:2:5: script_user: no script is run
-- note: track-process.conf:3:5: enable_script_security: no script is run
-- note: track-process.conf:5:1: vrrp_track_process web (nginx): built in: a node whose nginx does not serve resigns, without a script and without a weight
-- note: track-process.conf:7:7: quorum: health.min_workers says how many workers nginx needs
-- note: track-process.conf:8:7: delay: health.worker_timeout_ms says how long a worker may be silent
-- track-process.conf:11:1: vrrp_track_process cache (/usr/bin/memcached -u): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("cache", function() … end, { weight = -10 })
-- note: track-process.conf:14:7: param_match: no process is looked for
-- note: track-process.conf:17:5: state: nothing to set: the election decides
-- note: track-process.conf:20:14: priority 100 + 50 = 150: keepalived adds positive weights while all is well; here weights are taken off while something fails
-- note: track-process.conf:24:5: min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
-- track-process.conf:38:5: notify: becomes a Lua function: on_state(fn) is called once for each change of state, in order
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_2",
            interface = "eth0",
            vrid = 20,
            priority = 150,
            version = 2,
            advert_interval_ms = 1000,
            preempt_delay_ms = 30000,
            auth = { type = "simple", secret = "vaulted" },
            source = "192.168.56.31",
            peers = { "192.168.56.32" },
            min_hop_limit = 1,
            addresses = { "192.168.56.140/24" },
        },
    },
}

-- cloud.conf:2:5: lvs_flush: keepalived's LVS has no counterpart: an upstream { } of nginx balances
-- note: cloud.conf:4:5: vrrp_iptables: the engine has rules of its own while addresses move
-- note: cloud.conf:5:5: vrrp_check_unicast_src: always so: only the peers are heard, and multicast is never used
-- note: cloud.conf:6:5: vrrp_priority: concerns the processes of keepalived alone
-- note: cloud.conf:7:5: checker_priority: concerns the processes of keepalived alone
-- cloud.conf:8:5: enable_snmp_vrrp: the state is shown by serve() instead, as JSON: GET /ha/status
-- cloud.conf:9:5: enable_traps: the state is shown by serve() instead, as JSON: GET /ha/status
-- cloud.conf:10:5: notify_fifo: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- cloud.conf:11:5: notify_fifo_script: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- note: cloud.conf:16:5: state: nothing to set: the election decides
-- note: cloud.conf:21:5: min_hop_limit = 1: keepalived hears its peers from behind any number of routers; where they are on one link, leave it out (255)
-- note: cloud.conf:28:5: preempt: always so
-- note: cloud.conf:29:5: debug: concerns the processes of keepalived alone
-- note: cloud.conf:30:5: garp_master_delay: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- cloud.conf:32:5: notify_master: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- cloud.conf:33:5: notify_master_rx_lower_pri: becomes a Lua function: on_state(fn) is called once for each change of state, in order
require("resty.vrrp").setup {
    instances = {
        {
            name = "I1",
            interface = "eth0",
            vrid = 69,
            priority = 100,
            version = 2,
            advert_interval_ms = 2000,
            source = "192.168.56.101",
            peers = { "192.168.57.101" },
            hop_limit = 64,
            min_hop_limit = 1,
            addresses = { "192.168.90.1/32" },
        },
    },
    announce = { refresh_ms = 5000 },
}

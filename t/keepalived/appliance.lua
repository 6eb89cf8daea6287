-- note: appliance.conf:3:5: dynamic_interfaces: always so
-- note: appliance.conf:4:5: script_user: no script is run
-- appliance.conf:5:5: notify_fifo: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- note: appliance.conf:7:5: vrrp_garp_master_delay: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- appliance.conf:10:1: vrrp_script healthcheck_VLAN10 (/config/scripts/check.sh): becomes a function in Lua, unless it looks whether nginx runs: vrrp.check("healthcheck_VLAN10", function() … end, { interval_ms = 60000, fall = 3, rise = 1 })
-- note: appliance.conf:17:5: state: nothing to set: the election decides
-- note: appliance.conf:30:26: brd: always so
-- appliance.conf:37:17: vrrp_sync_group ALONE: left out: there is nobody to move with "VLAN10"
-- appliance.conf:41:5: notify_master: becomes a Lua function: on_state(fn) is called once for each change of state, in order
-- appliance.conf:42:5: notify_backup: becomes a Lua function: on_state(fn) is called once for each change of state, in order
require("resty.vrrp").setup {
    instances = {
        {
            name = "VLAN10",
            interface = "eth0.10",
            vrid = 10,
            priority = 200,
            version = 3,
            advert_interval_ms = 1000,
            preempt_delay_ms = 180000,
            startup_hold_ms = 2500,
            virtual_mac = "eth0.10v10",
            advert_mac = "interface",
            track = { { interface = "eth1" } },
            addresses = {
                { address = "10.0.10.1/24", label = "eth0.10v10:1" },
                "10.0.10.2/24",
                { address = "10.0.10.3/24", broadcast = "10.0.255.255" },
            },
        },
    },
}

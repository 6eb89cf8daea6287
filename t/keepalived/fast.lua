-- note: fast.conf:3:5: vrrp_rt_priority: becomes realtime = true: the thread that advertises runs before ordinary ones, and its memory is locked; nginx needs CAP_SYS_NICE and CAP_IPC_LOCK for that
-- note: fast.conf:4:5: vrrp_no_swap: becomes realtime = true: the thread that advertises runs before ordinary ones, and its memory is locked; nginx needs CAP_SYS_NICE and CAP_IPC_LOCK for that
-- note: fast.conf:5:5: vrrp_rlimit_rttime: concerns the processes of keepalived alone
-- fast.conf:7:5: vrrp_delay_after_boot: no counterpart: startup_hold_ms of an instance counts from each start of nginx
-- note: fast.conf:9:5: dynamic_interfaces: always so
-- note: fast.conf:10:5: max_auto_priority: concerns the processes of keepalived alone
-- note: fast.conf:18:5: higher_prio_send_advert: always so: a router that steps down sends one last advertisement
-- note: fast.conf:19:5: lower_prio_no_advert: an advertisement of lower priority is always answered (RFC 9568)
-- fast.conf:30:16: advert_int: 330 ms: keepalived rounds to 10 ms
require("resty.vrrp").setup {
    realtime = true,
    instances = {
        {
            name = "FAST",
            interface = "eth0",
            vrid = 5,
            priority = 254,
            version = 3,
            advert_interval_ms = 50,
            dead_factor = 5,
            startup_hold_ms = 10000,
            checksum = "rfc9568",
            addresses = { "192.168.56.230/24" },
        },
        {
            name = "PATIENT",
            interface = "eth0",
            vrid = 6,
            priority = 253,
            version = 3,
            advert_interval_ms = 330,
            dead_factor = 10,
            startup_hold_ms = 10000,
            addresses = { "192.168.56.231/24" },
        },
    },
}

-- tenant-router.conf:2:5: notification_email_from: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- note: tenant-router.conf:7:5: state: nothing to set: the election decides
-- note: tenant-router.conf:11:5: garp_master_delay: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- note: tenant-router.conf:15:9: track_interface: the interface of an instance is always watched: a fault when it is down
-- note: tenant-router.conf:21:25 (and 2 times more): dev: while that interface is down or missing, the instance is in fault
-- tenant-router.conf:22:45: scope: no counterpart: addresses are global; src of a route says from which one this host speaks
-- note: tenant-router.conf:23:43: no_track: an address that something else removes is always put back
-- tenant-router.conf:25:5: virtual_routes: no counterpart: make it part of the network configuration, or change it in on_state(fn)
require("resty.vrrp").setup {
    router_id = "tenant-1",
    instances = {
        {
            name = "VR_1",
            interface = "ha-0a1b2c3d-4e",
            vrid = 1,
            priority = 50,
            version = 2,
            advert_interval_ms = 2000,
            preempt = false,
            addresses = { "169.254.0.1/24" },
            addresses_excluded = {
                { address = "10.0.0.1/24", interface = "qr-5f6a7b8c-9d" },
                { address = "2001:db8:1::1/64", interface = "qr-5f6a7b8c-9d" },
                { address = "203.0.113.7/32", interface = "qg-1a2b3c4d-5e" },
            },
        },
    },
}

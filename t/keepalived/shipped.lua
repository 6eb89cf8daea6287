-- shipped.conf:4:4: notification_email: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- shipped.conf:8:4: notification_email_from: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- shipped.conf:9:4: smtp_server: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- shipped.conf:10:4: smtp_connect_timeout: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- note: shipped.conf:12:4: vrrp_skip_check_adv_addr: always so: a peer that advertises other addresses is counted and reported, but not dropped
-- shipped.conf:13:4: vrrp_strict: what it forbids is left out of the options
-- note: shipped.conf:14:4: vrrp_garp_interval: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- note: shipped.conf:15:4: vrrp_gna_interval: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- shipped.conf:18:15: accept = false: in strict mode keepalived drops what is sent to the addresses. Where nginx is to answer on them, remove vrrp_strict
-- note: shipped.conf:19:5: state: nothing to set: the election decides
-- shipped.conf:25:19 (and once more): authentication: left out: keepalived ignores it in strict mode
-- shipped.conf:35:1 (and once more): virtual_server: keepalived's LVS has no counterpart: an upstream { } of nginx balances
require("resty.vrrp").setup {
    router_id = "EDGE_A",
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 61,
            priority = 120,
            version = 2,
            advert_interval_ms = 1000,
            accept = false,
            addresses = { "192.168.56.100/32", "192.168.56.101/32", "192.168.56.102/32" },
        },
    },
}

-- old.conf:3:4: lvs_id: keepalived's LVS has no counterpart: an upstream { } of nginx balances
-- old.conf:4:4: notification_email: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- old.conf:7:4: enable_snmp_keepalived: the state is shown by serve() instead, as JSON: GET /ha/status
-- old.conf:11:11: state SLAVE: keepalived takes it for BACKUP
-- old.conf:11:34 (and 3 times more): //: keepalived ignores the rest of this line
-- old.conf:13:5: lvs_sync_daemon_interface: keepalived's LVS has no counterpart: an upstream { } of nginx balances
-- old.conf:16:5: priority: written twice: the last one counts
-- old.conf:18:5: smtp_alert: nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz
-- note: old.conf:27:5: debug: concerns the processes of keepalived alone
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 51,
            priority = 90,
            version = 2,
            advert_interval_ms = 1000,
            auth = { type = "simple", secret = "1111" },
            addresses = { "192.168.56.250/32" },
        },
    },
}

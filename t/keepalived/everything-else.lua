-- everything-else.conf:1:1: net_namespace_ipvs: keepalived's LVS has no counterpart: an upstream { } of nginx balances
-- everything-else.conf:2:1: linkbeat_use_polling: no counterpart: the kernel's own state of a link counts, and a link that is gone for less than three intervals moves nothing
-- note: everything-else.conf:3:1: child_wait_time: concerns the processes of keepalived alone
-- note: everything-else.conf:6:5: process_names: concerns the processes of keepalived alone
-- note: everything-else.conf:7:5: vrrp_process_name: concerns the processes of keepalived alone
-- everything-else.conf:8:5: enable_dbus: the state is shown by serve() instead, as JSON: GET /ha/status
-- note: everything-else.conf:9:5: log_unknown_vrids: always so: they are counted, and shown in the status
-- note: everything-else.conf:10:5: reload_check_config: concerns the processes of keepalived alone
-- everything-else.conf:11:5: startup_script: see ExecStartPre= of systemd
-- everything-else.conf:12:5: shutdown_script: see ExecStopPost= of systemd
-- note: everything-else.conf:13:5: nftables: the engine has rules of its own while addresses move
-- note: everything-else.conf:14:5: smtp_alert: off: nothing to set
-- everything-else.conf:15:5: json_version: the state is shown by serve() instead, as JSON: GET /ha/status
-- everything-else.conf:16:5: default_interface: belongs into the network configuration of the host
-- note: everything-else.conf:17:5: umask: concerns the processes of keepalived alone
-- everything-else.conf:20:1: static_ipaddress: belongs into the network configuration of the host
-- everything-else.conf:24:1: linkbeat_interfaces: no counterpart: the kernel's own state of a link counts, and a link that is gone for less than three intervals moves nothing
-- everything-else.conf:28:1: interface_up_down_delays: no counterpart: the kernel's own state of a link counts, and a link that is gone for less than three intervals moves nothing
-- note: everything-else.conf:32:1: garp_group: addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; nothing waits for that
-- everything-else.conf:40:1: bfd_instance: no counterpart: a check(name, fn) can ask a BFD daemon
-- note: everything-else.conf:45:1: vrrp_script unused: nothing tracks it
-- note: everything-else.conf:53:5: kernel_rx_buf_size: concerns the processes of keepalived alone
-- note: everything-else.conf:54:5: timer_expired_backup: always so
-- note: everything-else.conf:55:5: track_src_ip: always so
-- everything-else.conf:56:5: track_bfd: no counterpart: a check(name, fn) can ask a BFD daemon
require("resty.vrrp").setup {
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 7,
            version = 2,
            accept = true,
            addresses = { "192.168.70.10/24" },
        },
    },
}

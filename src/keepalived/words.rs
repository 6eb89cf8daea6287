//! The words of a `keepalived.conf` that have no option here, and what is said of each.

/// What becomes of a word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    /// Nothing is lost.
    Note(&'static str),
    /// Something else replaces it.
    Warn(&'static str),
    /// The peers would not understand each other, or would not meet.
    Refuse(&'static str),
}

use Fate::{Note, Refuse, Warn};

/// Words of one block with the same fate.
pub(super) type Words = &'static [(&'static [&'static str], Fate)];

/// Returns what becomes of a word.
pub(super) fn fate(words: Words, word: &str) -> Option<Fate> {
    words.iter().find(|(group, _)| group.contains(&word)).map(|(_, fate)| *fate)
}

/// Returns all words of a block.
pub(super) fn all<'a>(words: Words) -> impl Iterator<Item = &'a str> {
    words.iter().flat_map(|(group, _)| group.iter().copied())
}

const ALWAYS: Fate = Note("always so");
const OWN: Fate = Note("concerns the processes of keepalived alone");
const NO_SCRIPTS: Fate = Note("no script is run");
const UNICAST: Fate = Note("always so: only the peers are heard, and multicast is never used");
const LISTS: Fate = Note(
    "always so: a peer that advertises other addresses is counted and reported, but not dropped",
);
const ANNOUNCED: Fate = Note(
    "addresses are announced at 0, 1, 5, 9 … s, and after a lower or equal router was heard; \
     nothing waits for that",
);
const ANSWERED: Fate = Note("an advertisement of lower priority is always answered (RFC 9568)");
const LAST: Fate = Note("always so: a router that steps down sends one last advertisement");
const FIREWALL: Fate = Note("the engine has rules of its own while addresses move");
const VMAC: Fate = Warn("no counterpart: virtual_mac has the MAC address of RFC 9568 §7.3");
const MAIL: Fate =
    Warn("nothing here sends mail: an on_state(fn) can, or what watches /ha/healthz");
const SCRIPT: Fate =
    Warn("becomes a Lua function: on_state(fn) is called once for each change of state, in order");
const SHOWN: Fate = Warn("the state is shown by serve() instead, as JSON: GET /ha/status");
const LVS: Fate = Warn("keepalived's LVS has no counterpart: an upstream { } of nginx balances");
const HOST: Fate = Warn("belongs into the network configuration of the host");
const ROUTES: Fate =
    Warn("no counterpart: make it part of the network configuration, or change it in on_state(fn)");
const LINK: Fate = Warn(
    "no counterpart: the kernel's own state of a link counts, and a link that is gone for less \
     than three intervals moves nothing",
);
const BFD: Fate = Warn("no counterpart: a check(name, fn) can ask a BFD daemon");
const NAMESPACE: Fate = Refuse(
    "nginx itself has to run in that network namespace (systemd: NetworkNamespacePath=); then \
     remove this line",
);

/// Outside of every block.
pub(super) const ROOT: Words = &[
    (&["net_namespace"], NAMESPACE),
    (&["net_namespace_ipvs", "virtual_server", "virtual_server_group", "SSL"], LVS),
    (&["namespace_with_ipsets"], FIREWALL),
    (&["instance", "use_pid_dir", "child_wait_time"], OWN),
    (&["linkbeat_use_polling", "linkbeat_interfaces", "interface_up_down_delays"], LINK),
    (&["track_group", "static_ipaddress", "static_routes", "static_rules"], HOST),
    (&["garp_group"], ANNOUNCED),
    (&["bfd_instance"], BFD),
];

/// What begins a block that is read.
pub(super) const BLOCKS: &[&str] = &[
    "global_defs",
    "vrrp_instance",
    "vrrp_sync_group",
    "vrrp_script",
    "vrrp_track_process",
    "track_file",
    "vrrp_track_file",
];

/// In `global_defs`.
pub(super) const GLOBAL: Words = &[
    (&["vrrp_check_unicast_src"], UNICAST),
    (&["vrrp_skip_check_adv_addr"], LISTS),
    (&["dynamic_interfaces", "vrrp_owner_ignore_adverts"], ALWAYS),
    (&["vrrp_higher_prio_send_advert"], LAST),
    (&["vrrp_lower_prio_no_advert"], ANSWERED),
    (&["script_user", "enable_script_security", "use_symlink_paths"], NO_SCRIPTS),
    (&["set_supplementary_groups", "max_auto_priority", "min_auto_priority_delay"], OWN),
    (&["vrrp_garp_interval", "vrrp_gna_interval", "vrrp_garp_master_delay"], ANNOUNCED),
    (&["vrrp_garp_master_refresh_repeat", "vrrp_garp_lower_prio_delay"], ANNOUNCED),
    (&["vrrp_garp_lower_prio_repeat", "vrrp_min_garp", "vrrp_garp_extra_if"], ANNOUNCED),
    (&["vrrp_vmac_garp_intvl"], ANNOUNCED),
    (&["vrrp_iptables", "vrrp_ipsets", "nftables", "nftables_priority"], FIREWALL),
    (&["nftables_ifindex", "nftables_counters", "disable_local_igmp"], FIREWALL),
    (&["notification_email", "notification_email_from", "smtp_server"], MAIL),
    (&["smtp_helo_name", "smtp_connect_timeout", "smtp_alert"], MAIL),
    (&["smtp_alert_vrrp", "smtp_alert_checker", "no_email_faults"], MAIL),
    (&["notify_fifo", "notify_fifo_script", "vrrp_notify_fifo"], SCRIPT),
    (&["vrrp_notify_fifo_script", "vrrp_notify_priority_changes"], SCRIPT),
    (&["fifo_write_vrrp_states_on_reload"], SCRIPT),
    (&["snmp_socket", "enable_traps", "enable_snmp_vrrp", "enable_snmp_keepalived"], SHOWN),
    (&["enable_snmp_rfc", "enable_snmp_rfcv2", "enable_snmp_rfcv3"], SHOWN),
    (&["enable_dbus", "dbus_service_name", "dbus_no_interface_name", "json_version"], SHOWN),
    (&["state_dump_file", "stats_dump_file", "json_dump_file"], SHOWN),
    (&["lvs_timeouts", "lvs_flush", "lvs_flush_on_stop", "lvs_flush_onstop"], LVS),
    (&["lvs_sync_daemon", "lvs_notify_fifo", "lvs_notify_fifo_script", "lvs_id"], LVS),
    (&["checker_log_all_failures", "no_checker_emails", "rs_init_notifies"], LVS),
    (&["nftables_ipvs", "nftables_ipvs_priority", "nftables_ipvs_start_fwmark"], LVS),
    (&["enable_snmp_checker", "snmp_vs_stats_update_interval"], LVS),
    (&["snmp_rs_stats_update_interval", "lvs_netlink_cmd_rcv_bufs"], LVS),
    (&["lvs_netlink_cmd_rcv_bufs_force", "lvs_netlink_monitor_rcv_bufs"], LVS),
    (&["lvs_netlink_monitor_rcv_bufs_force", "lvs_process_name"], LVS),
    (&["default_interface"], HOST),
    (&["net_namespace"], NAMESPACE),
    (&["net_namespace_ipvs", "namespace_with_ipsets", "instance", "use_pid_dir"], OWN),
    (&["linkbeat_use_polling"], LINK),
    (&["vmac_prefix", "vmac_addr_prefix"], Note("virtual_mac can be the name itself")),
    (&["log_unknown_vrids"], Note("always so: they are counted, and shown in the status")),
    (&["startup_script", "startup_script_timeout"], Warn("see ExecStartPre= of systemd")),
    (&["shutdown_script", "shutdown_script_timeout"], Warn("see ExecStopPost= of systemd")),
    (
        &["vrrp_delay_after_boot"],
        Warn("no counterpart: startup_hold_ms of an instance counts from each start of nginx"),
    ),
    (&["process_names", "process_name", "vrrp_process_name", "checker_process_name"], OWN),
    (&["bfd_process_name", "vrrp_priority", "vrrp_cpu_affinity", "vrrp_rlimit_rttime"], OWN),
    (&["vrrp_rlimit_rtime", "checker_priority", "checker_no_swap"], OWN),
    (&["checker_rt_priority", "checker_cpu_affinity", "checker_rlimit_rttime"], OWN),
    (&["checker_rlimit_rtime", "bfd_priority", "bfd_no_swap", "bfd_rt_priority"], OWN),
    (&["bfd_cpu_affinity", "bfd_rlimit_rttime", "bfd_rlimit_rtime"], OWN),
    (&["vrrp_netlink_cmd_rcv_bufs", "vrrp_netlink_cmd_rcv_bufs_force"], OWN),
    (&["vrrp_netlink_monitor_rcv_bufs", "vrrp_netlink_monitor_rcv_bufs_force"], OWN),
    (&["process_monitor_rcv_bufs", "process_monitor_rcv_bufs_force"], OWN),
    (&["vrrp_rx_bufs_policy", "vrrp_rx_bufs_multiplier", "umask", "random_seed"], OWN),
    (&["reload_check_config", "reload_time_file", "reload_repeat", "reload_file"], OWN),
    (&["include_check", "config_save_dir", "tmp_config_directory"], OWN),
    (&["data_use_instance", "iproute_usr_dir", "iproute_etc_dir"], OWN),
];

/// In `vrrp_instance`.
pub(super) const INSTANCE: Words = &[
    (&["check_unicast_src", "unicast_fault_no_peer"], UNICAST),
    (&["skip_check_adv_addr"], LISTS),
    (&["preempt", "promote_secondaries", "track_src_ip"], ALWAYS),
    (&["owner_ignore_adverts", "timer_expired_backup", "thread_timer_expired"], ALWAYS),
    (&["native_ipv6"], Note("the first address says which family the election has")),
    (&["lower_prio_no_advert"], ANSWERED),
    (&["higher_prio_send_advert"], LAST),
    (&["garp_master_delay", "garp_master_refresh_repeat", "garp_lower_prio_delay"], ANNOUNCED),
    (&["garp_lower_prio_repeat", "garp_extra_if", "vmac_garp_intvl"], ANNOUNCED),
    (&["garp_interval", "gna_interval"], ANNOUNCED),
    (&["kernel_rx_buf_size", "debug"], OWN),
    (&["notify", "notify_master", "notify_backup", "notify_fault", "notify_stop"], SCRIPT),
    (&["notify_deleted", "notify_master_rx_lower_pri", "notify_priority_changes"], SCRIPT),
    (&["smtp_alert"], MAIL),
    (&["virtual_routes", "virtual_rules"], ROUTES),
    (&["lvs_sync_daemon_interface", "lvs_sync_daemon_inteface"], LVS),
    (&["linkbeat_use_polling"], LINK),
    (&["track_bfd"], BFD),
    (&["use_vmac_addr", "use_ipvlan"], VMAC),
    (&["dont_track_primary"], Warn("no counterpart: nobody is heard on a link that is down")),
    (
        &["mcast_src_ip"],
        Warn("no counterpart: advertisements have the primary address of the interface"),
    ),
    (&["no_virtual_ipaddress"], Warn("no counterpart: an instance has at least one address")),
    (
        &["old_unicast_checksum"],
        Warn("no counterpart: checksums of keepalived before 1.3.7 are not understood"),
    ),
    (&["vrf"], Refuse("no counterpart: name an interface of it, and remove this line")),
];

/// In `vrrp_sync_group`.
pub(super) const SYNC_GROUP: Words = &[
    (&["notify", "notify_master", "notify_backup", "notify_fault", "notify_stop"], SCRIPT),
    (&["notify_priority_changes"], SCRIPT),
    (&["smtp_alert"], MAIL),
    (&["track_bfd"], BFD),
    (&["global_tracking"], ALWAYS),
];

/// In `vrrp_script`.
pub(super) const TRACKED_SCRIPT: Words = &[
    (&["user"], NO_SCRIPTS),
    (&["init_fail"], Note("the instances wait for the first answer of a check")),
];

/// In `vrrp_track_process`.
pub(super) const TRACKED_PROCESS: Words = &[
    (&["quorum", "quorum_max"], Note("health.min_workers says how many workers nginx needs")),
    (&["param_match", "full_command"], Note("no process is looked for")),
    (
        &["delay", "fork_delay", "terminate_delay"],
        Note("health.worker_timeout_ms says how long a worker may be silent"),
    ),
];

/// In `track_file`.
pub(super) const TRACKED_FILE: Words = &[(&["init_file"], Note("no file is read or written"))];

/// In `authentication`.
pub(super) const AUTHENTICATION: &[&str] = &["auth_type", "auth_pass"];

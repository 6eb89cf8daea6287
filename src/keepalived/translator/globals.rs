//! `global_defs`.

use std::collections::BTreeSet;

use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;
use crate::keepalived::words;

use super::Translator;

/// What `global_defs` says: options of the node, and defaults of instances.
#[derive(Debug, Default)]
pub(super) struct Globals {
    router_id: Option<Placed>,
    realtime: Option<Spot>,
    /// `vrrp_version`.
    pub(super) version: Option<Placed>,
    /// `vrrp_strict`.
    pub(super) is_strict: bool,
    /// `v3_checksum_as_v2`.
    pub(super) message_checksum: Option<Spot>,
    /// `vrrp_startup_delay`, in microseconds.
    pub(super) startup_delay: Option<(u64, Spot)>,
    /// `vrrp_down_timer_adverts`.
    pub(super) dead_factor: Option<Placed>,
    /// `vrrp_garp_master_repeat`.
    pub(super) repeat: Option<Placed>,
    /// `vrrp_garp_master_refresh`.
    pub(super) refresh: Option<Placed>,
}

impl Globals {
    /// Reads one block; there may be several.
    pub(super) fn read(&mut self, statement: &Statement, translator: &mut Translator) {
        translator.ignored(statement.rest());
        let mut seen = BTreeSet::new();
        for statement in translator.block(statement) {
            translator.once(statement, READ, &mut seen);
            self.read_one(statement, translator);
        }
    }

    fn read_one(&mut self, statement: &Statement, translator: &mut Translator) {
        let place = statement.place();
        match statement.head().text.as_str() {
            "router_id" => {
                let name = translator.value(statement);
                self.router_id = name.map(|name| Setting::Text(name.text.clone()).at(&name.place));
            }
            "vrrp_version" => self.version = translator.whole(statement),
            "vrrp_strict" => {
                self.is_strict = translator.on(statement);
                if self.is_strict {
                    translator.warn(place, STRICT);
                }
            }
            "v3_checksum_as_v2" => {
                self.message_checksum = translator.on(statement).then(|| place.clone());
            }
            "vrrp_startup_delay" => self.startup_delay = translator.seconds(statement),
            "vrrp_down_timer_adverts" => self.dead_factor = translator.whole(statement),
            "vrrp_garp_master_repeat" => self.repeat = translator.whole(statement),
            "vrrp_garp_master_refresh" => self.refresh = translator.whole(statement),
            word @ ("vrrp_rt_priority" | "vrrp_no_swap") => {
                let text = format!(
                    "{word}: becomes realtime = true: the thread that advertises runs before \
                     ordinary ones, and its memory is locked; nginx needs CAP_SYS_NICE and \
                     CAP_IPC_LOCK for that"
                );
                translator.note(place, text);
                self.realtime = Some(place.clone());
            }
            "vrrp_mcast_group4" => group(statement, "224.0.0.18", translator),
            "vrrp_mcast_group6" => group(statement, "ff02::12", translator),
            _ => translator.known(statement, words::GLOBAL, READ, "in global_defs"),
        }
    }

    /// Returns the options of the node.
    pub(super) fn options(self) -> Vec<(&'static str, Placed)> {
        let mut options = Vec::new();
        options.extend(self.router_id.map(|name| ("router_id", name)));
        let realtime = self.realtime;
        options.extend(realtime.map(|place| ("realtime", Setting::Flag(true).at(&place))));
        options
    }
}

/// Accepts the group of the RFC alone.
pub(super) fn group(statement: &Statement, usual: &str, translator: &mut Translator) {
    if translator.value(statement).is_some_and(|group| group.text != usual) {
        let problem = format!(
            "{}: advertisements go to {usual} alone: use peers, or another vrid",
            statement.head().text
        );
        translator.refuse(statement.place(), problem);
    }
}

/// What is said where strict mode is asked for.
pub(super) const STRICT: &str = "vrrp_strict: what it forbids is left out of the options";

const READ: &[&str] = &[
    "router_id",
    "vrrp_version",
    "vrrp_strict",
    "v3_checksum_as_v2",
    "vrrp_startup_delay",
    "vrrp_down_timer_adverts",
    "vrrp_garp_master_repeat",
    "vrrp_garp_master_refresh",
    "vrrp_rt_priority",
    "vrrp_no_swap",
    "vrrp_mcast_group4",
    "vrrp_mcast_group6",
];

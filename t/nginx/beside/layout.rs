//! The board as Rust and as LuaJIT see it.

use std::fs;

use harness::Nginx;
use resty_vrrp::proto::{Reason, State};
use resty_vrrp::runtime::BoardWord as _;
use resty_vrrp::status::EngineState;
use resty_vrrp::status::layout::{
    AddressSlot, CHECKS, CheckSlot, CounterSlot, EVENTS, EventSlot, FINDINGS, FindingSlot, HISTORY,
    Header, InstanceSlot, LAYOUT, LINES, LineSlot, MAGIC, NODE, PeerSlot, REASONS, TransitionSlot,
    WARNINGS, WITHDRAWN, WORKERS, WarningSlot, WorkerSlot, WorkerWords, carrier, request,
};

use crate::{ONE, conf_with, lua, on_every_nginx, start_active};

/// What LuaJIT calls a structure, its size, and its fields.
type Structure = (&'static str, usize, &'static [(&'static str, usize, usize)]);

const STRUCTURES: &[Structure] = &[
    ("resty_vrrp_header", size_of::<Header>(), Header::FIELDS),
    ("resty_vrrp_worker", size_of::<WorkerSlot>(), WorkerSlot::FIELDS),
    ("resty_vrrp_event", size_of::<EventSlot>(), EventSlot::FIELDS),
    ("resty_vrrp_line", size_of::<LineSlot>(), LineSlot::FIELDS),
    ("resty_vrrp_instance", size_of::<InstanceSlot>(), InstanceSlot::FIELDS),
    ("resty_vrrp_page", size_of::<WorkerWords>(), WorkerWords::FIELDS),
    ("resty_vrrp_counters", size_of::<CounterSlot>(), CounterSlot::FIELDS),
    ("resty_vrrp_check", size_of::<CheckSlot>(), CheckSlot::FIELDS),
    ("resty_vrrp_warning", size_of::<WarningSlot>(), WarningSlot::FIELDS),
    ("resty_vrrp_finding", size_of::<FindingSlot>(), FindingSlot::FIELDS),
    ("resty_vrrp_transition", size_of::<TransitionSlot>(), TransitionSlot::FIELDS),
    ("resty_vrrp_address", size_of::<AddressSlot>(), AddressSlot::FIELDS),
    ("resty_vrrp_peer", size_of::<PeerSlot>(), PeerSlot::FIELDS),
];

/// Fields of an instance that the configuration fills, or that mean nothing to the next engine.
const NOT_CARRIED_OVER: &[&str] = &[
    "seq",
    "adver_interval_ms",
    "vrid",
    "family",
    "version",
    "priority",
    "effective_priority",
    "preempt",
    "reserved",
    "first_address",
    "addresses",
    "first_peer",
    "peers",
    "name",
    "sync_group",
    "interface",
];

#[test]
fn every_field_lies_where_luajit_looks_for_it() {
    on_every_nginx("layout", |host, carrier| {
        let _nginx = Nginx::start(host, carrier, &conf_with(ONE));

        for (name, size, fields) in STRUCTURES {
            let seen = lua(host, &format!("return require('ffi').sizeof('{name}')"));
            assert_eq!(seen, size.to_string(), "{name}");
            for (field, offset, size) in *fields {
                let seen = lua(
                    host,
                    &format!(
                        "local ffi = require 'ffi'
                         local one = ffi.new('{name}')
                         return ffi.offsetof('{name}', '{field}') .. ' '
                                .. require('ffi').sizeof(
                                    type(one.{field}) == 'cdata' and one.{field}
                                    or ffi.typeof('char[$]', {size}))"
                    ),
                );
                assert_eq!(seen, format!("{offset} {size}"), "{name}.{field}");
            }
        }
    });
}

#[test]
fn the_numbers_that_lua_knows_are_those_of_the_layout() {
    on_every_nginx("numbers", |host, carrier| {
        let _nginx = Nginx::start(host, carrier, &conf_with(ONE));

        let seen = lua(
            host,
            "local it, ffi = require 'resty.vrrp.layout', require 'ffi'
             local withdrawn = ('%d'):format(it.WITHDRAWN)
             local header = ffi.new('resty_vrrp_header')
             local instance = ffi.new('resty_vrrp_instance')
             return table.concat({ tostring(it.MAGIC), it.VERSION, withdrawn,
                it.WORKERS, it.EVENTS, it.LINES, it.WARNINGS, it.FINDINGS,
                ('%d'):format(it.NODE), it.HISTORY, it.CHECKS,
                ffi.sizeof(instance.history) / ffi.sizeof('resty_vrrp_transition'),
                ffi.sizeof(instance.check) / ffi.sizeof('resty_vrrp_check'),
                ffi.sizeof(header.reasons) / 24 }, ' ')",
        );

        let counts = [HISTORY, CHECKS, HISTORY, CHECKS, REASONS].map(|count| count.to_string());
        let known = format!(
            "{MAGIC}ULL {LAYOUT} {WITHDRAWN} {WORKERS} {EVENTS} {LINES} {WARNINGS} {FINDINGS} \
             {NODE} {}",
            counts.join(" ")
        );
        assert_eq!(seen, known);
    });
}

#[test]
fn the_words_that_lua_knows_are_those_of_the_engine() {
    on_every_nginx("words", |host, carrier_name| {
        let _nginx = start_active(host, carrier_name);

        let seen = lua(
            host,
            "local it, ffi = require 'resty.vrrp.layout', require 'ffi'
             local words = { it.NONE, it.STARTING, it.RUNNING, it.FAILED, it.STOPPED,
                it.AGENT, it.WORKER, it.DRAIN, it.UNDRAIN,
                it.INITIALIZE, it.BACKUP, it.ACTIVE, it.FAULT }
             for state = 0, #it.STATES do words[#words + 1] = it.STATES[state] end
             local reasons = require('resty.vrrp.board').find().header.reasons
             for reason = 1, 31 do
                 local name = ffi.string(reasons[reason])
                 words[#words + 1] = name ~= '' and name or nil
             end
             return table.concat(words, ' ')",
        );

        let engine = [
            EngineState::None,
            EngineState::Starting,
            EngineState::Running,
            EngineState::Failed,
            EngineState::Stopped,
        ];
        let mut states = [State::Initialize, State::Backup, State::Active, State::Fault];
        let mut words: Vec<_> = engine.iter().map(|state| (*state as u32).to_string()).collect();
        words.extend(
            [carrier::AGENT, carrier::WORKER, request::DRAIN, request::UNDRAIN]
                .map(|word| word.to_string()),
        );
        words.extend(states.iter().map(|state| state.to_board().to_string()));
        states.sort_by_key(State::to_board);
        words.extend(states.map(|word| word.to_string()));
        let mut reasons = Reason::ALL;
        reasons.sort_by_key(Reason::to_board);
        words.extend(reasons.map(|word| word.to_string()));
        assert_eq!(seen, words.join(" "));
    });
}

#[test]
fn what_an_engine_observes_is_carried_over_to_the_next_board() {
    let code = fs::read_to_string("lua/resty/vrrp/board.lua").expect("it carries over");

    let lists =
        code.split("OBSERVED").skip(1).filter_map(|rest| rest.split_once("= {")?.1.split_once('}'));
    let carried_over = lists.take(2).flat_map(|(list, _)| list.split('"').skip(1).step_by(2));
    let mut known: Vec<_> = carried_over.chain(NOT_CARRIED_OVER.iter().copied()).collect();
    let mut fields: Vec<_> = InstanceSlot::FIELDS.iter().map(|(field, ..)| *field).collect();
    known.sort_unstable();
    fields.sort_unstable();

    assert_eq!(known, fields);
}

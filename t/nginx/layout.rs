//! The board as Rust and as LuaJIT see it.

use harness::Nginx;
use resty_vrrp::status::layout::{
    AddressSlot, CHECKS, CheckSlot, CounterSlot, EVENTS, EventSlot, HISTORY, Header, InstanceSlot,
    LAYOUT, MAGIC, REASONS, TransitionSlot, WARNINGS, WITHDRAWN, WORKERS, WarningSlot, WorkerSlot,
};

use crate::{ONE, conf_with, lua, on_every_nginx};

/// What LuaJIT calls a structure, its size, and its fields.
type Structure = (&'static str, usize, &'static [(&'static str, usize, usize)]);

const STRUCTURES: &[Structure] = &[
    ("resty_vrrp_header", size_of::<Header>(), Header::FIELDS),
    ("resty_vrrp_worker", size_of::<WorkerSlot>(), WorkerSlot::FIELDS),
    ("resty_vrrp_event", size_of::<EventSlot>(), EventSlot::FIELDS),
    ("resty_vrrp_instance", size_of::<InstanceSlot>(), InstanceSlot::FIELDS),
    ("resty_vrrp_counters", size_of::<CounterSlot>(), CounterSlot::FIELDS),
    ("resty_vrrp_check", size_of::<CheckSlot>(), CheckSlot::FIELDS),
    ("resty_vrrp_warning", size_of::<WarningSlot>(), WarningSlot::FIELDS),
    ("resty_vrrp_transition", size_of::<TransitionSlot>(), TransitionSlot::FIELDS),
    ("resty_vrrp_address", size_of::<AddressSlot>(), AddressSlot::FIELDS),
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
                it.WORKERS, it.EVENTS, it.HISTORY,
                ffi.sizeof(instance.history) / ffi.sizeof('resty_vrrp_transition'),
                ffi.sizeof(instance.check) / ffi.sizeof('resty_vrrp_check'),
                ffi.sizeof(instance.warning) / ffi.sizeof('resty_vrrp_warning'),
                ffi.sizeof(header.reasons) / 24 }, ' ')",
        );

        let counts =
            [EVENTS, HISTORY, HISTORY, CHECKS, WARNINGS, REASONS].map(|count| count.to_string());
        let known = format!("{MAGIC}ULL {LAYOUT} {WITHDRAWN} {WORKERS} {}", counts.join(" "));
        assert_eq!(seen, known);
    });
}

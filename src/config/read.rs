//! Reads [`Config`] from JSON, which is what Lua tables and option files both become.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::address::list::Addresses;
use super::conflicts;
use super::error::{ConfigError, ConfigErrors};
use super::table::{
    Problems, Read, Table, boolean, exact, interface, one_of, shown, text, weight, whole,
};
use super::virtual_mac::VirtualMac;
use super::{
    AnnounceConfig, Carrier, Config, HealthConfig, InstanceConfig, MAX_INSTANCES, MAX_TRACKED,
    MAX_WORKERS, ProbeConfig, ReachConfig, TrackConfig,
};
use crate::types::{
    AddressList, Centiseconds, ChecksumForm, ChecksumPolicy, Family, Priority, SimplePassword,
    TrailingOctets, Version, Vrid,
};

impl Config {
    /// Reads and checks a whole configuration that was read from a file.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), and if it is not UTF-8.
    pub fn from_octets(json: &[u8]) -> Result<Self, ConfigErrors> {
        std::str::from_utf8(json).map_err(|_| not_utf8(json)).and_then(Self::from_json)
    }

    /// Reads and checks a whole configuration.
    ///
    /// # Errors
    ///
    /// Lists every option that cannot be accepted, each with its path and with what is allowed.
    pub fn from_json(json: &str) -> Result<Self, ConfigErrors> {
        let value: Value = serde_json::from_str(json).map_err(|error| {
            let problem = format!("not valid JSON: {error}");
            ConfigErrors(vec![ConfigError { path: String::new(), problem }])
        })?;
        let problems = Problems::default();
        let config = config(&value, &problems);
        match (config, problems.into_vec()) {
            (Some(config), problems) if problems.is_empty() => Ok(config),
            (_, problems) => Err(ConfigErrors(problems)),
        }
    }
}

/// Names the first text that is not UTF-8.
fn not_utf8(json: &[u8]) -> ConfigErrors {
    let lossy = serde_json::from_str(&String::from_utf8_lossy(json)).unwrap_or(Value::Null);
    let path = path_of_replaced(&lossy, String::new()).unwrap_or_default();
    ConfigErrors(vec![ConfigError { path, problem: "not valid UTF-8".to_owned() }])
}

fn path_of_replaced(value: &Value, path: String) -> Option<String> {
    let is_replaced = |text: &str| text.contains(char::REPLACEMENT_CHARACTER);
    match value {
        Value::String(text) => is_replaced(text).then_some(path),
        Value::Array(list) => {
            let mut elements = (1..).zip(list);
            elements.find_map(|(index, one)| path_of_replaced(one, format!("{path}[{index}]")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, one)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if is_replaced(name) { Some(path) } else { path_of_replaced(one, path) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn config(value: &Value, problems: &Problems) -> Option<Config> {
    let mut table = Table::new(value, "", problems)?;
    let router_id = table.optional("router_id", text(1..=63));
    let carrier = table.or("carrier", Carrier::Auto, one_of(CARRIERS));
    let instances = table.list("instances", MAX_INSTANCES, instance);
    let HealthOptions { liveness, probe, reach } = health(&mut table);
    let announce = announce(&mut table);
    let address_lifetime =
        super::lifetime::read(&mut table, instances.as_deref().unwrap_or_default());
    let last_one_standing = table.or("last_one_standing", false, boolean);
    let run_dir = table.optional("run_dir", run_dir);
    let realtime = table.or("realtime", false, boolean);
    let (control, token) = super::token::read(&mut table);
    let sync_groups = super::groups::read(&mut table, instances.as_deref(), problems);

    if instances.as_ref().is_some_and(Vec::is_empty) {
        table.refuse("instances", "at least one instance is needed");
    }
    if value.get("instances").is_none_or(Value::is_null) {
        table.refuse("instances", "required, but not given");
    }
    let all = instances.as_deref().unwrap_or_default();
    conflicts::refuse_common(all, problems);
    conflicts::refuse_macvlans_in_use(all, problems);
    conflicts::refuse_speakers_that_move(all, problems);
    conflicts::refuse_questions_to_a_peer(probe.as_ref(), &reach, all, problems);
    table.finish();

    Some(Config {
        router_id,
        carrier,
        run_dir,
        control,
        token,
        realtime,
        instances: instances?,
        sync_groups,
        health: liveness,
        probe,
        reach,
        announce,
        address_lifetime,
        last_one_standing,
    })
}

fn run_dir(value: &Value) -> Read<PathBuf> {
    // The name of the socket in it must fit into the 108 bytes of a socket's address.
    let path = PathBuf::from(text(1..=64)(value)?);
    if path.is_absolute() {
        return Ok(path);
    }
    Err(format!("expected an absolute path, got {}", shown(value)))
}

/// What the table `health` says.
#[derive(Debug)]
struct HealthOptions {
    liveness: HealthConfig,
    probe: Option<ProbeConfig>,
    reach: Vec<ReachConfig>,
}

fn health(table: &mut Table<'_>) -> HealthOptions {
    let (mut min_workers, mut timeout_ms) = (1, 2000);
    let (mut probe, mut reach) = (None, Vec::new());
    if let Some(mut health) = table.table("health") {
        min_workers = health.or("min_workers", min_workers, whole(1..=MAX_WORKERS.into(), ""));
        timeout_ms = health.or("worker_timeout_ms", timeout_ms, whole(100..=60_000, "ms"));
        probe = super::probe::read(&mut health);
        reach = super::reach::read(&mut health);
        health.finish();
    }
    let liveness = HealthConfig {
        min_workers: narrow(min_workers),
        worker_timeout: Duration::from_millis(timeout_ms),
    };
    HealthOptions { liveness, probe, reach }
}

fn announce(table: &mut Table<'_>) -> AnnounceConfig {
    let (mut count, mut refresh_ms) = (3, 60_000);
    if let Some(mut announce) = table.table("announce") {
        count = announce.or("count", count, whole(1..=20, ""));
        refresh_ms = announce.or("refresh_ms", refresh_ms, refresh);
        announce.finish();
    }
    let refresh = (refresh_ms > 0).then(|| Duration::from_millis(refresh_ms));
    AnnounceConfig { count: narrow(count), refresh }
}

fn refresh(value: &Value) -> Read<u64> {
    match exact(value) {
        Some(0) => Ok(0),
        _ => whole(1000..=86_400_000, "ms, or 0 for never")(value),
    }
}

fn instance(value: &Value, path: &str, problems: &Problems) -> Option<InstanceConfig> {
    let mut table = Table::new(value, path, problems)?;
    let name = table.required("name", text(1..=63));
    let interface = table.required("interface", interface);
    let vrid = table.required("vrid", whole(1..=255, ""));
    let priority = table.or("priority", 100, whole(1..=255, "(255 = address owner)"));
    let version = table.or("version", Version::V3, version);
    let interval = interval(&mut table, version);
    let dead_factor = table.or("dead_factor", 3, whole(1..=100, "adverts"));
    let preempt = table.or("preempt", true, boolean);
    let preempt_delay_ms = table.or("preempt_delay_ms", 0, whole(0..=MAX_DELAY_MS, "ms"));
    let hold_ms = if table.has("peers") { SEARCH_MS } else { 0 };
    let startup_hold_ms = table.or("startup_hold_ms", hold_ms, whole(0..=MAX_DELAY_MS, "ms"));
    let auth = auth(&mut table, version);
    let virtual_mac = VirtualMac::read(&mut table);
    let given = vrid.and_then(|vrid| Vrid::new(narrow(vrid)));
    let mut addresses = Addresses::read(&mut table, virtual_mac, given);
    let first = addresses.carried.as_ref().and_then(|all| all.first());
    let first = first.map(|first| first.address);
    let form = Form { version, family: first.map(Family::of) };
    if form == (Form { version: Version::V2, family: Some(Family::Ipv6) }) {
        table.refuse("version", "version 2 has no IPv6 (RFC 3768); use version = 3");
    }
    let checksum = checksum(&mut table, form);
    let trailing_octets =
        table.or("trailing_octets", TrailingOctets::Reject, one_of(TRAILING_OCTETS));
    let address_list = address_list(&mut table, form, first);
    let track = table.list("track", MAX_TRACKED, track).unwrap_or_default();
    let accept = table.or("accept", true, boolean);
    let unicast = super::unicast::read(&mut table, form.family);
    let advert_mac = super::virtual_mac::advert_mac(&mut table, virtual_mac);
    table.finish();
    let family = form.family.unwrap_or(Family::Ipv4);
    let macvlan = given.and_then(|vrid| virtual_mac.name(family, vrid));
    let placements = interface.map(|own| {
        let usual = macvlan.unwrap_or(own);
        addresses.placements(own, usual, problems)
    });

    let instance = InstanceConfig {
        name: name?,
        interface: interface?,
        version,
        vrid: given?,
        priority: Priority::new(narrow(priority)),
        addresses: addresses.carried?,
        addresses_excluded: addresses.excluded,
        placements: placements?,
        adver_interval: interval?,
        dead_factor: narrow(dead_factor),
        preempt,
        preempt_delay: Duration::from_millis(preempt_delay_ms),
        startup_hold: Duration::from_millis(startup_hold_ms),
        auth,
        checksum,
        trailing_octets,
        address_list,
        accept,
        track,
        unicast,
        macvlan,
        advert_mac,
    };
    refuse_too_many_tracked(&instance, path, problems);
    Some(instance)
}

fn refuse_too_many_tracked(instance: &InstanceConfig, path: &str, problems: &Problems) {
    let tracked = instance.tracked().len();
    if tracked > MAX_TRACKED {
        let problem = format!(
            "at most {MAX_TRACKED} interfaces, with those of the addresses, got {tracked}: make an \
             instance on the other interface, in a sync group with this one"
        );
        problems.add(format!("{path}.track"), problem);
    }
}

fn track(value: &Value, path: &str, problems: &Problems) -> Option<TrackConfig> {
    let mut table = Table::new(value, path, problems)?;
    let interface = table.required("interface", interface);
    let weight = table.optional("weight", weight);
    table.finish();
    Some(TrackConfig { interface: interface?, weight })
}

fn version(value: &Value) -> Read<Version> {
    match exact(value) {
        Some(2) => Ok(Version::V2),
        Some(3) => Ok(Version::V3),
        _ => Err(format!("expected 2 (RFC 3768) or 3 (RFC 9568), got {}", shown(value))),
    }
}

/// Version 2 has whole seconds on the wire: anything else is refused rather than rounded.
fn interval(table: &mut Table<'_>, version: Version) -> Option<Centiseconds> {
    let (range, step, remark) = match version {
        Version::V2 => (1000..=255_000, 1000, "ms in whole seconds (version 2)"),
        Version::V3 => (10..=40_950, 10, "ms in steps of 10"),
    };
    let in_steps = |value: &Value| {
        let interval_ms = whole(range, remark)(value)?;
        if interval_ms % step == 0 {
            return Ok(interval_ms);
        }
        Err(format!("expected a multiple of {step} ms, got {}", shown(value)))
    };
    let interval_ms = table.or("advert_interval_ms", 1000, in_steps);
    Centiseconds::new(narrow(interval_ms / 10))
}

fn auth(table: &mut Table<'_>, version: Version) -> Option<SimplePassword> {
    let mut auth = table.table("auth")?;
    let kind = auth.required("type", one_of(&[("simple", ())]));
    let secret = auth.required("secret", secret);
    auth.finish();
    if version == Version::V3 {
        table
            .refuse("auth", "version 3 has no authentication (RFC 9568 §9); only with version = 2");
    }
    kind.and(secret)
}

/// The secret itself is never repeated in a message.
fn secret(value: &Value) -> Read<SimplePassword> {
    match value.as_str().map(str::as_bytes) {
        Some(secret) if (1..=8).contains(&secret.len()) => {
            let mut padded = [0; 8];
            padded[..secret.len()].copy_from_slice(secret);
            Ok(SimplePassword(padded))
        }
        Some(secret) => Err(format!(
            "expected 1 to 8 bytes, got {} (keepalived sends the first 8 of a longer one)",
            secret.len()
        )),
        None => Err("expected a text of 1 to 8 bytes".to_owned()),
    }
}

/// The form of the advertisements of an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Form {
    version: Version,
    /// Of the election; `None` if there is no address that can be read.
    family: Option<Family>,
}

fn checksum(table: &mut Table<'_>, form: Form) -> ChecksumPolicy {
    let given = table.optional("checksum", one_of(CHECKSUMS));
    let is_fixed = given.is_some_and(|policy| policy != ChecksumPolicy::Auto);
    if is_fixed && form.version == Version::V2 {
        table.refuse("checksum", "version 2 has one form only; leave it out, or use version = 3");
    } else if is_fixed && form.family == Some(Family::Ipv6) {
        table
            .refuse("checksum", "over IPv6 there is one form only (RFC 9568 §5.2.8); leave it out");
    }
    given.unwrap_or(ChecksumPolicy::Auto)
}

fn address_list(table: &mut Table<'_>, form: Form, first: Option<IpAddr>) -> AddressList {
    let policy = table.or("address_list", AddressList::Report, one_of(ADDRESS_LISTS));
    let has_no_rule = form == (Form { version: Version::V3, family: Some(Family::Ipv4) });
    if policy == AddressList::Enforce && has_no_rule {
        table.refuse("address_list", "version 3 never drops on it (RFC 9568 §7.1); leave it out");
    }
    let is_right = |first| matches!(first, IpAddr::V6(it) if it.is_unicast_link_local());
    if policy == AddressList::Enforce
        && form.family == Some(Family::Ipv6)
        && !first.is_some_and(is_right)
    {
        let problem = "over IPv6 it drops what does not begin with a link-local address (RFC 9568 \
                       §5.2.9), and addresses has none: peers of these options would drop what \
                       this node sends";
        table.refuse("address_list", problem);
    }
    policy
}

/// Narrows a number whose range was just checked.
fn narrow<T: TryFrom<u64> + Default>(number: u64) -> T {
    T::try_from(number).unwrap_or_default()
}

const CARRIERS: &[(&str, Carrier)] =
    &[("auto", Carrier::Auto), ("agent", Carrier::Agent), ("worker", Carrier::Worker)];
const CHECKSUMS: &[(&str, ChecksumPolicy)] = &[
    ("auto", ChecksumPolicy::Auto),
    ("rfc9568", ChecksumPolicy::Only(ChecksumForm::Message)),
    ("pseudo-header", ChecksumPolicy::Only(ChecksumForm::PseudoHeader)),
];

const TRAILING_OCTETS: &[(&str, TrailingOctets)] =
    &[("reject", TrailingOctets::Reject), ("ignore", TrailingOctets::Ignore)];

const ADDRESS_LISTS: &[(&str, AddressList)] =
    &[("report", AddressList::Report), ("enforce", AddressList::Enforce)];
/// How long peers may look for a host that comes anew: the kernel asks for its hardware address
/// once a second, and sends nothing before it has an answer.
const SEARCH_MS: u64 = 1500;
/// The longest hold or delay: one hour.
const MAX_DELAY_MS: u64 = 3_600_000;

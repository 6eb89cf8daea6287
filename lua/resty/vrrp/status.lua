-- Reads the board into a table with the member names of the status.

local board_module = require "resty.vrrp.board"
local clock = require "resty.vrrp.clock"
local ffi = require "ffi"
local json = require "resty.vrrp.json"
local layout = require "resty.vrrp.layout"
local process = require "ngx.process"

local C = ffi.C
local countable = board_module.countable
local ffi_string = ffi.string
local floor = math.floor
local iso8601 = clock.iso8601
local min = math.min
local now_ms = clock.now_ms
local null = json.null
local text_of = board_module.text_of
local tonumber = tonumber
local worker_pid = ngx.worker.pid


ffi.cdef [[
const char *resty_vrrp_inet_ntop(int, const void *, char *, unsigned)
    __asm__("inet_ntop");
]]


local _M = {
    -- Version of the JSON. It changes when a name or a meaning changes.
    VERSION = 1,
}


local AF = { [4] = 2, [6] = 10 }
local FAMILY = { [4] = "ipv4", [6] = "ipv6" }
local CARRIER = {
    [layout.AGENT] = "privileged agent",
    [layout.WORKER] = "worker",
}
local ENGINE_DOWN = "engine_not_running"

_M.CARRIER, _M.ENGINE_DOWN, _M.FAMILY = CARRIER, ENGINE_DOWN, FAMILY

local text = ffi.new("char[64]")


local function address_of(octets, family)
    C.resty_vrrp_inet_ntop(AF[family], octets, text, 64)
    return ffi_string(text)
end


_M.address_of = address_of


-- Returns an address of a router with its prefix length.
local function prefix_of(one)
    return address_of(one.address, one.family) .. "/" .. one.prefix
end


_M.prefix_of = prefix_of


local function time_or_null(ms)
    ms = tonumber(ms)
    return ms > 0 and iso8601(ms) or null
end


local function text_or_nil(field)
    local value = text_of(field)
    return value ~= "" and value or nil
end


local function text_or_null(field)
    local value = text_of(field)
    return value ~= "" and value or null
end


local function reason_of(board, reason)
    local name = board:reason(reason)
    return name ~= "" and name or null
end


local function age_or_null(ms)
    ms = tonumber(ms)
    return ms > 0 and now_ms() - ms or null
end


local function active_of(slot)
    if slot.active_family == 0 then
        return null
    end
    return {
        address = address_of(slot.active_address, slot.active_family),
        priority = slot.active_priority,
        self = slot.active_is_self == 1,
        last_advert_age_ms = age_or_null(slot.active_last_advert_ms),
    }
end


local function addresses_of(board, slot)
    local addresses = {}
    for one in board:each_address(slot) do
        addresses[#addresses + 1] = {
            address = prefix_of(one),
            interface = text_or_nil(one.interface),
            label = text_or_nil(one.label),
            assigned = one.assigned == 1,
            lost = tonumber(one.lost),
            contested = one.contested == 1,
        }
    end
    return addresses
end


local function peers_of(board, slot)
    local peers = {}
    for one in board:each_peer(slot) do
        peers[#peers + 1] = {
            address = address_of(one.address, one.family),
            last_advert_age_ms = age_or_null(one.heard_ms),
        }
    end
    return peers
end


local function checks_of(slot)
    local checks = {}
    for check in board_module.each_check(slot) do
        checks[#checks + 1] = {
            name = text_of(check.name),
            ok = check.ok == 1,
            weight = check.weighted == 1 and check.weight or null,
        }
    end
    return checks
end


-- Returns the warnings about each instance: a list for its place among the
-- instances, and one for layout.NODE.
local function read_warnings(board)
    local about = {}
    for warning in board:each_warning() do
        local list = about[warning.instance] or {}
        about[warning.instance] = list
        list[#list + 1] = {
            name = text_of(warning.name),
            since = time_or_null(warning.since_ms),
            text = text_of(warning.text),
        }
    end
    return about
end


local function counters_of(slot)
    local counters = slot.counters
    return {
        advertisements_sent = tonumber(counters.advertisements_sent),
        advertisements_received = tonumber(counters.advertisements_received),
        priority_zero_sent = tonumber(counters.priority_zero_sent),
        priority_zero_received = tonumber(counters.priority_zero_received),
        announcements_sent = tonumber(counters.announcements_sent),
        errors = {
            checksum = tonumber(counters.checksum),
            ttl = tonumber(counters.ttl),
            version = tonumber(counters.version),
            vrid = tonumber(counters.vrid),
            length = tonumber(counters.length),
            type = tonumber(counters.kind),
            auth = tonumber(counters.auth),
            interval = tonumber(counters.interval),
            address_list = tonumber(counters.address_list),
            owner = tonumber(counters.owner),
            own_source = tonumber(counters.own_source),
            unlisted = tonumber(counters.unlisted),
            martian = tonumber(counters.martian),
            not_running = tonumber(counters.not_running),
        },
    }
end


-- Oldest first.
local function history_of(board, slot)
    local history = {}
    local total = countable(slot.transitions)
    for number = total - min(total, layout.HISTORY), total - 1 do
        local one = slot.history[number % layout.HISTORY]
        history[#history + 1] = {
            at = iso8601(tonumber(one.at_ms)),
            from = layout.STATES[one.from],
            to = layout.STATES[one.to],
            reason = reason_of(board, one.reason),
        }
    end
    return history
end


-- Returns the state of a router, the reason for it, and what is wrong in words.
-- The last state that an engine wrote does not count when that engine no longer
-- runs.
local function state_of(board, slot, engine)
    if engine.running then
        local fault = slot.state == layout.FAULT and text_or_null(slot.fault)
        return layout.STATES[slot.state], reason_of(board, slot.reason),
               fault or null
    end
    if engine.awaited then
        return "initialize", null, null
    end
    return "fault", ENGINE_DOWN, engine.problem
end


local function instance_of(board, shared, warnings, engine)
    local slot = board.read(shared)
    local state, reason, fault = state_of(board, slot, engine)
    return {
        name = text_of(slot.name),
        interface = text_of(slot.interface),
        vrid = slot.vrid,
        family = FAMILY[slot.family],
        version = slot.version,
        state = state,
        since = time_or_null(slot.since_ms),
        reason = reason,
        fault = fault,
        transitions = tonumber(slot.transitions),
        priority = slot.priority,
        effective_priority = slot.effective_priority,
        preempt = slot.preempt == 1,
        advert_interval_ms = slot.adver_interval_ms,
        active_down_interval_ms =
            floor(tonumber(slot.active_down_interval_us) / 1000),
        active = engine.running and active_of(slot) or null,
        sync_group = text_or_null(slot.sync_group),
        addresses = addresses_of(board, slot),
        peers = peers_of(board, slot),
        checks = checks_of(slot),
        warnings = warnings,
        counters = counters_of(slot),
        history = history_of(board, slot),
    }
end


local function positive_or_null(number)
    return number > 0 and number or null
end


local function node_of(board, warnings, running)
    local header = board.header
    local total, alive = board:count_workers()
    local beat_ms = board:last_beat()
    return {
        router_id = text_of(header.router_id),
        module = text_of(header.module),
        nginx = text_of(header.nginx),
        carrier = CARRIER[header.carrier],
        pid = positive_or_null(header.carrier_pid),
        master_pid = process.get_master_pid() or worker_pid(),
        generation = header.generation,
        started = time_or_null(header.started_ms),
        now = iso8601(now_ms()),
        heartbeat_age_ms = beat_ms > 0 and now_ms() - beat_ms or null,
        healthy = running and header.healthy == 1,
        draining = header.draining == 1,
        control = header.control == 1,
        workers = { total = total, alive = alive },
        board_locked = board:is_locked(),
        warnings = warnings,
    }
end


-- Returns whether the engine runs, else the problem, and whether it has yet to
-- start. Asked once for a whole answer: the engine may start meanwhile.
function _M.engine_of(board)
    local running, problem, awaited = board:engine()
    return { running = running == true, problem = problem, awaited = awaited }
end


-- Returns what the status says at this moment, to be read piece by piece: the
-- engine (running; else problem, and awaited if it has yet to start), the node,
-- and by the place of an instance its warnings and all that is known of it.
-- Unknown values are json.null (ngx.null).
function _M.view(board)
    local engine = _M.engine_of(board)
    local problem = engine.problem
    -- Of an engine that does not run, only the reason is known.
    local down = problem
                 and { { name = ENGINE_DOWN, since = null, text = problem } }
    local warnings = down and {} or read_warnings(board)

    local function warnings_of(place)
        return down or warnings[place - 1] or {}
    end

    return {
        engine = engine,
        node = node_of(board, down or warnings[layout.NODE] or {},
                       engine.running),
        warnings_of = warnings_of,
        instance = function(place)
            return instance_of(board, board.instances[place],
                               warnings_of(place), engine)
        end,
    }
end


-- Returns the node, and an iterator over the instances.
function _M.walk(board)
    local view = _M.view(board)
    local place = 0
    return view.node, function()
        place = place + 1
        return board.instances[place] and view.instance(place)
    end
end


-- Returns the whole status as one table.
function _M.read(board)
    local node, next_instance = _M.walk(board)
    local instances = {}
    for instance in next_instance do
        instances[#instances + 1] = instance
    end
    return { version = _M.VERSION, node = node, instances = instances }
end


-- Tells whether the engine runs, or has yet to start. Returns false and the
-- reason if not.
function _M.is_alive(board)
    local running, err, awaited = board:engine()
    if running or awaited then
        return true
    end
    return false, "the engine is not running: " .. err
end


-- Tells whether the engine runs and no router is in fault. With a name, only
-- that router counts; with a wanted state, it must be in that state. Returns
-- false and the reason if not.
function _M.is_healthy(board, name, wanted)
    local running, err = board:engine()
    if not running then
        return false, "the engine is not running: " .. err
    end
    local slots = name and { board.by_name[name] } or board.instances
    for _, shared in ipairs(slots) do
        -- A single word: there are thousands of slots to look at.
        local state = layout.STATES[shared.state]
        if wanted and state ~= wanted then
            return false, text_of(shared.name) .. " is in state " .. state
                          .. ", not " .. wanted
        end
        if not wanted and shared.state == layout.FAULT then
            local slot = board.read(shared)
            return false, text_of(slot.name) .. " is in fault: "
                          .. text_of(slot.fault)
        end
    end
    return true
end


return _M

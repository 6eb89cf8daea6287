-- The metrics of this node for Prometheus.

local board_module = require "resty.vrrp.board"
local clock = require "resty.vrrp.clock"
local exposition = require "resty.vrrp.exposition"
local layout = require "resty.vrrp.layout"
local status = require "resty.vrrp.status"

local address_of = status.address_of
local ipairs = ipairs
local label = exposition.label
local text_of = board_module.text_of
local tonumber = tonumber


local _M = {}


-- Name, type, and help.
local METRICS = {
    { "vrrp_up", "gauge", "1 while the engine runs, else 0." },
    { "vrrp_build_info", "gauge",
      "Always 1: version of the module and of nginx, the process that carries"
      .. " the engine, and the name of the node." },
    { "vrrp_healthy", "gauge", "1 while the engine runs and nginx serves." },
    { "vrrp_draining", "gauge", "1 while the node is drained." },
    { "vrrp_workers", "gauge", "Workers of nginx." },
    { "vrrp_workers_alive", "gauge",
      "Workers of nginx that gave a sign of life in time." },
    { "vrrp_config_generation", "gauge",
      "Configurations that this master of nginx has taken on." },
    { "vrrp_engine_start_timestamp_seconds", "gauge",
      "When the engine was started." },
    { "vrrp_engine_heartbeat_timestamp_seconds", "gauge",
      "When the engine last turned." },
    { "vrrp_engine_late_turns_total", "counter",
      "Turns of the engine that came at least 2.5 ms late." },
    { "vrrp_engine_late_seconds_total", "counter",
      "By how much those turns were late, in all." },
    { "vrrp_warning", "gauge",
      "Always 1: something that needs a look, for as long as it lasts." },
    { "vrrp_instance_info", "gauge",
      "Always 1: VRRP version, preempt and sync group." },
    { "vrrp_state", "gauge", "0 initialize, 1 backup, 2 active, 3 fault." },
    { "vrrp_state_info", "gauge",
      "1 for the state that the instance is in, 0 for the others." },
    { "vrrp_last_transition_timestamp_seconds", "gauge",
      "When the state was entered." },
    { "vrrp_transitions_total", "counter", "Changes of state." },
    { "vrrp_become_active_total", "counter",
      "Times that the instance became active here." },
    { "vrrp_leave_active_total", "counter",
      "Times that the instance was active here no longer." },
    { "vrrp_priority", "gauge", "Configured priority." },
    { "vrrp_effective_priority", "gauge", "Priority after weights." },
    { "vrrp_advert_interval_seconds", "gauge",
      "Configured time between two advertisements." },
    { "vrrp_active_down_interval_seconds", "gauge",
      "Silence after which the active router is replaced." },
    { "vrrp_active_info", "gauge",
      "Always 1: the address of the active router, while one is known." },
    { "vrrp_active_priority", "gauge",
      "Priority of the active router, while one is known." },
    { "vrrp_last_advertisement_received_timestamp_seconds", "gauge",
      "When another active router was last heard." },
    { "vrrp_peer_last_advertisement_timestamp_seconds", "gauge",
      "When a peer of the option peers was last heard." },
    { "vrrp_address_assigned", "gauge",
      "1 if the interface has the address." },
    { "vrrp_address_contested", "gauge",
      "1 if another program keeps removing the address." },
    { "vrrp_address_lost_total", "counter",
      "Times that another program removed the address." },
    { "vrrp_check_ok", "gauge", "1 if the check succeeds." },
    { "vrrp_advertisements_sent_total", "counter",
      "Advertisements that the kernel took." },
    { "vrrp_advertisements_received_total", "counter",
      "Valid advertisements of other routers." },
    { "vrrp_priority_zero_sent_total", "counter", "Resignations sent." },
    { "vrrp_priority_zero_received_total", "counter",
      "Resignations received." },
    { "vrrp_rival_advertisements_received_total", "counter",
      "Advertisements of another active router, while this one was active." },
    { "vrrp_announcements_sent_total", "counter",
      "Gratuitous ARP and unsolicited neighbor advertisements sent." },
    { "vrrp_receive_errors_total", "counter",
      "Advertisements that were dropped or reported." },
}

-- The reasons to become active. All others are reasons to be it no longer, but
-- for the start.
local ACTIVE_REASONS = {
    owner = true, no_response = true, resigned = true, preempted = true,
    last_one_standing = true,
}
local START = "startup"
-- Kinds of errors, under the names of the status.
local ERRORS = {
    "checksum", "ttl", "version", "vrid", "length", "type", "auth", "interval",
    "address_list", "owner", "own_source", "unlisted", "martian",
    "not_running",
}
-- What the board calls a kind where that is another name.
local FIELD = { type = "kind" }
local KIND_LABELS, STATE_LABELS = {}, {}
for _, kind in ipairs(ERRORS) do
    KIND_LABELS[kind] = ',kind="' .. kind .. '"'
end
for number = 0, #layout.STATES do
    STATE_LABELS[number] = ',state="' .. layout.STATES[number] .. '"'
end


local function one_if(condition)
    return condition and 1 or 0
end


-- Returns the state of an instance, or what it counts as where the engine does
-- not run.
local function state_of(slot, engine)
    if engine.running then
        return slot.state
    end
    return engine.awaited and layout.INITIALIZE or layout.FAULT
end


-- Adds a moment, unless it has yet to come.
local function add_time(page, name, labels, ms, more)
    ms = tonumber(ms)
    if ms > 0 then
        page:add(name, labels, (ms + page.to_wall_ms) / 1000, more)
    end
end


-- Returns the reasons that have a name.
local function reasons_of(board)
    local reasons = {}
    for number = 1, layout.REASONS - 1 do
        local name = board:reason(number)
        if name ~= "" then
            reasons[#reasons + 1] = {
                number = number,
                label = "," .. label("reason", name),
                enters = ACTIVE_REASONS[name] or false,
                leaves = not ACTIVE_REASONS[name] and name ~= START,
            }
        end
    end
    return reasons
end


-- Adds each reason, also those that did not occur: a rate needs a beginning.
local function add_reasons(page, labels, counters)
    for _, reason in ipairs(page.reasons) do
        local became = tonumber(counters.became_active[reason.number])
        if became > 0 or reason.enters then
            page:add("vrrp_become_active_total", labels, became, reason.label)
        end
        local left = tonumber(counters.left_active[reason.number])
        if left > 0 or reason.leaves then
            page:add("vrrp_leave_active_total", labels, left, reason.label)
        end
    end
end


local function add_state(page, labels, slot, engine)
    local state = state_of(slot, engine)
    page:add("vrrp_state", labels, state)
    for number = 0, #layout.STATES do
        page:add("vrrp_state_info", labels, one_if(state == number),
                 STATE_LABELS[number])
    end
    add_time(page, "vrrp_last_transition_timestamp_seconds", labels,
             slot.since_ms)
    page:add("vrrp_transitions_total", labels, tonumber(slot.transitions))
    page:add("vrrp_instance_info", labels, 1,
             ',version="' .. slot.version .. '",preempt="'
             .. (slot.preempt == 1 and "true" or "false") .. '",'
             .. label("sync_group", text_of(slot.sync_group)))
    page:add("vrrp_priority", labels, slot.priority)
    page:add("vrrp_effective_priority", labels, slot.effective_priority)
    page:add("vrrp_advert_interval_seconds", labels,
             slot.adver_interval_ms / 1000)
    page:add("vrrp_active_down_interval_seconds", labels,
             tonumber(slot.active_down_interval_us) / 1e6)
end


-- Adds what only a running engine knows.
local function add_active(page, labels, slot)
    if slot.active_family == 0 then
        return
    end
    local address = address_of(slot.active_address, slot.active_family)
    page:add("vrrp_active_info", labels, 1, ',address="' .. address .. '"')
    page:add("vrrp_active_priority", labels, slot.active_priority)
    add_time(page, "vrrp_last_advertisement_received_timestamp_seconds",
             labels, slot.active_last_advert_ms)
end


local function add_counters(page, labels, counters)
    page:add("vrrp_advertisements_sent_total", labels,
             tonumber(counters.advertisements_sent))
    page:add("vrrp_advertisements_received_total", labels,
             tonumber(counters.advertisements_received))
    page:add("vrrp_priority_zero_sent_total", labels,
             tonumber(counters.priority_zero_sent))
    page:add("vrrp_priority_zero_received_total", labels,
             tonumber(counters.priority_zero_received))
    page:add("vrrp_rival_advertisements_received_total", labels,
             tonumber(counters.rivals))
    page:add("vrrp_announcements_sent_total", labels,
             tonumber(counters.announcements_sent))
    for _, kind in ipairs(ERRORS) do
        page:add("vrrp_receive_errors_total", labels,
                 tonumber(counters[FIELD[kind] or kind]), KIND_LABELS[kind])
    end
    add_reasons(page, labels, counters)
end


local function add_checks(page, labels, slot)
    for check in board_module.each_check(slot) do
        page:add("vrrp_check_ok", labels, one_if(check.ok == 1),
                 "," .. label("check", text_of(check.name)))
    end
end


local function add_address(page, labels, one, running)
    local address = ',address="' .. status.prefix_of(one) .. '"'
    if running then
        page:add("vrrp_address_assigned", labels, one_if(one.assigned == 1),
                 address)
        page:add("vrrp_address_contested", labels, one_if(one.contested == 1),
                 address)
    end
    page:add("vrrp_address_lost_total", labels, tonumber(one.lost), address)
end


-- Adds an instance. An instance may have thousands of addresses, so the event
-- loop may turn meanwhile: by then nothing is read of the slot any more.
local function add_instance(page, board, index, engine, breathe)
    local slot = board.read(board.instances[index])
    local labels = label("name", text_of(slot.name)) .. ","
                   .. label("interface", text_of(slot.interface))
                   .. ',vrid="' .. slot.vrid .. '",family="'
                   .. (status.FAMILY[slot.family] or "") .. '"'
    add_state(page, labels, slot, engine)
    if engine.running then
        add_active(page, labels, slot)
    end
    add_counters(page, labels, slot.counters)
    add_checks(page, labels, slot)
    for _, name in ipairs(page.warnings[index - 1] or {}) do
        page:add("vrrp_warning", labels, 1, "," .. label("warning", name))
    end
    local addresses, peers = board:each_address(slot), board:each_peer(slot)
    for one in addresses do
        add_address(page, labels, one, engine.running)
        breathe()
    end
    for one in peers do
        add_time(page, "vrrp_peer_last_advertisement_timestamp_seconds",
                 labels, one.heard_ms,
                 ',peer="' .. address_of(one.address, one.family) .. '"')
        breathe()
    end
end


-- Returns the names of the warnings about each instance, by its place. Of an
-- engine that does not run, only that is known.
local function read_warnings(board, engine)
    if not engine.running then
        return { [layout.NODE] = { status.ENGINE_DOWN } }
    end
    local about = {}
    for warning in board:each_warning() do
        local names = about[warning.instance] or {}
        about[warning.instance] = names
        names[#names + 1] = text_of(warning.name)
    end
    return about
end


local function add_node(page, board, engine)
    local header = board.header
    local total, alive = board:count_workers()
    page:add("vrrp_up", "", one_if(engine.running))
    page:add("vrrp_build_info",
             label("version", text_of(header.module)) .. ","
             .. label("nginx", text_of(header.nginx)) .. ","
             .. label("carrier", status.CARRIER[header.carrier] or "") .. ","
             .. label("router_id", text_of(header.router_id)), 1)
    page:add("vrrp_healthy", "",
             one_if(engine.running and header.healthy == 1))
    page:add("vrrp_draining", "", one_if(header.draining == 1))
    page:add("vrrp_workers", "", total)
    page:add("vrrp_workers_alive", "", alive)
    page:add("vrrp_config_generation", "", header.generation)
    add_time(page, "vrrp_engine_start_timestamp_seconds", "",
             header.started_ms)
    add_time(page, "vrrp_engine_heartbeat_timestamp_seconds", "",
             (board:last_beat()))
    page:add("vrrp_engine_late_turns_total", "",
             tonumber(header.late_turns))
    page:add("vrrp_engine_late_seconds_total", "",
             tonumber(header.late_us) / 1e6)
    for _, name in ipairs(page.warnings[layout.NODE] or {}) do
        page:add("vrrp_warning", label("warning", name), 1)
    end
end


-- Returns the metrics in pieces. Calls breathe() between any two steps.
function _M.read(board, breathe)
    local engine = status.engine_of(board)
    local page = exposition.new(METRICS)
    page.to_wall_ms = clock.to_wall_ms()
    page.warnings = read_warnings(board, engine)
    page.reasons = reasons_of(board)
    add_node(page, board, engine)
    for index = 1, #board.instances do
        add_instance(page, board, index, engine, breathe)
        breathe()
    end
    return page:pieces(breathe)
end


return _M

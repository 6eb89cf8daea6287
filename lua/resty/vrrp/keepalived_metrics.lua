-- The metrics of this node under the names that keepalived-exporter gives them
-- (github.com/mehdy/keepalived-exporter), for dashboards that ask for those.

local board_module = require "resty.vrrp.board"
local exposition = require "resty.vrrp.exposition"
local layout = require "resty.vrrp.layout"
local status = require "resty.vrrp.status"

local ipairs = ipairs
local label = exposition.label
local text_of = board_module.text_of
local tonumber = tonumber


local _M = {}


local UP = { "keepalived_up", "gauge", "Status" }
local STATE = { "keepalived_vrrp_state", "gauge", "State of vrrp" }
local EXCLUDED = {
    "keepalived_vrrp_excluded_state", "gauge",
    "State of vrrp with excluded VIP",
}
local SCRIPT_STATUS = {
    "keepalived_script_status", "gauge", "Tracker Script Status",
}
local SCRIPT_STATE = {
    "keepalived_script_state", "gauge", "Tracker Script State",
}
local METRICS = { UP, STATE, EXCLUDED, SCRIPT_STATUS, SCRIPT_STATE }

-- Name and help of each counter, and what it is called on the board, if it is
-- known. All that is wrong with an authentication is one number there.
local COUNTERS = {
    { "advertisements_received", "Advertisements received",
      "advertisements_received" },
    { "advertisements_sent", "Advertisements sent", "advertisements_sent" },
    { "packet_length_errors", "Packet length errors", "length" },
    { "advertisements_interval_errors", "Advertisement interval errors",
      "interval" },
    { "ip_ttl_errors", "TTL errors", "ttl" },
    { "invalid_type_received", "Invalid type errors", "kind" },
    { "address_list_errors", "Address list errors", "address_list" },
    { "authentication_invalid", "Authentication invalid" },
    { "authentication_mismatch", "Authentication mismatch" },
    { "authentication_failure", "Authentication failure", "auth" },
    { "priority_zero_received", "Priority zero received",
      "priority_zero_received" },
    { "priority_zero_sent", "Priority zero sent", "priority_zero_sent" },
    { "gratuitous_arp_delay", "Gratuitous ARP delay" },
}
local BECAME, LEFT = {}, {}
for _, counter in ipairs(COUNTERS) do
    counter.name = "keepalived_" .. counter[1] .. "_total"
    METRICS[#METRICS + 1] = { counter.name, "counter", counter[2] }
end
BECAME.name = "keepalived_become_master_total"
LEFT.name = "keepalived_release_master_total"
METRICS[#METRICS + 1] = { BECAME.name, "counter", "Became master" }
METRICS[#METRICS + 1] = { LEFT.name, "counter", "Released master" }

-- Checks that keepalived has no script for.
local NO_SCRIPT = { interface = true, primary_address = true }


local function sum(counters)
    local total = 0
    for number = 0, layout.REASONS - 1 do
        total = total + tonumber(counters[number])
    end
    return total
end


local function add_scripts(page, slot)
    for check in board_module.each_check(slot) do
        local name = text_of(check.name)
        local is_script = not NO_SCRIPT[name] and not name:find("^track ")
        if is_script and not page.scripts[name] then
            page.scripts[name] = true
            page:add(SCRIPT_STATUS[1], label("name", name), check.ok)
            page:add(SCRIPT_STATE[1], label("name", name), 0)
        end
    end
end


local function add_instance(page, board, index, breathe)
    local slot = board.read(board.instances[index])
    local labels = label("iname", text_of(slot.name)) .. ","
                   .. label("intf", text_of(slot.interface)) .. ',vrid="'
                   .. slot.vrid .. '"'
    local counters, state = slot.counters, slot.state
    for _, counter in ipairs(COUNTERS) do
        local field = counter[3]
        page:add(counter.name, labels, field and tonumber(counters[field]) or 0)
    end
    page:add(BECAME.name, labels, sum(counters.became_active))
    page:add(LEFT.name, labels, sum(counters.left_active))
    add_scripts(page, slot)
    for one in board:each_address(slot) do
        page:add(one.excluded == 1 and EXCLUDED[1] or STATE[1], labels, state,
                 ',ip_address="' .. status.prefix_of(one) .. '"')
        breathe()
    end
end


-- Returns the metrics in pieces, as resty.vrrp.metrics does. Of an engine that
-- does not run there is only that, as of a keepalived that does not.
function _M.read(board, breathe)
    local running = board:engine()
    local page = exposition.new(METRICS)
    page.scripts = {}
    page:add(UP[1], "", running and 1 or 0)
    if running then
        for index = 1, #board.instances do
            add_instance(page, board, index, breathe)
            breathe()
        end
    end
    return page:pieces(breathe)
end


return _M

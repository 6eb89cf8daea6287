-- Tells whoever asked for it of every change of state, in the process that
-- carries the engine.

local clock = require "resty.vrrp.clock"
local errlog = require "ngx.errlog"
local layout = require "resty.vrrp.layout"

local ngx = ngx
local pcall = pcall
local sleep = ngx.sleep
local timer_every = ngx.timer.every
local tostring = tostring


local _M = {}


local TURN_S = 0.02
-- Events taken from the engine at once; the rest is safer there.
local BATCH = 32
-- An engine that leaves is gone earlier.
local MAX_LAST_TURNS = 250

local callbacks = {}
-- Whether a turn is under way: a callback may yield for longer than one.
local busy = false


-- Calls fn(event) for each change of state from now on.
function _M.subscribe(fn)
    callbacks[#callbacks + 1] = fn
end


local function tell(event)
    for index = 1, #callbacks do
        local ok, err = pcall(callbacks[index], event)
        if not ok then
            errlog.raw_log(ngx.ERR, "vrrp: a callback of on_state failed: "
                                    .. tostring(err))
        end
    end
end


local function tell_all(core, generation)
    repeat
        local events, lost = core.drain_events(BATCH)
        if lost > 0 then
            tell({ lost = lost, generation = generation })
        end
        for index = 1, #events do
            local event = events[index]
            event.at = clock.iso8601(event.at_ms)
            event.at_ms = nil
            event.generation = generation
            tell(event)
        end
    until #events == 0
end


-- Calls the callbacks for what has happened so far, one event after another.
local function deliver(core, generation)
    if busy then
        return
    end
    busy = true
    local ok, err = pcall(tell_all, core, generation)
    busy = false
    if not ok then
        errlog.raw_log(ngx.ERR, "vrrp: events: " .. tostring(err))
    end
end


local function turn(premature, get_core, board)
    local core = get_core()
    if core and not premature then
        deliver(core, board.header.generation)
    end
end


-- Delivers from now on, if anybody wants to know.
function _M.run(get_core, board)
    if #callbacks > 0 then
        return timer_every(TURN_S, turn, get_core, board)
    end
end


-- Delivers until the engine has ended.
function _M.finish(core, board)
    if #callbacks == 0 then
        return
    end
    local header = board.header
    for _ = 1, MAX_LAST_TURNS do
        local ended = header.engine_state ~= layout.RUNNING
        deliver(core, header.generation)
        if ended then
            return
        end
        sleep(TURN_S)
    end
end


return _M

-- Calls the callbacks of on_state for every change of state, in the process
-- that carries the engine. The changes are on the board, with the number of the
-- last one that was delivered: so the next carrier goes on where this one
-- ended.

local board_module = require "resty.vrrp.board"
local clock = require "resty.vrrp.clock"
local layout = require "resty.vrrp.layout"
local log_module = require "resty.vrrp.log"

local log = log_module.write
local countable = board_module.countable
local max = math.max
local ngx = ngx
local now_ms = clock.now_ms
local pcall = pcall
local sleep = ngx.sleep
local timer_every = ngx.timer.every
local tonumber = tonumber
local tostring = tostring


-- patience_ms: how long a callback may take for one event.
local _M = { patience_ms = 60000 }


local TURN_S = 0.02
-- An engine that shuts down is gone earlier.
local MAX_LAST_TURNS = 250

local callbacks = {}
-- Whether a delivery is under way: a callback may yield for longer than a turn.
local busy = false
-- The number of that delivery, and when its current event began. A delivery
-- that was abandoned sees another number when its callback returns.
local delivery, busy_since_ms = 0, 0
-- The number of an event that was missing at the first look. On some processors
-- an event becomes visible a moment later than the count.
local missed


-- Calls fn(event) for each change of state from now on.
function _M.subscribe(fn)
    callbacks[#callbacks + 1] = fn
end


local function call_back(event)
    local this = delivery
    for index = 1, #callbacks do
        local ok, err = pcall(callbacks[index], event)
        if not ok then
            log(ngx.ERR, "a callback of on_state failed: " .. tostring(err))
        end
        if delivery ~= this then
            return
        end
    end
end


-- Delivers one event, or the number of those that were overwritten. Returns
-- false if nothing is to be delivered now.
local function deliver_next(board)
    local header = board.header
    local last = countable(header.events)
    local delivered = countable(header.events_delivered)
    if delivered >= last or now_ms() < tonumber(header.events_from_ms) then
        return false
    end
    local number = max(delivered + 1, last - layout.EVENTS + 1)
    local event = board:event(number)
    while not event and number < last do
        number = number + 1
        event = board:event(number)
    end

    local lost = number - delivered - (event and 1 or 0)
    if lost > 0 then
        if missed ~= delivered + 1 then
            missed = delivered + 1
            return false
        end
        call_back({ lost = lost, generation = header.generation })
    end
    if event then
        header.events_begun = number
        call_back(event)
    end
    header.events_delivered = max(number, countable(header.events_delivered))
    return true
end


-- Abandons a callback that does not return. It may have called ngx.exit(),
-- which ends its timer without an error.
local function give_up_if_late(board)
    if now_ms() - busy_since_ms < _M.patience_ms then
        return
    end
    local header = board.header
    local begun = countable(header.events_begun)
    log(ngx.ERR, "a callback of on_state has not returned from event " .. begun
                 .. " for " .. _M.patience_ms
                 .. " ms; the next event comes without it")
    header.events_delivered = max(begun, countable(header.events_delivered))
    busy = false
end


-- Delivers all events that are due, one after the other.
local function deliver(board)
    if busy then
        give_up_if_late(board)
    end
    if busy then
        return
    end
    busy = true
    delivery = delivery + 1
    local this = delivery
    repeat
        busy_since_ms = now_ms()
        local ok, more = pcall(deliver_next, board)
        if not ok then
            log(ngx.ERR, "events: " .. tostring(more))
        end
        if delivery ~= this then
            return
        end
    until not ok or not more
    busy = false
end


local function turn(premature, board)
    if not premature then
        deliver(board)
    end
end


-- Delivers from now on, if there are callbacks.
function _M.run(board)
    if #callbacks > 0 then
        return timer_every(TURN_S, turn, board)
    end
end


-- Without callbacks, marks all events as delivered: a later configuration with
-- callbacks gets none of them.
function _M.forget(board)
    if #callbacks == 0 then
        board.header.events_delivered = board.header.events
    end
end


-- Delivers until the engine has ended.
function _M.finish(board)
    if #callbacks == 0 then
        return
    end
    local header = board.header
    for _ = 1, MAX_LAST_TURNS do
        local ended = header.engine_state ~= layout.RUNNING
        deliver(board)
        if ended then
            return
        end
        sleep(TURN_S)
    end
end


return _M

-- Requests of an operator to the engine: a word on the board, which the engine
-- reads ten times a second.

local clock = require "resty.vrrp.clock"
local layout = require "resty.vrrp.layout"

local now_ms = clock.now_ms
local sleep = ngx.sleep


local _M = {}


local PAUSE_S = 0.02
-- Leaving takes a few intervals, and the longest interval is 255 s.
local PATIENCE_MS = 60000


-- Asks the engine for layout.DRAIN or layout.UNDRAIN.
function _M.ask(board, request)
    local running, err = board:engine()
    if not running then
        return nil, err
    end
    board.page.request = request
    -- An engine that ends says so before it looks for requests the last time.
    running, err = board:engine()
    if not running and board.page.request ~= 0 then
        return nil, err
    end
    return true
end


-- Tells whether an instance is active, or keeps addresses for connections that
-- are still open.
local function holds_any(board)
    for _, slot in ipairs(board.instances) do
        if board.read(slot).state == layout.ACTIVE then
            return true
        end
    end
    for index = 0, board.count.addresses - 1 do
        if board.addresses[index].ours ~= 0 then
            return true
        end
    end
    return false
end


-- Asks, and waits until it is done: a drained node holds no address.
function _M.ask_and_wait(board, request)
    local ok, err = _M.ask(board, request)
    if not ok then
        return nil, "the engine is not running: " .. err
    end
    local header = board.header
    local draining = request == layout.DRAIN and 1 or 0
    local deadline_ms = now_ms() + PATIENCE_MS
    repeat
        sleep(PAUSE_S)
        local done = board.page.request == 0
                     and header.draining == draining
        if done and (draining == 0 or not holds_any(board)) then
            return true
        end
    until now_ms() > deadline_ms
    return nil, "asked for, but not done yet"
end


return _M

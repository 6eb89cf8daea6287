-- Something that is done again and again for as long as this process serves.
--
-- ngx_lua takes a connection for each turn of a timer, and one of
-- lua_max_running_timers. An application may use up both, and serves on: but
-- whoever needs them to say so looks dead. So one turn takes them for good,
-- and waits in between.

local errlog = require "ngx.errlog"
local semaphore = require "ngx.semaphore"

local exiting = ngx.worker.exiting
local ngx = ngx
local pcall = pcall
local timer_at = ngx.timer.at
local timer_every = ngx.timer.every
local tostring = tostring


local _M = {}


-- Calls turn(false) in a first turn of the loop and every interval_s seconds
-- from then on, and turn(true) once when this process begins to leave.
-- Returns true, or nil and an error.
function _M.every(interval_s, turn)
    local bell = semaphore.new()
    local goes_on, has_left = false, false

    local function leave()
        if not has_left then
            has_left = true
            bell:post(1)
            turn(true)
        end
    end

    local function go_on()
        goes_on = true
        repeat
            local ok, err = pcall(turn, false)
            if not ok then
                errlog.raw_log(ngx.ERR, "vrrp: " .. tostring(err))
            end
            bell:wait(interval_s)
        until exiting()
        goes_on = false
        -- There may have been no connection left to tell the timer.
        leave()
    end

    local function tick(premature)
        if premature then
            leave()
        elseif not goes_on then
            go_on()
        end
    end

    timer_at(0, tick)
    return timer_every(interval_s, tick)
end


return _M

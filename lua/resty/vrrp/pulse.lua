-- A periodic task that runs for as long as this process serves.
--
-- ngx_lua takes a connection and one of lua_max_running_timers for each turn of
-- a timer. An application may use up both and still serve; a heartbeat that
-- needs new ones would stop. So the first turn keeps both, and waits between
-- the calls.

local log = require "resty.vrrp.log"
local semaphore = require "ngx.semaphore"

local exiting = ngx.worker.exiting
local ngx = ngx
local pcall = pcall
local timer_at = ngx.timer.at
local timer_every = ngx.timer.every
local tostring = tostring


local _M = {}


-- Calls turn(false) in the first turn of the event loop, and then every
-- interval_s seconds. Calls turn(true) once when this process begins to shut
-- down. Returns true, or nil and an error.
function _M.every(interval_s, turn)
    local wake = semaphore.new()
    local is_running, has_ended = false, false

    local function finish()
        if not has_ended then
            has_ended = true
            wake:post(1)
            turn(true)
        end
    end

    local function repeat_turns()
        is_running = true
        repeat
            local ok, err = pcall(turn, false)
            if not ok then
                log.write(ngx.ERR, tostring(err))
            end
            wake:wait(interval_s)
        until exiting()
        is_running = false
        -- Without a free connection, nginx cannot run the premature timer.
        finish()
    end

    local function tick(premature)
        if premature then
            finish()
        elseif not is_running then
            repeat_turns()
        end
    end

    timer_at(0, tick)
    return timer_every(interval_s, tick)
end


return _M

-- Long work in slices, between which the event loop turns: this process serves
-- requests, and may carry the engine.

local clock = require "resty.vrrp.clock"

local now_us = clock.now_us
local sleep = ngx.sleep


local _M = {}


-- How long a slice may take; what is done between two calls comes on top.
local SLICE_US = 1500
-- An old lua-nginx-module goes on within the same turn after a pause of 0.
local PAUSE_S = 0.001


-- Returns a function to be called between any two steps of the work. Whatever
-- the work has read of the board may be another one's after that call.
function _M.new()
    local begun_us = now_us()
    return function()
        if now_us() - begun_us >= SLICE_US then
            sleep(PAUSE_S)
            begun_us = now_us()
        end
    end
end


return _M

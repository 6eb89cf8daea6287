-- The clocks of the kernel, in milliseconds.

local ffi = require "ffi"

local C = ffi.C
local abs = math.abs
local date = os.date
local floor = math.floor
local format = string.format
local tonumber = tonumber


-- Functions of libc get names of our own here: another module may have
-- declared them with other types.
ffi.cdef [[
typedef struct { long sec; long nsec; } resty_vrrp_timespec;
int resty_vrrp_clock_gettime(int, resty_vrrp_timespec *)
    __asm__("clock_gettime");
]]


local _M = {}


local REALTIME, MONOTONIC = 0, 1
local SAME_MS = 2
-- Returned the last time.
local wall_ms_before
local time = ffi.new("resty_vrrp_timespec")


local function read(clock)
    C.resty_vrrp_clock_gettime(clock, time)
    return tonumber(time.sec) * 1000 + floor(tonumber(time.nsec) / 1e6)
end


-- Returns the milliseconds of CLOCK_MONOTONIC, the time of the board.
function _M.now_ms()
    return read(MONOTONIC)
end


-- Returns the microseconds of CLOCK_MONOTONIC.
function _M.now_us()
    C.resty_vrrp_clock_gettime(MONOTONIC, time)
    return tonumber(time.sec) * 1e6 + floor(tonumber(time.nsec) / 1000)
end


-- Returns the milliseconds from a time of the board to the one that the wall
-- clock shows then. Two clocks are never read at the same moment: unless the
-- wall clock is set, the answer stays what it was. The master has read them, so
-- all workers give the same.
local function to_wall_ms()
    local found_ms = read(REALTIME) - read(MONOTONIC)
    if not wall_ms_before or abs(found_ms - wall_ms_before) > SAME_MS then
        wall_ms_before = found_ms
    end
    return wall_ms_before
end


_M.to_wall_ms = to_wall_ms
to_wall_ms()


-- Returns a time of the board as the wall clock would have shown it.
function _M.iso8601(board_ms)
    local wall_ms = to_wall_ms() + board_ms
    local seconds = floor(wall_ms / 1000)
    return date("!%Y-%m-%dT%H:%M:%S", seconds)
           .. format(".%03dZ", wall_ms - seconds * 1000)
end


return _M

-- The process that carries the engine: OpenResty's privileged agent, or
-- worker 0 where there is none.

local checks = require "resty.vrrp.checks"
local clock = require "resty.vrrp.clock"
local events = require "resty.vrrp.events"
local ffi = require "ffi"
local layout = require "resty.vrrp.layout"
local library = require "resty.vrrp.library"
local log_module = require "resty.vrrp.log"
local process = require "ngx.process"
local pulse = require "resty.vrrp.pulse"

local C = ffi.C
local ipairs = ipairs
local log = log_module.write
local min = math.min
local ngx = ngx
local now_ms = clock.now_ms
local pcall = pcall
local tonumber = tonumber
local tostring = tostring


ffi.cdef [[
typedef struct { uint32_t version; int pid; } resty_vrrp_cap_header;
typedef struct {
    uint32_t effective, permitted, inheritable;
} resty_vrrp_cap_data;
int resty_vrrp_capget(resty_vrrp_cap_header *, resty_vrrp_cap_data *)
    __asm__("capget");
int resty_vrrp_capset(resty_vrrp_cap_header *, const resty_vrrp_cap_data *)
    __asm__("capset");
]]


local _M = {}


local LINUX_CAPABILITY_VERSION_3 = 0x20080522
local CAP_NET_ADMIN = bit.lshift(1, 12)
local CAP_NET_RAW = bit.lshift(1, 13)
local NOT_NETWORK = bit.bnot(CAP_NET_ADMIN + CAP_NET_RAW)

local TURN_S = 0.2
-- Log lines written in one turn; the rest waits for the next one.
local MAX_LINES = 100
local LAST_BACKOFF_S = 60
-- A library that crashes ends its carrier right after the start. nginx starts
-- the next carrier at once, hundreds of times a second. The first carriers in a
-- row do not wait before they start the engine: somebody may have killed them.
-- The later ones wait, each twice as long as the one before.
local MOST_CRASHES = 10
local SETTLED_MS = 1000
local LEVELS = {
    [ngx.CRIT] = "crit", [ngx.ERR] = "error", [ngx.WARN] = "warn",
    [ngx.NOTICE] = "notice", [ngx.INFO] = "info", [ngx.DEBUG] = "debug",
}

local RIGHTS = "; the engine needs CAP_NET_ADMIN and CAP_NET_RAW. Either start"
    .. " nginx as root and let OpenResty's privileged agent carry it, or start"
    .. " nginx without a user directive and with two settings of its systemd"
    .. " unit: User=nginx-vrrp, and AmbientCapabilities=CAP_NET_ADMIN"
    .. " CAP_NET_RAW CAP_NET_BIND_SERVICE"


-- The engine and the native library, in the one process that has them; and an
-- object whose collection says that nginx closes this VM. An agent has no other
-- way to learn of its end.
local engine, core, vm_sentinel
-- When to start the engine next, why the last attempt failed, and the pause
-- after the next failure.
local attempt_at_ms, last_error
local backoff_s = 1


local function drain_log(write)
    local lines = core.drain_log(MAX_LINES)
    for index = 1, #lines do
        write(lines[index][1], lines[index][2])
    end
end


-- Writes a line as nginx does, without its functions. nginx's standard error is
-- the error log.
local function log_without_nginx(level, text)
    local pid = ngx.worker.pid()
    io.stderr:write(os.date("%Y/%m/%d %H:%M:%S"), " [", LEVELS[level], "] ",
                    pid, "#", pid, ": vrrp: ", text, "\n")
end


local function start(board, json)
    local loaded
    loaded, core = pcall(require, "resty.vrrp.core")
    if not loaded then
        local err = tostring(core)
        core = nil
        return nil, "the native library cannot be loaded: " .. err
    end
    local path = "/proc/self/fd/"
    local ran, started, err = pcall(core.start, json, path .. board.fd,
                                    path .. board.page_fd,
                                    board.header.master_pid, checks.planned(),
                                    library.guard())
    if not ran then
        return nil, tostring(started)
    end
    return started, err
end


-- Drops the rights that only the engine needs from the main thread. The
-- engine's own threads have started already and keep theirs.
--
-- With only_lent, rights that nginx has for other reasons stay: those of root,
-- and CAP_NET_RAW alone, which nginx keeps for transparent proxying.
function _M.drop_rights(only_lent)
    local header = ffi.new("resty_vrrp_cap_header")
    local data = ffi.new("resty_vrrp_cap_data[2]")
    header.version = LINUX_CAPABILITY_VERSION_3
    local failed = C.resty_vrrp_capget(header, data) ~= 0
    if only_lent and (C.resty_vrrp_geteuid() == 0
                      or bit.band(data[0].permitted, CAP_NET_ADMIN) == 0) then
        return
    end
    data[0].effective = bit.band(data[0].effective, NOT_NETWORK)
    data[0].permitted = bit.band(data[0].permitted, NOT_NETWORK)
    data[0].inheritable = bit.band(data[0].inheritable, NOT_NETWORK)
    if failed or C.resty_vrrp_capset(header, data) ~= 0 then
        log(ngx.WARN, "cannot drop the rights of a worker, errno "
                      .. ffi.errno())
    end
end


local function stop(write)
    if engine then
        engine:stop()
        engine = nil
        drain_log(write)
    end
end


-- Runs when nginx closes this Lua VM. The request of the last timer is freed by
-- then, and nginx's log functions would still read it.
local function stop_at_vm_end()
    stop(log_without_nginx)
end


-- Logs warnings about the weights of checks. All checks are known only now.
local function warn_of_weights(json)
    local names, weights = checks.weighted()
    if #names == 0 then
        return
    end
    for _, problem in ipairs(core.warnings_about(json, names, weights)) do
        log(ngx.WARN, problem)
    end
end


local function try_again_later(board, err)
    local hopeless = err:find("lacks CAP_", 1, true)
    if hopeless then
        err = err .. RIGHTS
    else
        attempt_at_ms = now_ms() + backoff_s * 1000
        backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)
    end
    board:set_engine(layout.FAILED, err)
    if err ~= last_error then
        last_error = err
        log(ngx.ERR, "the engine cannot start, nginx serves on: " .. err)
    end
    return hopeless
end


local function attempt(board, json)
    local header = board.header
    header.started_ms = now_ms()
    header.starts = header.starts + 1
    if not board:engine() then
        board:set_engine(layout.STARTING)
    end
    local err, hopeless
    engine, err = start(board, json)
    if engine then
        -- Lua collects the object that was made last before all others.
        vm_sentinel = newproxy(true)
        getmetatable(vm_sentinel).__gc = stop_at_vm_end
    else
        header.starts = 0
        hopeless = try_again_later(board, err)
    end
    if header.carrier == layout.WORKER and (engine or hopeless) then
        _M.drop_rights()
    end
    if engine then
        warn_of_weights(json)
    end
end


-- Returns the time to start the engine: now, or later if the last starts have
-- each ended their carrier.
local function first_attempt_ms(board)
    local crashes = tonumber(board.header.starts)
    if crashes < MOST_CRASHES then
        return now_ms()
    end
    local pause_s = min(2 ^ (crashes - MOST_CRASHES), LAST_BACKOFF_S)
    local err = "its start has ended the last " .. crashes
                .. " carriers within a second"
    board:set_engine(layout.FAILED, err)
    log(ngx.ERR, "the engine is not started for " .. pause_s
                 .. " s, nginx serves on: " .. err)
    return now_ms() + pause_s * 1000
end


-- Handles a graceful exit. The worker goes on serving open requests, but its
-- listening sockets are closed: the addresses must go.
local function leave(board)
    attempt_at_ms = nil
    if engine then
        engine:leave()
        events.finish(board)
    end
end


local function turn(board, json)
    local header = board.header
    header.carrier_beat_ms = now_ms()
    if attempt_at_ms and now_ms() >= attempt_at_ms then
        attempt_at_ms = nil
        attempt(board, json)
    end
    if engine and now_ms() - tonumber(header.started_ms) >= SETTLED_MS then
        header.starts = 0
    end
    events.forget(board)
    if core then
        drain_log(log)
    end
end


-- Starts the engine in this process, in the first turn of the event loop:
-- checks and callbacks may be added after this call in the same phase. The
-- status and the error log say if the engine does not start.
function _M.run(shared, json)
    local board, err = shared:writable()
    if not board then
        return log(ngx.ERR, "the engine cannot start, nginx serves on: " .. err)
    end
    local header = board.header
    header.master_pid = process.get_master_pid() or ngx.worker.pid()
    header.workers_total = ngx.worker.count()
    header.carrier_pid = ngx.worker.pid()
    header.carrier_beat_ms = now_ms()
    local has_begun = false
    -- The same interval as a worker's heartbeat has.
    local beat_s = header.worker_timeout_ms / 4000
    return pulse.every(min(TURN_S, beat_s), function(premature)
        if premature then
            return leave(board)
        end
        if has_begun then
            return turn(board, json)
        end
        has_begun = true
        events.run(board)
        checks.run(function() return engine end)
        attempt_at_ms = first_attempt_ms(board)
        turn(board, json)
    end)
end


-- Stops the engine if this process carries one: it resigns and removes its
-- addresses. Takes at most 2.5 seconds. A second call does nothing.
function _M.stop()
    stop(log)
end


return _M

-- VRRP inside nginx: election and takeover of virtual addresses.

local board_module = require "resty.vrrp.board"
local ffi = require "ffi"
local layout = require "resty.vrrp.layout"
local log_module = require "resty.vrrp.log"
-- A module that has loaded it before may have enabled the agent, too.
local agent_is_shared = package.loaded["ngx.process"] ~= nil
local process = require "ngx.process"
local events_page = require "resty.vrrp.events_page"
local pulse = require "resty.vrrp.pulse"
local text_module = require "resty.vrrp.text"

local C = ffi.C
local error = error
local get_phase = ngx.get_phase
local ipairs = ipairs
local log = log_module.write
local max = math.max
local min = math.min
local ngx = ngx
local on_one_line = text_module.on_one_line
local os_getenv = os.getenv
local process_type = process.type
local type = type
local worker_id = ngx.worker.id


-- nginx's clock: the milliseconds of CLOCK_MONOTONIC at the last turn of the
-- event loop.
ffi.cdef [[
extern uintptr_t resty_vrrp_current_msec __asm__("ngx_current_msec");
]]


local _M = { _VERSION = "0.1.0" }


local ACTIVE = layout.ACTIVE
local STATES = layout.STATES
local RUNNING = layout.RUNNING
-- The heartbeat of a living engine is at most so much older than nginx's time,
-- which may itself be as old.
local TIMEOUT_MS = 1ULL * board_module.engine_timeout_ms
local BOTH_MS = 2 * TIMEOUT_MS
local MAX_BEAT_MS = 500
local MIN_BEAT_MS = 25
-- nginx cuts an error message at 2048 bytes, which also hold a traceback and
-- the place of the error.
local MAX_MESSAGE = 1500
-- What RESTY_VRRP_CHECK may say.
local IS_CHECK = {
    ["1"] = true, ["true"] = true, yes = true, on = true,
    ["0"] = false, ["false"] = false, no = false, off = false, [""] = false,
}
local NO_MASTER = "master_process is off: nobody would start the carrier again,"
                  .. " and a reload would end it"

-- The board of this Lua VM, its header, its slots by name, and the options as
-- JSON.
local board, header, json
local slots = {}
-- Whether this worker has looked for the carrier once it must be there.
local has_looked = false


local function use(new_board)
    board = new_board
    header = new_board.header
    slots = new_board.by_name
end


-- A VM that did not run setup() uses the board that its process inherited: that
-- of the stream block, and with lua_code_cache off that of every request.
local function board_or_nil()
    if not board then
        local inherited = board_module.open()
        if get_phase() == "init" then
            -- The next generation, which is being made, has another board.
            return inherited
        end
        if inherited then
            use(inherited)
        end
    end
    return board
end


-- Raises an error in the stream block: the module works in the http block.
local function only_in_http(name)
    if ngx.config.subsystem ~= "http" then
        error(name .. "() must be called in the http block: it needs one beside"
              .. " stream, with init_by_lua_block, init_worker_by_lua_block and"
              .. " a location for the status", 3)
    end
end


-- Tells whether nginx was started to check the options, and for nothing else.
local function only_checks()
    return IS_CHECK[(os_getenv("RESTY_VRRP_CHECK") or ""):lower()]
end


-- What begins with "note: " asks for nothing.
local function warn(problems)
    for _, problem in ipairs(problems) do
        local is_note = problem:find("^note: ")
        if only_checks() then
            local kind = is_note and "" or "warning: "
            io.stderr:write("resty.vrrp: ", kind, on_one_line(problem), "\n")
        else
            log(is_note and ngx.NOTICE or ngx.WARN, problem)
        end
    end
end


local function fail(problem)
    local text = "resty.vrrp: " .. problem:gsub("[^\n]+", on_one_line)
    if only_checks() then
        io.stderr:write(text, "\n")
        os.exit(1)
    end
    if #text > MAX_MESSAGE then
        for line in problem:gmatch("[^\n]+") do
            log(ngx.ERR, line)
        end
    end
    return text
end


-- Returns the board and the slot of an instance; or nil and an error.
local function find(name)
    local current = board_or_nil()
    if not current then
        return nil, "setup() was not called"
    end
    local slot = current.by_name[name]
    if slot then
        return current, slot
    end
    if type(name) ~= "string" then
        error("the name of an instance must be a string, got " .. type(name), 3)
    end
    return nil, "no instance is named " .. name
end


-- Checks the options and prepares init_worker(). Options are a table, or the
-- path of a JSON file or of a keepalived.conf. To be called in init_by_lua*.
-- Raises an error that lists all problems: nginx does not start then, or
-- refuses the reload.
--
-- With RESTY_VRRP_CHECK=1 (or true, yes, on) in its environment nginx ends in
-- this function. Its exit status says whether the options are right. Of a
-- keepalived.conf it prints the call of setup() that does the same.
function _M.setup(options)
    only_in_http("setup")
    if get_phase() ~= "init" then
        error("setup() must be called in init_by_lua_block", 2)
    end
    local role = process_type()
    if only_checks() == nil then
        error(fail("RESTY_VRRP_CHECK in the environment must be 1, true, yes or"
                   .. " on; or 0, false, no, off or nothing; got "
                   .. os_getenv("RESTY_VRRP_CHECK")), 2)
    end
    if role == "single" then
        error(fail(NO_MASTER), 2)
    end
    if role ~= "master" then
        return
    end
    if type(options) ~= "table" and type(options) ~= "string" then
        error("options must be a table, or the path of a JSON file or of a"
              .. " keepalived.conf, got " .. type(options), 2)
    end
    if board then
        error("setup() must be called only once", 2)
    end

    local setup = require "resty.vrrp.setup"
    local made, checked = setup.run(options, agent_is_shared)
    if not made then
        error(fail(checked), 2)
    end
    warn(checked.warnings)
    if only_checks() then
        io.stdout:write(checked.setup)
        io.stderr:write("resty.vrrp: ", setup.describe(made), "\n")
        os.exit(0)
    end
    use(made)
    json = checked.json
end


-- Logs, in one worker, that the carrier has not begun: it cannot say so itself.
local function look_for_carrier(id)
    local witness = header.carrier == layout.AGENT and 0 or 1
    local missing = id == witness and board:missing_carrier()
    if missing then
        log(ngx.ERR, "the engine has not started, nginx serves on: " .. missing)
    end
    has_looked = missing or header.carrier_beat_ms ~= 0
end


local function beat(premature)
    local id = worker_id()
    if premature then
        board:leave(id)
        return
    end
    board:beat(id)
    events_page.recount(board)
    if not has_looked then
        look_for_carrier(id)
    end
end


-- Starts the heartbeat of a worker, and the engine in the process that carries
-- it. To be called in init_worker_by_lua*.
function _M.init_worker()
    only_in_http("init_worker")
    if get_phase() ~= "init_worker" then
        error("init_worker() must be called in init_worker_by_lua_block", 2)
    end
    local role = process_type()
    if role == "single" and board then
        -- The directive follows the http block: setup() could not know it.
        local writable = board:writable()
        if writable then
            writable:set_engine(layout.FAILED, NO_MASTER)
        end
        log(ngx.ERR, "the engine cannot start, nginx serves on: " .. NO_MASTER)
        return
    end
    local is_agent = role == "privileged agent"
    if not is_agent and role ~= "worker" then
        return
    end
    if not board then
        error("init_worker() needs setup() in init_by_lua_block", 2)
    end

    board:begin()
    local id = worker_id() or 0
    if not is_agent then
        board:note_user()
        -- The worker before this one has taken its clients along.
        board:set_listeners(id, 0)
        beat(false)
        local interval_ms = min(header.worker_timeout_ms / 4, MAX_BEAT_MS)
        pulse.every(max(interval_ms, MIN_BEAT_MS) / 1000, beat)
    end

    local by_agent = header.carrier == layout.AGENT
    if by_agent and is_agent or not by_agent and not is_agent and id == 0 then
        require("resty.vrrp.carrier").run(board, json)
    elseif not is_agent then
        require("resty.vrrp.carrier").drop_rights(by_agent)
    end
end


-- Stops the engine if this process carries it. To be called in
-- exit_worker_by_lua*. Optional: without it the engine stops a moment later,
-- when nginx closes the Lua VM.
function _M.exit_worker()
    only_in_http("exit_worker")
    if get_phase() ~= "exit_worker" then
        error("exit_worker() must be called in exit_worker_by_lua_block", 2)
    end
    if board then
        require("resty.vrrp.carrier").stop()
    end
end


-- Calls fn(event) once for every change of state on this node, in order, in
-- the process that carries the engine, with its rights. To be called in
-- init_by_lua* or init_worker_by_lua*.
function _M.on_state(fn)
    only_in_http("on_state")
    local phase = get_phase()
    if phase ~= "init" and phase ~= "init_worker" then
        error("on_state() must be called in init_by_lua_block or"
              .. " init_worker_by_lua_block", 2)
    end
    if type(fn) ~= "function" then
        error("on_state() needs a function, got " .. type(fn), 2)
    end
    require("resty.vrrp.events").subscribe(fn)
end


-- Adds a health check: fn() is called at an interval in the process that
-- carries the engine, with its rights. It returns true, or nil and the reason
-- why this nginx does not serve as it should. Its verdict counts for the whole
-- node. opts: interval_ms, timeout_ms, fall, rise, and weight, which lowers
-- priorities instead of being a fault. To be called in init_by_lua* or
-- init_worker_by_lua*.
function _M.check(name, fn, opts)
    only_in_http("check")
    local phase = get_phase()
    if phase ~= "init" and phase ~= "init_worker" then
        error("check() must be called in init_by_lua_block or"
              .. " init_worker_by_lua_block", 2)
    end
    local ok, err = require("resty.vrrp.checks").add(name, fn, opts)
    if not ok then
        error(err, 2)
    end
end


-- Returns "initialize", "backup", "active" or "fault"; or nil and an error
-- if no instance has this name or the engine does not run.
function _M.state(name)
    local current, slot = find(name)
    if not current then
        return nil, slot
    end
    local running, err = current:engine()
    if not running then
        return nil, "the engine is not running: " .. err
    end
    return STATES[slot.state]
end


local function is_active_slowly(name)
    local current, slot = find(name)
    if not current then
        return nil, slot
    end
    return current:engine() == true and slot.state == ACTIVE
end


-- Tells whether an instance is active on this node, as state() does. Takes a
-- few nanoseconds and allocates nothing. Returns nil and an error if no
-- instance has this name.
function _M.is_active(name)
    local slot = slots[name]
    if not slot then
        return is_active_slowly(name)
    end
    if slot.state ~= ACTIVE then
        return false
    end
    -- A heartbeat that the guard has marked is one of the far future.
    local age_ms = C.resty_vrrp_current_msec + TIMEOUT_MS
                   - header.engine_beat_ms
    if header.engine_state == RUNNING and age_ms <= BOTH_MS then
        return true
    end
    return is_active_slowly(name)
end


local function ask(request)
    local current = board_or_nil()
    if not current then
        return nil, "setup() was not called"
    end
    local ok, err = require("resty.vrrp.control").ask(current, request)
    if not ok then
        return nil, "the engine is not running: " .. err
    end
    return true
end


-- Gives the addresses away and stays away from them, over reloads too. This
-- node goes on answering until another one has them. Returns at once.
function _M.drain()
    return ask(layout.DRAIN)
end


-- Takes part in the election again.
function _M.undrain()
    return ask(layout.UNDRAIN)
end


-- Returns the status as a table; what is not known is ngx.null.
function _M.status()
    local current = board_or_nil()
    if not current then
        return nil, "setup() was not called"
    end
    return require("resty.vrrp.status").read(current)
end


-- Answers the current request: the last part of its path decides.
function _M.serve()
    only_in_http("serve")
    if get_phase() ~= "content" then
        error("serve() must be called in content_by_lua_block", 2)
    end
    local current = board_or_nil()
    if not current then
        error("serve() needs setup() in init_by_lua_block", 2)
    end
    return require("resty.vrrp.endpoint").serve(current)
end


return _M

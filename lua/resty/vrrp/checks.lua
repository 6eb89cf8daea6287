-- Health checks in Lua. They run in the process that carries the engine, each
-- in a timer of its own. Two calls of one check never run at the same time.

local log_module = require "resty.vrrp.log"
local text_module = require "resty.vrrp.text"

local kill = ngx.thread.kill
local log = log_module.write
local ngx = ngx
local pcall = pcall
local sleep = ngx.sleep
local spawn = ngx.thread.spawn
local timer_at = ngx.timer.at
local timer_every = ngx.timer.every
local tostring = tostring
local type = type
local wait = ngx.thread.wait


local _M = {}


-- The board has room for no more.
local MAX_CHECKS = 12
local MAX_NAME = 31
local OPTIONS = {
    interval_ms = { 50, 3600000, 1000 },
    timeout_ms = { 10, 3600000 },
    fall = { 1, 100, 1 },
    rise = { 1, 100, 1 },
    weight = { -253, -1 },
}
local TAKEN = { interface = true, primary_address = true, workers = true,
                probe = true }
-- What the engine's own checks begin with.
local TAKEN_FIRST_WORDS = { track = true, reach = true }

local checks = {}


-- Tells whether a text can be shown unchanged by the status and the log.
local function is_printable(text)
    return text_module.is_utf8(text) and text_module.on_one_line(text) == text
end


local function whole(name, value)
    local range = OPTIONS[name]
    if value == nil then
        return range[3]
    end
    if type(value) ~= "number" or value % 1 ~= 0 or value < range[1]
       or value > range[2] then
        return nil, "opts." .. name .. " must be a whole number from "
                    .. range[1] .. " to " .. range[2]
    end
    return value
end


local function read(opts)
    local check = {}
    for name in pairs(opts) do
        if not OPTIONS[name] then
            return nil, "opts." .. tostring(name) .. " is not known: there are"
                        .. " interval_ms, timeout_ms, fall, rise, weight"
        end
    end
    for name in pairs(OPTIONS) do
        local value, err = whole(name, opts[name])
        if err then
            return nil, err
        end
        check[name] = value
    end
    check.timeout_ms = check.timeout_ms or check.interval_ms
    return check
end


-- Adds a check, or returns nil and the problem.
function _M.add(name, fn, opts)
    if type(name) ~= "string" or name == "" or #name > MAX_NAME
       or not is_printable(name) then
        return nil, "the name of a check must be a string of 1 to " .. MAX_NAME
                    .. " bytes of UTF-8 without control characters"
    end
    if type(fn) ~= "function" then
        return nil, "a check needs a function, got " .. type(fn)
    end
    if opts ~= nil and type(opts) ~= "table" then
        return nil, "opts must be a table, got " .. type(opts)
    end
    for index = 1, #checks do
        if checks[index].name == name then
            return nil, "there is a check of this name already: " .. name
        end
    end
    local taken = TAKEN[name] or TAKEN_FIRST_WORDS[name:match("^(%a+) ")]
    if taken or #checks == MAX_CHECKS then
        return nil, taken and "this name is taken: " .. name
                    or "more than " .. MAX_CHECKS .. " checks"
    end
    local check, err = read(opts or {})
    if not check then
        return nil, err
    end
    check.name, check.fn, check.streak = name, fn, 0
    checks[#checks + 1] = check
    return true
end


-- Returns the reason that a check gave as a text. Never raises.
local function reason(value)
    local ran, text = pcall(tostring, value)
    return ran and type(text) == "string" and text or "a " .. type(value)
end


local function call(fn)
    local ran, ok, err = pcall(fn)
    if not ran then
        return false, reason(ok)
    end
    if ok then
        return true
    end
    return false, err ~= nil and reason(err) or "it returned " .. tostring(ok)
end


local function expire(timeout_ms)
    sleep(timeout_ms / 1000)
    return nil
end


-- Returns whether the check succeeded, and the reason if not. After a missed
-- deadline it returns nil, nil, and the thread if that cannot be killed.
local function examine(check)
    local work = spawn(call, check.fn)
    local clock = spawn(expire, check.timeout_ms)
    local _, ok, err = wait(work, clock)
    if ok ~= nil then
        kill(clock)
        return ok, err
    end
    return nil, nil, not kill(work) and work or nil
end


-- Turns answers into a verdict: the first answer counts at once, later ones
-- only if there are enough of the same kind in a row.
local function judge(check, ok, err)
    if check.ok == ok then
        check.streak = 0
        check.detail = err
        return
    end
    check.streak = check.streak + 1
    local needed = check.ok == nil and 1 or ok and check.rise or check.fall
    if check.streak < needed then
        return
    end
    local first = check.ok == nil
    check.ok, check.detail, check.streak = ok, err, 0
    if not ok then
        log(ngx.WARN, "check " .. check.name .. " fails: " .. err)
    elseif not first then
        log(ngx.NOTICE, "check " .. check.name .. " is well again")
    end
end


local function report(check, ok, err, engine)
    judge(check, ok, err)
    if not engine then
        return
    end
    -- An error must not end the timer of the check.
    local taken, problem = pcall(engine.set_check, engine, check.name, check.ok,
                                 check.weight, check.detail or "")
    if not taken and not check.is_refused then
        log(ngx.ERR, "the engine refuses the verdict of check " .. check.name
                     .. ": " .. reason(problem))
    end
    check.is_refused = not taken
end


local function late(check)
    return "no answer within " .. check.timeout_ms .. " ms"
end


local function turn(premature, check, get_engine)
    if premature then
        return
    end
    if check.busy then
        -- A call that cannot be killed fails at each interval.
        check.turns = check.turns + 1
        if check.is_late then
            report(check, false, late(check), get_engine())
        elseif check.turns > check.timeout_ms / check.interval_ms + 2 then
            -- ngx.exit() ends the whole timer, with the code that waits for fn.
            check.busy = false
            report(check, false, "it ended without an answer", get_engine())
        end
        return
    end

    local engine = get_engine()
    if engine and check.ok == nil then
        -- The verdict of the previous engine: one answer confirms it, but it
        -- takes as many as usual to turn it.
        check.ok, check.detail = engine:verdict(check.name)
    end
    check.busy, check.turns = true, 0
    local ran, ok, err, work = pcall(examine, check)
    if not ran then
        ok, err = false, reason(ok)
    elseif ok == nil then
        ok, err = false, late(check)
    end
    report(check, ok, err, get_engine())
    if work then
        check.is_late = true
        wait(work)
        check.is_late = false
    end
    check.busy = false
end


-- Returns the names of the checks that have a weight, and their weights.
function _M.weighted()
    local names, weights = {}, {}
    for index = 1, #checks do
        local check = checks[index]
        if check.weight then
            names[#names + 1] = check.name
            weights[#weights + 1] = check.weight
        end
    end
    return names, weights
end


-- Returns the checks that an engine will get verdicts of.
function _M.planned()
    return checks
end


-- Runs every check now, and then at its interval.
function _M.run(get_engine)
    for index = 1, #checks do
        local check = checks[index]
        timer_at(0, turn, check, get_engine)
        timer_every(check.interval_ms / 1000, turn, check, get_engine)
    end
end


return _M

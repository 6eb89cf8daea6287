-- Runs once for each configuration, in the master before it forks: checks the
-- options, makes the board, chooses the carrier.

local board_module = require "resty.vrrp.board"
local check = require "resty.vrrp.check"
local ffi = require "ffi"
local json = require "resty.vrrp.json"
local layout = require "resty.vrrp.layout"
local library = require "resty.vrrp.library"
local process = require "ngx.process"
local text_module = require "resty.vrrp.text"

-- The workers' modules are loaded in the master: files that are installed later
-- belong to the next configuration.
require "resty.vrrp.carrier"
require "resty.vrrp.control"
require "resty.vrrp.endpoint"
require "resty.vrrp.status"

local format = string.format
local min = math.min
local ngx = ngx
local type = type


local _M = {}


-- Connections of the privileged agent; each of our timers and sockets takes
-- one, and each costs half a kilobyte whether it is used or not. The last call
-- of enable_privileged_agent() decides: no other module is known to ask for
-- more than MOST_CONNECTIONS.
local CONNECTIONS = 1024
local MOST_CONNECTIONS = 4096


local function absolute(path)
    return path:sub(1, 1) == "/" and path or ngx.config.prefix() .. path
end


local function to_json(options)
    local text, err = json.encode(options)
    if not text then
        return nil, "the options are wrong:\n" .. err
    end
    return text
end


local function choose_carrier(wanted, agent_is_shared)
    if wanted == "worker" then
        return layout.WORKER
    end
    local connections = agent_is_shared and MOST_CONNECTIONS or CONNECTIONS
    local ok, err = process.enable_privileged_agent(connections)
    if ok then
        return layout.AGENT
    end
    if wanted == "agent" then
        return nil, "carrier: this nginx has no privileged agent (" .. err
                    .. "); use OpenResty, or carrier = \"worker\""
    end
    return layout.WORKER
end


-- Fills what the check of the options leaves empty, and returns the board in
-- its final form.
local function finish(board, carrier, server, previous)
    board:begin()
    local header = board.header
    header.generation = 1
    header.carrier = carrier
    ffi.copy(header.nginx,
             text_module.cut(server, ffi.sizeof(header.nginx) - 1))
    if previous then
        header.generation = min(previous.header.generation, 2 ^ 31) + 1
        board:carry_over(previous)
    end
    return board:publish(carrier == layout.AGENT)
end


-- Returns the board, and what the options are.
local function make_board(options, is_file, agent_is_shared)
    library.find()
    local fd, page_fd = board_module.create()
    if not fd then
        return nil, page_fd
    end
    local board, carrier
    local checked, err = check.run(options, is_file, fd, page_fd)
    if checked then
        carrier, err = choose_carrier(checked.carrier, agent_is_shared)
    end
    if carrier then
        board, err = board_module.map(fd, page_fd)
    end
    if board then
        -- The board of the VM that this one replaces. nginx closes that VM
        -- after the reload.
        local previous = board_module.find()
        board, err = finish(board, carrier, checked.server, previous)
        if board then
            -- The earlier engine waits a moment for its successor when it
            -- stops.
            board_module.set_superseded(previous, 1)
            return board, checked
        end
    end
    board_module.discard(fd, page_fd)
    return nil, err
end


-- Returns the board, and a table: the options as json and, if they come from a
-- keepalived.conf, as a call of setup, and a list of warnings; or nil and all
-- problems of the options. agent_is_shared says that another module may use the
-- privileged agent, too.
function _M.run(options, agent_is_shared)
    if type(options) == "string" then
        -- The child reads it: the master knows no other format than JSON.
        return make_board(absolute(options), true, agent_is_shared)
    end
    local text, err = to_json(options)
    if not text then
        return nil, err
    end
    local board, checked = make_board(text, false, agent_is_shared)
    if board then
        checked.json = text
    end
    return board, checked
end


-- Returns a summary of a configuration that was accepted.
function _M.describe(board)
    local header = board.header
    return format("configuration is valid: %d instances, %d addresses,"
                  .. " carrier: %s", #board.instances, board.count.addresses,
                  header.carrier == layout.AGENT and "privileged agent"
                  or "worker")
end


return _M

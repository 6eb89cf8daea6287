-- GET …/events: the status as it changes, as server-sent events.
--
-- A client can go without a word, and nginx notices only when it sends: so each
-- message waits until the one before has left, and one comes each second.

local answer = require "resty.vrrp.answer"
local changes = require "resty.vrrp.changes"
local clock = require "resty.vrrp.clock"
local log = require "resty.vrrp.log"

local exiting = ngx.worker.exiting
local next = next
local ngx = ngx
local now_ms = clock.now_ms
local pairs = pairs
local pcall = pcall
local sleep = ngx.sleep
local tostring = tostring
local worker_id = ngx.worker.id


local _M = {}


-- Clients of the node.
local MAX_CLIENTS = 200
local RETRY_S = 30
-- A client that has not been seen for so long is gone: nginx waits for its
-- socket for send_timeout, 60 s unless configured.
local GONE_MS = 90000
-- How long a browser waits before it comes back.
local FIRST = "retry: 1000\n\n"

-- The clients of this worker, and when each counts as gone. nginx can end a
-- request without another word to Lua.
local clients = {}
-- What has changed, as long as somebody listens.
local shared


-- Counts the clients of this worker without those that are gone. Returns how
-- many there are of all workers.
local function count_clients(board)
    local count, now = 0, now_ms()
    for client, gone_ms in pairs(clients) do
        if gone_ms < now then
            clients[client] = nil
        else
            count = count + 1
        end
    end
    board:set_listeners(worker_id(), count)
    return board:count_listeners()
end


-- As count_clients(), for the heartbeat: clients can be gone without a request
-- after which they would be counted.
function _M.recount(board)
    if next(clients) then
        count_clients(board)
    end
end


local function changes_of(board)
    if not shared or shared.board ~= board then
        shared = changes.new(board)
    end
    return shared
end


local function send(text)
    return ngx.print(text) and ngx.flush(true)
end


-- Sends what is newer than turn number since.
local function send_changes(feed, since)
    local text, place = feed:first_message(since)
    while send(text) do
        if not place then
            return true
        end
        text, place = feed:message(since, place)
    end
    return false
end


-- Sends until the client is gone, or this worker is about to be.
local function talk(client, board)
    local feed = changes_of(board)
    local since = 0
    if not send(FIRST) then
        return
    end
    while not exiting() do
        clients[client] = now_ms() + GONE_MS
        local pause_s = feed:turn()
        if feed.number > since then
            local number = feed.number
            if not send_changes(feed, since) then
                return
            end
            since = number
        else
            sleep(pause_s)
        end
    end
end


function _M.serve(board)
    if ngx.is_subrequest then
        -- Who has captured it waits for an end that never comes, and nginx
        -- keeps for him all that was said.
        return answer.refuse(ngx.HTTP_BAD_REQUEST,
                             "events are for a client, not for a subrequest")
    end
    local version = ngx.req.http_version()
    if version and version < 1.1 then
        return answer.refuse(505, "events need HTTP/1.1 or later; behind a"
                                  .. " proxy: proxy_http_version 1.1")
    end
    if count_clients(board) >= MAX_CLIENTS then
        ngx.header["Retry-After"] = RETRY_S
        return answer.refuse(ngx.HTTP_SERVICE_UNAVAILABLE,
                             MAX_CLIENTS .. " clients listen already")
    end
    ngx.header["Content-Type"] = "text/event-stream"
    ngx.header["Cache-Control"] = "no-store"
    ngx.header["X-Accel-Buffering"] = "no"
    ngx.header["X-Content-Type-Options"] = "nosniff"
    if ngx.req.get_method() == "HEAD" then
        return ngx.send_headers()
    end

    local client = {}
    clients[client] = now_ms() + GONE_MS
    count_clients(board)
    local ok, err = pcall(talk, client, board)
    clients[client] = nil
    count_clients(board)
    if not next(clients) then
        shared = nil
    end
    if not ok then
        log.write(ngx.ERR, tostring(err))
    end
end


return _M

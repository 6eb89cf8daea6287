-- Answers HTTP requests under any prefix: the last segment of the path decides.

local json = require "resty.vrrp.json"
local layout = require "resty.vrrp.layout"
local requests = require "resty.vrrp.control"
local status = require "resty.vrrp.status"

local ipairs = ipairs
local ngx = ngx
local type = type


local _M = {}


-- Sends a JSON text that is given in pieces.
local function send(code, pieces)
    local length = 0
    for _, piece in ipairs(pieces) do
        length = length + #piece
    end
    ngx.status = code
    ngx.header["Content-Type"] = "application/json"
    ngx.header["Content-Length"] = length
    ngx.header["Cache-Control"] = "no-store"
    ngx.print(pieces)
end


local function answer(code, value)
    return send(code, { json.show(value), "\n" })
end


local function refuse(code, problem)
    return answer(code, { error = problem })
end


-- Encodes one instance after the other: the tables of a thousand take ten
-- times the memory of their text, and this process may carry the engine.
local function show_status(board)
    local node, next_instance = status.walk(board)
    local pieces = { '{"version":' .. status.VERSION .. ',"node":',
                     json.show(node), ',"instances":[' }
    local separator = ""
    for instance in next_instance do
        pieces[#pieces + 1] = separator
        pieces[#pieces + 1] = json.show(instance)
        separator = ","
    end
    pieces[#pieces + 1] = "]}\n"
    return send(ngx.HTTP_OK, pieces)
end


local function is_state(word)
    for _, name in pairs(layout.STATES) do
        if word == name then
            return true
        end
    end
    return false
end


local function show_health(board)
    local arguments = ngx.req.get_uri_args()
    local name, wanted = arguments.instance, arguments.state
    if wanted ~= nil and name == nil then
        return refuse(ngx.HTTP_BAD_REQUEST,
                      "state is asked of one instance: instance=NAME&state=…")
    end
    if wanted ~= nil and not is_state(wanted) then
        return refuse(ngx.HTTP_BAD_REQUEST,
                      "state is initialize, backup, active or fault")
    end
    if name ~= nil and (type(name) ~= "string" or not board.by_name[name]) then
        return refuse(ngx.HTTP_NOT_FOUND, "no instance has this name")
    end

    local healthy, reason = status.is_healthy(board, name, wanted)
    if healthy then
        return answer(ngx.HTTP_OK, { healthy = true })
    end
    return answer(ngx.HTTP_SERVICE_UNAVAILABLE,
                  { healthy = false, reason = reason })
end


-- Tells whether the page of a web site has a browser send this request. A
-- browser says so in every POST, and no page can keep it from that.
local function is_sent_by_a_page()
    local site = ngx.var.http_sec_fetch_site
    return ngx.var.http_origin ~= nil or site ~= nil and site ~= "none"
end


local function control(board, request)
    if is_sent_by_a_page() then
        return refuse(ngx.HTTP_FORBIDDEN,
                      "a web page must not ask for this: the request has the"
                      .. " header Origin or Sec-Fetch-Site")
    end
    if board.header.control ~= 1 then
        return refuse(ngx.HTTP_FORBIDDEN,
                      "not enabled: setup() needs control = true")
    end
    local ok, err = requests.ask_and_wait(board, request)
    if not ok then
        return refuse(ngx.HTTP_SERVICE_UNAVAILABLE, err)
    end
    return answer(ngx.HTTP_OK, { draining = board.header.draining == 1 })
end


local function drain(board)
    return control(board, layout.DRAIN)
end


local function undrain(board)
    return control(board, layout.UNDRAIN)
end


local PAGES = {
    status = show_status,
    healthz = show_health,
}


local ACTIONS = {
    drain = drain,
    undrain = undrain,
}


-- Answers the current request.
function _M.serve(board)
    local name = ngx.var.uri:match("([^/]*)$")
    local page, action = PAGES[name], ACTIONS[name]
    if not page and not action then
        return refuse(ngx.HTTP_NOT_FOUND,
                      "known requests: status, healthz, drain, undrain")
    end
    local method = ngx.req.get_method()
    if action and method ~= "POST" then
        ngx.header["Allow"] = "POST"
        return refuse(ngx.HTTP_NOT_ALLOWED, "only POST")
    end
    if page and method ~= "GET" and method ~= "HEAD" then
        ngx.header["Allow"] = "GET, HEAD"
        return refuse(ngx.HTTP_NOT_ALLOWED, "only GET and HEAD")
    end
    return (page or action)(board)
end


return _M

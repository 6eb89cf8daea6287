-- GET …/status: the status as JSON.

local answer = require "resty.vrrp.answer"
local json = require "resty.vrrp.json"
local pace = require "resty.vrrp.pace"
local status = require "resty.vrrp.status"

local ngx = ngx


local _M = {}


-- Encodes one instance after the other: the tables of a thousand take ten
-- times the memory of their text, and this process may carry the engine.
function _M.serve(board)
    local node, next_instance = status.walk(board)
    local pieces = { '{"version":' .. status.VERSION .. ',"node":',
                     json.show(node), ',"instances":[' }
    local separator = ""
    local breathe = pace.new()
    for instance in next_instance do
        pieces[#pieces + 1] = separator
        pieces[#pieces + 1] = json.show(instance)
        separator = ","
        breathe()
    end
    pieces[#pieces + 1] = "]}\n"
    return answer.send(ngx.HTTP_OK, "application/json", pieces)
end


return _M

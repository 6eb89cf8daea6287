-- GET …/metrics: the metrics in the text format of Prometheus.

local answer = require "resty.vrrp.answer"
local exposition = require "resty.vrrp.exposition"
local keepalived_metrics = require "resty.vrrp.keepalived_metrics"
local metrics = require "resty.vrrp.metrics"
local pace = require "resty.vrrp.pace"

local ngx = ngx


local _M = {}


local KEEPALIVED = "keepalived"


-- With compat=keepalived the metrics have the names that dashboards for
-- keepalived ask for.
function _M.serve(board)
    local compat = ngx.req.get_uri_args().compat
    if compat ~= nil and compat ~= KEEPALIVED then
        return answer.refuse(ngx.HTTP_BAD_REQUEST, "compat is " .. KEEPALIVED
                             .. ", or left out")
    end
    local names = compat and keepalived_metrics or metrics
    local pieces = names.read(board, pace.new())
    return answer.send(ngx.HTTP_OK, exposition.CONTENT_TYPE, pieces)
end


return _M
